// Spending that is written down: nothing of it is lost or counted twice, whoever else writes, and whatever fails.
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Ledger } from "./ledger.ts";
import { memoryLedger } from "./memory-ledger.ts";
import type { Rule } from "./rule.ts";
import { type SpendingStore, sqliteSpending } from "./spending.ts";

const budget: Rule = {
  id: "key:k:money:month",
  counted: "money",
  period: "month",
  limit: 1_000,
  enforced: true,
  scope: "key",
  name: "k",
  soft: 0,
};

let database: DatabaseSync;
let store: SpendingStore;
let now: number;
const ledgers: Ledger[] = [];

beforeEach(() => {
  vi.useFakeTimers();
  now = Date.UTC(2026, 10, 16);
  database = new DatabaseSync(":memory:");
  store = sqliteSpending(database);
});
afterEach(async () => {
  vi.useRealTimers();
  for (const ledger of ledgers.splice(0)) await ledger.close();
  database.close();
});

const pass = (millis: number) => {
  now += millis;
  vi.advanceTimersByTime(millis);
};
const opened = (over: Partial<SpendingStore> = {}, failed = vi.fn()): Ledger => {
  const ledger = memoryLedger({ wall: () => now, store: { ...store, ...over }, failed });
  ledgers.push(ledger);
  return ledger;
};
/** True where there was room for it. */
const spend = (ledger: Ledger, nanoUsd: number): boolean => {
  const amounts = { tokens: 0, nanoUsd };
  const taken = ledger.take([budget], amounts);
  if (taken instanceof Promise || taken.holding === undefined) return false;
  ledger.settle(taken.holding, amounts);
  return true;
};
const written = () => store.read(budget.id, Date.UTC(2026, 10));

test("two gateways with one file write down what both spent, and each learns of it with its next write", () => {
  const [one, other] = [opened(), opened()];
  spend(one, 600);
  spend(other, 300);
  expect([one.used([budget]), other.used([budget])]).toEqual([[600], [300]]);
  pass(100);
  expect(written()).toBe(900);
  spend(one, 50);
  pass(100);
  expect([written(), one.used([budget])]).toEqual([950, [950]]);
  expect(spend(one, 51)).toBe(false);
});

test("what could not be read is not written over, and counts from when it can be read", () => {
  store.add([{ id: budget.id, start: Date.UTC(2026, 10), used: 900 }]);
  const busy = new Error("database is locked");
  const read = vi.fn(store.read).mockImplementationOnce(() => {
    throw busy;
  });
  const failed = vi.fn();
  const add = () => {
    throw busy;
  };
  const ledger = opened({ read, add }, failed);
  expect(spend(ledger, 40)).toBe(true);
  expect(failed).toHaveBeenCalledExactlyOnceWith(busy);
  // A store that is slow to fail is not asked at each request.
  pass(999);
  expect(ledger.used([budget])).toEqual([40]);
  expect(read).toHaveBeenCalledTimes(1);
  pass(1);
  expect(spend(ledger, 500)).toBe(false);
  expect(ledger.used([budget])).toEqual([940]);
  expect(written()).toBe(900);
});

test("a write also tells what could not be read", () => {
  store.add([{ id: budget.id, start: Date.UTC(2026, 10), used: 900 }]);
  const read = vi.fn(() => {
    throw new Error("database is locked");
  });
  const ledger = opened({ read });
  spend(ledger, 40);
  pass(100);
  expect([written(), ledger.used([budget])]).toEqual([940, [940]]);
  pass(5_000);
  expect(spend(ledger, 61)).toBe(false);
  expect(read).toHaveBeenCalledTimes(1);
});

test("a write that fails is tried again, with what came meanwhile, and counts once", () => {
  const add = vi.fn(store.add).mockImplementationOnce(() => {
    throw new Error("disk full");
  });
  const ledger = opened({ add });
  spend(ledger, 200);
  pass(100);
  expect(written()).toBe(0);
  spend(ledger, 30);
  pass(1_000);
  expect([written(), ledger.used([budget])]).toEqual([230, [230]]);
  pass(5_000);
  expect(written()).toBe(230);
});

test("at the end, what another process holds up is waited for", async () => {
  vi.useRealTimers();
  const add = vi.fn(store.add).mockImplementationOnce(() => {
    throw new Error("database is locked");
  });
  const ledger = opened({ add });
  spend(ledger, 200);
  await ledger.close();
  expect(written()).toBe(200);
});

test("rows are written all or none", () => {
  const row = { id: "a", start: 0, used: 1 };
  store.add([row]);
  expect(() => store.add([row, { ...row, used: Number.NaN }])).toThrow();
  expect(store.read("a", 0)).toBe(1);
});
