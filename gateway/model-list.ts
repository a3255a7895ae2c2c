// One backend's own list of models, as one of several attempts that run side by side.
import { type AnswerSink, Attempt } from "./attempt.ts";
import { type FailureKind, failures } from "./errors.ts";
import type { Upstream } from "./fleet.ts";
import { openAttempt, outgoing } from "./outgoing.ts";
import type { Sending } from "./sending.ts";
import { failureOfStatus } from "./verdict.ts";

export interface Model {
  readonly id: string;
  readonly [field: string]: unknown;
}

/** A backend's list may be this large. */
const listBytes = 4 * 1024 * 1024;
/** A backend that is slower than this is left out: the list of the others must not wait for it. */
const listMillis = 5_000;
/** A list is made of many here, so that none of them can be asked for in part, or only where it has changed. */
const ofOneList = new Set([
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "range",
]);

/** The models, or why there are none to be had. Adds its attempt to `running`, so that it can be cancelled. */
export async function modelList(
  sending: Sending,
  upstream: Upstream,
  running: Attempt[],
): Promise<readonly Model[] | FailureKind> {
  const { draft } = sending.passage;
  const { transport } = upstream;
  const { now } = sending.options.surroundings.clock;
  const connection = transport.acquire();
  if (connection === undefined) return "no_backend_up";
  const open = openAttempt(sending, { upstream, model: undefined });
  draft.attempts.push(open);
  draft.enter("connect", open.startedAt);
  const chunks: Buffer[] = [];
  let length = 0;
  let failure: FailureKind | undefined;
  const sink: AnswerSink = {
    head({ status }) {
      failure = failureOfStatus(status, upstream.ownKey);
      return false;
    },
    data(chunk) {
      length += chunk.length;
      if (length <= listBytes) chunks.push(chunk);
    },
    end: () => {},
  };
  const { headers } = outgoing(sending, upstream, open, { rewritten: undefined, read: true });
  const attempt = new Attempt({
    transport,
    connection,
    timeouts: upstream.backend.timeouts,
    method: "GET",
    path: `${transport.basePath}/models${sending.query}`,
    headers: headers.filter((_, i) => !ofOneList.has(headers[i - (i % 2)]?.toLowerCase() ?? "")),
    body: null,
    draft,
    open,
    sink,
    now,
  });
  running.push(attempt);
  let slow = false;
  const timer = setTimeout(() => {
    slow = true;
    attempt.cancel();
  }, listMillis);
  const ending = await attempt.ended;
  clearTimeout(timer);
  if (ending.kind === "cancelled" && !slow) {
    open.result = "abandoned";
    return [];
  }
  if (ending.kind === "failed") failure = ending.failure;
  else if (ending.kind === "cancelled") failure = "first_byte_timeout";
  const models = failure === undefined ? modelsIn(Buffer.concat(chunks)) : undefined;
  if (models !== undefined) {
    open.result = "completed";
    return models;
  }
  failure ??= "bad_answer";
  open.result = failures[failure].outcome;
  open.reason = failures[failure].reason;
  // It keeps no list, as many engines do not.
  return failure === "upstream_rejected" ? [] : failure;
}

/** The models of a list's JSON text; anything else is no list. */
function modelsIn(body: Buffer): readonly Model[] | undefined {
  try {
    const parsed: unknown = JSON.parse(body.toString("utf8"));
    if (typeof parsed !== "object" || parsed === null || !("data" in parsed) || !Array.isArray(parsed.data))
      return undefined;
    return parsed.data.filter(
      (model): model is Model => typeof model === "object" && model !== null && typeof model.id === "string",
    );
  } catch {
    return undefined;
  }
}
