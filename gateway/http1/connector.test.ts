import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { createServer, getCACertificates, setDefaultCACertificates, TLSSocket } from "node:tls";
import { afterEach, expect, test, vi } from "vitest";
import { selfSigned } from "../testing/certificate.ts";
import { connector } from "./connector.ts";

const certificate = await selfSigned();

afterEach(() => void vi.useRealTimers());

/** A backend over TLS whose certificate is trusted until it is disposed of. */
async function trustedBackend(options: NonNullable<typeof certificate>) {
  const trusted = getCACertificates("default");
  setDefaultCACertificates([...trusted, options.cert]);
  const server = createServer(options, (socket) => void socket.on("error", () => {}));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    origin: new URL(`https://127.0.0.1:${port}`),
    async [Symbol.asyncDispose]() {
      setDefaultCACertificates(trusted);
      server.close();
    },
  };
}

test("a backend shows its certificate on the first connection over TLS, and once an hour", async ({ skip }) => {
  if (certificate === undefined) return skip("there is no openssl command to make a certificate with");
  await using backend = await trustedBackend(certificate);
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const { origin } = backend;
  const shown: string[] = [];
  const connect = connector({
    origin,
    timeoutMillis: 5_000,
    secured: (socket) => void shown.push(socket.getPeerCertificate().subject.CN as string),
  });
  // The backend's ticket, with which the next handshake is shorter, comes last.
  const one = async () => {
    const made = await new Promise<Socket | Error>((resolve) => connect(() => {}, resolve));
    if (made instanceof Error) throw made;
    if (made instanceof TLSSocket && !made.isSessionReused()) await once(made, "session");
    made.destroy();
  };
  for (let i = 0; i < 3; i += 1) await one();
  expect(shown).toEqual(["127.0.0.1"]);
  vi.advanceTimersByTime(3_600_000);
  await one();
  await one();
  expect(shown).toEqual(["127.0.0.1", "127.0.0.1"]);
});

test("whoever waits for the connection has it before its certificate is looked at, and may have given it up", async ({
  skip,
}) => {
  if (certificate === undefined) return skip("there is no openssl command to make a certificate with");
  await using backend = await trustedBackend(certificate);
  const { origin } = backend;
  const told: unknown[] = [];
  await new Promise<void>((resolve) => {
    const secured = (socket: TLSSocket) => {
      told.push(socket.getPeerCertificate());
      resolve();
    };
    connector({ origin, timeoutMillis: 5_000, secured })(
      () => {},
      (made) => {
        told.push("made");
        if (!(made instanceof Error)) made.destroy();
      },
    );
  });
  // Its type does not say so.
  expect(told).toEqual(["made", null]);
});
