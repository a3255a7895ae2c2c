// Opens the allowance that a configuration asks for: counted in this process, or shared through Redis.
import type { Config } from "../../config/config.ts";
import { redis } from "../../state/redis.ts";
import { type Allowance, allowance } from "./allowance.ts";
import { memoryLedger } from "./memory-ledger.ts";
import { redisLedger } from "./redis-ledger.ts";
import type { RedisLedgerWatch } from "./sharing-watch.ts";
import type { SpendingStore } from "./spending.ts";

export type AllowanceConfig = Pick<Config, "rateLimits" | "budgets" | "redis">;

export interface OpenOptions {
  readonly config: AllowanceConfig;
  readonly clock: { readonly wall: () => number };
  /** Names this process among those that share a Redis. */
  readonly uuid: () => string;
  /** Where a gateway that is alone writes down what was spent. */
  readonly store: SpendingStore;
  /** Told where that could not be written down. */
  readonly failed?: (error: unknown) => void;
}

export interface OpenAllowance {
  readonly allowance: Allowance;
  /** Absent for a gateway that is alone. */
  readonly sharing?: {
    /** Counts are shared now. */
    up(): boolean;
    /** Tells of every trouble from now on. */
    watch(watch: RedisLedgerWatch): void;
  };
}

/** How long a start waits for Redis, milliseconds; without it the gateway starts all the same. */
const patienceMillis = 2_000;

export async function openAllowance({ config, clock, uuid, store, failed }: OpenOptions): Promise<OpenAllowance> {
  const settings = settingsOf(config);
  const { wall } = clock;
  if (config.redis === undefined) {
    const ledger = memoryLedger({ wall, store, ...(failed && { failed }) });
    return { allowance: allowance({ settings, ledger, wall }) };
  }
  const { url, onFailure } = config.redis;
  const watchers: RedisLedgerWatch[] = [];
  const troubled: RedisLedgerWatch["troubled"] = (effect, error) => {
    for (const watcher of watchers) watcher.troubled(effect, error);
  };
  const through = redis({ url, failed: (error) => troubled("disconnected", error) });
  through.onConnected(() => {
    for (const watcher of watchers) watcher.connected?.();
  });
  const ledger = redisLedger({ redis: through, gateway: uuid(), wall, onFailure, watch: { troubled } });
  await through.ready(patienceMillis);
  const own = allowance({
    settings,
    ledger: {
      take: ledger.take.bind(ledger),
      vacate: ledger.vacate.bind(ledger),
      settle: ledger.settle.bind(ledger),
      release: ledger.release.bind(ledger),
      add: ledger.add.bind(ledger),
      used: ledger.used.bind(ledger),
      async close() {
        await ledger.close();
        await through.close();
      },
    },
    wall,
  });
  return { allowance: own, sharing: { up: () => ledger.up, watch: (watcher) => void watchers.push(watcher) } };
}

/** What the allowance takes of a configuration, at the start and at each reload. */
export const settingsOf = ({ rateLimits, budgets }: AllowanceConfig) => ({ limits: rateLimits, budgets });
