import { once } from "node:events";
import type { Socket } from "node:net";
import { createServer, getCACertificates, setDefaultCACertificates, TLSSocket } from "node:tls";
import { afterEach, expect, test, vi } from "vitest";
import { selfSigned } from "../testing/certificate.ts";
import { connector } from "./connector.ts";

const certificate = await selfSigned();

afterEach(() => void vi.useRealTimers());

test("a backend shows its certificate on the first connection over TLS, and once an hour", async ({ skip }) => {
  if (certificate === undefined) return skip("there is no openssl command to make a certificate with");
  const trusted = getCACertificates("default");
  setDefaultCACertificates([...trusted, certificate.cert]);
  const server = createServer(certificate, (socket) => void socket.on("error", () => {}));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const address = server.address();
    const origin = new URL(`https://127.0.0.1:${typeof address === "object" ? address?.port : ""}`);
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
  } finally {
    setDefaultCACertificates(trusted);
    server.close();
  }
});

test("whoever waits for the connection has it before its certificate is looked at, and may have given it up", async ({
  skip,
}) => {
  if (certificate === undefined) return skip("there is no openssl command to make a certificate with");
  const trusted = getCACertificates("default");
  setDefaultCACertificates([...trusted, certificate.cert]);
  const server = createServer(certificate, (socket) => void socket.on("error", () => {}));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const address = server.address();
    const origin = new URL(`https://127.0.0.1:${typeof address === "object" ? address?.port : ""}`);
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
  } finally {
    setDefaultCACertificates(trusted);
    server.close();
  }
});
