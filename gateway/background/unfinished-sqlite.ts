// Unfinished responses in the data folder: they outlive the gateway.
import { fadingMillis } from "../admission/bound-ids.ts";
import type { LateDatabase } from "../state/late-database.ts";
import type { UnfinishedStore } from "./unfinished.ts";

export interface SqliteUnfinishedOptions {
  readonly database: LateDatabase;
  /** Unix milliseconds. */
  readonly now: () => number;
}

const table = `
CREATE TABLE IF NOT EXISTS unfinished (id TEXT PRIMARY KEY, entry TEXT NOT NULL, began_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unfinished_began_at ON unfinished (began_at);
`;

/** The first one makes the database, where there is none. Throws what SQLite throws, or a DatabaseProblem. */
export function sqliteUnfinished({ database, now }: SqliteUnfinishedOptions): UnfinishedStore {
  const prepared = (open: ReturnType<LateDatabase["make"]>) => {
    open.exec(table);
    return {
      insert: open.prepare("REPLACE INTO unfinished VALUES (?, ?, ?)"),
      look: open.prepare("SELECT 1 FROM unfinished WHERE id = ?"),
      take: open.prepare("DELETE FROM unfinished WHERE id = ? RETURNING entry"),
      forget: open.prepare("DELETE FROM unfinished WHERE began_at < ?"),
    };
  };
  let statements: ReturnType<typeof prepared> | undefined;
  const found = () => {
    const open = statements === undefined ? database.look() : undefined;
    if (open !== undefined) statements = prepared(open);
    return statements;
  };

  return {
    write(key, _, entry) {
      statements ??= prepared(database.make());
      const at = Math.round(now());
      statements.forget.run(at - fadingMillis);
      statements.insert.run(key, entry, at);
    },
    take(key) {
      // To delete nothing is to wait for whoever writes, too.
      if (found()?.look.get(key) === undefined) return undefined;
      const entry = found()?.take.get(key)?.entry;
      return entry === undefined ? undefined : String(entry);
    },
  };
}
