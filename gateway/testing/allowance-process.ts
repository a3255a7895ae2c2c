// A process that shares limits with others through Redis, as a gateway does; it does what a test's messages say.
import { randomUUID } from "node:crypto";
import { sampleExchange } from "../../instrumentation/testing/exchange.ts";
import { allowance, type Reservation } from "../admission/allowance/allowance.ts";
import { redisLedger } from "../admission/allowance/redis-ledger.ts";
import type { RuleSettings } from "../admission/allowance/rules.ts";
import type { Identity } from "../admission/identity.ts";
import { GatewayError } from "../errors.ts";
import { redis } from "../state/redis.ts";

/** What the test says first. */
export interface Setup {
  readonly url: string;
  readonly settings: RuleSettings;
  readonly identity: Identity;
  readonly deadMillis: number;
}

/** So many requests at once, each with this estimate; `real`: what each is settled with, at once; else they stay open. */
export interface Burst {
  readonly count: number;
  readonly tokens: number;
  readonly nanoUsd: number;
  readonly real?: { readonly tokens: number; readonly nanoUsd: number };
}

/** What came of a burst: how many passed, and how many were refused for each reason. */
export interface BurstResult {
  readonly granted: number;
  readonly refused: Readonly<Record<string, number>>;
}

async function begin({ url, settings, identity, deadMillis }: Setup): Promise<(burst: Burst) => Promise<BurstResult>> {
  const through = redis({ url });
  const wall = () => Date.now();
  const ledger = redisLedger({ redis: through, gateway: randomUUID(), wall, onFailure: "refuse", deadMillis });
  if (!(await through.ready(5_000))) throw new Error("there is no Redis");
  const own = allowance({ settings, ledger, wall });

  return async ({ count, tokens, nanoUsd, real }) => {
    const refused: Record<string, number> = {};
    let granted = 0;
    const one = async () => {
      const id = randomUUID();
      let reservation: Reservation;
      try {
        reservation = await own.reserve({
          id,
          identity,
          model: "m",
          estimatedTokens: tokens,
          estimatedNanoUsd: nanoUsd,
        });
      } catch (error) {
        const reason = error instanceof GatewayError ? error.kind : String(error);
        refused[reason] = (refused[reason] ?? 0) + 1;
        return;
      }
      granted += 1;
      if (real === undefined) return;
      const cost = { status: "exact", nanoUsd: real.nanoUsd, input: 0, output: 0, other: 0, price: "p" } as const;
      reservation.settle(sampleExchange({ id, tokens: { input: real.tokens }, cost }));
    };
    await Promise.all(Array.from({ length: count }, one));
    while (ledger.pending > 0) await new Promise((resolve) => setImmediate(resolve));
    return { granted, refused };
  };
}

let run: ((burst: Burst) => Promise<BurstResult>) | undefined;
process.on("message", async (message: Setup | Burst) => {
  if ("url" in message) {
    run = await begin(message);
    process.send?.("ready");
  } else process.send?.(await run?.(message));
});
