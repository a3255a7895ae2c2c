// A real file in a real folder: made for its owner alone, shared by processes, never overwritten.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execPath } from "node:process";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { databaseFile, openExisting, openOrMake } from "./database.ts";
import { lateDatabase } from "./late-database.ts";
import { lateIds, lateSpending } from "./late-stores.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tollgate-state-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Another process that holds the file for so long from now on; resolves once it does, to its end. */
async function writing(folder: string, millis: number): Promise<{ readonly ended: Promise<unknown> }> {
  const program = `
    const database = new (require("node:sqlite").DatabaseSync)(process.argv[1]);
    database.exec("BEGIN IMMEDIATE");
    console.log("held");
    setTimeout(() => database.close(), Number(process.argv[2]));`;
  const process = spawn(execPath, ["-e", program, databaseFile(folder), String(millis)]);
  const ended = once(process, "exit");
  await once(process.stdout, "data");
  return { ended };
}

const modeOf = (path: string) => statSync(path).mode & 0o777;
const addKey = "INSERT INTO keys (id, label, revoked, document) VALUES (?, ?, 0, '{}')";

test("looking for a database makes neither file nor folder", () => {
  expect(openExisting(join(folder, "data"))).toBeUndefined();
  expect(readdirSync(folder)).toEqual([]);
});

test("folder and files are their owner's alone, whatever the umask", () => {
  const before = process.umask(0);
  try {
    const data = join(folder, "deep", "data");
    const database = openOrMake(data);
    database.prepare(addKey).run("a", "a");
    expect(modeOf(data)).toBe(0o700);
    expect(readdirSync(data).sort()).toEqual(["tollgate.db", "tollgate.db-shm", "tollgate.db-wal"]);
    for (const name of readdirSync(data)) expect([name, modeOf(join(data, name))]).toEqual([name, 0o600]);
    database.close();
  } finally {
    process.umask(before);
  }
});

test("a folder that is there already keeps its mode", () => {
  chmodSync(folder, 0o750);
  openOrMake(folder).close();
  expect(modeOf(folder)).toBe(0o750);
});

test("what one connection wrote the other reads, and so does a later one", () => {
  const [one, other] = [openOrMake(folder), openOrMake(folder)];
  one.prepare(addKey).run("a", "a");
  expect(other.prepare("SELECT id FROM keys").all()).toEqual([{ id: "a" }]);
  one.close();
  other.close();
  const later = openExisting(folder);
  expect(later?.prepare("SELECT id FROM keys").all()).toEqual([{ id: "a" }]);
  later?.close();
});

test("every change of a key, by hand too, has a later revision than all before it", () => {
  const database = openOrMake(folder);
  for (const id of ["a", "b"]) database.prepare(addKey).run(id, id);
  database.exec("UPDATE keys SET document = '{\"x\":1}' WHERE id = 'a'");
  expect(database.prepare("SELECT id, revision FROM keys ORDER BY revision").all()).toEqual([
    { id: "b", revision: 2 },
    { id: "a", revision: 3 },
  ]);
  database.close();
});

/** A database of ours whose keys lie on pages that are spoilt. */
function spoilt(): void {
  const database = openOrMake(folder);
  const insert = database.prepare("INSERT INTO keys (id, label, revoked, document) VALUES (?, ?, 0, ?)");
  database.exec("BEGIN");
  for (let at = 0; at < 50; at++) insert.run(`key_${at}`, `label-${at}`, "x".repeat(400));
  database.exec("COMMIT");
  database.close();
  const bytes = readFileSync(databaseFile(folder));
  bytes.fill(0xa5, 4096, bytes.length);
  writeFileSync(databaseFile(folder), bytes);
}

describe("a file that cannot be used is left as it is, and told of in one sentence with its path", () => {
  test.each<[string, () => void, RegExp]>([
    ["no database", () => writeFileSync(databaseFile(folder), "my diary ".repeat(900)), /is damaged/],
    ["spoilt within", spoilt, /is damaged/],
    [
      "another program's",
      () => {
        const other = new DatabaseSync(databaseFile(folder));
        other.exec("CREATE TABLE songs (title)");
        other.close();
      },
      /is not a database of Tollgate/,
    ],
    [
      "a newer one's",
      () => {
        const newer = openOrMake(folder);
        newer.exec("PRAGMA user_version = 99");
        newer.close();
      },
      /newer Tollgate/,
    ],
  ])("%s", (_, make, why) => {
    make();
    const before = readFileSync(databaseFile(folder));
    for (const open of [openExisting, openOrMake]) {
      let told = "";
      try {
        open(folder)?.prepare("SELECT document FROM keys").all();
      } catch (error) {
        told = (error as Error).message;
      }
      expect(told).toMatch(why);
      expect(told).toMatch(/^[^\n]+\.$/);
      expect(told).toContain(databaseFile(folder));
    }
    expect(readFileSync(databaseFile(folder)).equals(before)).toBe(true);
  });

  test("a data folder that is a file", () => {
    writeFileSync(join(folder, "data"), "");
    expect(() => openOrMake(join(folder, "data"))).toThrow(
      /^The data folder .*\/data cannot be written to; make it writable .*TOLLGATE_DATA_DIR\.$/,
    );
  });

  test("one that another process does not let go", () => {
    const holder = openOrMake(folder);
    holder.exec("BEGIN IMMEDIATE");
    expect(() => openOrMake(folder)).toThrow(/tollgate\.db is held by another process; wait/);
    holder.close();
  });
});

