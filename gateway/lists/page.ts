// One page of what one backend lists, as one attempt of the request that wants it.
import { type AnswerSink, Attempt } from "../attempt.ts";
import { type FailureKind, failures } from "../errors.ts";
import type { Upstream } from "../fleet.ts";
import { openAttempt, outgoing } from "../outgoing.ts";
import type { Sending } from "../sending.ts";
import { failureOfStatus } from "../verdict.ts";
import type { UnderWay } from "./under-way.ts";

/** A model, a file, a batch: whatever is listed. */
export interface Entry {
  readonly id: string;
  readonly [field: string]: unknown;
}

export type ListPage =
  /** `hasMore`: the backend says that more come after these. */
  | { readonly kind: "page"; readonly entries: readonly Entry[]; readonly hasMore: boolean }
  /** Nobody waits for it any more. */
  | { readonly kind: "none" }
  | {
      readonly kind: "failed";
      readonly failure: FailureKind;
      /** It answered, with more than is taken. */
      readonly isTooLarge: boolean;
      /** It answered as backends do that know no such list, or none for us. */
      readonly isUnknown: boolean;
    };

/** A page may be this large. */
const pageBytes = 4 * 1024 * 1024;
/** A backend that is slower than this is given up: others must not wait for it. */
const pageMillis = 5_000;
/** A list is made of many here, so that none of them can be asked for in part, or only where it has changed. */
const ofOneList = new Set([
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "range",
]);
/** How backends say that they know no such path, or that our key may not use it. */
const unknownPath: ReadonlySet<number | undefined> = new Set([403, 404, 405, 501]);

const none: ListPage = { kind: "none" };

/** The page at `path` (after the backend's base URL, with its query), or why it is not to be had. */
export async function listPage(
  sending: Sending,
  upstream: Upstream,
  path: string,
  underWay: UnderWay,
): Promise<ListPage> {
  const { draft } = sending.passage;
  const { transport } = upstream;
  const { now } = sending.options.surroundings.clock;
  const connection = transport.acquire();
  if (connection === undefined)
    return { kind: "failed", failure: "no_backend_up", isTooLarge: false, isUnknown: false };
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
      if (length <= pageBytes) chunks.push(chunk);
      else attempt.cancel();
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
  const over = underWay.begins(attempt);
  let slow = false;
  const timer = setTimeout(() => {
    slow = true;
    attempt.cancel();
  }, pageMillis);
  const ending = await attempt.ended;
  clearTimeout(timer);
  over();
  const isTooLarge = length > pageBytes;
  if (ending.kind === "cancelled" && !slow && !isTooLarge) {
    open.result = "abandoned";
    return none;
  }
  if (ending.kind === "failed") failure = ending.failure;
  else if (slow && !isTooLarge) failure = "first_byte_timeout";
  else if (isTooLarge) failure = "bad_answer";
  const page = failure === undefined ? pageIn(Buffer.concat(chunks)) : undefined;
  if (page !== undefined && page !== "other") {
    open.result = "completed";
    return page;
  }
  failure ??= "bad_answer";
  open.result = failures[failure].outcome;
  open.reason = failures[failure].reason;
  const isUnknown = page === "other" || (ending.kind === "answered" && unknownPath.has(open.status));
  return { kind: "failed", failure, isTooLarge, isUnknown };
}

/** The page in a JSON text. An object without a list is how some engines speak of paths that they do not know. */
function pageIn(body: Buffer): ListPage | "other" | undefined {
  try {
    const parsed: unknown = JSON.parse(body.toString("utf8"));
    if (typeof parsed !== "object" || parsed === null) return undefined;
    if (!("data" in parsed)) return "other";
    if (!Array.isArray(parsed.data)) return undefined;
    const entries = parsed.data.filter(
      (entry): entry is Entry => typeof entry === "object" && entry !== null && typeof entry.id === "string",
    );
    return { kind: "page", entries, hasMore: "has_more" in parsed && parsed.has_more === true };
  } catch {
    return undefined;
  }
}
