// The database for what is written often, from when it is needed: a gateway that has nothing to keep writes nothing.
import type { DatabaseSync } from "node:sqlite";
import { openExisting, openOrMake } from "./database.ts";

export interface LateDatabase {
  /** At the start, when no request waits: opens it where its file is, and waits for whoever writes it. Throws a DatabaseProblem. */
  begin(): void;
  /** Opens it where its file is by now. Throws a DatabaseProblem. */
  look(): DatabaseSync | undefined;
  /** Opens it, and makes it where there is none. Throws a DatabaseProblem. */
  make(): DatabaseSync;
  close(): void;
}

/** How long a write waits for another process's, milliseconds: every request waits with it, and it can be tried again. */
const waitMillis = 20;

/**
 * A connection of its own. What it commits outlives the process at once, and the machine's sudden end after some
 * seconds: to wait for the disk each time would hold up the requests.
 */
export function lateDatabase(folder: string): LateDatabase {
  let open: DatabaseSync | undefined;
  const take = (database: DatabaseSync): DatabaseSync => {
    database.exec(`PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = ${waitMillis}`);
    open = database;
    return database;
  };
  return {
    begin() {
      const existing = openExisting(folder);
      if (existing !== undefined) take(existing);
    },
    look() {
      if (open !== undefined) return open;
      const existing = openExisting(folder, waitMillis);
      return existing && take(existing);
    },
    make: () => open ?? take(openOrMake(folder, waitMillis)),
    close() {
      open?.close();
      open = undefined;
    },
  };
}
