import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test, vi } from "vitest";
import { type BoundIds, forgetfulIds } from "./bound-ids.ts";
import { sqliteIds } from "./bound-ids-sqlite.ts";

const one = { tenant: "key:one", backend: "a" };
const two = { tenant: "key:two", backend: "b" };
const failed = (error: unknown) => {
  throw error;
};

const inMemory = () => sqliteIds({ database: new DatabaseSync(":memory:"), now: Date.now, failed });

describe.each<[string, () => BoundIds]>([
  ["in memory", forgetfulIds],
  ["in a database", inMemory],
  [
    "in a database, written each time",
    () => {
      const ids = inMemory();
      const then =
        (act: BoundIds["made"]): BoundIds["made"] =>
        (...given) => {
          act(...given);
          ids.flush();
        };
      return { ...ids, made: then(ids.made), named: then(ids.named) };
    },
  ],
])("ids %s", (_, make) => {
  test("are nobody's until they are made", () => {
    const ids = make();
    expect(ids.find("file-a")).toBeUndefined();
    ids.made("file-a", one);
    expect(ids.find("file-a")).toEqual(one);
    expect(ids.find("file-b")).toBeUndefined();
  });

  test("made anew are their new maker's", () => {
    const ids = make();
    ids.made("file-a", one);
    ids.made("file-a", two);
    expect(ids.find("file-a")).toEqual(two);
  });

  test("that are only named stay whose they are", () => {
    const ids = make();
    ids.named("file-a", one);
    ids.named("file-a", two);
    expect(ids.find("file-a")).toEqual(one);
  });
});

describe("a database of ids", () => {
  const file = () => join(mkdtempSync(join(tmpdir(), "tollgate-ids-")), "state.db");

  test("is written soon after, without being asked, and outlives the gateway", async () => {
    const path = file();
    sqliteIds({ database: new DatabaseSync(path), now: Date.now, failed }).made("file-a", one);
    await vi.waitFor(() => {
      expect(sqliteIds({ database: new DatabaseSync(path), now: Date.now, failed }).find("file-a")).toEqual(one);
    });
  });

  test("is shared by gateways on one machine, and one of them does not take what is another's", () => {
    const path = file();
    const [here, there] = [0, 1].map(() => sqliteIds({ database: new DatabaseSync(path), now: Date.now, failed }));
    there?.named("file-a", two);
    here?.named("file-a", one);
    here?.flush();
    there?.flush();
    expect([here?.find("file-a"), there?.find("file-a")]).toEqual([one, one]);
  });

  test("that cannot be written is told of, and what waits is written later", () => {
    const database = new DatabaseSync(":memory:");
    const told: unknown[] = [];
    const ids = sqliteIds({ database, now: Date.now, failed: (error) => told.push(error) });
    database.exec("ALTER TABLE bound_ids RENAME TO elsewhere");
    ids.made("file-a", one);
    ids.flush();
    expect(told).toHaveLength(1);
    expect(ids.find("file-a")).toEqual(one);
    database.exec("ALTER TABLE elsewhere RENAME TO bound_ids");
    ids.flush();
    expect(database.prepare("SELECT id FROM bound_ids").all()).toEqual([{ id: "file-a" }]);
  });

  test("forgets responses that no provider keeps any more, and nothing else", () => {
    const path = file();
    const day = 24 * 3_600_000;
    const at = (now: number) => sqliteIds({ database: new DatabaseSync(path), now: () => now, failed });
    const ids = at(0);
    for (const id of ["file-a", "resp_a", "respx", "msg_a", "msga"]) ids.made(id, one);
    ids.flush();
    expect(at(59 * day).find("resp_a")).toEqual(one);
    const later = at(61 * day);
    const left = ["file-a", "resp_a", "respx", "msg_a", "msga"].map((id) => later.find(id));
    expect(left).toEqual([one, undefined, one, undefined, one]);
  });

  test("finds more ids than it keeps at hand", () => {
    const ids = inMemory();
    for (let i = 0; i < 20_000; i += 1) ids.made(`file-${i}`, one);
    ids.flush();
    expect([0, 9_999, 19_999].map((i) => ids.find(`file-${i}`))).toEqual([one, one, one]);
  });

  test("takes no id of endless length", () => {
    const ids = inMemory();
    ids.made("x".repeat(300), one);
    expect(ids.find("x".repeat(300))).toBeUndefined();
  });
});
