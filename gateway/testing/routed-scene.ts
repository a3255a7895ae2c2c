// A gateway before several scripted backends, with the routes that lead to them, and what is asked of them all.
import { expect, vi } from "vitest";
import type { Exchange } from "../../instrumentation/index.ts";
import type { Backend, Config, RouteConfig } from "../config/config.ts";
import { type FakeBackend, type FakeBackendOptions, fakeBackend } from "./fake-backend.ts";
import { backendWith, metricsOf, startTollgate, type Tollgate } from "./harness.ts";
import type { Field } from "./http-wire.ts";
import type { MetricSample } from "./metrics-text.ts";
import { type RawAnswer, type RawConnection, rawConnection, rawRequest, requestBytes } from "./raw-client.ts";
import { expectSound, onlyExchangeOf } from "./scene.ts";
import type { Answer } from "./turn.ts";

export interface Place extends FakeBackendOptions {
  /** Answers in order; `otherwise` answers what comes after them. */
  readonly script?: readonly Answer[];
  /** Takes no connections. */
  readonly refuses?: boolean;
  /** What the config says of it beyond its address. Its key is `sk-<name>`, unless `key` is an empty text: then it has none. */
  readonly backend?: Partial<Backend>;
}

/** A route in few words: targets are names of places, or targets without what is usual. */
export interface RouteInWords extends Partial<Omit<RouteConfig, "targets">> {
  readonly model: string;
  readonly targets: readonly (string | TargetInWords)[];
}

type TargetConfig = RouteConfig["targets"][number];
type TargetInWords = Pick<TargetConfig, "backend"> & Partial<TargetConfig>;

export interface RoutedOptions {
  readonly places: Readonly<Record<string, Place>>;
  readonly routes: readonly RouteInWords[];
  readonly config?: Partial<Config>;
}

export interface RoutedScene extends AsyncDisposable {
  readonly tollgate: Tollgate;
  /** The backend of that name; throws where there is none. */
  place(name: string): FakeBackend;
  /** POSTs JSON and reads the whole answer. */
  post(path: string, body: unknown, headers?: readonly Field[]): Promise<RawAnswer>;
  /** POSTs JSON on a connection of its own, whose answer is read as the test likes. */
  begin(path: string, body: unknown, headers?: readonly Field[]): Promise<RawConnection>;
  /** The one record of an answer that came, checked for soundness. */
  exchangeOf(got: Pick<RawAnswer, "header">): Promise<Exchange>;
  /** The only record that there is, once there is one. */
  onlyExchange(): Promise<Exchange>;
  metrics(): Promise<readonly MetricSample[]>;
}

/** Who fails is asked all the same. */
const neverOpen = { failures: 0, ratio: 0, minRequests: 1, window: 1, openFor: 1, halfOpen: 1 };

export const noRetries = { max: 0, backoff: 0.01, maxBackoff: 1 };

/** Starts them all. Disposing stops them, and throws when a backend complains. */
export async function routedScene({ places, routes, config }: RoutedOptions): Promise<RoutedScene> {
  const fakes = new Map<string, FakeBackend>();
  const backends: Backend[] = [];
  for (const [name, { script = [], refuses, backend = {}, ...options }] of Object.entries(places)) {
    const fake = await fakeBackend(options);
    fake.next(...script);
    fakes.set(name, fake);
    const more = { name, models: [], key: `sk-${name}`, breaker: neverOpen, ...backend };
    backends.push(backendWith(fake.origin, more.key !== "", more));
    if (refuses) await fake.refuse();
  }
  const tollgate = await startTollgate({
    ...config,
    backends,
    defaultBackend: config?.defaultBackend ?? backends[0]?.name ?? "",
    routes: routes.map(inFull),
  });
  const place = (name: string): FakeBackend => {
    const fake = fakes.get(name);
    if (fake === undefined) throw new Error(`there is no backend ${name}`);
    return fake;
  };
  const request = (body: unknown, headers: readonly Field[]) => ({
    headers: [["Content-Type", "application/json"] as const, ...headers],
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return {
    tollgate,
    place,
    post: (path, body, headers = []) => rawRequest(tollgate.url + path, request(body, headers)),
    async begin(path, body, headers = []) {
      const url = tollgate.url + path;
      const connection = await rawConnection(url);
      await connection.send(requestBytes(url, request(body, headers)));
      return connection;
    },
    async exchangeOf(got) {
      const id = got.header("x-request-id");
      const own = () => tollgate.exchanges.filter((exchange) => exchange.id === id);
      await vi.waitFor(() => expect(own()).not.toEqual([]), { timeout: 10_000, interval: 5 });
      const [exchange, ...others] = own();
      expect(others).toEqual([]);
      if (exchange === undefined) throw new Error("no exchange was recorded");
      expectSound(exchange);
      return exchange;
    },
    onlyExchange: () => onlyExchangeOf(tollgate),
    metrics: () => metricsOf(tollgate),
    async [Symbol.asyncDispose]() {
      await tollgate.close();
      for (const fake of fakes.values()) await fake.close();
    },
  };
}

/** A route as the config has it. */
export const inFull = ({ targets, ...route }: RouteInWords): RouteConfig => ({
  strategy: "priority",
  retries: noRetries,
  ...route,
  targets: targets.map((target) => ({
    weight: 1,
    timeouts: {},
    ...(typeof target === "string" ? { backend: target } : target),
  })),
});

/** How each attempt went: its backend, its result, and its reason where it has one. */
export const tries = ({ attempts }: Exchange): string[] =>
  attempts.map(({ backend, result, reason }) => `${backend} ${reason ?? result}`);
