// Reads an answer that came compressed.
import zlib from "node:zlib";

/** The text of a body as its content-encoding says. Throws for one that is not known, or unpacks to too much. */
export function decoded(body: Buffer, encoding: string | undefined, maxOutputLength: number): string {
  const limit = { maxOutputLength };
  switch (encoding) {
    case undefined:
    case "":
    case "identity":
      return body.toString("utf8");
    case "gzip":
    case "x-gzip":
      return zlib.gunzipSync(body, limit).toString("utf8");
    case "deflate":
      return zlib.inflateSync(body, limit).toString("utf8");
    case "br":
      return zlib.brotliDecompressSync(body, limit).toString("utf8");
    case "zstd":
      return zlib.zstdDecompressSync(body, limit).toString("utf8");
    default:
      throw new Error("unknown encoding");
  }
}
