// The shape of a backend and of a price in a configuration file.
import * as z from "zod";
import { secretSource } from "./secret.ts";
import { address, decimal, duration, flag, formed, name, pattern, says, whole } from "./values.ts";

const group = says("must be a group of keys, indented below it");

// Those belong to one connection, or are set by the gateway itself.
const reserved =
  /^(host|connection|content-length|transfer-encoding|keep-alive|upgrade|te|trailer|expect|proxy-.*|x-request-id|traceparent|tracestate)$/i;

const headers = z
  .record(
    z
      .string()
      .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, "is not a header name")
      .refine((header) => !reserved.test(header), "is a header that the gateway sets itself; remove it"),
    secretSource(),
    says("must be a group of header names with values"),
  )
  .prefault({});

const timeouts = z.strictObject(
  {
    connect: duration().prefault("10s").describe("For the connection; 0 turns it off."),
    firstByte: duration().prefault("10m").describe("From the request sent to the answer's headers; 0 turns it off."),
    idle: duration().prefault("5m").describe("Between two pieces of an answer; 0 turns it off."),
    total: duration().prefault(0).describe("For the whole attempt; 0 turns it off."),
  },
  group,
);

const queue = z.strictObject(
  {
    size: whole(0, 100_000).prefault(100).describe("Requests that wait at most; 0: none waits."),
    timeout: duration().prefault("30s").describe("Longest wait; 0: as long as the client does."),
  },
  group,
);

const atLeast = (seconds: number) => duration().refine((value) => value >= seconds, `must be at least ${seconds}s`);

const breaker = z.strictObject(
  {
    failures: whole(0, 1_000_000).prefault(5).describe("Failures in a row that open it; 0: it is not opened by these."),
    ratio: decimal(0, 1)
      .prefault(0.5)
      .describe("Share of failures within `window` that opens it, 0 to 1; 0: it is not opened by these."),
    minRequests: whole(1, 1_000_000).prefault(20).describe("Requests within `window` from which the ratio counts."),
    window: atLeast(1).prefault("30s").describe("The time that the ratio looks at."),
    openFor: atLeast(1)
      .prefault("5s")
      .describe("How long the backend is left alone; doubled each time it opens again soon, up to a minute."),
    halfOpen: whole(1, 10_000)
      .prefault(3)
      .describe("After that: requests at a time that may try it. One success closes the breaker."),
  },
  group,
);

const healthCheck = z.strictObject(
  {
    path: formed(/^\/(?!\/)[^\s?#\\]*(\?[^\s#\\]*)?$/, "must be a path on the backend's host, such as /health")
      .optional()
      .describe("Path on the backend's host that answers 2xx, such as /health; its list of models when not set."),
    every: atLeast(1).prefault("15s").describe("Time between two checks."),
    timeout: duration()
      .refine((value) => value > 0, "must be longer than 0")
      .prefault("5s")
      .describe("A check that takes longer has failed."),
    healthy: whole(1, 1000).prefault(1).describe("Successes in a row that bring the backend up."),
    unhealthy: whole(1, 1000).prefault(3).describe("Failures in a row that put the backend down."),
  },
  group,
);

const usd = (of: string) => decimal(0).optional().describe(`USD per ${of}.`);

/** A price; `anyBackend` where it stands at the top level and may name the backend it is for. */
export function priceSchema<Top extends boolean>(anyBackend: Top) {
  const shape = {
    model: pattern().describe("Exact model name, or a pattern with `*`."),
    free: flag().optional().describe("Costs nothing, on purpose."),
    inputPerMillion: usd("million input tokens"),
    outputPerMillion: usd("million output tokens"),
    cachedInputPerMillion: usd("million cached input tokens"),
    cacheWritePerMillion: usd("million tokens written to the cache"),
    perHour: usd("hour that the backend works, for machines paid by the hour"),
    perImage: usd("image"),
    perAudioMinute: usd("minute of audio"),
    perMillionCharacters: usd("million characters to be spoken"),
    sameAs: formed(
      /^[^\s/]+\/\S+$/,
      "must name a model of the price catalogue as provider/model, such as openai/gpt-4o-mini",
    )
      .optional()
      .describe("Costs what this model of the price catalogue costs: provider/model."),
    ...(anyBackend && { backend: name("the name of a backend").optional().describe("Only for this backend.") }),
  };
  return z
    .strictObject(
      shape as Top extends true ? typeof shape & { backend: z.ZodOptional<z.ZodString> } : typeof shape,
      group,
    )
    .superRefine((price, context) => {
      const { model: _model, backend: _backend, free, ...amounts } = price as Record<string, unknown>;
      const stated = Object.values(amounts).filter((amount) => amount !== undefined).length;
      if (free === true && stated > 0) context.addIssue("is free and has amounts too; remove one of the two");
      if (free !== true && stated === 0)
        context.addIssue("has no amount; add one such as inputPerMillion, or free: true");
      if (amounts.sameAs !== undefined && stated > 1) {
        context.addIssue("has sameAs and amounts too; remove one of the two");
      }
    });
}

export const backendSchema = z.strictObject(
  {
    name: name("the name of the backend").describe("Its name in metrics, logs and headers."),
    provider: name("the company or engine behind it, such as openai, deepseek, vllm")
      .optional()
      .describe("Company or engine behind it, for prices and traces; its name when not set."),
    baseUrl: address("https://api.example.com/v1")
      .optional()
      .describe("Address with the version, such as https://api.example.com/v1; known for openai and deepseek."),
    key: secretSource().optional().describe("The gateway's own key for it."),
    passClientKey: flag()
      .optional()
      .describe("Sends the client's own key to it; only without `key`. False by default."),
    models: z
      .array(pattern(), says("must be a list of model names and patterns"))
      .min(1, 'is an empty list; name its models, or write ["*"] for any')
      .optional()
      .describe("Names and `*` patterns of the models it serves; known for openai and deepseek."),
    headers: headers.describe("Sent with every request to it, over what the client sent."),
    timeouts: timeouts.prefault({}).describe("Seconds, or text such as 500ms, 30s, 5m."),
    maxConnections: whole(1, 100_000)
      .prefault(10_000)
      .describe("Most connections at a time, and with that most requests; further ones wait in its queue."),
    maxConcurrent: whole(1, 100_000)
      .optional()
      .describe("Most requests at a time; further ones wait in its queue. As many as maxConnections when not set."),
    queue: queue.prefault({}).describe("Where requests wait while the backend has all that it may have."),
    breaker: breaker.prefault({}).describe("When the backend is left alone, judged from how requests to it went."),
    healthCheck: healthCheck
      .optional()
      .describe("Asks the backend regularly how it is; {} for the defaults. Off when not set."),
    onClientAbort: z
      .enum(["cancel", "drain"], says("must be cancel or drain"))
      .prefault("cancel")
      .describe("When a client leaves: cancel the request, or drain the answer within limits to know its bill."),
    propagateTrace: flag().prefault(false).describe("Sends W3C trace context to it."),
    prices: z
      .array(priceSchema(false), says("must be a list of prices"))
      .prefault([])
      .describe("Prices of its models, before all others."),
  },
  says("must be a backend with name, baseUrl and models"),
);
