// The database file in the data folder: the one durable place of keys, spending and bound ids.
import { chmodSync, closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { applicationId, schema } from "./schema.ts";

/** The data folder or its file cannot be used; the message is one sentence with path and fix, for the operator alone. */
export class DatabaseProblem extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "DatabaseProblem";
  }
}

/** How long a write waits for another process's, milliseconds; the whole process waits with it. */
const patienceMillis = 2_000;

/** The file's path. Beside it SQLite keeps `-wal` and `-shm`, which belong to it. */
export const databaseFile = (folder: string): string => join(folder, "tollgate.db");

/** Opens what is there, and changes nothing of it unless an older version wrote it; `undefined` where nothing is. */
export function openExisting(folder: string, waitMillis = patienceMillis): DatabaseSync | undefined {
  return existsSync(databaseFile(folder)) ? open(folder, waitMillis) : undefined;
}

/**
 * Opens the database, and makes folder (mode 0700) and file (mode 0600) where they are missing. Several processes may
 * have it open. Throws a DatabaseProblem.
 */
export function openOrMake(folder: string, waitMillis = patienceMillis): DatabaseSync {
  const file = databaseFile(folder);
  if (!existsSync(file)) {
    try {
      if (mkdirSync(folder, { recursive: true, mode: 0o700 }) !== undefined) chmodSync(folder, 0o700);
      // SQLite gives its further files the mode of this one.
      closeSync(openSync(file, "a", 0o600));
    } catch (error) {
      throw new DatabaseProblem(
        `The data folder ${folder} cannot be written to; make it writable for this user, or name another with TOLLGATE_DATA_DIR.`,
        error,
      );
    }
  }
  return open(folder, waitMillis);
}

function open(folder: string, waitMillis: number): DatabaseSync {
  const file = databaseFile(folder);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { timeout: waitMillis });
    upgrade(database, file);
    return database;
  } catch (error) {
    if (database?.isOpen) database.close();
    throw problemOf(error, file);
  }
}

/** Readers never wait for a writer (WAL), and a commit is on the disk before it counts. */
function upgrade(database: DatabaseSync, file: string): void {
  const version = pragma(database, "user_version");
  const isEmpty = version === 0 && database.prepare("SELECT 1 FROM sqlite_schema").get() === undefined;
  if (!isEmpty && pragma(database, "application_id") !== applicationId)
    throw new DatabaseProblem(
      `${file} is not a database of Tollgate; move it away, or name another folder with TOLLGATE_DATA_DIR.`,
    );
  if (version > schema.length)
    throw new DatabaseProblem(
      `${file} was written by a newer Tollgate; run that version, or name another folder with TOLLGATE_DATA_DIR.`,
    );
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  if (version === schema.length) {
    checkKeys(database);
    checkWritable(database);
    return;
  }
  database.exec("BEGIN IMMEDIATE");
  try {
    // Another process may have done it meanwhile.
    for (const step of schema.slice(pragma(database, "user_version"))) database.exec(step);
    database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${schema.length}; COMMIT`);
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

/** Damage that the file's head does not show. Only the keys are looked at; the rest may be large. */
function checkKeys(database: DatabaseSync): void {
  const said = database.prepare("PRAGMA quick_check(keys)").get()?.quick_check;
  if (said !== "ok") throw Object.assign(new Error(String(said)), { errcode: corrupt });
}

/** SQLite opens a file read-only where it may not write, and would say so only at the first write. */
function checkWritable(database: DatabaseSync): void {
  database.exec("BEGIN IMMEDIATE; ROLLBACK");
}

function pragma(database: DatabaseSync, name: "user_version" | "application_id"): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name]);
}

/** SQLite's result codes, without what they are extended by: https://www.sqlite.org/rescode.html */
const busy = new Set([5, 6]);
const denied = new Set([3, 8, 14, 23]);
const corrupt = 11;
const damaged = new Set([corrupt, 26]);
const full = new Set([13]);

/** What SQLite says, as a sentence. */
export function problemOf(error: unknown, file: string): DatabaseProblem {
  if (error instanceof DatabaseProblem) return error;
  const code = typeof error === "object" && error !== null && "errcode" in error ? Number(error.errcode) & 0xff : -1;
  if (damaged.has(code))
    return new DatabaseProblem(
      `${file} is damaged, and was left as it is; restore it from a backup, or move it away to begin anew without its keys.`,
      error,
    );
  if (denied.has(code))
    return new DatabaseProblem(
      `${file} cannot be opened for writing; make its folder and file writable for this user, or name another with TOLLGATE_DATA_DIR.`,
      error,
    );
  if (busy.has(code))
    return new DatabaseProblem(
      `${file} is held by another process; wait until it is done, or see who has it open.`,
      error,
    );
  if (full.has(code)) return new DatabaseProblem(`${file} cannot grow, the disk is full; make room.`, error);
  const said = error instanceof Error ? error.message : String(error);
  return new DatabaseProblem(`${file} cannot be used (${said}); see to its folder and disk.`, error);
}
