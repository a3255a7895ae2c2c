// The shape of routes and retries in a configuration file.
import * as z from "zod";
import { decimal, duration, name, pattern, says, text, whole } from "./values.ts";

const group = says("must be a group of keys, indented below it");

const timeouts = z.strictObject(
  {
    connect: duration().optional().describe("For the connection; 0 turns it off."),
    firstByte: duration().optional().describe("From the request sent to the answer's headers; 0 turns it off."),
    idle: duration().optional().describe("Between two pieces of an answer; 0 turns it off."),
    total: duration().optional().describe("For the whole attempt; 0 turns it off."),
  },
  group,
);

export const retriesSchema = z.strictObject(
  {
    max: whole(0, 10)
      .prefault(0)
      .describe("How often a request goes round its targets again when all of them have failed."),
    backoff: duration().prefault("500ms").describe("Wait before the first retry; doubled for each further one."),
    maxBackoff: duration()
      .prefault("8s")
      .describe("Longest wait. A backend that asks for a longer one by Retry-After ends the request."),
  },
  group,
);

const target = z.strictObject(
  {
    backend: name("the name of a backend").describe("The backend to ask."),
    model: text("must be the name of a model")
      .optional()
      .describe("The model's name there; as requested when not set."),
    weight: decimal(0, 1_000_000).prefault(1).describe("Share of requests under strategy: weighted."),
    timeouts: timeouts.prefault({}).describe("In place of the backend's own."),
  },
  says("must be a target with a backend"),
);

const strategies = ["priority", "weighted", "least_busy", "lowest_latency", "cheapest"] as const;
const cached = ["off", "deterministic", "all"] as const;
const modes = ["prepend", "append", "replace"] as const;

/** A prompt of the operator's. */
export const systemPromptSchema = z
  .strictObject(
    {
      mode: z
        .enum(modes, says(`must be one of ${modes.join(", ")}`))
        .prefault("prepend")
        .describe("Before the client's own system messages, after them, or in their place."),
      text: text("must be the prompt's text").describe("The prompt."),
    },
    group,
  )
  .optional();

export const routeSchema = z.strictObject(
  {
    model: pattern().describe("What clients ask for: a model, an alias, or a pattern with `*`."),
    strategy: z
      .enum(strategies, says(`must be one of ${strategies.join(", ")}`))
      .prefault("priority")
      .describe("Which target is asked first; the others are its fallbacks, best first."),
    targets: z
      .array(target, says("must be a list of targets"))
      .min(1, "is an empty list; name at least one backend")
      .describe("Where the model is served."),
    retries: retriesSchema.optional().describe("In place of the top level's."),
    systemPrompt: systemPromptSchema.describe("Put into every chat and response that takes this route."),
    cache: z
      .enum(cached, says(`must be one of ${cached.join(", ")}`))
      .prefault("off")
      .describe("Which requests are answered from the cache, where there is one; x-tollgate-cache: off opts out."),
  },
  says("must be a route with model and targets"),
);
