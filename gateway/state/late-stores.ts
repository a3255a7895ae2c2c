// Spending and bound ids in a database that is made with the first of them.
import { type SpendingStore, sqliteSpending } from "../admission/allowance/spending.ts";
import type { BoundIds } from "../admission/bound-ids.ts";
import { type SqliteIdsOptions, sqliteIds } from "../admission/bound-ids-sqlite.ts";
import type { LateDatabase } from "./late-database.ts";

/** Nothing was spent while there is no database; the first that is makes it. */
export function lateSpending(database: LateDatabase): SpendingStore {
  let store: SpendingStore | undefined;
  const found = () => {
    if (store !== undefined) return store;
    const open = database.look();
    if (open !== undefined) store = sqliteSpending(open);
    return store;
  };
  return {
    read: (id, start) => found()?.read(id, start) ?? 0,
    add(rows) {
      store ??= sqliteSpending(database.make());
      return store.add(rows);
    },
    prune: (before) => found()?.prune(before),
  };
}

export interface LateIdsOptions extends Omit<SqliteIdsOptions, "database"> {
  readonly database: LateDatabase;
}

/** No id is bound while there is no database; the first that is makes it. What cannot be made is told of, and not bound. */
export function lateIds({ database, now, failed }: LateIdsOptions): BoundIds {
  let ids: BoundIds | undefined;
  const found = () => {
    if (ids !== undefined) return ids;
    const open = database.look();
    if (open !== undefined) ids = sqliteIds({ database: open, now, failed });
    return ids;
  };
  const made = () => {
    try {
      database.make();
      return found();
    } catch (error) {
      failed(error);
      return undefined;
    }
  };
  return {
    find: (id) => found()?.find(id),
    made: (id, owner) => made()?.made(id, owner),
    named: (id, owner) => made()?.named(id, owner),
    flush: () => ids?.flush(),
  };
}
