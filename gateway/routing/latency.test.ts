import { expect, test } from "vitest";
import { latency } from "./latency.ts";

test("new readings move the picture, and an old picture is worth nothing", () => {
  let at = 0;
  const seen = latency(() => at);
  const target = {};
  expect(seen.expected(target)).toBeUndefined();
  seen.observe(target, 1);
  expect(seen.expected(target)).toBe(1);
  for (let i = 0; i < 20; i += 1) seen.observe(target, 3);
  expect(seen.expected(target)).toBeCloseTo(3, 1);
  at += 120_000;
  expect(seen.expected(target)).toBeUndefined();
  seen.observe(target, 5);
  expect(seen.expected(target)).toBe(5);
});
