// The list of models: every backend's own list and the names in the config, merged into one, telling only what is routed here.
import type { OpenAttempt } from "../instrumentation/index.ts";
import { type AnswerSink, Attempt } from "./attempt.ts";
import { failures, outcomeOf } from "./errors.ts";
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

/** Answers GET /v1/models. Throws a GatewayError when no backend answered and none has names in the config. */
export async function listModels(sending: Sending): Promise<void> {
  const { fleet, passage, corsHeaders, options } = sending;
  passage.draft.enter("overhead", options.surroundings.clock.now());
  const lists = await Promise.all(fleet.upstreams.map((upstream) => modelsOf(sending, upstream)));
  const merged = new Map<string, Model>();
  for (const [i, upstream] of fleet.upstreams.entries()) {
    const ours = (id: string) => fleet.route(id) === upstream;
    for (const model of lists[i] ?? []) if (!merged.has(model.id) && ours(model.id)) merged.set(model.id, model);
    for (const id of upstream.backend.models) {
      // `created` has to be there for typed clients; 0 stands for "the config does not say".
      if (!id.includes("*") && !merged.has(id) && ours(id)) {
        merged.set(id, { id, object: "model", created: 0, owned_by: upstream.backend.provider });
      }
    }
  }
  const failed = passage.draft.attempts.find(({ result }) => result === "failed");
  if (merged.size === 0 && failed && lists.every((list) => list === undefined)) {
    throw new Failed(
      "unreachable",
      `No backend gave its list of models (${failed.backend}: ${failed.reason ?? "failed"}).`,
    );
  }
  const body = Buffer.from(JSON.stringify({ object: "list", data: [...merged.values()] }));
  passage.draft.responseBytes = body.length;
  passage.res.once("finish", () => passage.close({ kind: "completed", status: 200, finish: "ok" }));
  reply(passage.res, 200, body, ["content-type", "application/json", ...ownHeaders(passage), ...corsHeaders]);
}

/** One backend's list; `undefined` when it gave none in time. */
async function modelsOf(sending: Sending, upstream: Upstream): Promise<readonly Model[] | undefined> {
  const { options, passage, query } = sending;
  const { transport, backend } = upstream;
  const { now } = options.surroundings.clock;
  const connection = transport.acquire();
  if (connection === undefined) return undefined;
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
  const sink: AnswerSink = {
    head(status) {
      const failure = failureOfStatus(status, ownKey);
      open.result = failure === undefined ? "completed" : failures[failure].outcome;
      if (failure !== undefined) open.reason = failures[failure].reason;
      return false;
    },
    data(chunk) {
      length += chunk.length;
      if (length <= listBytes) chunks.push(chunk);
    },
    end: () => {},
  };
  const { headers } = outgoing(sending, upstream, open, false, ownKey);
  const attempt = new Attempt({
    transport,
    connection,
    method: "GET",
    path: `${transport.basePath}/models${query}`,
    headers: [...headers, "accept-encoding", "identity"],
    body: null,
    draft: passage.draft,
    open,
    sink,
    now,
  });
  const timer = setTimeout(() => attempt.cancel(), listMillis);
  const ending = await attempt.ended;
  clearTimeout(timer);
  if (ending.kind !== "answered") {
    const kind = ending.kind === "failed" ? ending.failure : "first_byte_timeout";
    const { kind: result, ...told } = outcomeOf(kind);
    open.result = result;
    if ("reason" in told) open.reason = told.reason;
    return undefined;
  }
  return open.result === "completed" ? modelsIn(Buffer.concat(chunks)) : undefined;
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
