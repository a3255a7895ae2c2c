// A memory of bounded size: what was not asked for lately is forgotten.

export interface Recent<V extends object> {
  get(name: string): V | undefined;
  set(name: string, value: V): void;
  readonly size: number;
}

/**
 * Keeps at most `capacity` entries in two generations: when the young one is full it becomes the old one, and what the
 * old one held is dropped. So the last `capacity / 2` names used are always there, and a hit costs one look-up and no
 * write.
 */
export function recent<V extends object>(capacity: number): Recent<V> {
  const half = Math.max(1, Math.floor(capacity / 2));
  let young = new Map<string, V>();
  let old = new Map<string, V>();
  const set = (name: string, value: V) => {
    if (young.size >= half) {
      old = young;
      young = new Map();
    }
    old.delete(name);
    young.set(name, value);
  };
  return {
    get(name) {
      const value = young.get(name);
      if (value !== undefined) return value;
      const aged = old.get(name);
      if (aged !== undefined) set(name, aged);
      return aged;
    },
    set,
    get size() {
      return young.size + old.size;
    },
  };
}
