// Whose the things on a backend's list are.
import type { BoundIds, Owner } from "./bound-ids.ts";
import { namedBeside } from "./named-beside.ts";

/** How many are asked about together, where another machine has to be asked. */
const askedTogether = 100;

/** Whatever is listed. */
export interface Listed {
  readonly id: string;
  readonly [field: string]: unknown;
}

/**
 * Those of `all` that are the owner's; what they name beside is the owner's, too, from now on. Rejects with what `find`
 * rejects with.
 */
export async function ownAmong<One extends Listed>(
  owner: Owner,
  all: readonly One[],
  ids: BoundIds,
): Promise<readonly One[]> {
  const own: One[] = [];
  for (let at = 0; at < all.length; at += askedTogether) {
    const some = all.slice(at, at + askedTogether);
    const owners = await Promise.all(some.map(({ id }) => ids.find(id)));
    for (const [i, one] of some.entries()) {
      if (owners[i]?.tenant !== owner.tenant || owners[i].backend !== owner.backend) continue;
      own.push(one);
      for (const id of namedBeside(one)) ids.named(id, owner);
    }
  }
  return own;
}
