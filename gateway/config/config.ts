// The configuration as the gateway uses it: complete, checked, and frozen.
import type {
  LabelSettings,
  LogSettings,
  PriceRule,
  SentrySettings,
  TraceSettings,
} from "../../instrumentation/index.ts";
import type { BudgetRule, RateLimitSettings } from "../admission/allowance/settings.ts";
import type { Grant } from "../admission/identity.ts";
import type { DeclaredKey } from "../admission/keys/declared-key.ts";

/** A configured upstream. Data, not code. */
export interface Backend {
  readonly name: string;
  /** The company or engine behind it, e.g. `openai`, `deepseek`, `vllm`, `ollama`. */
  readonly provider: string;
  /** Ends without a slash and includes the version, e.g. `https://api.example/v1`. */
  readonly baseUrl: string;
  /** The gateway's own key for it; never logged, printed or sent anywhere else. */
  readonly key?: string;
  /** Sends a client's own Authorization through; only where the gateway has no key of its own. */
  readonly passClientKey: boolean;
  /** Exact names and `*` patterns of the models it serves. */
  readonly models: readonly string[];
  /** Sent with every request to it, over what the client sent. */
  readonly headers: Readonly<Record<string, string>>;
  /** Sends W3C trace context to it. */
  readonly propagateTrace: boolean;
  readonly timeouts: Timeouts;
  readonly maxConnections: number;
  /** Requests at a time; no more than `maxConnections` in any case. */
  readonly maxConcurrent?: number;
  readonly queue: AdmissionQueueSettings;
  readonly breaker: BreakerSettings;
  /** Absent: it is judged by its traffic alone. */
  readonly healthCheck?: HealthCheckSettings;
  readonly onClientAbort: "cancel" | "drain";
}

/** Where requests wait while a backend has all that it may have. */
interface AdmissionQueueSettings {
  /** Requests that wait at most; 0: none waits. */
  readonly size: number;
  /** Longest wait, seconds; 0: as long as the client does. */
  readonly timeout: number;
}

/** When a backend is left alone, and for how long. */
export interface BreakerSettings {
  /** So many failures in a row; 0: not by these. */
  readonly failures: number;
  /** This share of at least `minRequests` within `window`; 0: not by these. */
  readonly ratio: number;
  readonly minRequests: number;
  /** Seconds. */
  readonly window: number;
  /** Seconds; doubled each time it opens again soon, up to a minute. */
  readonly openFor: number;
  /** Requests at a time that may try it after that. */
  readonly halfOpen: number;
}

/** A request beside all traffic that asks a backend how it is. */
export interface HealthCheckSettings {
  /** On the backend's host; `{baseUrl}/models` when absent. */
  readonly path?: string;
  /** From the end of one to the next, give or take a tenth, seconds. */
  readonly every: number;
  /** Seconds. */
  readonly timeout: number;
  /** Successes in a row that bring it up. */
  readonly healthy: number;
  /** Failures in a row that put it down. */
  readonly unhealthy: number;
}

/** Which requests of a route are answered from the response cache, where there is one. */
export type CacheMode = "off" | "deterministic" | "all";

/** Where answers are kept, to be given again to the same question. */
export interface CacheSettings {
  readonly store: "memory" | "redis";
  /** In memory, over all entries. */
  readonly maxBytes: number;
  /** One answer; a larger one is not kept. */
  readonly maxEntryBytes: number;
  /** Seconds. */
  readonly ttl: number;
  /** Callers share answers. */
  readonly acrossKeys: boolean;
  /** Of several requests that ask the same at a time, one asks the backend. */
  readonly coalesce: boolean;
}

/** Where requests for a model go. */
export interface RouteConfig {
  /** A model, an alias, or a pattern with `*`. */
  readonly model: string;
  readonly strategy: "priority" | "weighted" | "least_busy" | "lowest_latency" | "cheapest";
  readonly targets: readonly TargetConfig[];
  readonly retries: RetrySettings;
  readonly systemPrompt?: { readonly mode: "prepend" | "append" | "replace"; readonly text: string };
  /** `off` when absent. */
  readonly cache?: CacheMode;
}

interface TargetConfig {
  readonly backend: string;
  /** The model's name there; as requested when absent. */
  readonly model?: string;
  readonly weight: number;
  /** In place of the backend's own. */
  readonly timeouts: Partial<Timeouts>;
}

