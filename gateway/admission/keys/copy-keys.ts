// Brings the keys of a data folder to the Redis where keys live from now on: once, so that nothing revoked there comes back.
import { DatabaseProblem, databaseFile, openExisting, problemOf } from "../../state/database.ts";
import { type KeyStore, LabelTaken } from "./key-store.ts";
import { readStored } from "./stored-key.ts";

/**
 * Adds what Redis does not have, and marks the file as copied; the file's keys stay as they are. Gives sentences for
 * the operator, none where there was nothing to do. Rejects with a DatabaseProblem; what was not copied is, next time.
 */
export async function copyKeys(folder: string, store: KeyStore): Promise<readonly string[]> {
  const database = openExisting(folder);
  if (database === undefined) return [];
  const file = databaseFile(folder);
  try {
    const found = database.prepare("SELECT document FROM keys ORDER BY revision").all();
    if (found.length === 0) return [];
    const there = new Set((await store.changes(0)).keys.map(({ key }) => key.id));
    database.exec("CREATE TABLE IF NOT EXISTS keys_copied (at INTEGER NOT NULL)");
    if (database.prepare("SELECT 1 FROM keys_copied").get() !== undefined)
      return there.size > 0 ? [] : [`Redis holds no keys, though those of ${file} were copied to it once; ${lost}`];
    const told: string[] = [];
    let copied = 0;
    for (const { document } of found) {
      const stored = readStored(document, file);
      const { id, label } = stored.key;
      if (there.has(id)) continue;
      try {
        await store.add(stored);
        copied += 1;
      } catch (error) {
        if (!(error instanceof LabelTaken)) throw error;
        told.push(`The key '${label}' (${id}) of ${file} was not copied: Redis has another with this label; ${again}`);
      }
    }
    database.exec("INSERT INTO keys_copied VALUES (unixepoch())");
    if (copied > 0) told.unshift(`Keys of ${file} were copied to Redis (${copied}), where keys are from now on.`);
    return told;
  } catch (error) {
    throw error instanceof DatabaseProblem ? error : problemOf(error, file);
  } finally {
    database.close();
  }
}

const lost = "restore Redis from a backup, or make new keys with tollgate keys create.";
const again = "make a new one with tollgate keys create.";
