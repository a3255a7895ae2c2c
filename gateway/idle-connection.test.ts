import { once } from "node:events";
import { createServer } from "node:http";
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

test("a connection that waits for its next request keeps nothing of its last one's body", async () => {
  const backend = createServer((req, res) => {
    req.resume().on("end", () => res.setHeader("content-type", "application/json").end("{}"));
  });
  backend.listen(0, "127.0.0.1");
  await once(backend, "listening");
  const address = backend.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const tollgate = await startTollgate({ backends: [backendAt(`http://127.0.0.1:${address.port}`)] });
  const url = `${tollgate.url}/chat/completions`;
  const length = 500_000;
  const most = 20;
  const connections: RawConnection[] = [];
  const before = held();
  for (let i = 0; i < most; i += 1) {
    const connection = await rawConnection(url);
    connections.push(connection);
    const body = JSON.stringify({ model: "m", messages: [{ role: "user", content: "x".repeat(length) }] });
    await connection.send(requestBytes(url, { headers: [["Content-Type", "application/json"]], body }));
    expect((await connection.answer("POST")).status).toBe(200);
  }
  await tollgate.settled(most);
  await expect.poll(() => (held() - before) / most, { timeout: 5_000, interval: 100 }).toBeLessThan(length / 4);
  for (const connection of connections) connection.leave();
  await tollgate.close();
  backend.close();
});
