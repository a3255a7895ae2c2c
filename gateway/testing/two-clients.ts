// A backend that answers with given bytes, asked by undici's own client and by a connection of ours.
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { Client } from "undici";
import { Connection } from "../http1/connection.ts";
import { connector } from "../http1/connector.ts";

/** What a client made of an answer; `undefined`: it was refused. */
type Reading =
  | { readonly status: number; readonly body: string; readonly trailers: Readonly<Record<string, string>> }
  | undefined;

interface Answer {
  /** Latin-1. The connection ends behind it. */
  readonly text: string;
  readonly isHead?: boolean;
}

export interface TwoClients extends AsyncDisposable {
  undici(answer: Answer): Promise<Reading>;
  ours(answer: Answer): Promise<Reading>;
}

export async function twoClients(): Promise<TwoClients> {
  let text = "";
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.end(text, "latin1"));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const connect = connector({ origin, timeoutMillis: 5_000, secured: () => {} });

  return {
    async undici(answer) {
      text = answer.text;
      const client = new Client(origin, { allowH2: false, maxHeaderSize: 64 * 1024 });
      try {
        const method = answer.isHead === true ? "HEAD" : "GET";
        const { statusCode, body, trailers } = await client.request({ method, path: "/" });
        const octets = Buffer.from(await body.arrayBuffer());
        return { status: statusCode, body: octets.toString("latin1"), trailers: lowered(Object.entries(trailers)) };
      } catch {
        return undefined;
      } finally {
        await client.destroy();
      }
    },

    ours(answer) {
      text = answer.text;
      const connection = new Connection({ host: origin.host, connect, lost: () => {} });
      let status = 0;
      let body = "";
      const { promise, resolve } = Promise.withResolvers<Reading>();
      const asker = {
        asking: () => {},
        head: (head: { readonly status: number }) => {
          status = head.status;
        },
        data: (chunk: Buffer) => {
          body += chunk.toString("latin1");
        },
        whole: (flat: readonly string[]) =>
          resolve({
            status,
            body,
            trailers: lowered(Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]])),
          }),
        failed: () => resolve(undefined),
      };
      const request = { method: answer.isHead === true ? "HEAD" : "GET", path: "/", headers: [], body: null };
      connection.send(request, asker, { firstByte: 5_000, idle: 5_000 });
      return promise.finally(() => connection.destroy());
    },

    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, "close");
    },
  };
}

const lowered = (entries: readonly (readonly unknown[])[]): Record<string, string> =>
  Object.fromEntries(entries.map(([name, value]) => [String(name).toLowerCase(), String(value)]));
