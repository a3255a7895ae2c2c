// Keys over a store: found by their secrets alone, and never open where they should not.
import { randomFillSync } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { databaseFile, openOrMake } from "../../state/database.ts";
import { forgetfulKeys } from "../../testing/forgetful-keys.ts";
import { declaredKey } from "./declared-key.ts";
import { AlreadyRevoked, DeclaredInConfig } from "./immutable.ts";
import type { KeyStore } from "./key-store.ts";
import { type KeysOptions, keys, type NewKey } from "./keys.ts";
import { isMistyped, newSecret } from "./secret.ts";
import { sqliteStore } from "./sqlite-store.ts";

const open = (more: Partial<KeysOptions> = {}) =>
  keys({ store: forgetfulKeys(), now: () => 1_000.4, fillRandom: randomFillSync, ...more });
const spoken = { grants: [], limits: {}, budgets: [], priority: 0 };

test("a key is all that was asked for, found by its secret", async () => {
  const wanted: NewKey = {
    label: "ci",
    user: "ann",
    team: "lab",
    expiresAt: 2_000_000,
    models: ["gpt-*"],
    grants: ["files"],
    limits: { requestsPerMinute: 5, concurrent: 1 },
    budgets: [{ usd: 10, period: "month", softRatio: 0.8, hard: true }],
    priority: 3,
  };
  const ring = await open();
  const { key, secret } = await ring.create(wanted);
  expect(key).toEqual({ ...wanted, id: expect.stringMatching(/^key_[0-9a-f]{24}$/), createdAt: 1_000 });
  expect(ring.find(secret)).toEqual(key);
  expect(ring.list()).toEqual([key]);
  const plain = await ring.create({ label: "plain" });
  expect(plain.key).toEqual({ ...spoken, label: "plain", id: plain.key.id, createdAt: 1_000 });
});

test("other secrets find nothing, however near or long they are", async () => {
  const ring = await open();
  const { key, secret } = await ring.create({ label: "ci" });
  for (const wrong of ["", "tg-", key.id, secret.slice(0, -1), `${secret}0`, secret.toLowerCase(), "x".repeat(1e6)])
    expect(ring.find(wrong)).toBeUndefined();
});

test("secrets have one form, are all different, and a slip of the hand is told from a stranger", () => {
  const made = Array.from({ length: 500 }, () => newSecret(randomFillSync));
  expect(new Set(made).size).toBe(500);
  for (const secret of made) {
    expect(secret).toMatch(/^tg-[0-9A-Za-z]{49}$/);
    expect(isMistyped(secret)).toBe(false);
    const [at, other] = [10, secret[10] === "x" ? "y" : "x"];
    expect(isMistyped(secret.slice(0, at) + other + secret.slice(at + 1))).toBe(true);
  }
  for (const other of ["tg-short", "sk-proj-abc", `tg-${"x".repeat(60)}`]) expect(isMistyped(other)).toBe(false);
  expect(newSecret((bytes) => bytes.fill(255))).toHaveLength(52);
  expect(newSecret((bytes) => bytes.fill(0))).toMatch(/^tg-0{43}/);
});

test("nothing of a secret is on the disk, only its hash", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-keys-"));
  const store = sqliteStore(folder);
  const ring = await open({ store });
  const made = await ring.create({ label: "the-label" });
  const next = await ring.rotate(made.key.id, 60);
  const files = () => readdirSync(folder).map((name) => readFileSync(join(folder, name)));
  for (const { secret } of [made, ...(next ? [next] : [])]) {
    // Not even eight characters of it in a row.
    for (let at = 3; at + 8 <= secret.length; at++)
      for (const bytes of files()) expect(bytes.includes(secret.slice(at, at + 8))).toBe(false);
  }
  expect(files().some((bytes) => bytes.includes("the-label"))).toBe(true);
  store.close();
  rmSync(folder, { recursive: true });
});