describe("what is written often", () => {
  test("makes nothing by being read; the first spending makes the file, and is there the next time", () => {
    const data = join(folder, "data");
    const late = lateDatabase(data);
    const spending = lateSpending(late);
    expect(spending.read("a", 1)).toBe(0);
    spending.prune(5);
    expect(readdirSync(folder)).toEqual([]);
    spending.add([{ id: "a", start: 1, used: 42 }]);
    expect(spending.read("a", 1)).toBe(42);
    late.close();
    const again = lateDatabase(data);
    expect(lateSpending(again).read("a", 1)).toBe(42);
    again.close();
  });

  test("is found once another process has made the file", () => {
    const late = lateDatabase(folder);
    const spending = lateSpending(late);
    expect(spending.read("a", 1)).toBe(0);
    const other = lateDatabase(folder);
    lateSpending(other).add([{ id: "a", start: 1, used: 7 }]);
    other.close();
    expect(spending.read("a", 1)).toBe(7);
    late.close();
  });

  test("an id that is bound makes the file, too, and is there the next time", () => {
    const failed = (error: unknown) => {
      throw error;
    };
    const late = lateDatabase(folder);
    const ids = lateIds({ database: late, now: () => 0, failed });
    expect([ids.find("file-1"), readdirSync(folder)]).toEqual([undefined, []]);
    ids.made("file-1", { tenant: "key:a", backend: "b" });
    ids.flush();
    late.close();
    const again = lateDatabase(folder);
    const found = lateIds({ database: again, now: () => 0, failed }).find("file-1");
    expect(found).toEqual({ tenant: "key:a", backend: "b" });
    again.close();
  });

  test("holds nobody up while another process writes, and is written when that is done", () => {
    openOrMake(folder).close();
    const holder = openOrMake(folder);
    holder.exec("BEGIN IMMEDIATE");
    const told: unknown[] = [];
    const late = lateDatabase(folder);
    const spending = lateSpending(late);
    const ids = lateIds({ database: late, now: () => 0, failed: (error) => told.push(error) });
    const row = { id: "a", start: 1, used: 7 };
    const quick = (act: () => unknown) => {
      const began = performance.now();
      expect(act).toThrow();
      expect(performance.now() - began).toBeLessThan(1_000);
    };
    quick(() => spending.read("a", 1));
    quick(() => spending.add([row]));
    quick(() => ids.find("file-1"));
    holder.exec("ROLLBACK");
    late.begin();
    spending.add([row]);
    holder.exec("BEGIN IMMEDIATE");
    quick(() => spending.add([row]));
    expect(spending.read("a", 1)).toBe(7);
    holder.exec("ROLLBACK");
    expect([ids.find("file-1"), told]).toEqual([undefined, []]);
    holder.exec("BEGIN IMMEDIATE");
    expect(lateIds({ database: late, now: () => 0, failed: (error) => told.push(error) }).find("file-1")).toBe(
      undefined,
    );
    expect(told).toEqual([expect.objectContaining({ message: "database is locked" })]);
    holder.close();
    late.close();
  });

  test("is waited for at the start, and at the end", async () => {
    openOrMake(folder).close();
    const late = lateDatabase(folder);
    const told: unknown[] = [];
    let other = await writing(folder, 300);
    late.begin();
    await other.ended;
    const ids = lateIds({ database: late, now: () => 0, failed: (error) => told.push(error) });
    expect(ids.find("file-1")).toBeUndefined();
    other = await writing(folder, 300);
    ids.made("file-1", { tenant: "key:a", backend: "b" });
    ids.flush();
    await other.ended;
    late.close();
    const again = lateDatabase(folder);
    const found = lateIds({ database: again, now: () => 0, failed: (error) => told.push(error) }).find("file-1");
    expect(found).toEqual({ tenant: "key:a", backend: "b" });
    again.close();
    expect(told).toEqual([]);
  });

  test("and cannot be, is told of, and no request fails", () => {
    writeFileSync(join(folder, "data"), "");
    const told: unknown[] = [];
    const database = lateDatabase(join(folder, "data"));
    const ids = lateIds({ database, now: () => 0, failed: (error) => told.push(error) });
    ids.made("file-1", { tenant: "key:a", backend: "b" });
    expect(told).toEqual([expect.objectContaining({ name: "DatabaseProblem" })]);
    expect(ids.find("file-1")).toBeUndefined();
  });
});
