// One page of what one backend lists, as one of several attempts that run side by side.
import { type AnswerSink, Attempt } from "../attempt.ts";
import { type FailureKind, failures } from "../errors.ts";
import type { Upstream } from "../fleet.ts";
import { openAttempt, outgoing } from "../outgoing.ts";
import type { Sending } from "../sending.ts";
import { failureOfStatus } from "../verdict.ts";

/** A model, a file, a batch: whatever is listed. */
export interface Entry {
  readonly id: string;
  readonly [field: string]: unknown;
}

export interface ListPage {
  readonly entries: readonly Entry[];
  /** The backend says that more come after these. */
  readonly hasMore: boolean;
}

const nothing: ListPage = { entries: [], hasMore: false };

/** A page may be this large. */
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

/**
 * The page at `path` (after the backend's base URL, with its query), or why it is not to be had; nothing where the
 * backend keeps no such list. Adds its attempt to `running`, so that it can be cancelled.
 */
export async function listPage(
  sending: Sending,
  upstream: Upstream,
  path: string,
  running: Attempt[],
): Promise<ListPage | FailureKind> {
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
    path: transport.basePath + path,
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
    return nothing;
  }
  if (ending.kind === "failed") failure = ending.failure;
  else if (ending.kind === "cancelled") failure = "first_byte_timeout";
  const page = failure === undefined ? pageIn(Buffer.concat(chunks)) : undefined;
  if (page !== undefined) {
    open.result = "completed";
    return page;
  }
  failure ??= "bad_answer";
  open.result = failures[failure].outcome;
  open.reason = failures[failure].reason;
  // It keeps no list, as many engines do not.
  return failure === "upstream_rejected" ? nothing : failure;
}

/** The page in a JSON text; anything else is no list. */
function pageIn(body: Buffer): ListPage | undefined {
  try {
    const parsed: unknown = JSON.parse(body.toString("utf8"));
    if (typeof parsed !== "object" || parsed === null || !("data" in parsed) || !Array.isArray(parsed.data))
      return undefined;
    const entries = parsed.data.filter(
      (entry): entry is Entry => typeof entry === "object" && entry !== null && typeof entry.id === "string",
    );
    return { entries, hasMore: "has_more" in parsed && parsed.has_more === true };
  } catch {
    return undefined;
  }
}
