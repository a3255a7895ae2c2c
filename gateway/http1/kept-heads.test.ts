import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { wire } from "../testing/wire.ts";

setFlagsFromString("--expose-gc");
const collect: unknown = runInNewContext("gc");

/** Bytes of live memory. */
function live(): number {
  if (typeof collect !== "function") throw new Error("no garbage collector to ask");
  collect();
  return process.memoryUsage().heapUsed;
}

const length = 40_000;
const head = `HTTP/1.1 200 OK\r\ncontent-length: 10\r\nx-name-of-some-length: ${"v".repeat(length)}\r\n\r\n`;

test("an answer that streams for minutes keeps nothing of its head", async () => {
  const streams = 50;
  await using backend = await wire((socket) => void socket.write(`${head}hello`));
  const before = live();
  for (let i = 0; i < streams; i += 1) {
    const connection = backend.transport.acquire();
    await new Promise<void>((resolve, reject) => {
      const asker = { asking() {}, head() {}, data: () => resolve(), whole() {}, failed: reject };
      connection?.send({ method: "GET", path: "/", headers: [], body: null }, asker, { firstByte: 0, idle: 0 });
    });
  }
  expect((live() - before) / streams).toBeLessThan(length / 2);
});
