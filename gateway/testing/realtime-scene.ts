// A gateway before a real WebSocket backend, or two, and both ends of the sessions that go through it.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect } from "vitest";
import { type ClientOptions, WebSocket } from "ws";
import type { Exchange } from "../../instrumentation/index.ts";
import type { Backend, Config } from "../config/config.ts";
import { backendWith, metricsOf, startTollgate, type Tollgate } from "./harness.ts";
import { type Field, valuesOf } from "./http-wire.ts";
import { sumsBy } from "./metrics-text.ts";
import { type RawAnswer, type RawConnection, rawConnection, rawRequest, requestBytes } from "./raw-client.ts";
import {
  type End,
  end,
  type RealtimeBackend,
  type RealtimeBackendOptions,
  realtimeBackend,
} from "./realtime-backend.ts";
import { inFull } from "./routed-scene.ts";
import { onlyExchangeOf } from "./scene.ts";

/** What a gateway wrote after its 101, and the means to write anything back. */
interface RawSession {
  readonly socket: Socket;
  /** The fields of the 101, as written. */
  readonly fields: readonly Field[];
  /** The only value of a field; throws when there are more. */
  header(name: string): string | undefined;
  /** All bytes after it, so far. */
  bytes(): Buffer;
  /** Resolves when the gateway has ended the connection. */
  readonly ended: Promise<void>;
}

export interface RealtimeSceneOptions extends RealtimeBackendOptions {
  readonly config?: Partial<Config>;
  readonly backend?: Partial<Backend>;
  /** Another backend, `second`: the next target where there is a route for it. */
  readonly second?: RealtimeBackendOptions & { readonly backend?: Partial<Backend> };
  /** A model's route over the one and the other, for as long as that takes. */
  readonly routed?: string;
  /** The gateway has no key for the backend. */
  readonly keyless?: boolean;
  /** Callers' keys, and whose ids are whose. */
  readonly admitting?: Parameters<typeof startTollgate>[1];
}

export interface RealtimeScene extends RealtimeBackend {
  readonly tollgate: Tollgate;
  /** The gateway's address, `ws://…/v1/realtime`. */
  readonly url: string;
  readonly second: RealtimeBackend | undefined;
  /** A client's session. Rejects when the upgrade is refused. */
  connect(query?: string, options?: ClientOptions & { readonly protocols?: readonly string[] }): Promise<End>;
  /** A client past its handshake that speaks in bytes. */
  rawSession(query?: string, headers?: readonly Field[]): Promise<RawSession>;
  /** Asks for an upgrade, whose answer is read as the test likes. */
  dial(secret?: string): Promise<RawConnection>;
  /** Asks for an upgrade with a plain request, and gives the answer; throws where it is no HTTP answer. */
  knock(query?: string, headers?: readonly Field[]): Promise<RawAnswer>;
  /** Waits for the only exchange, stops the gateway, and makes sure that it was the only one, and is sound. */
  onlyExchange(): Promise<Exchange>;
  /** What the metrics say of it now; 0 where they say nothing. */
  gauge(name: string, only?: Readonly<Record<string, string>>): Promise<number>;
}

export const model = "gpt-realtime";

export const handshake: readonly Field[] = [
  ["Connection", "Upgrade"],
  ["Upgrade", "websocket"],
  ["Sec-WebSocket-Version", "13"],
  ["Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="],
];

/** Starts both. Disposing stops both. */
export async function realtimeScene(options: RealtimeSceneOptions = {}): Promise<RealtimeScene> {
  const { config, backend: more, keyless = false, second: other, routed, admitting, ...one } = options;
  const first = await realtimeBackend(one);
  const second = other && (await realtimeBackend(other));
  const backends = [backendWith(first.origin, !keyless, more)];
  if (second) backends.push(backendWith(second.origin, true, { name: "second", models: [], ...other.backend }));
  const routes = routed === undefined ? [] : [inFull({ model: routed, targets: backends.map(({ name }) => name) })];
  const tollgate = await startTollgate({ routes, ...config, backends }, admitting);
  const http = `${tollgate.url}/realtime`;
  const url = http.replace(/^http/, "ws");
  const clients: WebSocket[] = [];
  const raw: Socket[] = [];

  return {
    ...first,
    tollgate,
    url,
    second,
    async connect(query = `?model=${model}`, { protocols = [], ...more } = {}) {
      const socket = new WebSocket(url + query, [...protocols], more);
      clients.push(socket);
      const here = end(socket);
      await once(socket, "open");
      return here;
    },
    async rawSession(query = `?model=${model}`, headers = handshake) {
      const { host, hostname, port: at } = new URL(http);
      const socket = connect({ host: hostname, port: Number(at) });
      raw.push(socket);
      let got = Buffer.alloc(0);
      socket.on("data", (piece) => {
        got = Buffer.concat([got, piece]);
      });
      socket.on("error", () => {});
      const ended = once(socket, "close").then(() => undefined);
      const lines = [["Host", host] as const, ...headers].map(([name, value]) => `${name}: ${value}\r\n`).join("");
      socket.write(`GET /v1/realtime${query} HTTP/1.1\r\n${lines}\r\n`);
      await expect.poll(() => got.indexOf("\r\n\r\n"), { interval: 2 }).toBeGreaterThan(0);
      const split = got.indexOf("\r\n\r\n") + 4;
      const [status, ...fieldLines] = got.toString("latin1", 0, split).trim().split("\r\n");
      expect(status).toMatch(/^HTTP\/1\.1 101 /);
      const fields = fieldLines.map((line): Field => {
        const colon = line.indexOf(": ");
        return [line.slice(0, colon), line.slice(colon + 2)];
      });
      const header = (name: string) => {
        const values = valuesOf(fields, name);
        expect(values.length, name).toBeLessThan(2);
        return values[0];
      };
      return { socket, fields, header, bytes: () => got.subarray(split), ended };
    },
    async dial(secret) {
      const at = `${http}?model=${model}`;
      const headers = secret === undefined ? handshake : [...handshake, ["Authorization", `Bearer ${secret}`] as const];
      const connection = await rawConnection(at);
      await connection.send(requestBytes(at, { method: "GET", headers }));
      return connection;
    },
    knock: (query = `?model=${model}`, headers = handshake) => rawRequest(http + query, { method: "GET", headers }),
    onlyExchange: () => onlyExchangeOf(tollgate),
    async gauge(name, only = {}) {
      return sumsBy(await metricsOf(tollgate), name, [], only)[""] ?? 0;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of clients) socket.terminate();
      for (const socket of raw) socket.destroy();
      await tollgate.close();
      await first[Symbol.asyncDispose]();
      await second?.[Symbol.asyncDispose]();
    },
  };
}
