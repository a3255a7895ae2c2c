// Limits of callers, budgets and Redis: what stands in a file, what the environment says, and what neither says.
import { describe, expect, it } from "vitest";
import { loaded } from "../testing/load-config.ts";
import type { Environment } from "./interpolate.ts";

const config = (yaml: string, env: Environment = {}) => {
  const result = loaded(yaml, env);
  if ("problems" in result) throw new Error(JSON.stringify(result.problems));
  return result.config;
};

describe("limits of callers", () => {
  it("are none unless they are set, and absent ones stay absent", () => {
    const { rateLimits, budgets } = config("rateLimits: { total: { concurrent: 5 } }");
    expect(rateLimits).toEqual({
      default: {},
      perUser: {},
      perModel: [],
      total: { concurrent: 5 },
      outputTokens: 1_000,
      expireSeconds: 3_600,
    });
    expect(Object.keys(rateLimits.total)).toEqual(["concurrent"]);
    expect(budgets).toEqual([]);
  });

  it("are kept by model in the order of the file", () => {
    const { perModel } = config(
      `rateLimits: { perModel: [{ model: gpt-4o, requestsPerMinute: 5 }, { model: "*", tokensPerDay: "\${MANY}" }] }`,
      { MANY: "7000" },
    ).rateLimits;
    expect(perModel).toEqual([
      { model: "gpt-4o", requestsPerMinute: 5 },
      { model: "*", tokensPerDay: 7_000 },
    ]);
  });
});

it("a budget is everybody's, hard, and warns from four fifths, unless it says otherwise", () => {
  expect(config("budgets: [{ scope: team, period: month, usd: 12.5 }]").budgets).toEqual([
    { scope: "team", name: "*", period: "month", usd: 12.5, softRatio: 0.8, hard: true },
  ]);
});

describe("the shared Redis", () => {
  it("is none without an address", () => {
    expect(config("redis: { onFailure: refuse }").redis).toBeUndefined();
  });

  it("is that of REDIS_URL before that of the file, which may name a secret", () => {
    const file = "redis: { url: { env: SHARED }, onFailure: refuse }";
    const env = { SHARED: "redis://:pass@one:6379/2" };
    expect(config(file, env).redis).toEqual({ url: env.SHARED, onFailure: "refuse" });
    expect(config(file, { ...env, REDIS_URL: "rediss://two" }).redis?.url).toBe("rediss://two");
    expect(config("{}", { REDIS_URL: "redis://two" }).redis).toEqual({ url: "redis://two", onFailure: "allow" });
  });

  it("has an address of its own kind, which no complaint shows", () => {
    const result = loaded("{}", { REDIS_URL: "http://:hunter2@one" });
    expect(result).toMatchObject({ problems: [{ source: "environment", key: "REDIS_URL" }] });
    expect(JSON.stringify(result)).not.toContain("hunter2");
  });
});
