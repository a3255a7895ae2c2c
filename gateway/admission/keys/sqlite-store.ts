// Keys in the database file, which every process on this machine that has the data folder shares.
import type { DatabaseSync } from "node:sqlite";
import type { Config } from "../../config/config.ts";
import { databaseFile, openExisting, openOrMake, problemOf } from "../../state/database.ts";
import { type KeyStore, LabelTaken, type StoredKey } from "./key-store.ts";
import { readStored } from "./stored-key.ts";

export interface SqliteKeyStore extends KeyStore {
  close(): void;
}

/** SQLite's code for a row that breaks a UNIQUE index. */
const notUnique = 2067;

/**
 * The file is opened when it is first there, and made by the first key. Throws nothing; the first call rejects with a
 * DatabaseProblem where the file is damaged or out of reach.
 */
export function sqliteStore(folder: string): SqliteKeyStore {
  const file = databaseFile(folder);
  let open: ReturnType<typeof statements> | undefined;

  const existing = () => {
    if (open !== undefined) return open;
    const database = openExisting(folder);
    if (database !== undefined) open = statements(database);
    return open;
  };

  const attempt = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw error instanceof LabelTaken ? error : problemOf(error, file);
    }
  };

  /** Within one transaction, which no other process's can come between. */
  const write = <T>(label: () => string, work: (through: ReturnType<typeof statements>) => T): T => {
    const through = attempt(() => existing() ?? statements(openOrMake(folder)));
    open = through;
    attempt(() => through.database.exec("BEGIN IMMEDIATE"));
    try {
      const result = work(through);
      attempt(() => through.database.exec("COMMIT"));
      return result;
    } catch (error) {
      if (through.database.isTransaction) through.database.exec("ROLLBACK");
      const code = error instanceof Error && "errcode" in error ? error.errcode : undefined;
      if (code === notUnique) throw new LabelTaken(label());
      throw code === undefined ? error : problemOf(error, file);
    }
  };

  return {
    async changes(since) {
      return attempt(() => {
        const through = existing();
        if (through === undefined) return { keys: [], revision: since };
        // Read before the keys, so that no change falls between the two.
        const version = through.dataVersion.get()?.data_version;
        const { seen } = through;
        if (version === seen.version && since === seen.since) return { keys: [], revision: since };
        const rows = through.later.all(since);
        const keys = rows.map((row) => readStored(row.document, file));
        const last = rows.at(-1);
        seen.version = version;
        seen.since = last === undefined ? since : Number(last.revision);
        return { keys, revision: seen.since };
      });
    },
    async add(stored) {
      const { id, label, revokedAt } = stored.key;
      write(
        () => label,
        ({ insert }) => insert.run(id, label, revokedAt === undefined ? 0 : 1, JSON.stringify(stored)),
      );
    },
    async update(id, change) {
      if (attempt(existing) === undefined) return undefined;
      let next: StoredKey | undefined;
      return write(
        () => next?.key.label ?? "",
        ({ select, replace }) => {
          const row = select.get(id);
          if (row === undefined) return undefined;
          next = change(readStored(row.document, file));
          const { label, revokedAt } = next.key;
          replace.run(label, revokedAt === undefined ? 0 : 1, JSON.stringify(next), id);
          return next;
        },
      );
    },
    close() {
      open?.database.close();
      open = undefined;
    },
  };
}

function statements(database: DatabaseSync) {
  return {
    database,
    /** When the keys were last read; while no other connection has written since, there is nothing to read. */
    seen: { version: undefined as unknown, since: -1 },
    dataVersion: database.prepare("PRAGMA data_version"),
    later: database.prepare("SELECT document, revision FROM keys WHERE revision > ? ORDER BY revision"),
    select: database.prepare("SELECT document FROM keys WHERE id = ?"),
    insert: database.prepare("INSERT INTO keys (id, label, revoked, document) VALUES (?, ?, ?, ?)"),
    replace: database.prepare("UPDATE keys SET label = ?, revoked = ?, document = ? WHERE id = ?"),
  };
}

/** Whether a data folder holds any key, in whatever state. True where that cannot be told: what opens the keys says why. */
export function holdsKeys(folder: string): boolean {
  try {
    const database = openExisting(folder);
    const row = database?.prepare("SELECT 1 FROM keys").get();
    database?.close();
    return row !== undefined;
  } catch {
    return true;
  }
}

/** Whether callers may have keys at what a configuration names; Redis is asked later. */
export const mayHoldKeys = ({ dataDir, redis }: Pick<Config, "dataDir" | "redis">): boolean =>
  redis !== undefined || holdsKeys(dataDir);
