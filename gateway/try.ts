// Tries one backend once: makes the request, and steers its answer to the client, into the record, or back.
import { Answer } from "./answer.ts";
import { AnswerHead } from "./answer-head.ts";
import { type AnswerSink, Attempt, type Ending } from "./attempt.ts";
import { type FailureKind, failures, GatewayError, outcomeOf } from "./errors.ts";
import type { Upstream } from "./fleet.ts";
import { headerIn } from "./headers.ts";
import { openAttempt, outgoing, ownHeaders } from "./outgoing.ts";
import type { Sending } from "./sending.ts";
import { decoder, isReadable, type Tap, tap } from "./tap.ts";
import { usageFilter } from "./usage-filter.ts";
import { failureOfStatus, outcomeOfStatus } from "./verdict.ts";

export async function tryOnce(
  sending: Sending,
  upstream: Upstream,
  withUsage: boolean,
  fresh: boolean,
): Promise<{ ending: Ending; answer: Answer | undefined }> {
  const { options, passage, path, query, corsHeaders } = sending;
  const { draft, receiver, req, res } = passage;
  const { transport, ownKey } = upstream;
  const { now } = options.surroundings.clock;
  const open = openAttempt(sending, upstream);
  const { body, headers } = outgoing(sending, upstream, open, { withUsage, read: receiver.metered });
  const connection = transport.acquire({ fresh });
  if (connection === undefined) throw new GatewayError("no_backend_up", "All connections to the backend are in use.");
  draft.attempts.push(open);
  draft.enter("connect", open.startedAt);

  let answer: Answer | undefined;
  let broke: FailureKind | undefined;
  let streaming = false;
  const note = (failure: FailureKind) => {
    open.result = failures[failure].outcome;
    open.reason = failures[failure].reason;
  };
  const sink: AnswerSink = {
    head(status, statusText, rawHeaders, flow, tooLarge) {
      const failure = failureOfStatus(status, ownKey);
      if (failure === undefined) open.result = "completed";
      else note(failure);
      if (failure === "backend_auth" || (!tooLarge && withUsage && (status === 400 || status === 422))) return true;
      const type = (headerIn(rawHeaders, "content-type") ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
      const contentEncoding = headerIn(rawHeaders, "content-encoding");
      const streamed = type === "text/event-stream";
      streaming = streamed;
      if (streaming) options.observers.streamOpened();
      passage.tap = receiver.metered ? watch(sending, status, type, streamed, contentEncoding) : undefined;
      const filter = withUsage && streamed && status < 300 && isReadable(contentEncoding) ? usageFilter() : undefined;
      const ours = [...ownHeaders(passage), ...corsHeaders];
      answer = new Answer({
        res,
        draft,
        now,
        head: new AnswerHead({
          res,
          status,
          statusText,
          rawHeaders,
          ownHeaders: ours,
          rewritten: filter !== undefined,
        }),
        flow,
        tap: passage.tap,
        filter,
        decode: filter && decoder(contentEncoding ?? ""),
      });
      answer.finished = () => passage.close(outcomeOfStatus(status, ownKey));
      answer.broke = (failure, error) => {
        if (draft.closed) return;
        if (failure === "internal") options.observers.failed(error);
        broke = failure;
        note(failure);
        attempt.cancel();
        passage.close(outcomeOf(failure, error instanceof Error ? error.message : String(error), status));
      };
      // The client left while the backend was thinking, and the answer is read all the same.
      if (passage.left) hush();
      return false;
    },
    data: (chunk) => answer?.data(chunk),
    end: (trailers) => answer?.end(trailers),
  };
  const attempt = new Attempt({
    transport,
    connection,
    method: req.method ?? "GET",
    path: transport.basePath + path.slice(3) + query,
    headers,
    body,
    draft,
    open,
    sink,
    now,
  });
  const hush = () => {
    answer?.deafen();
    answer?.limit(sending.fleet.config.limits.drainBytes, () => attempt.cancel());
  };
  passage.onLeave = () => {
    hush();
    leave(sending, upstream, attempt);
  };
  passage.stop = () => attempt.cancel();
  if (passage.left) passage.onLeave();
  const ending = await attempt.ended;
  if (streaming) options.observers.streamClosed();
  if (ending.kind === "failed") note(ending.failure);
  else if (ending.kind === "cancelled" && broke === undefined) open.result = "abandoned";
  return { ending, answer };
}

/** The client is gone: the backend is cancelled, or read on for a while so that the bill is exact. */
function leave({ fleet }: Sending, { backend }: Upstream, attempt: Attempt): void {
  const { drainSeconds } = fleet.config.limits;
  if (backend.onClientAbort === "cancel" || drainSeconds <= 0) {
    attempt.cancel();
    return;
  }
  const timer = setTimeout(() => attempt.cancel(), drainSeconds * 1000);
  void attempt.ended.then(() => clearTimeout(timer));
}

function watch(
  { passage, taken, options }: Sending,
  status: number,
  contentType: string,
  streamed: boolean,
  encoding: string | undefined,
): Tap | undefined {
  try {
    const reader = passage.receiver.readAnswer({ status, contentType, streamed }, taken.facts());
    return tap({ reader, encoding, failed: options.observers.watchFailed });
  } catch (error) {
    options.observers.watchFailed(error);
    return undefined;
  }
}
