// What every store of keys does, in memory, in a file and in Redis.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { redis } from "../../state/redis.ts";
import { forgetfulKeys } from "../../testing/forgetful-keys.ts";
import { keyOf } from "../../testing/key-ring.ts";
import { noRedis, type RedisServer, redisServer } from "../../testing/redis.ts";
import type { Key } from "../identity.ts";
import { type KeyStore, LabelTaken, type StoredKey } from "./key-store.ts";
import { redisStore } from "./redis-store.ts";
import { sqliteStore } from "./sqlite-store.ts";

const hashes = ["a", "b"].map((digit) => digit.repeat(64));
const stored = (id: string, more: Partial<Key> = {}): StoredKey => ({
  key: keyOf(id, more),
  secrets: [{ hash: hashes[0] ?? "" }, { hash: hashes[1] ?? "", until: 7 }],
});
const full = stored("k1", {
  label: "CI",
  user: "ada",
  team: "lab",
  createdAt: 1,
  expiresAt: 2,
  models: ["gpt-*"],
  grants: ["files"],
  limits: { requestsPerMinute: 5, tokensPerDay: 10 },
  budgets: [{ period: "month", usd: 1.5, softRatio: 0.8, hard: true }],
  priority: -3,
});

interface Opened {
  readonly store: KeyStore;
  /** The same keys as another process sees them. */
  readonly beside: KeyStore;
  close(): void | Promise<void>;
}

const missing = noRedis();
let server: RedisServer;
beforeAll(async () => {
  if (missing === undefined) server = await redisServer();
});
afterAll(() => server?.[Symbol.asyncDispose]());

const stores: Readonly<Record<string, () => Opened | Promise<Opened>>> = {
  memory() {
    const store = forgetfulKeys();
    return { store, beside: store, close: () => {} };
  },
  sqlite() {
    const folder = mkdtempSync(join(tmpdir(), "tollgate-keys-"));
    const [store, beside] = [sqliteStore(join(folder, "data")), sqliteStore(join(folder, "data"))];
    return {
      store,
      beside,
      close() {
        store.close();
        beside.close();
        rmSync(folder, { recursive: true });
      },
    };
  },
  ...(missing === undefined && {
    async redis() {
      const links = [redis({ url: server.url }), redis({ url: server.url })] as const;
      for (const link of links) await link.ready(5_000);
      await links[0].call(["FLUSHALL"]);
      return {
        store: redisStore(links[0]),
        beside: redisStore(links[1]),
        async close() {
          for (const link of links) await link.close();
        },
      };
    },
  }),
};

describe.each(Object.entries(stores))("%s", (_, open) => {
  let opened: Opened;
  beforeEach(async () => {
    opened = await open();
  });
  afterEach(() => opened.close());
  const ids = async (store: KeyStore, since: number) => (await store.changes(since)).keys.map(({ key }) => key.id);

  test("holds nothing at first", async () => {
    expect((await opened.store.changes(0)).keys).toEqual([]);
    expect(await opened.store.update("k1", (same) => same)).toBeUndefined();
  });

  test("gives back all that was put in", async () => {
    await opened.store.add(full);
    expect((await opened.store.changes(0)).keys).toEqual([full]);
    expect((await opened.beside.changes(0)).keys).toEqual([full]);
  });

  test("tells each reader what is new to it, whoever wrote it", async () => {
    const { store, beside } = opened;
    await store.add(stored("k1"));
    const { revision } = await beside.changes(0);
    expect(await ids(beside, revision)).toEqual([]);
    await store.add(stored("k2"));
    await store.update("k1", ({ key, secrets }) => ({ key: { ...key, priority: 1 }, secrets }));
    const later = await beside.changes(revision);
    expect(later.keys.map(({ key }) => [key.id, key.priority])).toEqual([
      ["k2", 0],
      ["k1", 1],
    ]);
    expect(await ids(beside, later.revision)).toEqual([]);
  });

  test("changes a key as it stands, not as the writer last saw it", async () => {
    const { store, beside } = opened;
    await store.add(stored("k1"));
    await beside.update("k1", ({ key, secrets }) => ({ key: { ...key, revokedAt: 9 }, secrets }));
    const next = await store.update("k1", ({ key, secrets }) => ({ key: { ...key, priority: 2 }, secrets }));
    expect(next?.key).toMatchObject({ revokedAt: 9, priority: 2 });
    expect((await beside.changes(0)).keys).toEqual([next]);
  });

  test("a label is one key's until that is revoked, capitals or not", async () => {
    const { store, beside } = opened;
    await store.add(stored("k1", { label: "ci" }));
    await expect(beside.add(stored("k2", { label: "CI" }))).rejects.toThrow(LabelTaken);
    await store.update("k1", ({ key, secrets }) => ({ key: { ...key, revokedAt: 9 }, secrets }));
    await beside.add(stored("k2", { label: "CI" }));
    await store.add(stored("k3"));
    await expect(store.update("k3", ({ key, secrets }) => ({ key: { ...key, label: "ci" }, secrets }))).rejects.toThrow(
      "There is a key with the label 'ci' already.",
    );
    expect(await ids(beside, 0)).toEqual(["k1", "k2", "k3"]);
  });

  test("writes nothing where the change throws, and goes on", async () => {
    const { store } = opened;
    await store.add(stored("k1"));
    const refuse = () => {
      throw new RangeError("not so");
    };
    await expect(store.update("k1", refuse)).rejects.toThrow(RangeError);
    expect((await store.changes(0)).keys).toEqual([stored("k1")]);
    await store.add(stored("k2"));
  });
});
