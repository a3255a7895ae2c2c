// Opens the record of a request, whatever way it goes from here: over HTTP or as a session.
import type { IncomingMessage } from "node:http";
import { ExchangeDraft } from "../instrumentation/index.ts";
import { callerOf, purposeOf } from "./caller.ts";
import type { Receiver } from "./receivers/receiver.ts";
import type { ForwardOptions, Setting } from "./sending.ts";

/** A draft with all that the head of the request tells; exporters that show what is open are told of it. */
export function openDraft(
  { pipeline, traces, surroundings: { clock, uuid } }: ForwardOptions,
  { clientAddress }: Setting,
  req: IncomingMessage,
  receiver: Receiver,
): ExchangeDraft {
  const draft = new ExchangeDraft({
    id: uuid(),
    openedAt: clock.wall(),
    startedAt: clock.now(),
    operation: receiver.operation,
    serviceType: receiver.serviceType,
    endpoint: receiver.path,
    method: req.method ?? "GET",
    trace: traces.begin(single(req.headers.traceparent), single(req.headers.tracestate)),
    caller: callerOf(req, clientAddress(req)),
    purpose: purposeOf(req),
  });
  draft.upstreamMode = receiver.upstreamMode;
  pipeline.opened(draft.opening);
  return draft;
}

/** A header that came twice is not valid trace context. */
const single = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? undefined : value);
