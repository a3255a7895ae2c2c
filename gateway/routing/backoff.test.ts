import { describe, expect, test } from "vitest";
import { askedWait, wait } from "./backoff.ts";

const settings = { max: 5, backoff: 0.5, maxBackoff: 8 };
const most = () => 1;
const least = () => 0;

test("each step is twice the one before, up to the longest", () => {
  expect([1, 2, 3, 4, 5, 6].map((round) => wait(settings, round, 0, most))).toEqual([
    500, 1000, 2000, 4000, 8000, 8000,
  ]);
});

test("half of a step is chance", () => {
  expect(wait(settings, 1, 0, least)).toBe(250);
});

test("what a backend asks for is waited in full, and a longer one than allowed ends the request", () => {
  expect(wait(settings, 1, 3_000, least)).toBe(3_000);
  expect(wait(settings, 1, 3_000, most)).toBe(3_250);
  expect(wait(settings, 1, 0, least)).toBe(250);
  expect(wait(settings, 1, 8_000, least)).toBe(8_000);
  expect(wait(settings, 1, 8_001, least)).toBeUndefined();
});

describe("a backend asks for", () => {
  const wall = Date.UTC(2026, 0, 1, 0, 0, 0);
  test.each([
    ["seconds", ["Retry-After", "7"], 7_000],
    ["parts of a second", ["retry-after", "0.5"], 500],
    ["a date", ["Retry-After", "Thu, 01 Jan 2026 00:00:10 GMT"], 10_000],
    ["a date gone by", ["Retry-After", "Wed, 31 Dec 2025 00:00:10 GMT"], 0],
    ["milliseconds, which go before", ["retry-after", "7", "retry-after-ms", "1500"], 1_500],
    ["no milliseconds, in so many words", ["retry-after", "7", "retry-after-ms", ""], 7_000],
    ["milliseconds that are none", ["retry-after", "7", "retry-after-ms", "0x10"], 7_000],
    ["nothing", ["content-type", "text/plain"], undefined],
    ["nonsense", ["retry-after", "soon"], undefined],
    ["less than nothing", ["retry-after", "-5"], undefined],
    ["an empty word", ["retry-after", " "], undefined],
  ] as const)("%s", (_, headers, expected) => {
    expect(askedWait(headers, wall)).toBe(expected);
  });
});
