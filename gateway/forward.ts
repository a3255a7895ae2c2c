// The forwarder: admit → take in → send → answer, for each request once; every way out ends in one record.
import type { IncomingMessage, ServerResponse } from "node:http";
import { ExchangeDraft } from "../instrumentation/index.ts";
import { callerOf, purposeOf } from "./caller.ts";
import { ClientLeft, GatewayError, outcomeOf } from "./errors.ts";
import { intake } from "./intake.ts";
import { ownHeaders } from "./outgoing.ts";
import { Passage } from "./passage.ts";
import { receiverFor } from "./receivers/index.ts";
import { replyError } from "./reply.ts";
import { send } from "./send.ts";
import { Failed, type ForwardOptions } from "./sending.ts";
import { target } from "./target.ts";

/** Forwards one request. Never rejects; the answer, the record and the clean-up are all its own. */
export type Forward = (req: IncomingMessage, res: ServerResponse) => Promise<void>;

export function forward(options: ForwardOptions): Forward {
  const { pipeline, traces, observers } = options;
  const { clock, uuid } = options.surroundings;
  const { now } = clock;

  return async (req, res) => {
    const { fleet, doors, clientAddress } = options.setting();
    const place = target(req.url);
    const { receiver } = receiverFor(req.method ?? "GET", place?.path ?? "/v1/");
    const id = uuid();
    const draft = new ExchangeDraft({
      id,
      openedAt: clock.wall(),
      startedAt: now(),
      operation: receiver.operation,
      serviceType: receiver.serviceType,
      endpoint: receiver.path,
      method: req.method ?? "GET",
      trace: traces.begin(single(req.headers.traceparent), single(req.headers.tracestate)),
      caller: callerOf(req, clientAddress(req)),
      purpose: purposeOf(req),
    });
    draft.upstreamMode = receiver.upstreamMode;
    observers.opened();
    pipeline.opened({ id, operation: receiver.operation, openedAt: draft.opening.openedAt });
    const passage = new Passage({ req, res, draft, receiver, now, pipeline, recorded: observers.recorded });
    const corsHeaders = doors.corsHeaders(req.headers.origin);
    try {
      if (place === undefined) throw new GatewayError("invalid_path");
      if (options.draining()) throw new GatewayError("shutting_down");
      doors.admit(req);
      const taken = await intake({ req, res, receiver, limits: fleet.config.limits, draft, now });
      passage.facts = taken.facts;
      passage.json = taken.json;
      await send({ options, fleet, passage, taken, path: place.path, query: place.query, corsHeaders });
    } catch (error) {
      refuse(passage, error, corsHeaders);
    }
    await passage.over;
    passage.record();
  };
}

/** Ends a request that gets an answer of our own. */
function refuse(passage: Passage, error: unknown, corsHeaders: readonly string[]): void {
  if (error instanceof ClientLeft || passage.left) {
    passage.res.destroy();
    return;
  }
  const known = error instanceof GatewayError ? error : undefined;
  const kind = known?.kind ?? "internal";
  const detail =
    error instanceof Failed
      ? error.detail
      : known
        ? known.message
        : error instanceof Error
          ? `${error.name}: ${error.message}`
          : String(error);
  passage.close(outcomeOf(kind, detail));
  const attempt = passage.draft.attempts.at(-1);
  const answered = replyError(passage.res, {
    kind,
    ...(known && !(error instanceof Failed) && { message: known.message }),
    ...(known?.param !== undefined && { param: known.param }),
    headers: [
      ...ownHeaders(passage, undefined),
      ...(attempt ? ["x-tollgate-backend", attempt.backend] : []),
      ...corsHeaders,
    ],
  });
  if (!answered) passage.res.destroy();
}

const single = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? undefined : value);
