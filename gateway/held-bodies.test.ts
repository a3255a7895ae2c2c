import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { backendAt, startTollgate } from "./testing/harness.ts";
import { type RawConnection, rawConnection, requestBytes } from "./testing/raw-client.ts";

setFlagsFromString("--expose-gc");
const collect: unknown = runInNewContext("gc");

/** Bytes of buffers that are really held. */
function held(): number {
  if (typeof collect !== "function") throw new Error("no garbage collector to ask");
  collect();
  return process.memoryUsage().arrayBuffers;
}

const length = 500_000;
const most = 20;
const body = (more: object = {}) =>
  JSON.stringify({ model: "m", messages: [{ role: "user", content: "x".repeat(length) }], ...more });

/** A gateway before a backend that answers so, once it has read a request. */
async function before(answer: (res: ServerResponse) => void) {
  const backend = createServer((req, res) => void req.resume().on("end", () => answer(res)));
  backend.listen(0, "127.0.0.1");
  await once(backend, "listening");
  const { port } = backend.address() as AddressInfo;
  const tollgate = await startTollgate({ backends: [backendAt(`http://127.0.0.1:${port}`)] });
  const url = `${tollgate.url}/chat/completions`;
  const connections: RawConnection[] = [];
  return {
    tollgate,
    /** Asks on a connection of its own. */
    async ask(text: string): Promise<RawConnection> {
      const connection = await rawConnection(url);
      connections.push(connection);
      await connection.send(requestBytes(url, { headers: [["Content-Type", "application/json"]], body: text }));
      return connection;
    },
    async [Symbol.asyncDispose]() {
      for (const connection of connections) connection.leave();
      backend.closeAllConnections();
      await tollgate.close();
      backend.close();
    },
  };
}

test("a connection that waits for its next request keeps nothing of its last one's body", async () => {
  await using stage = await before((res) => res.setHeader("content-type", "application/json").end("{}"));
  const none = held();
  for (let i = 0; i < most; i += 1) expect((await (await stage.ask(body())).answer("POST")).status).toBe(200);
  await stage.tollgate.settled(most);
  await expect.poll(() => (held() - none) / most, { timeout: 5_000, interval: 100 }).toBeLessThan(length / 4);
});

test("an open stream keeps its request's body once, to estimate from, though it was sent on with another", async () => {
  await using stage = await before((res) => {
    res.setHeader("content-type", "text/event-stream").write('data: {"choices":[{"delta":{"content":"a"}}]}\n\n');
  });
  const none = held();
  for (let i = 0; i < most; i += 1) {
    const connection = await stage.ask(body({ stream: true }));
    expect((await connection.head()).status).toBe(200);
    await connection.piece();
  }
  await expect.poll(() => (held() - none) / most, { timeout: 5_000, interval: 100 }).toBeLessThan(length * 1.25);
});