test("nobody who looks at a key sees a hash", async () => {
  const ring = await open();
  const { key } = await ring.create({ label: "ci" });
  expect(JSON.stringify([key, ring.list()])).not.toMatch(/hash|[0-9a-f]{64}/);
});

describe("callers are asked", () => {
  test("from the first key on, and when the last one is revoked", async () => {
    const ring = await open();
    expect(ring.any).toBe(false);
    const { key, secret } = await ring.create({ label: "ci" });
    expect(ring.any).toBe(true);
    await ring.revoke(key.id);
    expect([ring.any, ring.find(secret)?.revokedAt]).toEqual([true, 1_000]);
  });

  test("where all that the store holds are revoked or expired", async () => {
    const store = forgetfulKeys();
    const before = await open({ store });
    await before.revoke((await before.create({ label: "a" })).key.id);
    await before.create({ label: "b", expiresAt: 1 });
    expect((await open({ store })).any).toBe(true);
  });

  test("when the configuration declares its last key no more", async () => {
    const ring = await open({ declared: [declaredKey({ ...spoken, label: "ci" }, "tg-one")] });
    ring.declare([]);
    expect([ring.any, ring.find("tg-one")]).toEqual([true, undefined]);
  });
});

describe("a key", () => {
  test("that is revoked stays so, from its first time on", async () => {
    let now = 10;
    const ring = await open({ now: () => now });
    const { key } = await ring.create({ label: "ci" });
    await ring.revoke(key.id);
    now = 20;
    expect((await ring.revoke(key.id))?.revokedAt).toBe(10);
    await expect(ring.rotate(key.id)).rejects.toThrow(AlreadyRevoked);
    await expect(ring.change(key.id, { priority: 1 })).rejects.toThrow(AlreadyRevoked);
  });

  test("that nobody knows is none", async () => {
    const ring = await open();
    expect([await ring.revoke("x"), await ring.rotate("x"), await ring.change("x", {})]).toEqual(
      Array(3).fill(undefined),
    );
  });

  test("is changed in what is named, and loses what is taken away", async () => {
    const ring = await open();
    const { key, secret } = await ring.create({ label: "ci", user: "ann", models: ["a"], expiresAt: 5_000 });
    const next = await ring.change(key.id, { models: undefined, expiresAt: undefined, priority: 4 });
    expect(next).toEqual({ ...spoken, id: key.id, label: "ci", user: "ann", createdAt: 1_000, priority: 4 });
    expect(ring.find(secret)).toEqual(next);
  });

  test("is the same object for every request until it changes", async () => {
    const ring = await open();
    const { key, secret } = await ring.create({ label: "ci" });
    await ring.refresh();
    expect(ring.find(secret)).toBe(key);
  });
});

describe("rotation", () => {
  test("gives the key another secret, and the old one has expired at once", async () => {
    const ring = await open();
    const first = await ring.create({ label: "ci" });
    const second = await ring.rotate(first.key.id);
    expect(second?.key).toEqual(first.key);
    expect(ring.find(second?.secret ?? "")).toEqual(first.key);
    expect(ring.find(first.secret)).toEqual({ ...first.key, expiresAt: 1_000 });
  });

  test("leaves the old secret its grace, which no later grace lengthens, nor beyond the key's own end", async () => {
    const ring = await open();
    const first = await ring.create({ label: "ci", expiresAt: 31_000 });
    const second = await ring.rotate(first.key.id, 10);
    expect(ring.find(first.secret)?.expiresAt).toBe(11_000);
    await ring.rotate(first.key.id, 3_600);
    expect(ring.find(first.secret)?.expiresAt).toBe(11_000);
    expect(ring.find(second?.secret ?? "")?.expiresAt).toBe(31_000);
    await ring.rotate(first.key.id);
    for (const secret of [first.secret, second?.secret ?? ""]) expect(ring.find(secret)?.expiresAt).toBe(1_000);
  });

  test("as often as one likes keeps no more than ten secrets known", async () => {
    const ring = await open();
    const { key, secret } = await ring.create({ label: "ci" });
    const later = [];
    for (let count = 0; count < 10; count++) later.push((await ring.rotate(key.id, 60))?.secret ?? "");
    expect(ring.find(secret)).toBeUndefined();
    expect(later.map((one) => ring.find(one)?.id)).toEqual(Array(10).fill(key.id));
  });
});

