// The connection to Redis when the other end says nothing: it is given up and made anew, and an end is an end.
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { noRedis, redisServer } from "../testing/redis.ts";
import { redis } from "./redis.ts";

const stalledMillis = 100;

/** Takes connections and says nothing to the first of them; the others it greets, as Redis does, and answers with OK. */
async function silentAtFirst() {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    const isSilent = sockets.push(socket) === 1;
    socket
      .on("error", () => undefined)
      .on("data", (bytes) => {
        if (!isSilent) socket.write("+OK\r\n".repeat(String(bytes).match(/^\*\d+\r$/gm)?.length ?? 0));
      });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `redis://127.0.0.1:${address.port}`,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

test("a Redis that takes the connection and never greets is given up, and met again", async () => {
  await using peer = await silentAtFirst();
  const errors: unknown[] = [];
  const through = redis({ url: peer.url, stalledMillis, failed: (error) => errors.push(error) });
  try {
    await expect.poll(() => through.up, { timeout: 3_000 }).toBe(true);
    expect(peer.sockets).toHaveLength(2);
    expect(errors.map(String)).toEqual(["RedisAway: Redis gave no answer for 100 ms."]);
    expect(await through.call(["SET", "a", "b"])).toBe("OK");
  } finally {
    await through.close();
  }
});

test("an end before it greets leaves no connection behind", async () => {
  await using peer = await silentAtFirst();
  const errors: unknown[] = [];
  const through = redis({ url: peer.url, stalledMillis, failed: (error) => errors.push(error) });
  await through.close();
  await expect.poll(() => peer.sockets.length).toBe(1);
  await expect.poll(() => peer.sockets[0]?.closed).toBe(true);
  expect(errors).toEqual([]);
});

test.skipIf(noRedis() !== undefined)("an end waits for a Redis that stalls no longer than it is patient", async () => {
  await using server = await redisServer();
  const errors: unknown[] = [];
  const through = redis({ url: server.url, stalledMillis, failed: (error) => errors.push(error) });
  expect(await through.ready(2_000)).toBe(true);
  server.stall();
  const owed = expect(through.call(["SET", "a", "b"])).rejects.toThrow();
  await through.close();
  await owed;
  expect(errors).toEqual([]);
});

test.skipIf(noRedis() !== undefined)(
  "what is sent behind a script is done behind it, the first time, too",
  async () => {
    await using server = await redisServer();
    const through = redis({ url: server.url });
    try {
      await through.ready(5_000);
      const count = { text: "return redis.call('INCR', KEYS[1])" };
      for (const made of [1, 2]) {
        const [byScript, read] = await Promise.all([through.run(count, ["a"], []), through.call(["GET", "a"])]);
        expect([byScript, read]).toEqual([made, String(made)]);
      }
      // Redis may forget its scripts at any time.
      await through.call(["SCRIPT", "FLUSH"]);
      expect(await through.run(count, ["a"], [])).toBe(3);
    } finally {
      await through.close();
    }
  },
);
