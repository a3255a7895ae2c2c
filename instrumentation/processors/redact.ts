// The redact processor: takes whatever looks like a secret out of a record's free text, before any exporter sees it.
import type { Attempt, Exchange, Outcome, Purpose, UsageRecord } from "../exchange.ts";
import type { Processor } from "../pipeline.ts";
import { redacted, scrub, scrubMessage, scrubName } from "../scrub.ts";

/**
 * Scrubs every text that a client or a backend has written: outcome message, user, request id, user agent, feature,
 * scenario, session, metadata, model names, ids from the backend, and the labels made of them. A record with nothing
 * to hide comes back as the same object. A throw makes the pipeline drop the record and count it.
 */
export function redact(): Processor {
  return function redact(record: UsageRecord): UsageRecord {
    return record.kind === "exchange" ? exchange(record) : within(record, ["service"], scrubName);
  };
}

function exchange(record: Exchange): Exchange {
  const caller = within(
    within(record.caller, ["user", "requestId", "keyLabel"], scrubName),
    ["userAgent", "address"],
    scrub,
  );
  const parts: Partial<Exchange> = {
    caller,
    purpose: purpose(record.purpose),
    model: within(record.model, ["requested", "served"], scrubName),
    attempts: each(record.attempts, attempt),
    mcpServers: each(record.mcpServers, scrubName),
    outcome: outcome(record.outcome),
    trace: within(record.trace, ["tracestate"], scrubName),
    ...(record.labels && { labels: within(record.labels, ["model", "servedModel", "key", "feature"], scrubName) }),
    ...(record.media && { media: within(record.media, ["voice", "imageSize", "imageQuality"], scrubName) }),
  };
  for (const name of Object.keys(parts) as (keyof Exchange)[]) {
    if (parts[name] !== record[name]) return Object.freeze({ ...record, ...parts });
  }
  return record;
}

function purpose(given: Purpose): Purpose {
  const safe = within(within(given, ["feature", "scenario"], scrub), ["session"], scrubName);
  const { metadata } = safe;
  if (metadata === undefined) return safe;
  const pairs = Object.entries(metadata);
  const kept = pairs.map(([key, value]) => [scrub(key), secretName.test(key) ? redacted : scrub(value)] as const);
  const clean = kept.every(([key, value], index) => key === pairs[index]?.[0] && value === pairs[index]?.[1]);
  return clean ? safe : Object.freeze({ ...safe, metadata: Object.freeze(Object.fromEntries(kept)) });
}

/** A metadata key whose value is a secret, whatever it looks like. */
const secretName =
  /api[_-]?key|secret|passw(?:or)?d|passphrase|credential|authorization|access[_-]?token|private[_-]?key/i;

function outcome(given: Outcome): Outcome {
  switch (given.kind) {
    case "completed":
      return within(given, ["finish"], scrubName);
    case "refused":
      return within(given, ["message"], scrubMessage);
    case "failed":
      return within(given, ["message"], scrubMessage);
    case "abandoned":
      return given;
  }
}

const attempt = (given: Attempt): Attempt => within(given, ["model", "upstreamRequestId"], scrubName);

/** The same list when no member changed. */
function each<T>(list: readonly T[], clean: (member: T) => T): readonly T[] {
  const safe = list.map(clean);
  return safe.some((member, index) => member !== list[index]) ? Object.freeze(safe) : list;
}

/** A copy of `part` with some of its texts cleaned; `part` itself when all were clean. */
function within<T extends object>(part: T, fields: readonly (keyof T)[], clean: (text: string) => string): T {
  let copy: T | undefined;
  for (const field of fields) {
    const value: unknown = part[field];
    if (typeof value !== "string") continue;
    const safe = clean(value);
    if (safe === value) continue;
    copy = copy ?? { ...part };
    copy[field] = safe as T[keyof T];
  }
  return copy === undefined ? part : Object.freeze(copy);
}