/** How often, and after what wait, a request goes round its targets again once all of them have failed. */
export interface RetrySettings {
  /** Rounds after the first. */
  readonly max: number;
  /** Before the first round of these, seconds; doubled for each further one. */
  readonly backoff: number;
  /** Longest wait, seconds. A backend that asks for a longer one ends the request. */
  readonly maxBackoff: number;
}

/** Seconds; 0 turns one off. */
export interface Timeouts {
  readonly connect: number;
  /** Request sent → answer's headers. */
  readonly firstByte: number;
  /** Between two pieces of an answer. */
  readonly idle: number;
  /** The whole attempt. */
  readonly total: number;
}

export interface Limits {
  /** Bodies that must be read whole (JSON), bytes. */
  readonly jsonBytes: number;
  /** Any body, bytes. */
  readonly bodyBytes: number;
  /** Multipart bytes held back while looking for the model, bytes. */
  readonly multipartHeadBytes: number;
  /** A request's body must arrive within this time, seconds. */
  readonly receiveSeconds: number;
  /** A client that takes nothing of its answer for so many seconds is taken to be gone; 0: never. */
  readonly stallSeconds: number;
  /** How much of an answer nobody waits for is still read (`onClientAbort: drain`). */
  readonly drainBytes: number;
  readonly drainSeconds: number;
}

/** Whose tokens (JWT) are taken, and what of them is read. */
export type JwtSource = JwtTerms & ({ readonly secret: string } | { readonly jwksUrl: string });

interface JwtTerms {
  /** What `iss` must be; not looked at when absent. */
  readonly issuer?: string;
  /** One of which `aud` must hold; not looked at when empty. */
  readonly audience: readonly string[];
  readonly algorithms: readonly ("HS256" | "RS256" | "ES256")[];
  /** Seconds that the issuer's clock may be off. */
  readonly clockTolerance: number;
  /** The claims that name user and team. */
  readonly claims: { readonly user: string; readonly team?: string };
  readonly grants: readonly Grant[];
}

interface RedisSettings {
  readonly url: string;
  /** While it is away: let requests pass and count them later, or refuse those of callers with limits. */
  readonly onFailure: "allow" | "refuse";
}

export interface Config {
  /** Absolute path of the file it came from; `undefined` for the embedded defaults. */
  readonly file: string | undefined;
  readonly listen: {
    readonly host: string;
    readonly port: number;
    readonly opsHost: string;
    readonly opsPort: number;
  };
  readonly allowAnonymous: boolean;
  /** Callers with a provider's key of their own may use the backends that take it, where others need a key of ours. */
  readonly allowClientKeys: boolean;
  readonly jwt: readonly JwtSource[];
  /** Keys that the file declares, by the hashes of their secrets. */
  readonly keys: readonly DeclaredKey[];
  /** Absolute path of the folder of what must last; made when there is something to keep. */
  readonly dataDir: string;
  readonly adminToken?: string;
  readonly metricsToken?: string;
  readonly cors: { readonly origins: readonly string[] };
  /** Addresses or CIDR ranges whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
  /** Of one request. */
  readonly limits: Limits;
  /** Of callers. */
  readonly rateLimits: RateLimitSettings;
  readonly budgets: readonly BudgetRule[];
  /** Where counts are shared; absent for a gateway that is alone. The address may hold a password: never print it. */
  readonly redis?: RedisSettings;
  /** Absent: nothing of any message is kept. */
  readonly cache?: CacheSettings;
  readonly shutdownSeconds: number;
  readonly backends: readonly Backend[];
  /** Takes requests that name no model (files, batches, …); the first backend when not set. */
  readonly defaultBackend: string;
  readonly routes: readonly RouteConfig[];
  /** Where no route says otherwise. */
  readonly retries: RetrySettings;
  readonly demo: boolean;
  readonly prices: readonly PriceRule[];
  readonly labels: LabelSettings;
  readonly traces: TraceSettings;
  readonly log: LogSettings;
  readonly sentry?: SentrySettings;
  /** False: the ops port answers /health and /ready, but has no /metrics. */
  readonly metrics: boolean;
  /** The OTEL_* variables of the environment, for the trace sink. May hold secrets: never print it. */
  readonly otel: Readonly<Record<string, string>>;
}
