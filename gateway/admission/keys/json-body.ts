// Reads a small JSON body of a request that is answered here.
import type { IncomingMessage } from "node:http";
import { GatewayError } from "../../errors.ts";

const mostBytes = 64 * 1024;

/**
 * The value, or `undefined` for a body that may be empty and is. Only what says that it is JSON is taken: that a page
 * of another origin cannot send unasked. Rejects with a GatewayError.
 */
export async function readJson(req: IncomingMessage, { mayBeEmpty = false } = {}): Promise<unknown> {
  const text = (await whole(req)).toString("utf8");
  if (text === "" && mayBeEmpty) return undefined;
  if (!/^application\/json\s*(?:;|$)/i.test(req.headers["content-type"] ?? ""))
    throw new GatewayError("invalid_json", "Send the body as JSON, with content-type: application/json.");
  try {
    return JSON.parse(text);
  } catch {
    throw new GatewayError("invalid_json");
  }
}

/** What is too much is left for whoever answers to read away. */
function whole(req: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const take = (chunk: Buffer) => {
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes <= mostBytes) return;
      req.off("data", take);
      reject(new GatewayError("body_too_large"));
    };
    req.on("data", take);
    req.once("end", () => resolve(Buffer.concat(chunks)));
    // Whoever left gets no answer.
    req.once("close", () => reject(new GatewayError("invalid_json")));
  });
}
