import { expect, test } from "vitest";
import { backend } from "../config/builtin.ts";
import type { RouteConfig } from "../config/config.ts";
import { routeTable } from "./table.ts";

const retries = { max: 0, backoff: 0.5, maxBackoff: 8 };
const at = (name: string, models: string[]) =>
  backend({ name, provider: name, baseUrl: "http://127.0.0.1:1/v1", models });
const to = (model: string, ...backends: string[]): RouteConfig => ({
  model,
  strategy: "priority",
  targets: backends.map((name) => ({ backend: name, weight: 1, timeouts: {} })),
  retries,
});
const table = (routes: RouteConfig[], ...backends: ReturnType<typeof at>[]) => {
  const find = routeTable({ backends, defaultBackend: "b", routes, retries });
  return (model: string | undefined) => find(model)?.targets.map(({ backend: name }) => name);
};
const a = at("a", ["gpt-*", "exact"]);
const b = at("b", ["gpt-4o", "*", "x.y"]);
const find = table([], a, b);

test("an exact name goes before any pattern, even of an earlier backend", () => {
  expect(find("gpt-4o")).toEqual(["b"]);
});

test("patterns are tried in the order of the config", () => {
  expect(find("gpt-5")).toEqual(["a"]);
  expect(find("claude")).toEqual(["b"]);
});

test("a pattern takes everything but * literally", () => {
  const only = table([], at("c", ["a.b*"]));
  expect(only("a.bc")).toEqual(["c"]);
  expect(only("axbc")).toBeUndefined();
});

test("a request that names no model goes to the default backend, and where that is gone to the first", () => {
  expect(find(undefined)).toEqual(["b"]);
  expect(table([], a)(undefined)).toEqual(["a"]);
  expect(table([])(undefined)).toBeUndefined();
});

test("a name longer than any model's has no route, and costs no search", () => {
  expect(find("g".repeat(257))).toBeUndefined();
});

test("a route goes before the backends' own lists: exact before exact, pattern before pattern", () => {
  const routed = table([to("gpt-4o", "a", "b"), to("gpt-*", "b"), to("hybrid", "a", "b")], a, b);
  expect(routed("gpt-4o")).toEqual(["a", "b"]);
  expect(routed("gpt-5")).toEqual(["b"]);
  expect(routed("exact")).toEqual(["a"]);
  expect(routed("hybrid")).toEqual(["a", "b"]);
});

test("of two routes for one name the first counts", () => {
  expect(table([to("m", "a"), to("m", "b")], a, b)("m")).toEqual(["a"]);
});
