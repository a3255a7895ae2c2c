// A store of spending for tests, in memory alone.
import type { SpendingStore } from "../admission/allowance/spending.ts";

export function forgetfulSpending(): SpendingStore {
  const kept = new Map<string, { readonly start: number; readonly used: number }>();
  const keyOf = (id: string, start: number) => `${id} ${start}`;
  const read = (id: string, start: number) => kept.get(keyOf(id, start))?.used ?? 0;
  return {
    read,
    add: (rows) =>
      rows.map(({ id, start, used }) => {
        const total = read(id, start) + used;
        kept.set(keyOf(id, start), { start, used: total });
        return total;
      }),
    prune(before) {
      for (const [key, { start }] of kept) if (start > 0 && start < before) kept.delete(key);
    },
  };
}
