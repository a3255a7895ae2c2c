// Tells a body that names two models: which of them its backend takes depends on how it reads JSON.
import { objectAt } from "../json-members.ts";

/** Stands once in most bodies; escaped letters could spell any. */
const trace = /"model"|\\u00/gi;

/**
 * Whether a JSON text has `model` twice, in whatever case: some readers take the first, some the last, and those of Go
 * take `Model` for `model`.
 */
export function namesTwoModels(json: Buffer): boolean {
  if ((json.toString("latin1").match(trace)?.length ?? 0) < 2) return false;
  const members = objectAt(json)?.members ?? [];
  return members.filter(({ name }) => name.toLowerCase() === "model").length > 1;
}
