// Spending that outlives the process: how much was used of each rule, by calendar period.
import type { DatabaseSync } from "node:sqlite";

interface Spent {
  /** A rule's id. */
  readonly id: string;
  /** Unix milliseconds of the period's beginning. */
  readonly start: number;
  /** Requests, tokens or nano-USD; a whole number. */
  readonly used: number;
}

export interface SpendingStore {
  /** 0 where nothing is written down. */
  read(id: string, start: number): number;
  /** Adds these to what stands there, all or none, for others may write there too. What stands there then, in the order of the rows. */
  add(rows: readonly Spent[]): readonly number[];
  /** Forgets periods that began before this time, those from 0 on (`total`) aside. */
  prune(before: number): void;
}

/** In a table of its own, which is made where it is missing. */
export function sqliteSpending(database: DatabaseSync): SpendingStore {
  database.exec(
    "CREATE TABLE IF NOT EXISTS spending (id TEXT NOT NULL, start INTEGER NOT NULL, used INTEGER NOT NULL, PRIMARY KEY (id, start)) WITHOUT ROWID",
  );
  const select = database.prepare("SELECT used FROM spending WHERE id = ? AND start = ?");
  const insert = database.prepare(
    "INSERT INTO spending (id, start, used) VALUES (?, ?, ?) ON CONFLICT (id, start) DO UPDATE SET used = used + excluded.used RETURNING used",
  );
  const remove = database.prepare("DELETE FROM spending WHERE start > 0 AND start < ?");
  return {
    read(id, start) {
      const used = select.get(id, start)?.used;
      return typeof used === "number" ? used : 0;
    },
    add(rows) {
      database.exec("BEGIN IMMEDIATE");
      try {
        const totals = rows.map(({ id, start, used }) => Number(insert.get(id, start, used)?.used));
        database.exec("COMMIT");
        return totals;
      } catch (error) {
        // A full disk has ended it already.
        if (database.isTransaction) database.exec("ROLLBACK");
        throw error;
      }
    },
    prune: (before) => void remove.run(before),
  };
}
