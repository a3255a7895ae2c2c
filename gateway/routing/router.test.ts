import { expect, test } from "vitest";
import { backend } from "../config/builtin.ts";
import { router } from "./router.ts";

const at = (name: string, models: string[]) =>
  backend({ name, provider: name, baseUrl: "http://127.0.0.1:1/v1", models });
const a = at("a", ["gpt-*", "exact"]);
const b = at("b", ["gpt-4o", "*", "x.y"]);
const route = router({ backends: [a, b], defaultBackend: "b" });

test("an exact name goes before any pattern, even of an earlier backend", () => {
  expect(route("gpt-4o")).toBe(b);
});

test("patterns are tried in the order of the config", () => {
  expect(route("gpt-5")).toBe(a);
  expect(route("claude")).toBe(b);
});

test("a pattern takes everything but * literally", () => {
  const only = router({ backends: [at("c", ["a.b*"])], defaultBackend: "c" });
  expect(only("a.bc")?.name).toBe("c");
  expect(only("axbc")).toBeUndefined();
});

test("a request that names no model goes to the default backend", () => {
  expect(route(undefined)).toBe(b);
});

test("a name longer than any model's has no route, and costs no search", () => {
  expect(route("g".repeat(257))).toBeUndefined();
});
