import { expect, test } from "vitest";
import { type Listed, Roll } from "./roll.ts";

const member = (name: string): Listed & { name: string } => ({ name, place: -1 });

test("whoever joined is in it until it leaves, whatever the order", () => {
  const roll = new Roll<ReturnType<typeof member>>();
  const all = ["a", "b", "c", "d"].map(member);
  for (const one of all) roll.add(one);
  const [a, , c, d] = all;
  expect([c, a].map((one) => one && roll.delete(one))).toEqual([true, true]);
  expect(
    roll
      .members()
      .map(({ name }) => name)
      .sort(),
  ).toEqual(["b", "d"]);
  expect(d && roll.delete(d)).toBe(true);
  expect(roll.size).toBe(1);
});

test("leaving twice, or without having joined, changes nothing", () => {
  const roll = new Roll<ReturnType<typeof member>>();
  const [a, b] = [member("a"), member("b")];
  roll.add(a);
  roll.add(b);
  expect([roll.delete(a), roll.delete(a), roll.delete(member("x"))]).toEqual([true, false, false]);
  expect(roll.members()).toEqual([b]);
});
