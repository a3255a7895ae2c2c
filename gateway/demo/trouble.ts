// Failures on demand: model names that fail in a known way, so that alerts and retries can be tried.
import { Refusal } from "./refusal.ts";

/** How an answer goes wrong after it was made. */
export type Trouble = "slow" | "cut" | "stall";

interface Fault {
  readonly message: string;
  readonly type: string;
  readonly code?: string;
  readonly retryAfter?: number;
}

const asked = "This model fails because it was asked to:";
const faults: ReadonlyMap<number, Fault> = new Map([
  [400, { message: `${asked} the request is wrong.`, type: "invalid_request_error", code: "invalid_value" }],
  [401, { message: `${asked} the key is wrong.`, type: "invalid_request_error", code: "invalid_api_key" }],
  [403, { message: `${asked} not permitted.`, type: "permission_error" }],
  [404, { message: `${asked} no such model.`, type: "invalid_request_error", code: "model_not_found" }],
  [408, { message: `${asked} timed out.`, type: "timeout" }],
  [
    429,
    { message: `${asked} too many requests.`, type: "rate_limit_error", code: "rate_limit_exceeded", retryAfter: 1 },
  ],
  [500, { message: `${asked} internal error.`, type: "server_error" }],
  [503, { message: `${asked} overloaded.`, type: "server_error", code: "overloaded" }],
]);

const troubles: ReadonlyMap<string, Trouble> = new Map([
  ["demo-slow", "slow"],
  ["demo-cut", "cut"],
  ["demo-stall", "stall"],
]);

const flaky = "demo-flaky";

/** Every name that means trouble. `demo-flaky` answers 429 to every other request. */
export const troubledModels: readonly string[] = [
  ...troubles.keys(),
  flaky,
  ...[...faults.keys()].map((status) => `demo-error-${status}`),
];

const refusal = (status: number, { message, type, code, retryAfter }: Fault) =>
  new Refusal(message, {
    status,
    type,
    ...(code !== undefined && { code }),
    ...(retryAfter !== undefined && { headers: { "retry-after": String(retryAfter) } }),
  });

/** What a model's name asks for: a refusal, a trouble with the answer, that it may be either, or nothing. */
export function troubleOf(model: string): Trouble | Refusal | "flaky" | undefined {
  if (model === flaky) return "flaky";
  const status = /^demo-error-(\d{3})$/.exec(model)?.[1];
  const fault = status === undefined ? undefined : faults.get(Number(status));
  return fault === undefined ? troubles.get(model) : refusal(Number(status), fault);
}

/** Decides request by request; throws the Refusal where there is one. */
export function troublemaker(): (model: unknown) => Trouble | undefined {
  let requests = 0;
  return (model) => {
    const trouble = typeof model === "string" ? troubleOf(model) : undefined;
    if (trouble instanceof Refusal) throw trouble;
    if (trouble !== "flaky") return trouble;
    const fault = faults.get(429);
    if (requests++ % 2 === 0 && fault !== undefined) throw refusal(429, fault);
    return undefined;
  };
}
