// What the gateway itself puts on a request to a backend, and on an answer to a client.
import { type ExchangeDraft, type OpenAttempt, traceHeaders } from "../instrumentation/index.ts";
import { withoutOurs } from "./admission/credential.ts";
import type { Upstream } from "./fleet.ts";
import { headersToBackend } from "./headers.ts";
import type { Sent } from "./intake.ts";
import type { Passage } from "./passage.ts";
import type { Target } from "./routing/route.ts";
import type { Sending } from "./sending.ts";

/** The record of an attempt that begins now. */
export function openAttempt(
  { options, passage }: Sending,
  { upstream, model }: Pick<Target, "upstream" | "model">,
): OpenAttempt {
  const { backend, transport } = upstream;
  return {
    backend: backend.name,
    provider: backend.provider,
    model: model ?? passage.draft.requestedModel,
    spanId: options.traces.spanId(),
    startedAt: options.surroundings.clock.now(),
    address: transport.hostname,
    port: transport.port,
  };
}

interface Wishes {
  /** What goes in place of the client's body; `undefined`: the client's own. */
  readonly rewritten: Sent | undefined;
  /** The answer is read here, so that it had better come uncompressed. */
  readonly read: boolean;
}

/** Body and headers for the backend: the client's, less what may not cross, with what the gateway sets. */
export function outgoing(
  { passage, taken, options, setting }: Sending,
  upstream: Upstream,
  open: OpenAttempt,
  { rewritten, read }: Wishes,
) {
  const { req, draft } = passage;
  const { backend } = upstream;
  const crossing = headersToBackend(req, read ? upstream.crossingMetered : upstream.crossing);
  // A backend may get what the client has of its own, but never what it has from us, however that is written.
  const headers = upstream.ownKey ? crossing : withoutOurs(crossing, setting.admission.withTokens);
  // A body that was rewritten is sent plain, whatever it came as.
  const plain =
    rewritten && taken.body !== taken.json
      ? headers.filter((_, i) => headers[i - (i % 2)]?.toLowerCase() !== "content-encoding")
      : headers;
  const { body, length } = rewritten ?? taken;
  if (length !== undefined) plain.push("content-length", length);
  if (read) plain.push("accept-encoding", "identity");
  plain.push("x-request-id", draft.opening.id);
  if (backend.propagateTrace) {
    const { traceparent, tracestate } = traceHeaders(draft.opening.trace, open.spanId, options.exportsSpans);
    plain.push("traceparent", traceparent);
    if (tracestate !== undefined) plain.push("tracestate", tracestate);
  }
  for (const part of upstream.headers) plain.push(part);
  return { body, headers: plain };
}

/** The headers that every answer carries (flat). `gateway` stands for the backend where none was asked. */
export const ownHeaders = ({
  draft,
  limitHeaders = [],
}: Pick<Passage, "draft"> & Partial<Pick<Passage, "limitHeaders">>): string[] => [...signature(draft), ...limitHeaders];

/** Those that are about the request itself. */
export function signature(draft: ExchangeDraft): string[] {
  const { id } = draft.opening;
  const attempt = draft.attempts.at(-1);
  const backend = attempt?.backend ?? "gateway";
  const own = ["x-request-id", id, "x-tollgate-backend", backend, "server-timing", timing(draft)];
  const theirs = attempt?.upstreamRequestId;
  if (theirs !== undefined) own.push("x-tollgate-upstream-request-id", theirs);
  return own;
}

/** Milliseconds of each phase that took any, as Server-Timing has them. */
function timing(draft: ExchangeDraft): string {
  let text = "";
  for (const [phase, name] of phasesShown) {
    const spent = draft.spent(phase);
    if (spent > 0) text += `${text === "" ? "" : ", "}${name};dur=${tenths(spent)}`;
  }
  return text;
}

/** Most phases take less than 100 ms, and a number costs more to write than to find. */
const short = Array.from({ length: 1_000 }, (_, tenth) => (tenth / 10).toFixed(1));
const tenths = (millis: number): string => short[Math.round(millis * 10)] ?? millis.toFixed(1);

/** What is over when an answer's head goes out: of streams those that failed, and what was kept back. */
const phasesShown = [
  ["receive", "receive"],
  ["queue", "queue"],
  ["backoff", "backoff"],
  ["connect", "connect"],
  ["firstByte", "first_byte"],
  ["stream", "stream"],
  ["overhead", "overhead"],
] as const;
