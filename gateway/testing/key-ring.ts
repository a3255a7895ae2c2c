// Keys for tests: a ring that holds what a test puts on it.
import type { KeyRing } from "../admission/identify.ts";
import type { Key } from "../admission/identity.ts";

/** A key that may use inference alone, with what a test wants otherwise. */
export const keyOf = (id: string, more: Partial<Key> = {}): Key => ({
  id,
  label: `label of ${id}`,
  createdAt: 0,
  grants: [],
  limits: {},
  budgets: [],
  priority: 0,
  ...more,
});

export interface TestRing extends KeyRing {
  /** Puts a key on the ring under `tg-` and its id. Gives the secret. */
  add(id: string, more?: Partial<Key>): string;
}

/** An empty ring. */
export function keyRing(): TestRing {
  const keys = new Map<string, Key>();
  return {
    get any() {
      return keys.size > 0;
    },
    find: (secret) => keys.get(secret),
    add(id, more) {
      keys.set(`tg-${id}`, keyOf(id, more));
      return `tg-${id}`;
    },
  };
}
