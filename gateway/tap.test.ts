import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { AnswerReader } from "./receivers/receiver.ts";
import { isReadable, type Tap, tap } from "./tap.ts";

/** Keeps what it reads; throws where `bad` says so. */
function reader(bad: "read" | "finish" | "nothing" = "nothing") {
  const chunks: Buffer[] = [];
  let length = 0;
  const self: AnswerReader = {
    sawToken: false,
    read(chunk) {
      if (bad === "read") throw new Error("no");
      if (length < 1_000_000) chunks.push(Buffer.from(chunk));
      length += chunk.length;
    },
    finish() {
      if (bad === "finish") throw new Error("no");
      return { ended: true };
    },
  };
  return { self, text: () => Buffer.concat(chunks).toString(), length: () => length };
}

const decoded = (one: Tap) => new Promise<void>((resolve) => one.decoded(resolve));

describe("what is seen", () => {
  const packed: [string, Buffer][] = [
    ["gzip", gzipSync("hello")],
    ["X-GZIP ", gzipSync("hello")],
    ["deflate", deflateSync("hello")],
    ["br", brotliCompressSync("hello")],
    ["zstd", zstdCompressSync(Buffer.from("hello"))],
    ["identity", Buffer.from("hello")],
    ["", Buffer.from("hello")],
  ];
  test.each(packed)("is read, encoded as '%s', whatever the borders", async (encoding, bytes) => {
    const { self, text } = reader();
    const one = tap({ reader: self, encoding, failed: () => {} });
    for (const byte of bytes) one.see(Buffer.from([byte]));
    await decoded(one);
    expect([text(), one.finish(), isReadable(encoding)]).toEqual(["hello", { ended: true }, true]);
  });

  test.each(packed.slice(0, 5))(
    "does not hold up the record where more stands behind its end: %s",
    async (encoding, bytes) => {
      const { self } = reader();
      const one = tap({ reader: self, encoding, failed: () => {} });
      one.see(Buffer.concat([bytes, Buffer.from("something behind")]));
      one.see(Buffer.from("and more"));
      await decoded(one);
      expect(one.finish()).toEqual({ ended: true });
    },
  );

  test.each(["compress", "gzip, gzip", "constructor"])(
    "is left alone in an encoding that is not known: %s",
    async (encoding) => {
      const { self, length } = reader();
      const one = tap({ reader: self, encoding, failed: () => {} });
      one.see(Buffer.from("x"));
      await decoded(one);
      expect([length(), isReadable(encoding)]).toEqual([0, false]);
    },
  );

  test("of an encoding that breaks off is what came before", async () => {
    const { self, text } = reader();
    const one = tap({ reader: self, encoding: "gzip", failed: () => {} });
    one.see(gzipSync("hello").subarray(0, -6));
    await decoded(one);
    expect([text(), one.finish()]).toEqual(["hello", { ended: true }]);
  });

  test("is given up where it would unpack without end", async () => {
    const { self, length } = reader();
    const one = tap({ reader: self, encoding: "gzip", failed: () => {} });
    one.see(gzipSync(Buffer.alloc(400_000_000)));
    await decoded(one);
    expect(length()).toBeLessThanOrEqual(256 * 1024 * 1024);
  });
});

test.each(["read", "finish"] as const)("a reader that throws in %s is told of once, and then left alone", (where) => {
  const errors: unknown[] = [];
  const one = tap({ reader: reader(where).self, encoding: undefined, failed: (error) => errors.push(error) });
  one.see(Buffer.from("a"));
  one.see(Buffer.from("b"));
  expect(one.finish()).toBeUndefined();
  expect(errors).toHaveLength(1);
});