describe("a declared key", () => {
  const declared = (secret: string, more = {}) => declaredKey({ ...spoken, label: "CI", ...more }, secret);

  test("is found by its secret, and the same one under another secret", async () => {
    const ring = await open({ declared: [declared("tg-one")] });
    const before = ring.find("tg-one");
    ring.declare([declared("tg-two", { priority: 1 })]);
    expect([ring.find("tg-one"), ring.find("tg-two")?.id, ring.find("tg-two")?.priority]).toEqual([
      undefined,
      before?.id,
      1,
    ]);
  });

  test("is changed in the configuration alone, and keeps its label for itself", async () => {
    const ring = await open({ declared: [declared("tg-one")] });
    const id = ring.find("tg-one")?.id ?? "";
    expect(ring.isDeclared(id)).toBe(true);
    await expect(ring.revoke(id)).rejects.toThrow(DeclaredInConfig);
    await expect(ring.rotate(id)).rejects.toThrow(DeclaredInConfig);
    await expect(ring.create({ label: "ci" })).rejects.toThrow("label 'ci' already");
    const other = await ring.create({ label: "other" });
    await expect(ring.change(other.key.id, { label: "ci" })).rejects.toThrow("label 'ci' already");
  });
});

describe("what another process does", () => {
  test("is known after a refresh: a key, its rotation, its end", async () => {
    const store = forgetfulKeys();
    const [running, command] = [await open({ store }), await open({ store })];
    const first = await command.create({ label: "ci" });
    expect(running.find(first.secret)).toBeUndefined();
    await running.refresh();
    expect([running.any, running.find(first.secret)]).toEqual([true, first.key]);
    const second = await command.rotate(first.key.id);
    await running.refresh();
    expect([running.find(first.secret)?.expiresAt, running.find(second?.secret ?? "")]).toEqual([1_000, first.key]);
    await command.revoke(first.key.id);
    await running.refresh();
    expect(running.find(second?.secret ?? "")?.revokedAt).toBe(1_000);
  });

  test("that cannot be read leaves the keys as they were known", async () => {
    const store = forgetfulKeys();
    let broken = false;
    const failing: KeyStore = {
      ...store,
      changes: (since) => (broken ? Promise.reject(new Error("the disk is gone")) : store.changes(since)),
    };
    const ring = await open({ store: failing });
    const { key, secret } = await ring.create({ label: "ci" });
    broken = true;
    await expect(ring.refresh()).rejects.toThrow("the disk is gone");
    expect(ring.find(secret)).toEqual(key);
  });

  test("to a key's document by hand is refused, and nothing is opened", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tollgate-keys-"));
    const store = sqliteStore(folder);
    const ring = await open({ store });
    await ring.create({ label: "ci" });
    const database = openOrMake(folder);
    for (const change of ["'{'", "'{}'", "json_set(document, '$.key.budgets', 'none')"]) {
      database.exec(`UPDATE keys SET document = ${change}`);
      await expect(open({ store: sqliteStore(folder) })).rejects.toThrow(
        `${databaseFile(folder)} holds a key that cannot be read`,
      );
      await expect(ring.refresh()).rejects.toThrow("cannot be read");
      database.exec(`UPDATE keys SET document = '${JSON.stringify({ key: ring.list()[0], secrets: [] })}'`);
    }
    database.close();
    store.close();
    rmSync(folder, { recursive: true });
  });
});
