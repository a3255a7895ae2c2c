import { once } from "node:events";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { atEndOfTurn } from "../end-of-turn.ts";
import { selfSigned } from "../testing/certificate.ts";
import { backendAt } from "../testing/harness.ts";
import { type Transport, transport } from "../transport.ts";

const certificate = await selfSigned();

/** A backend beside this thread, so that it can answer while this one is busy. It tells its port. */
const quick = `
const { parentPort, workerData } = require("node:worker_threads");
const server = require("node:https").createServer(workerData, (req, res) => {
  if (req.url === "/early") res.end("early");
  else req.resume().on("end", () => res.end("there"));
});
server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));
`;

/** Keeps this turn of the event loop, in which the request was written, until its answer has come. */
const busy = {
  endTurn() {
    for (const end = performance.now() + 50; performance.now() < end; );
  },
};

/** Whether the connection can be used again once the turn is over in which its answer came. */
function ask(road: Transport, path: string, body: Buffer): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const connection = road.acquire();
    if (connection === undefined) throw new Error("no connection");
    const asker = {
      asking: () => atEndOfTurn("requests", busy),
      head() {},
      data() {},
      whole() {
        road.release(connection);
        atEndOfTurn("requests", { endTurn: () => resolve(connection.connected) });
      },
      failed: reject,
    };
    connection.send({ method: "POST", path, headers: [], body }, asker, { firstByte: 5000, idle: 5000 });
  });
}

test("a connection over TLS is used again, however soon its answer came; not with a request in it that nobody read", async ({
  skip,
}) => {
  if (certificate === undefined) return skip("there is no openssl command to make a certificate with");
  const trusted = getCACertificates("default");
  setDefaultCACertificates([...trusted, certificate.cert]);
  const backend = new Worker(quick, { eval: true, workerData: certificate });
  try {
    const [port] = await once(backend, "message");
    const road = transport({ backend: backendAt(`https://127.0.0.1:${port}`) });
    for (let i = 0; i < 3; i += 1) expect(await ask(road, "/", Buffer.from("{}"))).toBe(true);
    expect(await ask(road, "/early", Buffer.alloc(64 * 1024 * 1024))).toBe(false);
    road.destroy();
  } finally {
    setDefaultCACertificates(trusted);
    await backend.terminate();
  }
});
