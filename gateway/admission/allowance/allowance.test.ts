// What callers may use: which limits and budgets count for whom, what they are told, and how reservations end.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Exchange, pipeline } from "../../../instrumentation/index.ts";
import { sampleExchange, sampleWithout } from "../../../instrumentation/testing/exchange.ts";
import { GatewayError } from "../../errors.ts";
import { forgetfulSpending } from "../../testing/forgetful-spending.ts";
import { anonymous, type Identity, type Key } from "../identity.ts";
import { type Allowance, type Ask, allowance, type Reservation, unlimited } from "./allowance.ts";
import { memoryLedger } from "./memory-ledger.ts";
import type { BudgetRule, RateLimitSettings } from "./settings.ts";
import { type SpendingStore, sqliteSpending } from "./spending.ts";

const monday = Date.UTC(2026, 10, 16, 10) + 250;
let now = monday;
let made: Allowance[] = [];

beforeEach(() => {
  now = monday;
});
afterEach(async () => {
  for (const one of made) await one.close();
  made = [];
  vi.useRealTimers();
});

interface Wanted {
  readonly limits?: Partial<RateLimitSettings>;
  readonly budgets?: readonly BudgetRule[];
  readonly store?: SpendingStore;
}

const settingsOf = ({ limits, budgets = [] }: Wanted) => ({
  limits: { default: {}, perUser: {}, perModel: [], total: {}, outputTokens: 100, expireSeconds: 3_600, ...limits },
  budgets,
});

function opened(wanted: Wanted = {}): Allowance {
  const ledger = memoryLedger({ wall: () => now, store: wanted.store ?? forgetfulSpending() });
  const own = allowance({ settings: settingsOf(wanted), ledger, wall: () => now });
  made.push(own);
  return own;
}

const keyed = (id: string, more: Partial<Key> = {}): Identity => {
  const key = { id, label: `label-${id}`, createdAt: 0, grants: [], limits: {}, budgets: [], priority: 0, ...more };
  const { user, team } = more;
  return { auth: "key", priority: 0, key, ...(user !== undefined && { user }), ...(team !== undefined && { team }) };
};

let asked = 0;
const ask = (identity: Identity, more: Partial<Ask> = {}): Ask => ({
  id: `x-${++asked}`,
  identity,
  model: "gpt-4o",
  estimatedTokens: 10,
  estimatedNanoUsd: 1_000,
  ...more,
});

/** In memory everything is decided at once. */
const reserve = (own: Allowance, wanted: Ask): Reservation => {
  const reserved = own.reserve(wanted);
  if (reserved instanceof Promise) throw new Error("it took time");
  return reserved;
};

const refusal = (own: Allowance, wanted: Ask): GatewayError => {
  try {
    reserve(own, wanted);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error("it passed");
};

const headers = (flat: readonly string[]) =>
  Object.fromEntries(flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1]]] : [])));

