// The configurations of the benchmark's Tollgates, as an operator would write them; everything else is as shipped.
import { secrets } from "./payload.ts";

export const env = { BENCH_KEY: "bench-backend", CLIENT_KEY: secrets.tollgate };

/** Whoever asks may have it. */
export const plain = (backend: string): string => `
${listening}
backends:
  - { name: bench, ${at(backend)} }
`;

/** Requests that its clients may send in a minute. */
export const requestsPerMinute = 1_000_000_000;

/**
 * Asks for a key, counts what it uses, and has a second target, for which heads of answers are withheld. Limits, budget
 * and queues are such that nobody is refused.
 */
export const deciding = (backend: string, dataDir: string): string => `
${listening}
dataDir: ${dataDir}
backends:
  - { name: bench, ${at(backend)}, ${guarded} }
  - { name: spare, ${at(backend, "spare-*")}, ${guarded} }
routes:
  - { model: "bench-*", strategy: priority, targets: [{ backend: bench }, { backend: spare }] }
keys:
  - label: bench
    key: { env: CLIENT_KEY }
    models: ["bench-*"]
    limits: { requestsPerMinute: ${requestsPerMinute}, tokensPerMinute: 2000000000, concurrent: 100000 }
    budgets: [{ period: month, usd: 1000000, hard: true }]
`;

const listening = `
listen: { host: 127.0.0.1, port: 0, metricsPort: 0 }
prices:
  - { model: "bench-*", inputPerMillion: 0.15, outputPerMillion: 0.6 }
demo: false
`;

const at = (backend: string, models = "bench-*") =>
  `provider: openai, baseUrl: "${backend}/v1", key: { env: BENCH_KEY }, models: ["${models}"]`;

const guarded = "maxConcurrent: 10000, queue: { size: 10000, timeout: 30s }, breaker: { failures: 5, ratio: 0.5 }";
