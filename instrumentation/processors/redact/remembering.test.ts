// Facts about the memory of clean texts.
import { expect, test, vi } from "vitest";
import { remembering } from "./remembering.ts";

const hidden = (text: string) => text.replace("secret", "[redacted]");

test("a clean text is looked at once, one with a secret each time", () => {
  const look = vi.fn(hidden);
  const clean = remembering(look);
  for (let round = 0; round < 3; round++) {
    expect(clean("gpt-4o")).toBe("gpt-4o");
    expect(clean("a secret")).toBe("a [redacted]");
  }
  expect(look.mock.calls.map(([text]) => text)).toEqual(["gpt-4o", "a secret", "a secret", "a secret"]);
});

test("what comes again and again stays, whatever else passes by, and what does not is looked at anew", () => {
  const look = vi.fn(hidden);
  const clean = remembering(look);
  for (let index = 0; index < 10_000; index++) {
    expect(clean(`name-${index}`)).toBe(`name-${index}`);
    expect(clean("ours")).toBe("ours");
  }
  expect(look).toHaveBeenCalledTimes(10_001);
  clean("name-0");
  expect(look).toHaveBeenCalledTimes(10_002);
});

test("a long text is not kept", () => {
  const look = vi.fn(hidden);
  const clean = remembering(look);
  const long = "x".repeat(101);
  for (let round = 0; round < 3; round++) expect(clean(long)).toBe(long);
  expect(look).toHaveBeenCalledTimes(3);
});
