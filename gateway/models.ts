// The list of models: every backend's own list and the names in the config, merged into one, telling only what is routed here.
import type { Attempt } from "./attempt.ts";
import { failures, GatewayError } from "./errors.ts";
import { type Model, modelList } from "./model-list.ts";
import { ownHeaders } from "./outgoing.ts";
import { reply } from "./reply.ts";
import { Failed, type Sending } from "./sending.ts";

/** Answers GET /v1/models. Throws a GatewayError when no backend answered and none has names in the config. */
export async function listModels(sending: Sending): Promise<void> {
  const { setting, identity, fleet, passage, corsHeaders, options } = sending;
  const { admission } = setting;
  passage.draft.enter("overhead", options.surroundings.clock.now());
  const running: Attempt[] = [];
  const stop = () => {
    for (const attempt of running) attempt.cancel();
  };
  passage.running = { leave: stop, stop };
  const upstreams = fleet.upstreams.filter((upstream) => admission.reaches(identity, upstream));
  const lists = await Promise.all(upstreams.map((upstream) => modelList(sending, upstream, running)));
  // The client left, or the gateway went down.
  if (passage.draft.closed) return;
  const merged = new Map<string, Model>();
  for (const [i, upstream] of upstreams.entries()) {
    const ours = (id: string) => fleet.route(id) === upstream && admission.allows(identity, id);
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
  passage.closesWith({ kind: "completed", status: 200, finish: "ok" });
  reply(passage.res, 200, body, ["content-type", "application/json", ...ownHeaders(passage), ...corsHeaders]);
}