describe("who is counted", () => {
  test("a caller without limits gets one and the same reservation, and nothing is read or kept", () => {
    const own = opened();
    const costly: Ask = {
      ...ask(anonymous),
      get estimatedTokens(): number {
        throw new Error("estimated for nobody");
      },
    };
    expect(own.reserve(costly)).toBe(unlimited);
    expect(own.open).toBe(0);
  });

  test("each key by itself, its own limits before the default ones; each user without a key; all anonymous ones together", () => {
    const own = opened({ limits: { default: { requestsPerMinute: 1, tokensPerMinute: 15 } } });
    reserve(own, ask(keyed("a")));
    expect(refusal(own, ask(keyed("a"))).kind).toBe("request_limit");
    reserve(own, ask(keyed("b", { limits: { requestsPerMinute: 2 } })));
    expect(refusal(own, ask(keyed("b", { limits: { requestsPerMinute: 2 } }))).kind).toBe("token_limit");
    reserve(own, ask({ auth: "jwt", user: "ann", priority: 0 }));
    reserve(own, ask({ auth: "jwt", user: "bob", priority: 0 }));
    expect(refusal(own, ask({ auth: "jwt", user: "ann", priority: 0 })).kind).toBe("request_limit");
    reserve(own, ask(anonymous));
    expect(refusal(own, ask({ ...anonymous })).kind).toBe("request_limit");
  });

  test("a user over all keys, a model over all callers, and all together", () => {
    const limits: Partial<RateLimitSettings> = {
      perUser: { requestsPerMinute: 2 },
      perModel: [{ model: "gpt-*", requestsPerMinute: 3 }],
      total: { requestsPerMinute: 4 },
    };
    const own = opened({ limits });
    reserve(own, ask(keyed("a", { user: "ann" })));
    reserve(own, ask(keyed("b", { user: "ann" })));
    expect(refusal(own, ask(keyed("c", { user: "ann" }))).message).toContain("this user");
    reserve(own, ask(keyed("d"), { model: "gpt-5" }));
    expect(refusal(own, ask(keyed("d"))).message).toContain("this model");
    reserve(own, ask(keyed("d"), { model: "llama" }));
    expect(refusal(own, ask(keyed("d"), { model: undefined })).message).toContain("all callers together");
  });

  test("a user whose name ends like another's team is a caller of its own", async () => {
    const own = opened({
      limits: { default: { requestsPerMinute: 1 } },
      budgets: [budget({ scope: "team", name: "*" })],
    });
    const identities: Identity[] = [
      { auth: "jwt", user: "ann", team: "red", priority: 0 },
      { auth: "jwt", user: "ann\nred", priority: 0 },
      { auth: "jwt", user: "ann", team: "blue", priority: 0 },
    ];
    for (const identity of identities.slice(0, 2)) reserve(own, ask(identity));
    for (const identity of identities) expect(refusal(own, ask(identity)).kind).toBe("request_limit");
    const teams = (await own.standing()).flatMap(({ rule }) => (rule.scope === "team" ? [rule.name] : []));
    expect(teams).toEqual(["red", "blue"]);
  });

  test("limits that changed count what was counted before", () => {
    const own = opened({ limits: { default: { requestsPerMinute: 5 } } });
    for (let at = 0; at < 3; at++) reserve(own, ask(keyed("a")));
    own.configure(settingsOf({ limits: { default: { requestsPerMinute: 4 } } }));
    reserve(own, ask(keyed("a")));
    expect(refusal(own, ask(keyed("a"))).kind).toBe("request_limit");
  });
});

describe("what a caller is told", () => {
  test("x-ratelimit headers as OpenAI words them: the nearest limit of requests and of tokens", () => {
    const own = opened({
      limits: {
        default: { requestsPerMinute: 60, tokensPerMinute: 1_000, tokensPerDay: 50 },
        total: { requestsPerMinute: 10 },
      },
    });
    expect(headers(reserve(own, ask(keyed("a"))).headers)).toEqual({
      "x-ratelimit-limit-requests": "10",
      "x-ratelimit-remaining-requests": "9",
      "x-ratelimit-reset-requests": "1m1s",
      "x-ratelimit-limit-tokens": "50",
      "x-ratelimit-remaining-tokens": "40",
      "x-ratelimit-reset-tokens": "14h0m0s",
    });
  });

  test("once the time is over after which a minute's limit is free again, it is", () => {
    const own = opened({ limits: { default: { requestsPerMinute: 1 } } });
    const told = headers(reserve(own, ask(keyed("a"))).headers)["x-ratelimit-reset-requests"] ?? "";
    const [, minutes, seconds] = /^(\d+)m(\d+)s$/.exec(told) ?? [];
    now += (Number(minutes) * 60 + Number(seconds)) * 1_000;
    expect(headers(reserve(own, ask(keyed("a"))).headers)).toMatchObject({ "x-ratelimit-remaining-requests": "0" });
  });

  test("a refusal says when it is worth trying again, by the second, and what is left", () => {
    const own = opened({ limits: { default: { requestsPerMinute: 2 } } });
    reserve(own, ask(keyed("a")));
    now += 20_000;
    reserve(own, ask(keyed("a")));
    const error = refusal(own, ask(keyed("a")));
    expect(error).toMatchObject({
      kind: "request_limit",
      retryAfter: 41,
      message: "The limit of 2 requests per minute for this API key is reached. Try again in 41s.",
    });
    expect(headers(error.headers)).toMatchObject({
      "x-ratelimit-limit-requests": "2",
      "x-ratelimit-remaining-requests": "0",
    });
    now += 40_750;
    reserve(own, ask(keyed("a")));
  });

  test("a request that never fits is told so, and not when to try again", () => {
    const own = opened({ limits: { default: { tokensPerMinute: 100 } } });
    const error = refusal(own, ask(keyed("a"), { estimatedTokens: 101 }));
    expect(error).toMatchObject({ kind: "token_limit", retryAfter: 60 });
    expect(error.message).toMatch(/^This request may use 101 tokens, more than .*100 tokens per minute/);
  });

  test("too many at a time", () => {
    const own = opened({ limits: { default: { concurrent: 1 } } });
    const first = reserve(own, ask(keyed("a")));
    expect(first.headers).toEqual([]);
    expect(refusal(own, ask(keyed("a")))).toMatchObject({
      kind: "concurrency_limit",
      retryAfter: 1,
      message: "This API key may have 1 requests open at a time, and has. Try again in 1s.",
    });
    first.release();
    reserve(own, ask(keyed("a")));
  });
});

