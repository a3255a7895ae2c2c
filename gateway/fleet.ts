// The backends of one configuration, ready to be sent to; a reload makes a new fleet and lets the old one finish.
import type { Backend, Config } from "./config/config.ts";
import { type Crossing, crossingToBackend } from "./headers.ts";
import { askingPrice } from "./routing/asking-price.ts";
import type { Breaker } from "./routing/breaker.ts";
import { gate, type LearningGate } from "./routing/gate.ts";
import type { Latency } from "./routing/latency.ts";
import type { Standing } from "./routing/order.ts";
import type { BackendQueue } from "./routing/queue.ts";
import type { Queues } from "./routing/queues.ts";
import type { Route } from "./routing/route.ts";
import { routes } from "./routing/routes.ts";
import { type Transport, transport } from "./transport.ts";

/** A backend with its connections and all that can be worked out before a request comes. */
export interface Upstream {
  readonly backend: Backend;
  readonly transport: Transport;
  /** Where requests wait while it has all that it may have; the same before and after a reload. */
  readonly queue: BackendQueue;
  /** Headers that the gateway sets on every request to it, flat: its key, the operator's own. */
  readonly headers: readonly string[];
  /** Which of the client's headers cross to it. */
  readonly crossing: Crossing;
  /** The same, less accept-encoding, for answers that are to be read. */
  readonly crossingMetered: Crossing;
  /** Requests go under our key, or none: the client's own stays here. */
  readonly ownKey: boolean;
  /** False once it rejected `stream_options`, which it is then not asked for again. */
  takesStreamOptions: boolean;
}

export interface Fleet {
  readonly config: Config;
  readonly upstreams: readonly Upstream[];
  readonly breaker: Breaker;
  readonly standing: Standing;
  readonly gate: LearningGate;
  /** The route for a model, or for requests that name none. */
  routeFor(model: string | undefined): Route | undefined;
  /** The first upstream of that route, for what has no fallback. */
  route(model: string | undefined): Upstream | undefined;
  /** Cuts off every connection to a backend. */
  destroy(): void;
}

export interface FleetOptions {
  readonly config: Config;
  readonly breaker: Breaker;
  readonly queues: Queues;
  readonly latency: Latency;
  readonly random: () => number;
  /** Unix milliseconds. */
  readonly wall: () => number;
  /** The fleet before this one: connections to backends that did not change are taken over. */
  readonly previous?: Fleet;
  readonly certificateSeen?: (backend: string, expiry: number) => void;
}

export function fleet({
  config,
  breaker,
  queues,
  latency,
  random,
  wall,
  previous,
  certificateSeen,
}: FleetOptions): Fleet {
  const upstreams = config.backends.map((backend) => {
    const same = previous?.upstreams.find((upstream) => JSON.stringify(upstream.backend) === JSON.stringify(backend));
    return same ?? upstream(backend, queues, certificateSeen);
  });
  const routeFor = routes(config, upstreams);
  return {
    config,
    upstreams,
    breaker,
    standing: {
      busy: ({ upstream: { queue } }) => (queue.active + queue.depth) / queue.limit,
      latency: latency.expected,
      price: askingPrice(config.prices, wall),
      random,
    },
    gate: gate(breaker, latency),
    routeFor,
    route: (model) => routeFor(model)?.targets[0]?.upstream,
    destroy() {
      for (const { transport } of upstreams) transport.destroy();
    },
  };
}

function upstream(backend: Backend, queues: Queues, certificateSeen: FleetOptions["certificateSeen"]): Upstream {
  const headers = Object.entries(backend.headers).flat();
  const own = Object.keys(backend.headers).map((name) => name.toLowerCase());
  if (backend.key !== undefined && !own.includes("authorization")) {
    headers.push("authorization", `Bearer ${backend.key}`);
    own.push("authorization");
  }
  const passCredentials = backend.passClientKey && backend.key === undefined;
  return {
    backend,
    transport: transport({ backend, ...(certificateSeen && { certificateSeen }) }),
    queue: queues.of(backend),
    headers,
    crossing: crossingToBackend({ passCredentials, replaced: own }),
    crossingMetered: crossingToBackend({ passCredentials, replaced: [...own, "accept-encoding"] }),
    ownKey: !passCredentials,
    takesStreamOptions: true,
  };
}
