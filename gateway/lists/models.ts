// The list of models: every backend's own list and the names in the config, merged into one, telling only what is routed here.
import type { Sending } from "../sending.ts";
import { noList } from "./no-list.ts";
import { type Entry, listPage } from "./page.ts";
import { tell } from "./tell.ts";
import { UnderWay } from "./under-way.ts";

/** Answers GET /v1/models. Throws a GatewayError when no backend answered and none has names in the config. */
export async function listModels(sending: Sending): Promise<void> {
  const { setting, identity, fleet, passage, options } = sending;
  const { admission } = setting;
  passage.draft.enter("overhead", options.surroundings.clock.now());
  const underWay = new UnderWay();
  passage.running = underWay;
  const upstreams = fleet.upstreams.filter((upstream) => admission.reaches(identity, upstream));
  const lists = await Promise.all(
    upstreams.map((upstream) => listPage(sending, upstream, `/models${sending.query}`, underWay)),
  );
  // The client left, or the gateway went down.
  if (passage.draft.closed) return;
  const merged = new Map<string, Entry>();
  for (const [i, upstream] of upstreams.entries()) {
    const ours = (id: string) => fleet.route(id) === upstream && admission.allows(identity, id);
    const list = lists[i];
    if (list?.kind === "page") {
      for (const model of list.entries) if (!merged.has(model.id) && ours(model.id)) merged.set(model.id, model);
    }
    for (const id of upstream.backend.models) {
      // `created` has to be there for typed clients; 0 stands for "the config does not say".
      if (!id.includes("*") && !merged.has(id) && ours(id)) {
        merged.set(id, { id, object: "model", created: 0, owned_by: upstream.backend.provider });
      }
    }
  }
  for (const { model: id } of fleet.config.routes) {
    if (!id.includes("*") && !merged.has(id) && admission.allows(identity, id)) merged.set(id, aliased(id));
  }
  // A backend that will not have the question has no list, as many engines have none.
  const reasons = lists
    .filter((list) => list.kind === "failed")
    .map(({ failure }) => failure)
    .filter((failure) => failure !== "upstream_rejected");
  if (merged.size === 0 && reasons.length > 0 && reasons.length === lists.length) throw noList(reasons);
  tell(sending, { object: "list", data: [...merged.values()] });
}

/** A name that the operator's routes give to models of others. */
const aliased = (id: string): Entry => ({ id, object: "model", created: 0, owned_by: "tollgate" });

/** Answers GET /v1/models/{id} for an alias, which no backend knows; false where it is none that the caller may use. */
export function describesAlias(sending: Sending): boolean {
  const { setting, identity, fleet, path } = sending;
  const id = nameIn(path);
  const isAlias = fleet.config.routes.some(({ model }) => model === id) && !id.includes("*");
  if (!isAlias || !setting.admission.allows(identity, id)) return false;
  const served = fleet.upstreams.some(({ backend }) => backend.models.includes(id));
  if (served) return false;
  sending.passage.draft.enter("overhead", sending.options.surroundings.clock.now());
  tell(sending, aliased(id));
  return true;
}

const nameIn = (path: string): string => {
  const written = path.slice("/v1/models/".length);
  try {
    return decodeURIComponent(written);
  } catch {
    return written;
  }
};