const budget = (more: Partial<BudgetRule> = {}): BudgetRule => ({
  scope: "key",
  name: "*",
  period: "day",
  usd: 0.00001,
  softRatio: 0.5,
  hard: true,
  ...more,
});

/** What is counted, and how much of it is used. */
const standingOf = async (own: Allowance) => (await own.standing()).map(({ rule, used }) => `${rule.counted} ${used}`);

describe("budgets", () => {
  test("a hard one refuses what does not fit, with 402 and until when", () => {
    const own = opened({ budgets: [budget()] });
    reserve(own, ask(keyed("a"), { estimatedNanoUsd: 9_000 }));
    expect(refusal(own, ask(keyed("a"), { estimatedNanoUsd: 1_001 }))).toMatchObject({
      kind: "budget_exceeded",
      retryAfter: 14 * 3_600,
      message:
        "The budget of 0.00001 USD per day for this API key has no room for this request, which may cost up to 0.000001001 USD. Try again in 14h0m0s.",
    });
    reserve(own, ask(keyed("a"), { estimatedNanoUsd: 1_000 }));
    reserve(own, ask(keyed("b"), { estimatedNanoUsd: 9_000 }));
  });

  test("a hard one refuses a model without a known price, a soft one does not", () => {
    expect(refusal(opened({ budgets: [budget()] }), ask(keyed("a"), { estimatedNanoUsd: undefined })).kind).toBe(
      "unpriced_model",
    );
    reserve(opened({ budgets: [budget({ hard: false })] }), ask(keyed("a"), { estimatedNanoUsd: undefined }));
    reserve(opened({ budgets: [budget()] }), ask(keyed("a"), { estimatedNanoUsd: 0 }));
  });

  test("a soft one counts past its end", async () => {
    const own = opened({ budgets: [budget({ hard: false })] });
    for (let at = 0; at < 3; at++) reserve(own, ask(keyed("a"), { estimatedNanoUsd: 9_000 }));
    expect(await own.standing()).toMatchObject([
      { used: 27_000, rule: { limit: 10_000, soft: 5_000, enforced: false } },
    ]);
  });

  test("the most particular ones of a period count: the key's own, then those that name it, then everybody's", async () => {
    const budgets = [
      budget({ usd: 1 }),
      budget({ usd: 2, name: "label-named" }),
      budget({ usd: 5, period: "total" }),
      budget({ usd: 6, scope: "team", name: "red" }),
      budget({ usd: 7, scope: "user", name: "ann" }),
    ];
    const limitsOf = async (identity: Identity) => {
      const own = opened({ budgets });
      reserve(own, ask(identity));
      return (await own.standing())
        .filter(({ used }) => used > 0)
        .map(({ rule }) => `${rule.scope} ${rule.period} ${rule.limit / 1e9}`);
    };
    expect(await limitsOf(keyed("any"))).toEqual(["key day 1", "key total 5"]);
    expect(await limitsOf(keyed("named", { team: "red" }))).toEqual(
      expect.arrayContaining(["key day 2", "key total 5", "team day 6"]),
    );
    const rich = keyed("rich", {
      user: "ann",
      budgets: [
        { period: "day", usd: 3, softRatio: 1, hard: false },
        { period: "day", usd: 4, softRatio: 0.25, hard: true },
      ],
    });
    expect(await limitsOf(rich)).toEqual(expect.arrayContaining(["key day 4", "key total 5", "user day 7"]));
  });

  test("named users and teams are there before their first request, so that an alert sees them at 0", async () => {
    const own = opened({ budgets: [budget({ scope: "team", name: "red" }), budget({ scope: "user" })] });
    expect(await own.standing()).toMatchObject([{ used: 0, rule: { scope: "team", name: "red" } }]);
  });

  test("a key that lost a budget or a limit has none to tell of", async () => {
    const own = opened({ limits: { default: { concurrent: 9 } } });
    reserve(own, ask(keyed("a", { limits: { requestsPerDay: 9 }, budgets: [budget()] })));
    expect(await standingOf(own)).toEqual(["streams 1", "requests 1", "money 1000"]);
    reserve(own, ask(keyed("a")));
    expect(await standingOf(own)).toEqual(["streams 2"]);
  });

  test("what is spent is told of after a reload as before it, by the new settings", async () => {
    const own = opened({ budgets: [budget()] });
    reserve(own, ask(keyed("a")));
    own.configure(settingsOf({ limits: { default: { requestsPerDay: 9 } }, budgets: [budget()] }));
    expect(await standingOf(own)).toEqual(["requests 0", "money 1000"]);
  });

  test("what was spent is there after a restart", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tollgate-spending-"));
    try {
      const run = async (act: (own: Allowance) => void) => {
        const database = new DatabaseSync(join(folder, "state.db"));
        const own = opened({
          budgets: [budget(), budget({ period: "month", usd: 1 })],
          store: sqliteSpending(database),
        });
        act(own);
        const standing = (await own.standing()).map(({ rule, used }) => [rule.period, used]);
        await own.close();
        database.close();
        return standing;
      };
      await run((own) => {
        const wanted = ask(keyed("a"), { estimatedNanoUsd: 9_000 });
        reserve(own, wanted).settle(spentBy(wanted, 7_000));
        // Still open at the end: given back.
        reserve(own, ask(keyed("a"), { estimatedNanoUsd: 3_000 }));
      });
      const standing = await run((own) => {
        expect(refusal(own, ask(keyed("a"), { estimatedNanoUsd: 3_001 })).kind).toBe("budget_exceeded");
        reserve(own, ask(keyed("a"), { estimatedNanoUsd: 3_000 }));
      });
      expect(standing).toEqual([
        ["day", 10_000],
        ["month", 10_000],
      ]);
      now += 24 * 3_600_000;
      expect(await run((own) => void reserve(own, ask(keyed("a"), { estimatedNanoUsd: 1 })))).toEqual([
        ["day", 1],
        ["month", 7_001],
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

const spentBy = ({ id }: Ask, nanoUsd: number, more: Partial<Exchange> = {}): Exchange =>
  sampleExchange({ id, cost: { status: "exact", nanoUsd, input: 0, output: 0, other: 0, price: "p" }, ...more });

describe("how a reservation ends", () => {
  const attempt = sampleExchange().attempts[0];
  if (attempt === undefined) throw new Error("the sample has an attempt");
  const without = (...names: (keyof Exchange)[]) => sampleWithout(...names);

  /** What is counted of 5 requests, 1,000 tokens and 9,000 nano-USD once an exchange has settled 1, 300 and 4,000 of them. */
  const counted = async (exchange: Exchange) => {
    const own = opened({ limits: { default: { requestsPerMinute: 5, tokensPerMinute: 1_000 } }, budgets: [budget()] });
    reserve(own, ask(keyed("a"), { id: exchange.id, estimatedTokens: 300, estimatedNanoUsd: 4_000 }));
    own.exporter.export(exchange);
    expect(own.open).toBe(0);
    return (await own.standing()).map(({ used }) => used);
  };
  const cost = { status: "exact", nanoUsd: 50, input: 50, output: 0, other: 0, price: "p" } as const;

  test("its record settles it, with what the provider stated", async () => {
    expect(await counted(sampleExchange({ tokens: { input: 7, output: 8 }, cost }))).toEqual([1, 15, 50]);
  });

  test("missing usage settles at the reservation, a stream that broke off and a client that left included", async () => {
    expect(await counted(without("tokens", "cost"))).toEqual([1, 300, 4_000]);
    const gone = { ...attempt, status: undefined, result: "abandoned" } as never;
    expect(
      await counted({ ...without("tokens", "cost"), attempts: [gone], outcome: { kind: "abandoned", status: 499 } }),
    ).toEqual([1, 300, 4_000]);
    expect(await counted({ ...sampleExchange(), tokens: { input: 5 }, cost: { status: "unpriced" } })).toEqual([
      1, 5, 4_000,
    ]);
  });

  test("a backend that refused or failed used nothing, but the request counts; one that stated its usage is paid", async () => {
    for (const status of [429, 500]) {
      const refused = { ...attempt, status, result: "failed" } as const;
      expect(await counted({ ...without("tokens", "cost"), attempts: [refused] })).toEqual([1, 0, 0]);
      expect(await counted(sampleExchange({ attempts: [refused], tokens: { input: 3 }, cost }))).toEqual([1, 3, 50]);
    }
  });

  test("an answer from the cache counts as a request and uses nothing", async () => {
    expect(await counted(sampleExchange({ cache: "hit", attempts: [] }))).toEqual([1, 0, 0]);
  });

  test("what never reached a backend counts for nothing", async () => {
    expect(await counted({ ...without("tokens", "cost"), attempts: [] })).toEqual([0, 0, 0]);
  });

  test("numbers that no backend should send are counted as far as they are counts", async () => {
    expect(await counted(sampleExchange({ tokens: { input: -5, output: 1.5 }, cost }))).toEqual([1, 0, 50]);
  });

  test("twice is once", async () => {
    const own = opened({ limits: { default: { concurrent: 2, requestsPerMinute: 9 } } });
    const wanted = ask(keyed("a"));
    const reserved = reserve(own, wanted);
    reserve(own, ask(keyed("a")));
    reserved.settle(sampleExchange({ id: wanted.id }));
    reserved.settle(sampleExchange({ id: wanted.id }));
    reserved.release();
    expect((await own.standing()).map(({ used }) => used)).toEqual([1, 2]);
  });

  test("one whose record is lost frees its place at once, and counts as what is known of it", async () => {
    const own = opened({ limits: { default: { concurrent: 1 } }, budgets: [budget()] });
    const lost = async (failing: "seal" | "price" | "redact") => {
      const wanted = ask(keyed("a"), { estimatedNanoUsd: 1_000 });
      reserve(own, wanted);
      const failsAt = (stage: string) => {
        if (stage === failing) throw new Error("no");
      };
      const exchange = { ...without("cost"), id: wanted.id };
      const line = pipeline({
        processors: [
          function price(record) {
            failsAt("price");
            return { ...record, cost } as never;
          },
          function redact(record) {
            failsAt("redact");
            return record;
          },
        ],
        exporters: [own.exporter],
        troubles: { exporterFailed() {}, recordLost() {} },
        defer: (task) => task(),
      });
      line.record({
        id: wanted.id,
        seal() {
          failsAt("seal");
          return exchange;
        },
      });
      return (await own.standing()).map(({ used }) => used);
    };
    expect(await lost("redact")).toEqual([0, 50]);
    expect(await lost("price")).toEqual([0, 1_050]);
    expect(await lost("seal")).toEqual([0, 2_050]);
  });

  test("one whose record never comes counts as used after its time, and its place is free", async () => {
    vi.useFakeTimers();
    const own = opened({ limits: { default: { concurrent: 1, tokensPerDay: 1_000 }, expireSeconds: 60 } });
    reserve(own, ask(keyed("a"), { estimatedTokens: 400 }));
    now += 59_000;
    vi.advanceTimersByTime(59_000);
    expect(refusal(own, ask(keyed("a"))).kind).toBe("concurrency_limit");
    now += 11_000;
    vi.advanceTimersByTime(11_000);
    expect(own.open).toBe(0);
    reserve(own, ask(keyed("a"), { estimatedTokens: 600 }));
    expect(refusal(own, ask(keyed("b"), { estimatedTokens: 1_001 })).kind).toBe("token_limit");
    expect((await own.standing()).map(({ used }) => used)).toEqual([1, 1_000, 0, 0]);
  });
});

test("what is charged in steps counts at once, whether there is room or not, and once in the end", async () => {
  const own = opened({ limits: { default: { tokensPerDay: 100 } } });
  const identity = keyed("k");
  const wanted = ask(identity, { lasting: true });
  const held = await own.reserve(wanted);
  const used = async () => (await own.standing()).find(({ rule }) => rule.counted === "tokens")?.used;
  held.charge({ tokens: 60, nanoUsd: 0 });
  expect(await used()).toBe(70);
  expect(() => held.charge({ tokens: 95, nanoUsd: 0 })).toThrow("The limit of 100 tokens per day");
  expect(await used()).toBe(105);
  held.settle(sampleExchange({ id: wanted.id, tokens: { input: 0, output: 95 } }));
  expect(await used()).toBe(95);
});

test("a step without a price counts its tokens, and is too much for a hard budget alone", async () => {
  const step = async (hard: boolean) => {
    const own = opened({ limits: { default: { tokensPerDay: 100 } }, budgets: [budget({ hard })] });
    const held = await own.reserve(ask(keyed("k"), { lasting: true, estimatedNanoUsd: 500 }));
    held.charge({ tokens: 5, nanoUsd: 300 });
    let kind = "";
    try {
      held.charge({ tokens: 8, nanoUsd: undefined });
    } catch (error) {
      kind = error instanceof GatewayError ? error.kind : String(error);
    }
    return [kind, ...(await own.standing()).map(({ used }) => used)];
  };
  expect(await step(true)).toEqual(["unpriced_model", 18, 800]);
  expect(await step(false)).toEqual(["", 18, 800]);
});
