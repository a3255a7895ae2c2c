import { expect, test } from "vitest";
import { ordered, type Standing } from "./order.ts";
import type { Route, Target } from "./route.ts";

const targets = ["a", "b", "c"].map(
  (model, i) => ({ model, weight: [1, 3, 0][i], timeouts: {}, upstream: {} }) as unknown as Target,
);
const route = (strategy: Route["strategy"]): Route => ({
  name: "r",
  strategy,
  targets,
  retries: { max: 0, backoff: 0, maxBackoff: 0 },
  systemPrompt: undefined,
});
const figures = (values: Record<string, number | undefined>) => (target: Target) => values[target.model ?? ""];
const standing = (more: Partial<Standing> = {}): Standing => ({
  busy: () => 0,
  latency: () => undefined,
  price: () => undefined,
  random: () => 0.5,
  ...more,
});
const order = (strategy: Route["strategy"], more?: Partial<Standing>) =>
  ordered(route(strategy), standing(more), "m")
    .map(({ model }) => model)
    .join("");

test("priority is the order of the config", () => {
  expect(order("priority", { busy: figures({ a: 9, b: 1, c: 0 }) as Standing["busy"] })).toBe("abc");
});

test("the least busy goes first, and the config decides between equals", () => {
  expect(order("least_busy", { busy: figures({ a: 2, b: 0, c: 0 }) as Standing["busy"] })).toBe("bca");
});

test("the fastest goes first, and one that nobody knows before it", () => {
  expect(order("lowest_latency", { latency: figures({ a: 2, b: 1, c: 3 }) })).toBe("bac");
  expect(order("lowest_latency", { latency: figures({ a: 2, b: 1 }) })).toBe("cba");
});

test("the cheapest goes first, and one without a price last", () => {
  expect(order("cheapest", { price: figures({ b: 2, c: 1 }) })).toBe("cba");
});

test("weights are shares, and a weight of 0 is a last resort", () => {
  const firsts = { a: 0, b: 0, c: 0 };
  for (let i = 0; i < 400; i += 1) {
    // Two draws an order: the first spread evenly, the second of no matter.
    let draws = 0;
    const random = () => (draws++ === 0 ? i / 400 : 0.999);
    const [first] = ordered(route("weighted"), standing({ random }), "m");
    firsts[first?.model as "a"] += 1;
  }
  expect(firsts).toEqual({ a: 100, b: 300, c: 0 });
  expect(order("weighted", { random: () => 0.99 })).toMatch(/c$/);
});

test("a route of weights that are all 0 still has its targets", () => {
  const none = { ...route("weighted"), targets: targets.map((target) => ({ ...target, weight: 0 })) };
  expect(ordered(none, standing(), "m")).toHaveLength(3);
});
