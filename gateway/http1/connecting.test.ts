import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { backendAt } from "../testing/harness.ts";
import { transport } from "../transport.ts";
import type { Asker } from "./asker.ts";

const nobody: Asker = { asking() {}, head() {}, data() {}, whole() {}, failed() {} };

test("a connection that is given up while it is made is let go at once", async () => {
  const { promise: taken, resolve } = Promise.withResolvers<Socket>();
  // Takes connections, and has nothing to say of TLS.
  const server = createServer((socket) => resolve(socket.on("error", () => {}).resume()));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const timeouts = { connect: 0, firstByte: 0, idle: 0, total: 0 };
  const road = transport({ backend: backendAt(`https://127.0.0.1:${port}`, { timeouts }) });
  const failed = new Promise<Error>((told) => {
    const connection = road.acquire();
    connection?.send({ method: "GET", path: "/", headers: [], body: null }, { ...nobody, failed: told }, timeouts);
    void taken.then(() => connection?.destroy(new Error("cancelled")));
  });
  const socket = await taken;
  const closed = once(socket, "close");
  expect((await failed).message).toBe("cancelled");
  await closed;
  server.close();
});
