// A gateway before one scripted backend, and what every test wants to know of a request that went through both.
import { expect } from "vitest";
import type { Exchange } from "../../instrumentation/index.ts";
import type { Backend, Config } from "../config/config.ts";
import { type FakeBackend, type FakeBackendOptions, fakeBackend } from "./fake-backend.ts";
import { backendWith, startTollgate, type Tollgate } from "./harness.ts";
import type { Field } from "./http-wire.ts";
import { type RawAnswer, type RawRequest, rawRequest } from "./raw-client.ts";
import type { Answer } from "./turn.ts";

export interface SceneOptions {
  readonly config?: Partial<Config>;
  readonly backend?: Partial<Backend>;
  /** The gateway has no key for the backend. */
  readonly keyless?: boolean;
  readonly fake?: FakeBackendOptions;
  readonly script?: readonly Answer[];
  /** Callers' keys, and whose ids are whose. */
  readonly admitting?: Parameters<typeof startTollgate>[1];
}

export interface Scene extends AsyncDisposable {
  readonly backend: FakeBackend;
  readonly tollgate: Tollgate;
  /** The gateway's address for a path under `/v1`. */
  at(path: string): string;
  /** Sends one request and reads the whole answer. */
  ask(path: string, request?: RawRequest): Promise<RawAnswer>;
  /** POSTs JSON and reads the whole answer. */
  post(path: string, body: unknown, headers?: readonly Field[]): Promise<RawAnswer>;
  /** Waits for the only exchange, stops the gateway, and makes sure that it was the only one, and is sound. */
  onlyExchange(): Promise<Exchange>;
}

/** Starts both. Disposing stops both and throws when the backend complains. */
export async function scene(options: SceneOptions = {}): Promise<Scene> {
  const { config, backend: more, keyless = false, fake, script = [], admitting } = options;
  const backend = await fakeBackend(fake);
  backend.next(...script);
  const backends = [backendWith(backend.origin, !keyless, more)];
  const tollgate = await startTollgate({ ...config, backends }, admitting);
  const at = (path: string) => tollgate.url + path;
  return {
    backend,
    tollgate,
    at,
    ask: (path, request) => rawRequest(at(path), request),
    post: (path, body, headers = []) =>
      rawRequest(at(path), {
        headers: [["Content-Type", "application/json"], ...headers],
        body: typeof body === "string" ? body : JSON.stringify(body),
      }),
    onlyExchange: () => onlyExchangeOf(tollgate),
    async [Symbol.asyncDispose]() {
      await tollgate.close();
      await backend.close();
    },
  };
}

/** Waits for the only exchange, stops the gateway, and makes sure that it was the only one, and is sound. */
export async function onlyExchangeOf(tollgate: Tollgate): Promise<Exchange> {
  await tollgate.settled(1);
  await tollgate.close();
  const [exchange, ...others] = tollgate.exchanges;
  expect(others).toEqual([]);
  if (exchange === undefined) throw new Error("no exchange was recorded");
  expectSound(exchange);
  return exchange;
}

/**
 * What holds for every exchange: frozen, phases that add up to its total, first token and attempts within it. Only an
 * attempt whose client left, or that was cut off at the end, may last longer: its backend is still being let go.
 */
export function expectSound(exchange: Exchange): void {
  expect(Object.isFrozen(exchange)).toBe(true);
  const phases = Object.values(exchange.phases);
  for (const seconds of phases) expect(seconds).toBeGreaterThanOrEqual(0);
  expect(Math.abs(phases.reduce((sum, seconds) => sum + seconds, 0) - exchange.totalSeconds)).toBeLessThan(1e-9);
  for (const attempt of exchange.attempts) {
    expect(attempt.startedAfter).toBeGreaterThanOrEqual(0);
    if (exchange.outcome.kind === "abandoned" || attempt.result === "abandoned") continue;
    expect(attempt.startedAfter + attempt.seconds).toBeLessThanOrEqual(exchange.totalSeconds + 1e-9);
  }
  if (exchange.firstTokenSeconds !== undefined) {
    expect(exchange.firstTokenSeconds).toBeLessThanOrEqual(exchange.totalSeconds);
  }
  expect(exchange.trace.traceId).toMatch(/^[0-9a-f]{32}$/);
}
