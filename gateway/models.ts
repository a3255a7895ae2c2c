// The list of models: every backend's own list and the names in the config, merged into one, telling only what is routed here.
import type { OpenAttempt } from "../instrumentation/index.ts";
import { type AnswerSink, Attempt } from "./attempt.ts";
import { type FailureKind, failures, GatewayError } from "./errors.ts";
import type { Upstream } from "./fleet.ts";
import { outgoing, ownHeaders } from "./outgoing.ts";
import { reply } from "./reply.ts";
import { Failed, type Sending } from "./sending.ts";
import { failureOfStatus } from "./verdict.ts";

interface Model {
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

/** Answers GET /v1/models. Throws a GatewayError when no backend answered and none has names in the config. */
export async function listModels(sending: Sending): Promise<void> {
  const { fleet, passage, corsHeaders, options } = sending;
  passage.draft.enter("overhead", options.surroundings.clock.now());
  const running: Attempt[] = [];
  const stop = () => {
    for (const attempt of running) attempt.cancel();
  };
  passage.onLeave = stop;
  passage.stop = stop;
  const lists = await Promise.all(fleet.upstreams.map((upstream) => modelsOf(sending, upstream, running)));
  // The client left, or the gateway went down.
  if (passage.draft.closed) return;
  const merged = new Map<string, Model>();
  for (const [i, upstream] of fleet.upstreams.entries()) {
    const ours = (id: string) => fleet.route(id) === upstream;
    const list = lists[i] ?? [];
    if (typeof list !== "string") {
      for (const model of list) if (!merged.has(model.id) && ours(model.id)) merged.set(model.id, model);
    }
    for (const id of upstream.backend.models) {
      // `created` has to be there for typed clients; 0 stands for "the config does not say".
      if (!id.includes("*") && !merged.has(id) && ours(id)) {
        merged.set(id, { id, object: "model", created: 0, owned_by: upstream.backend.provider });
      }
    }
  }
  const reasons = lists.filter((list) => typeof list === "string");
  if (merged.size === 0 && reasons.length > 0 && reasons.length === lists.length) {
    const kind = reasons.find((reason) => failures[reason].outcome === "failed") ?? reasons[0] ?? "unreachable";
    throw failures[kind].outcome === "refused"
      ? new GatewayError(kind)
      : new Failed(kind, `No backend gave its list of models: ${reasons.join(", ")}.`);
  }
  const body = Buffer.from(JSON.stringify({ object: "list", data: [...merged.values()] }));
  passage.draft.responseBytes = body.length;
  passage.res.once("finish", () => passage.close({ kind: "completed", status: 200, finish: "ok" }));
  reply(passage.res, 200, body, ["content-type", "application/json", ...ownHeaders(passage), ...corsHeaders]);
}

/** One backend's list, or why there is none. */
async function modelsOf(
  sending: Sending,
  upstream: Upstream,
  running: Attempt[],
): Promise<readonly Model[] | FailureKind> {
  const { options, passage, query } = sending;
  const { transport, backend } = upstream;
  const { now } = options.surroundings.clock;
  const connection = transport.acquire();
  if (connection === undefined) return "no_backend_up";
  const open: OpenAttempt = {
    backend: backend.name,
    provider: backend.provider,
    model: undefined,
    spanId: options.traces.spanId(),
    startedAt: now(),
    address: transport.hostname,
    port: transport.port,
  };
  passage.draft.attempts.push(open);
  passage.draft.enter("connect", open.startedAt);
  const ownKey = !(backend.passClientKey && backend.key === undefined);
  const chunks: Buffer[] = [];
  let length = 0;
  let failure: FailureKind | undefined;
  const sink: AnswerSink = {
    head(status) {
      failure = failureOfStatus(status, ownKey);
      return false;
    },
    data(chunk) {
      length += chunk.length;
      if (length <= listBytes) chunks.push(chunk);
    },
    end: () => {},
  };
  const { headers } = outgoing(sending, upstream, open, { withUsage: false, ownKey, read: true });
  const attempt = new Attempt({
    transport,
    connection,
    method: "GET",
    path: `${transport.basePath}/models${query}`,
    headers: headers.filter((_, i) => !ofOneList.has(headers[i - (i % 2)]?.toLowerCase() ?? "")),
    body: null,
    draft: passage.draft,
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
  if (ending.kind === "failed") failure = ending.failure;
  else if (ending.kind === "cancelled") failure = slow ? "first_byte_timeout" : undefined;
  const models = ending.kind === "answered" && failure === undefined ? modelsIn(Buffer.concat(chunks)) : undefined;
  if (models !== undefined) {
    open.result = "completed";
    return models;
  }
  if (ending.kind === "cancelled" && !slow) {
    open.result = "abandoned";
    return "shutting_down";
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
