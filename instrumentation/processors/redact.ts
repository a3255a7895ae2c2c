// The redact processor: takes whatever looks like a secret out of a record's free text, before any exporter sees it.
import type { Attempt, Caller, Exchange, Labels, Media, Purpose, Trace, UsageRecord } from "../exchange.ts";
import type { Outcome } from "../outcome.ts";
import type { Processor } from "../pipeline.ts";
import { redacted, scrub, scrubMessage, scrubName } from "../scrub.ts";
import { remembering } from "./redact/remembering.ts";

/**
 * Scrubs every text that a client or a backend has written: outcome message, user, request id, user agent, feature,
 * scenario, session, metadata, model names, ids from the backend, and the labels made of them. A record with nothing
 * to hide comes back as the same object. A throw makes the pipeline drop the record and count it.
 */
export function redact(): Processor {
  return function redact(record: UsageRecord): UsageRecord {
    return record.kind === "exchange" ? exchange(record) : trackedTexts(record);
  };
}

// Texts of which the same few come again and again; ids, new each time, would only push those out.
const common = { name: remembering(scrubName), text: remembering(scrub) };

const trackedTexts = within<Exclude<UsageRecord, Exchange>>({ service: scrubName });
const callerTexts = within<Caller>({
  user: scrubName,
  requestId: scrubName,
  keyLabel: common.name,
  userAgent: common.text,
  address: common.text,
});
const purposeTexts = within<Purpose>({ feature: common.text, scenario: common.text, session: scrubName });
const modelTexts = within<Exchange["model"]>({ requested: common.name, served: common.name });
const attemptTexts = within<Attempt>({ model: common.name, served: common.name, upstreamRequestId: scrubName });
const traceTexts = within<Trace>({ tracestate: scrubName });
const labelTexts = within<Labels>({
  model: common.name,
  servedModel: common.name,
  key: common.name,
  feature: common.name,
});
const mediaTexts = within<Media>({ voice: common.name, imageSize: common.name, imageQuality: common.name });
const completedTexts = within<Extract<Outcome, { kind: "completed" }>>({ finish: common.name });
const brokenTexts = within<Extract<Outcome, { kind: "refused" | "failed" }>>({ message: scrubMessage });

function exchange(record: Exchange): Exchange {
  const caller = callerTexts(record.caller);
  const purpose = purposeOf(record.purpose);
  const model = modelTexts(record.model);
  const attempts = each(record.attempts, attemptTexts);
  const mcpServers = each(record.mcpServers, scrubName);
  const outcome = outcomeOf(record.outcome);
  const trace = traceTexts(record.trace);
  const labels = record.labels && labelTexts(record.labels);
  const media = record.media && mediaTexts(record.media);
  const clean =
    caller === record.caller &&
    purpose === record.purpose &&
    model === record.model &&
    attempts === record.attempts &&
    mcpServers === record.mcpServers &&
    outcome === record.outcome &&
    trace === record.trace &&
    labels === record.labels &&
    media === record.media;
  if (clean) return record;
  const parts = { caller, purpose, model, attempts, mcpServers, outcome, trace };
  return Object.freeze({ ...record, ...parts, ...(labels && { labels }), ...(media && { media }) });
}

function purposeOf(given: Purpose): Purpose {
  const safe = purposeTexts(given);
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

function outcomeOf(given: Outcome): Outcome {
  switch (given.kind) {
    case "completed":
      return completedTexts(given);
    case "refused":
    case "failed":
      return brokenTexts(given);
    case "abandoned":
      return given;
  }
}

/** The same list when no member changed. */
function each<T>(list: readonly T[], clean: (member: T) => T): readonly T[] {
  for (const member of list) if (clean(member) !== member) return Object.freeze(list.map(clean));
  return list;
}

/** Cleans some texts of a part, each its own way: a copy where one was not clean, else the part itself. */
function within<T extends object>(
  cleaning: { readonly [member in keyof T]?: (text: string) => string },
): (part: T) => T {
  const members = Object.keys(cleaning) as (keyof T)[];
  const cleaners = members.map((member) => cleaning[member] ?? String);
  return (part) => {
    let copy: T | undefined;
    for (let index = 0; index < members.length; index++) {
      const member = members[index] as keyof T;
      const value: unknown = part[member];
      if (typeof value !== "string") continue;
      const safe = (cleaners[index] as (text: string) => string)(value);
      if (safe === value) continue;
      copy = copy ?? { ...part };
      copy[member] = safe as T[keyof T];
    }
    return copy === undefined ? part : Object.freeze(copy);
  };
}
