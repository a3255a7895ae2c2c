// The gauges of limits and budgets say what stands, of bounded names, and go with what they speak of.
import { expect, test } from "vitest";
import { type Registry, registry } from "../instrumentation/index.ts";
import type { Standing } from "./admission/allowance/allowance.ts";
import type { Rule } from "./admission/allowance/rule.ts";
import { allowanceGauges, watchedAllowance } from "./allowance-gauges.ts";

const standing = (rule: Partial<Rule>, used: number): Standing => ({
  rule: {
    id: "",
    counted: "money",
    period: "day",
    limit: 10e9,
    enforced: true,
    scope: "team",
    name: "red",
    soft: 8e9,
    ...rule,
  },
  used,
});

const values = (cells: Registry, metric: string) => {
  const family = cells.snapshot().find(({ name }) => name === metric);
  return Object.fromEntries(
    (family?.points ?? []).map((point) => [Object.values(point.labels).join(" "), "value" in point ? point.value : -1]),
  );
};

test("a budget's money, its threshold and what is spent of it, in USD; the share of each of a key's limits", () => {
  const cells = registry();
  const set = allowanceGauges(cells, 10, () => {});
  set([
    standing({}, 2.5e9),
    standing({ scope: "key", name: "web", counted: "requests", period: "minute", limit: 60 }, 15),
    standing({ scope: "key", name: "web", counted: "streams", period: "now", limit: 4 }, 4),
    standing({ scope: "model", name: "m", counted: "requests", period: "minute", limit: 60 }, 15),
  ]);
  expect(values(cells, "gateway_budget_usd")).toEqual({ "team red day": 10 });
  expect(values(cells, "gateway_budget_soft_usd")).toEqual({ "team red day": 8 });
  expect(values(cells, "gateway_budget_spent_usd")).toEqual({ "team red day": 2.5 });
  expect(values(cells, "gateway_limit_ratio")).toEqual({ "web requests minute": 0.25, "web streams now": 1 });
  set([standing({}, 3e9)]);
  expect(values(cells, "gateway_budget_spent_usd")).toEqual({ "team red day": 3 });
  expect(values(cells, "gateway_limit_ratio")).toEqual({});
});

test("of two keys with one label the fuller one counts", () => {
  const cells = registry();
  const one = { scope: "key", name: "web", counted: "tokens", period: "minute", limit: 100 } as const;
  allowanceGauges(cells, 10, () => {})([standing(one, 80), standing(one, 20)]);
  expect(values(cells, "gateway_limit_ratio")).toEqual({ "web tokens minute": 0.8 });
});

test("names are bounded: further ones are left out, and counted", () => {
  const cells = registry();
  const folded: string[] = [];
  const set = allowanceGauges(cells, 2, (label) => void folded.push(label));
  set(["a", "b", "c"].map((name) => standing({ scope: "user", name }, 1)));
  expect(Object.keys(values(cells, "gateway_budget_usd"))).toEqual(["user a day", "user b day"]);
  expect(folded).toEqual(["user"]);
});

test("a name that goes makes room for another, one that stays keeps its place, and one left out is counted once", () => {
  const cells = registry();
  const folded: string[] = [];
  const set = allowanceGauges(cells, 2, (label) => void folded.push(label));
  const shown = (...names: string[]) => {
    const limit = { scope: "key", counted: "requests", period: "minute", limit: 60 } as const;
    set(names.flatMap((name) => [standing({ scope: "key", name }, 1), standing({ ...limit, name }, 1)]));
    const budgets = Object.keys(values(cells, "gateway_budget_usd")).map((labels) => labels.split(" ")[1]);
    expect(Object.keys(values(cells, "gateway_limit_ratio")).map((labels) => labels.split(" ")[0])).toEqual(budgets);
    return budgets.toSorted();
  };
  expect(shown("a", "b", "c")).toEqual(["a", "b"]);
  expect(shown("d", "c", "b", "a")).toEqual(["a", "b"]);
  expect(folded).toEqual(["key", "key"]);
  expect(shown("d", "c", "b")).toEqual(["b", "d"]);
  expect(shown("c", "b")).toEqual(["b", "c"]);
  expect(folded).toHaveLength(2);
});

test("a shared state that is away is told of, its troubles counted, and the gauges stay as they were", async () => {
  const cells = registry();
  let up = true;
  let told: (effect: "allowed", error: unknown) => void = () => {};
  const refresh = watchedAllowance(
    cells,
    {
      labels: {
        models: [],
        features: [],
        maxModels: 1,
        maxFeatures: 1,
        maxKeys: 1,
        maxSeriesPerMetric: 100,
        activeUserSeconds: 1,
      },
    },
    {
      allowance: { standing: async () => [standing({}, up ? 1e9 : 0)] } as never,
      sharing: {
        up: () => up,
        watch: ({ troubled }) => {
          told = troubled;
        },
      },
    },
    () => {},
  );
  await refresh();
  expect(values(cells, "gateway_shared_state_up")).toEqual({ "": 1 });
  up = false;
  told("allowed", new Error("away"));
  await refresh();
  expect(values(cells, "gateway_shared_state_up")).toEqual({ "": 0 });
  expect(values(cells, "gateway_shared_state_errors_total")).toEqual({
    allowed: 1,
    refused: 0,
    delayed: 0,
    disconnected: 0,
  });
  expect(values(cells, "gateway_budget_spent_usd")).toEqual({ "team red day": 1 });
});
