// Bound ids in a database file: they outlive the gateway, and several gateways on one machine share them.
import type { DatabaseSync } from "node:sqlite";
import { type BoundIds, fadingMillis, fadingPrefixes, longestId, type Owner } from "./bound-ids.ts";

export interface SqliteIdsOptions {
  readonly database: DatabaseSync;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Told when ids could not be written; they are kept and tried again. */
  readonly failed: (error: unknown) => void;
}

/** Owners kept at hand; the others are a look-up of a few microseconds away. */
const maxRemembered = 10_000;
/** Ids wait so long to be written together; who kills the gateway meanwhile loses them, and they are then nobody's. */
const waitMillis = 50;
const retryMillis = 1_000;
/** How long the last write waits for another process's. */
const lastMillis = 2_000;
/** While the disk fails, no more than this is kept. */
const maxWaiting = 100_000;

interface Waiting {
  readonly owner: Owner;
  readonly isNew: boolean;
}

/** Makes its table where there is none. Throws what SQLite throws. */
export function sqliteIds({ database, now, failed }: SqliteIdsOptions): BoundIds {
  database.exec(`CREATE TABLE IF NOT EXISTS bound_ids (
    id TEXT PRIMARY KEY, tenant TEXT NOT NULL, backend TEXT NOT NULL, bound_at INTEGER NOT NULL
  ) WITHOUT ROWID`);
  try {
    // Ranges of the key, and not LIKE, which would read every row: what begins with `msg_` comes before "msg`".
    const old = database.prepare("DELETE FROM bound_ids WHERE id >= ? AND id < ? AND bound_at < ?");
    for (const prefix of fadingPrefixes) {
      old.run(prefix, prefix.replace(/_$/, "`"), Math.round(now()) - fadingMillis);
    }
  } catch (error) {
    // Another process writes; at the next start they can go as well.
    failed(error);
  }
  const select = database.prepare("SELECT tenant, backend FROM bound_ids WHERE id = ?");
  const replace = database.prepare("REPLACE INTO bound_ids VALUES (?, ?, ?, ?)");
  const insert = database.prepare("INSERT OR IGNORE INTO bound_ids VALUES (?, ?, ?, ?)");
  const waits = database.prepare("PRAGMA busy_timeout");
  const remembered = new Map<string, Owner>();
  const waiting = new Map<string, Waiting>();
  let timer: NodeJS.Timeout | undefined;

  const remember = (id: string, owner: Owner) => {
    if (remembered.size >= maxRemembered) {
      const [oldest] = remembered.keys();
      if (oldest !== undefined) remembered.delete(oldest);
    }
    remembered.set(id, owner);
  };

  const find = (id: string): Owner | undefined => {
    if (id.length > longestId) return undefined;
    const known = waiting.get(id)?.owner ?? remembered.get(id);
    if (known !== undefined) return known;
    const row = select.get(id);
    if (row === undefined) return undefined;
    const owner = { tenant: String(row.tenant), backend: String(row.backend) };
    remember(id, owner);
    return owner;
  };

  const schedule = (millis: number) => {
    timer ??= setTimeout(write, millis).unref();
  };

  const write = () => {
    clearTimeout(timer);
    timer = undefined;
    if (waiting.size === 0) return;
    const at = Math.round(now());
    try {
      database.exec("BEGIN IMMEDIATE");
      for (const [id, { owner, isNew }] of waiting) (isNew ? replace : insert).run(id, owner.tenant, owner.backend, at);
      database.exec("COMMIT");
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK");
      failed(error);
      if (waiting.size > maxWaiting) waiting.clear();
      schedule(retryMillis);
      return;
    }
    // What was only named may be another's by now: it is read again.
    for (const [id, { owner, isNew }] of waiting) if (isNew) remember(id, owner);
    waiting.clear();
  };

  /** Nobody waits for anything any more but this. */
  const flush = () => {
    const millis = Number(waits.get()?.timeout);
    database.exec(`PRAGMA busy_timeout = ${lastMillis}`);
    write();
    database.exec(`PRAGMA busy_timeout = ${millis}`);
  };

  const keep = (id: string, owner: Owner, isNew: boolean) => {
    if (id.length > longestId) return;
    waiting.set(id, { owner, isNew });
    schedule(waitMillis);
  };

  return {
    find,
    made: (id, owner) => keep(id, owner, true),
    named(id, owner) {
      if (find(id) === undefined) keep(id, owner, false);
    },
    flush,
  };
}
