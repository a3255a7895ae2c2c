// The shape of the response cache in a configuration file.
import * as z from "zod";
import { duration, flag, says, size } from "./values.ts";

const stores = ["memory", "redis"] as const;

export const cacheSchema = z.strictObject(
  {
    store: z
      .enum(stores, says(`must be one of ${stores.join(", ")}`))
      .prefault("memory")
      .describe("In this process, or in the Redis that gateways share."),
    maxBytes: size().prefault("256MiB").describe("Of all answers in memory; those not asked for longest go first."),
    maxEntryBytes: size().prefault("1MiB").describe("Of one answer; a larger one is not kept."),
    ttl: duration().prefault("5m").describe("How long an answer is kept."),
    acrossKeys: flag()
      .prefault(false)
      .describe("Lets callers get answers that others asked for; else each key, or user without one, has its own."),
    coalesce: flag()
      .prefault(false)
      .describe("Of requests that ask the same at a time one is sent on, and the others wait for its whole answer."),
  },
  says("must be a group of keys, indented below it"),
);
