// Facts that hold for every ledger: in memory, with spending written down, and in a real Redis.
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Redis, type RedisScript, redis } from "../../state/redis.ts";
import { forgetfulSpending } from "../../testing/forgetful-spending.ts";
import { noRedis, type RedisServer, redisServer } from "../../testing/redis.ts";
import type { Holding, Ledger, Taken } from "./ledger.ts";
import { memoryLedger } from "./memory-ledger.ts";
import { redisLedger } from "./redis-ledger.ts";
import type { Rule } from "./rule.ts";
import { sqliteSpending } from "./spending.ts";

const hour = 3_600_000;
/** A Monday, 10:00:00.250 UTC. */
const monday = Date.UTC(2026, 10, 16, 10) + 250;

interface Setting {
  readonly ledger: Ledger;
  pass(millis: number): void;
  /** Resolves when everything that was settled so far is counted. */
  told(): Promise<void>;
  end(): Promise<void>;
}

const clocked = (make: (wall: () => number) => Ledger) => async (): Promise<Setting> => {
  let now = monday;
  const ledger = make(() => now);
  return {
    ledger,
    pass(millis) {
      now += millis;
    },
    told: async () => {},
    end: () => ledger.close(),
  };
};

let server: RedisServer | undefined;
const missing = noRedis();

