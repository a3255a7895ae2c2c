// An allowance that shares a real Redis with others, as each of several gateways has one, and what a test does with it.
import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { sampleExchange } from "../../instrumentation/testing/exchange.ts";
import { type Allowance, allowance, type Reservation } from "../admission/allowance/allowance.ts";
import { type RedisLedger, redisLedger } from "../admission/allowance/redis-ledger.ts";
import type { SharingTrouble } from "../admission/allowance/sharing-watch.ts";
import type { BudgetSettings, Identity, LimitSettings } from "../admission/identity.ts";
import { type Redis, redis } from "../state/redis.ts";

export interface SharerOptions {
  readonly url: string;
  readonly onFailure: "allow" | "refuse";
  readonly limits?: LimitSettings;
  /** Of the budget that all share, for good. */
  readonly usd?: number;
}

export interface Sharer extends AsyncDisposable {
  readonly own: Allowance;
  readonly ledger: RedisLedger;
  readonly through: Redis;
  readonly troubles: SharingTrouble[];
  /** By the one caller that there is. */
  reserve(nanoUsd?: number, id?: string, lasting?: boolean): Promise<Reservation>;
  /** Reserves and settles with the same. */
  spend(nanoUsd: number): Promise<void>;
  /** Of the budget, by all, once Redis knows all that this one has to tell. */
  spent(): Promise<number | undefined>;
}

/** What a test waits for at most. */
export const patience = { timeout: 10_000, interval: 10 };

/** Begins to share. Disposing closes it. */
export async function sharer({ url, onFailure, limits = {}, usd = 1 }: SharerOptions): Promise<Sharer> {
  const budgets: readonly BudgetSettings[] = [{ period: "total", usd, softRatio: 1, hard: true }];
  const identity: Identity = {
    auth: "key",
    priority: 0,
    key: { id: "k", label: "k", createdAt: 0, grants: [], limits, budgets, priority: 0 },
  };
  const troubles: SharingTrouble[] = [];
  const wall = () => Date.now();
  const through = redis({ url, stalledMillis: 200 });
  const ledger = redisLedger({
    redis: through,
    gateway: randomUUID(),
    wall,
    onFailure,
    deadMillis: 3_000,
    watch: { troubled: (effect) => void troubles.push(effect) },
  });
  await through.ready(5_000);
  const settings = {
    limits: { default: {}, perUser: {}, perModel: [], total: {}, outputTokens: 0, expireSeconds: 3_600 },
    budgets: [],
  };
  const own = allowance({ settings, ledger, wall });
  const reserve = async (nanoUsd = 0, id: string = randomUUID(), lasting = false) =>
    own.reserve({ id, identity, model: undefined, estimatedTokens: 0, estimatedNanoUsd: nanoUsd, lasting });
  return {
    own,
    ledger,
    through,
    troubles,
    reserve,
    async spend(nanoUsd) {
      const id = randomUUID();
      (await reserve(nanoUsd, id)).settle(costing(id, nanoUsd));
    },
    async spent() {
      await expect.poll(() => ledger.pending, patience).toBe(0);
      return (await own.standing()).find(({ rule }) => rule.counted === "money")?.used;
    },
    async [Symbol.asyncDispose]() {
      await own.close();
      await through.close();
    },
  };
}

/** A finished exchange that cost so much. */
export const costing = (id: string, nanoUsd: number) =>
  sampleExchange({ id, cost: { status: "exact", nanoUsd, input: 0, output: 0, other: 0, price: "p" } });
