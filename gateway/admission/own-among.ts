// Whose the things on a backend's list are.
import type { BoundIds, Owner } from "./bound-ids.ts";

/** How many are asked about together, where another machine has to be asked. */
const askedTogether = 100;

/** Those of `all` that are the owner's. Rejects with what `find` rejects with. */
export async function ownAmong(
  { tenant, backend }: Owner,
  all: readonly string[],
  ids: BoundIds,
): Promise<ReadonlySet<string>> {
  const own = new Set<string>();
  for (let at = 0; at < all.length; at += askedTogether) {
    const some = all.slice(at, at + askedTogether);
    const owners = await Promise.all(some.map((id) => ids.find(id)));
    for (const [i, id] of some.entries()) {
      if (owners[i]?.tenant === tenant && owners[i].backend === backend) own.add(id);
    }
  }
  return own;
}
