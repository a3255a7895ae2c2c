// Meters a realtime session from the events that pass: tokens of each response add up, bytes are counted.
import type { ExchangeDraft, Findings, Tokens } from "../../instrumentation/index.ts";
import { tokensIn } from "../receivers/tokens.ts";

/** Watches; must not throw, whatever the messages are. */
export interface SessionMeter {
  fromClient(data: Buffer): void;
  fromBackend(data: Buffer, binary: boolean): void;
  findings(): Findings;
}

/** Events that are worth parsing; the others are only counted. */
const telling = /"type"\s*:\s*"(?:response\.done|session\.created|session\.updated)"/;
const delta = /"type"\s*:\s*"response\.[a-z_]+(?:\.[a-z_]+)*\.delta"/;
/** The type stands near an event's start; deltas of audio are large. */
const headBytes = 256;

/** A meter that writes bytes and first token into the draft as they pass. */
export function sessionMeter(draft: ExchangeDraft, now: () => number): SessionMeter {
  let served: string | undefined;
  let tokens: Tokens | undefined;
  let responses = 0;

  const read = (text: string) => {
    const event: unknown = JSON.parse(text);
    if (!isObject(event)) return;
    if (event.type === "response.done" && isObject(event.response)) {
      responses += 1;
      tokens = added(tokens, tokensIn(event.response.usage));
    } else if (isObject(event.session) && typeof event.session.model === "string") served = event.session.model;
  };

  return {
    fromClient(data) {
      draft.requestBytes += data.length;
    },
    fromBackend(data, binary) {
      draft.responseBytes += data.length;
      if (binary) return;
      const head = data.toString("latin1", 0, headBytes);
      if (draft.firstTokenAt === undefined && delta.test(head)) draft.firstTokenAt = now();
      // A response's events may name their type after other fields; only these two kinds are searched whole.
      if (
        !telling.test(head) &&
        !(data.length < 64 * 1024 && data.includes("response.done") && telling.test(data.toString("latin1")))
      )
        return;
      try {
        read(data.toString("utf8"));
      } catch {
        // Not JSON: the client will say so itself; nothing to meter.
      }
    },
    findings: () => ({
      ...(served !== undefined && { served }),
      ...(tokens ? { tokens, usageSource: "provider" as const } : responses > 0 && { usageSource: "missing" as const }),
    }),
  };
}

function added(before: Tokens | undefined, more: Tokens | undefined): Tokens | undefined {
  if (before === undefined || more === undefined) return before ?? more;
  const sum: Record<string, number> = { ...before };
  for (const [name, count] of Object.entries(more)) sum[name] = (sum[name] ?? 0) + Number(count);
  return sum;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
