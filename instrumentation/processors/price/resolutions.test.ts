// Facts about the memory of resolved names.
import { expect, test, vi } from "vitest";
import { type Names, resolutions } from "./resolutions.ts";

const names = (told: Partial<Names> = {}): Names => ({
  backend: "b",
  provider: "p",
  served: "s",
  requested: "r",
  sent: "r",
  ...told,
});

test("each combination of names is resolved once, and to its own", () => {
  const resolve = vi.fn((of: Names) => ({ of }));
  const resolved = resolutions(100, resolve);
  const all = [
    names(),
    names({ backend: "b2" }),
    names({ provider: "p2" }),
    names({ served: "" }),
    names({ served: "", requested: "" }),
    names({ requested: "r2" }),
    names({ sent: "r2" }),
    // One text, joined, but not one combination.
    names({ served: "a\nb", requested: "c" }),
    names({ served: "a", requested: "b\nc" }),
  ];
  for (let round = 0; round < 3; round++) for (const one of all) expect(resolved({ ...one }).of).toEqual(one);
  expect(resolve).toHaveBeenCalledTimes(all.length);
});

test("a name that comes with ever new others keeps a few of them", () => {
  const resolve = vi.fn(({ requested }: Names) => requested);
  const resolved = resolutions(100, resolve);
  for (let index = 0; index < 1_000; index++) expect(resolved(names({ requested: `r${index}` }))).toBe(`r${index}`);
  for (let index = 999; index > 0; index--) resolved(names({ requested: `r${index}` }));
  expect(resolve.mock.calls.length).toBeGreaterThan(1_980);
});

test("names too long to be kept are resolved each time", () => {
  const resolve = vi.fn(({ served }: Names) => served);
  const resolved = resolutions(100, resolve);
  const served = "x".repeat(2_000);
  for (let index = 0; index < 3; index++) expect(resolved(names({ served }))).toBe(served);
  expect(resolve).toHaveBeenCalledTimes(3);
});
