// Facts about the memory of what was asked for lately.
import { expect, test } from "vitest";
import { recent } from "./recent.ts";

test("100,000 hostile names never hold more than the capacity", () => {
  const memory = recent<object>(1_000);
  let largest = 0;
  for (let name = 0; name < 100_000; name += 1) {
    memory.set(`evil-${name}`, {});
    largest = Math.max(largest, memory.size);
  }
  expect(largest).toBe(1_000);
});

test("what is asked for again and again stays, whatever else passes by", () => {
  const memory = recent<{ name: string }>(10);
  memory.set("ours", { name: "ours" });
  for (let name = 0; name < 1_000; name += 1) {
    memory.set(`evil-${name}`, { name: "evil" });
    expect(memory.get("ours")).toEqual({ name: "ours" });
  }
  expect(memory.get("evil-0")).toBeUndefined();
  expect(memory.get("evil-999")).toEqual({ name: "evil" });
});