beforeAll(async () => {
  if (missing === undefined) server = await redisServer();
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

/** The scripts read Redis' clock; here they read one that the test sets, and are otherwise what they are. */
function withClock(through: Redis): Redis {
  const changed = new Map<RedisScript, RedisScript>();
  return {
    ...through,
    get up() {
      return through.up;
    },
    run(script, keys, args) {
      const own = changed.get(script) ?? {
        text: script.text.replace("redis.call('TIME')", "{redis.call('GET', 'test:s'), redis.call('GET', 'test:us')}"),
      };
      expect(own.text).not.toBe(script.text);
      changed.set(script, own);
      return through.run(own, keys, args);
    },
  };
}

async function inRedis(): Promise<Setting> {
  const through = redis({ url: server?.url ?? "" });
  await through.ready(5_000);
  await through.call(["FLUSHALL"]);
  let now = monday;
  const set = () =>
    through.call(["MSET", "test:s", String(Math.floor(now / 1000)), "test:us", String((now % 1000) * 1000)]);
  await set();
  const ledger = redisLedger({
    redis: withClock(through),
    gateway: crypto.randomUUID(),
    wall: () => now,
    onFailure: "refuse",
    deadMillis: 70 * 24 * hour,
  });
  return {
    ledger,
    // Commands are understood in the order in which they are sent.
    pass(millis) {
      now += millis;
      void set();
    },
    async told() {
      await expect.poll(() => ledger.pending, { interval: 1 }).toBe(0);
    },
    async end() {
      await ledger.close();
      await through.close();
    },
  };
}

const ledgers: readonly (readonly [string, () => Promise<Setting>, string | undefined])[] = [
  ["memory", clocked((wall) => memoryLedger({ wall, store: forgetfulSpending() })), undefined],
  ["sqlite", clocked((wall) => memoryLedger({ wall, store: sqliteSpending(new DatabaseSync(":memory:")) })), undefined],
  ["redis", inRedis, missing],
];

const rule = (counted: Rule["counted"], period: Rule["period"], limit: number, more: Partial<Rule> = {}): Rule => ({
  id: `key:k:${counted}:${period}`,
  counted,
  period,
  limit,
  enforced: true,
  scope: "key",
  name: "k",
  soft: 0,
  ...more,
});
const amounts = (tokens = 0, nanoUsd = 0) => ({ tokens, nanoUsd });

const held = (taken: Taken) => {
  if (taken.holding === undefined) throw new Error(`refused by ${taken.refusing.id}`);
  return taken.holding;
};
const refusedFor = (taken: Taken) => (taken.holding === undefined ? taken.waitMillis : undefined);

describe.each(ledgers)("%s", (_, make, absent) => {
  const fact = (name: string, run: (setting: Setting) => Promise<void>) =>
    test(name, async ({ skip }) => {
      if (absent !== undefined) return skip(absent);
      const setting = await make();
      try {
        await run(setting);
      } finally {
        await setting.end();
      }
    });

  fact(
    "as many requests pass in a minute as the limit says, and one more when the first is a minute old",
    async ({ ledger, pass }) => {
      const rules = [rule("requests", "minute", 3)];
      expect((await ledger.take(rules, amounts())).used).toEqual([1]);
      pass(30_000);
      held(await ledger.take(rules, amounts()));
      held(await ledger.take(rules, amounts()));
      const refused = await ledger.take(rules, amounts());
      expect(refused).toMatchObject({ holding: undefined, used: [3], refusing: { id: "key:k:requests:minute" } });
      // 10:01:01 is the first second at which 10:00:00.250 is surely a minute old.
      expect(refusedFor(refused)).toBe(30_750);
      pass(30_749);
      expect(refusedFor(await ledger.take(rules, amounts()))).toBe(1);
      pass(1);
      held(await ledger.take(rules, amounts()));
      expect(refusedFor(await ledger.take(rules, amounts()))).toBe(30_000);
      pass(10 * 60_000);
      expect((await ledger.take(rules, amounts())).used).toEqual([1]);
    },
  );

  fact(
    "a limit of tokens counts the estimate at once and the real usage when it is known",
    async ({ ledger, told }) => {
      const rules = [rule("tokens", "minute", 1_000)];
      const first = held(await ledger.take(rules, amounts(600)));
      expect(refusedFor(await ledger.take(rules, amounts(600)))).toBeGreaterThan(0);
      ledger.settle(first, amounts(100));
      await told();
      const second = await ledger.take(rules, amounts(600));
      expect(second.used).toEqual([700]);
      ledger.settle(held(second), amounts(950));
      await told();
      expect(await ledger.used(rules)).toEqual([1_050]);
      expect(refusedFor(await ledger.take(rules, amounts(0)))).toBeGreaterThan(0);
    },
  );

  fact(
    "what was used beyond the estimate is counted when it is known, however old the request",
    async ({ ledger, pass, told }) => {
      const rules = [rule("tokens", "minute", 1_000)];
      const long = held(await ledger.take(rules, amounts(600)));
      pass(180_000);
      expect(await ledger.used(rules)).toEqual([0]);
      ledger.settle(long, amounts(900));
      await told();
      expect(await ledger.used(rules)).toEqual([300]);
      const short = held(await ledger.take(rules, amounts(500)));
      pass(180_000);
      ledger.settle(short, amounts(10));
      await told();
      expect(await ledger.used(rules)).toEqual([0]);
    },
  );

  fact("a request that is larger than a limit waits without end", async ({ ledger }) => {
    const taken = await ledger.take([rule("tokens", "minute", 10)], amounts(11));
    expect(taken).toMatchObject({ holding: undefined, used: [0], waitMillis: Number.POSITIVE_INFINITY });
  });

  fact(
    "all or nothing: a rule that refuses leaves the others as they were, and the longest wait is told",
    async ({ ledger, told }) => {
      const rules = [
        rule("streams", "now", 5),
        rule("requests", "minute", 5),
        rule("tokens", "day", 100),
        rule("money", "month", 1_000),
      ];
      const first = held(await ledger.take(rules, amounts(90, 900)));
      const refused = await ledger.take(rules, amounts(20, 200));
      expect(refused).toMatchObject({ used: [1, 1, 90, 900], refusing: { period: "month" } });
      // Until 1 December.
      expect(refusedFor(refused)).toBe(Date.UTC(2026, 11, 1) - monday);
      expect(await ledger.used(rules)).toEqual([1, 1, 90, 900]);
      ledger.settle(first, amounts(30, 300));
      await told();
      expect(await ledger.used(rules)).toEqual([0, 1, 30, 300]);
    },
  );

  fact("what is open has a place until it ends, and no longer", async ({ ledger, pass, told }) => {
    const rules = [rule("streams", "now", 2)];
    const first = held(await ledger.take(rules, amounts()));
    const second = held(await ledger.take(rules, amounts()));
    pass(2 * hour);
    expect(refusedFor(await ledger.take(rules, amounts()))).toBe(1_000);
    ledger.settle(first, amounts());
    await told();
    held(await ledger.take(rules, amounts()));
    expect(refusedFor(await ledger.take(rules, amounts()))).toBe(1_000);
    ledger.release(second);
    await told();
    held(await ledger.take(rules, amounts()));
  });

  fact("a place that is given up is another's at once, and all else stands until the end", async ({ ledger, told }) => {
    const rules = [rule("streams", "now", 1), rule("requests", "minute", 5), rule("tokens", "day", 100)];
    const first = held(await ledger.take(rules, amounts(40)));
    for (let times = 0; times < 2; times++) ledger.vacate(first);
    await told();
    expect(await ledger.used(rules)).toEqual([0, 1, 40]);
    const second = held(await ledger.take(rules, amounts(40)));
    ledger.settle(first, amounts(30));
    ledger.vacate(first);
    await told();
    expect(await ledger.used(rules)).toEqual([1, 2, 70]);
    ledger.settle(second, amounts(20));
    ledger.vacate(second);
    await told();
    expect(await ledger.used(rules)).toEqual([0, 2, 50]);
  });

  fact("what never reached a backend is given back, the request's own count too", async ({ ledger, told }) => {
    const rules = [
      rule("requests", "minute", 9),
      rule("requests", "day", 9),
      rule("tokens", "minute", 900),
      rule("money", "total", 900),
    ];
    ledger.release(held(await ledger.take(rules, amounts(100, 100))));
    await told();
    expect(await ledger.used(rules)).toEqual([0, 0, 0, 0]);
  });

  fact(
    "days end at midnight UTC, weeks before Monday, months before the first; a total never ends",
    async ({ ledger, pass, told }) => {
      const day = rule("money", "day", 100);
      const week = rule("money", "week", 1_000);
      const month = rule("money", "month", 10_000);
      const total = rule("money", "total", 100_000);
      const rules = [day, week, month, total];
      const spend = async (nanoUsd: number) =>
        ledger.settle(held(await ledger.take(rules, amounts(0, nanoUsd))), amounts(0, nanoUsd));
      await spend(100);
      await told();
      expect(refusedFor(await ledger.take([day], amounts(0, 1)))).toBe(14 * hour - 250);
      pass(14 * hour - 251);
      expect(refusedFor(await ledger.take([day], amounts(0, 1)))).toBe(1);
      pass(1);
      expect(await ledger.used(rules)).toEqual([0, 100, 100, 100]);
      await spend(10);
      await told();
      // Sunday's last millisecond, then Monday.
      pass(6 * 24 * hour - 1);
      expect(await ledger.used(rules)).toEqual([0, 110, 110, 110]);
      pass(1);
      expect(await ledger.used(rules)).toEqual([0, 0, 110, 110]);
      // 23 November → 1 December.
      pass(8 * 24 * hour - 1);
      expect((await ledger.used(rules))[2]).toBe(110);
      pass(1);
      expect(await ledger.used(rules)).toEqual([0, 0, 0, 110]);
    },
  );

  fact("what is reserved in a period is settled in it, however late", async ({ ledger, pass, told }) => {
    const rules = [rule("money", "day", 100)];
    const late = held(await ledger.take(rules, amounts(0, 80)));
    pass(24 * hour);
    const other = held(await ledger.take(rules, amounts(0, 90)));
    ledger.settle(late, amounts(0, 50));
    await told();
    expect(await ledger.used(rules)).toEqual([90]);
    ledger.settle(other, amounts(0, 70));
    await told();
    expect(await ledger.used(rules)).toEqual([70]);
  });

  fact("a rule that is not enforced counts, and refuses nothing", async ({ ledger, told }) => {
    const rules = [rule("money", "day", 100, { enforced: false })];
    for (const nanoUsd of [90, 90])
      ledger.settle(held(await ledger.take(rules, amounts(0, nanoUsd))), amounts(0, nanoUsd));
    await told();
    expect(await ledger.used(rules)).toEqual([180]);
  });

  fact(
    "what was used already counts with or without room, at its time, as no request and nothing open",
    async ({ ledger, pass, told }) => {
      const rules = [
        rule("requests", "minute", 3),
        rule("streams", "now", 3),
        rule("tokens", "minute", 10),
        rule("money", "day", 100),
      ];
      ledger.add(rules, amounts(7, 90));
      await told();
      pass(30_000);
      ledger.add(rules, amounts(8, 11));
      await told();
      expect(await ledger.used(rules)).toEqual([0, 0, 15, 101]);
      pass(31_000);
      expect(await ledger.used(rules)).toEqual([0, 0, 8, 101]);
    },
  );

  fact("rules with names of their own do not share a count, the same name does", async ({ ledger }) => {
    const mine = rule("requests", "minute", 1, { id: "key:a:requests:minute" });
    const yours = rule("requests", "minute", 1, { id: "key:b:requests:minute" });
    const shared = rule("requests", "minute", 2, { id: "total:requests:minute" });
    held(await ledger.take([mine, shared], amounts()));
    held(await ledger.take([yours, shared], amounts()));
    expect(await ledger.used([mine, yours, shared])).toEqual([1, 1, 2]);
    expect(await ledger.take([{ ...yours, limit: 9 }, shared], amounts())).toMatchObject({
      refusing: { id: "total:requests:minute" },
    });
  });

  fact("amounts of millions of dollars are exact to the nano-dollar", async ({ ledger, told }) => {
    const rules = [rule("money", "total", Number.MAX_SAFE_INTEGER)];
    const large = 4_000_000_000_000_001;
    ledger.settle(held(await ledger.take(rules, amounts(0, large))), amounts(0, large));
    ledger.settle(held(await ledger.take(rules, amounts(0, 7))), amounts(0, 2));
    await told();
    expect(await ledger.used(rules)).toEqual([large + 2]);
    expect(refusedFor(await ledger.take(rules, amounts(0, Number.MAX_SAFE_INTEGER - large - 1)))).toBe(
      Number.POSITIVE_INFINITY,
    );
    held(await ledger.take(rules, amounts(0, Number.MAX_SAFE_INTEGER - large - 2)));
  });

  fact(
    "no order of takes, settlements, releases and time lets more pass in a minute, a day or at once than is allowed",
    async ({ ledger, pass, told }) => {
      const dice = random(20_261_121);
      const limits = { requests: 20, tokens: 5_000, streams: 7, money: 40_000 };
      const rules = [
        rule("streams", "now", limits.streams),
        rule("requests", "minute", limits.requests),
        rule("tokens", "minute", limits.tokens),
        rule("money", "day", limits.money),
      ];
      let now = monday;
      /** What passed: when, and how much of it counts, at the last. */
      const passed: { at: number; requests: number; tokens: number }[] = [];
      type Open = { holding: Holding; tokens: number; nanoUsd: number; entry: (typeof passed)[number] };
      const open: Open[] = [];
      let spent = 0;
      let [granted, refusals] = [0, 0];
      for (let step = 0; step < 1_500; step++) {
        const act = dice();
        if (act < 0.15) {
          const millis = Math.floor(dice() * 12_000);
          now += millis;
          pass(millis);
          if (Math.floor(now / 86_400_000) !== Math.floor(monday / 86_400_000)) break;
        } else if (act < 0.4 && open.length > 0) {
          const [one] = open.splice(Math.floor(dice() * open.length), 1);
          if (one === undefined) continue;
          if (dice() < 0.2) {
            ledger.release(one.holding);
            Object.assign(one.entry, { requests: 0, tokens: 0 });
          } else {
            // At most what was reserved: an estimate that was too low is another fact.
            const real = amounts(Math.floor(dice() * (one.tokens + 1)), Math.floor(dice() * (one.nanoUsd + 1)));
            ledger.settle(one.holding, real);
            one.entry.tokens = real.tokens;
            spent += real.nanoUsd;
          }
        } else {
          const ask = amounts(Math.floor(dice() * 900), Math.floor(dice() * 900));
          const taken = await ledger.take(rules, ask);
          if (taken.holding === undefined) refusals += 1;
          else {
            granted += 1;
            const entry = { at: now, requests: 1, tokens: ask.tokens };
            passed.push(entry);
            open.push({ holding: taken.holding, ...ask, entry });
          }
        }
        const lately = passed.filter(({ at }) => at > now - 60_000);
        expect(lately.reduce((sum, { requests }) => sum + requests, 0)).toBeLessThanOrEqual(limits.requests);
        expect(lately.reduce((sum, { tokens }) => sum + tokens, 0)).toBeLessThanOrEqual(limits.tokens);
        expect(open.length).toBeLessThanOrEqual(limits.streams);
        expect(open.reduce((sum, { nanoUsd }) => sum + nanoUsd, spent)).toBeLessThanOrEqual(limits.money);
      }
      expect(Math.min(granted, refusals)).toBeGreaterThan(50);
      for (const { holding } of open) ledger.release(holding);
      await told();
      expect((await ledger.used(rules)).at(0)).toBe(0);
      expect((await ledger.used(rules)).at(-1)).toBe(spent);
    },
  );
});

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
