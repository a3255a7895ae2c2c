// A store of keys for tests, in memory alone.
import { type KeyStore, LabelTaken, type StoredKey } from "../admission/keys/key-store.ts";

export function forgetfulKeys(): KeyStore {
  const kept = new Map<string, { readonly stored: StoredKey; readonly revision: number }>();
  let revision = 0;
  const put = (stored: StoredKey) => {
    const { id, label, revokedAt } = stored.key;
    const folded = label.toLowerCase();
    for (const { key } of [...kept.values()].map((one) => one.stored)) {
      const isSame = key.id !== id && key.revokedAt === undefined && key.label.toLowerCase() === folded;
      if (isSame && revokedAt === undefined) throw new LabelTaken(label);
    }
    revision += 1;
    // What was changed last comes last.
    kept.delete(id);
    kept.set(id, { stored, revision });
  };
  return {
    async changes(since) {
      const later = [...kept.values()].filter((one) => one.revision > since);
      return { keys: later.map(({ stored }) => stored), revision };
    },
    async add(stored) {
      put(stored);
    },
    async update(id, change) {
      const found = kept.get(id);
      if (found === undefined) return undefined;
      const next = change(found.stored);
      put(next);
      return next;
    },
  };
}
