import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { OpenReservations } from "./open-reservations.ts";

test("finds each by its id, and what was taken out no more", () => {
  const open = new OpenReservations<{ readonly id: string }>();
  const some = Array.from({ length: 10_000 }, () => ({ id: randomUUID() }));
  for (const one of some) open.add(one);
  expect([open.size, open.all().length]).toEqual([10_000, 10_000]);
  for (const one of some) expect(open.get(one.id)).toBe(one);
  const [gone, kept] = [some.slice(0, 5_000), some.slice(5_000)];
  for (const one of gone) expect(open.delete(one)).toBe(true);
  for (const one of gone) expect([open.get(one.id), open.delete(one)]).toEqual([undefined, false]);
  for (const one of kept) expect(open.get(one.id)).toBe(one);
  expect(new Set(open.all())).toEqual(new Set(kept));
  expect(open.size).toBe(5_000);
});

test("a second one of the same id, as a client never has, takes nothing away from the first", () => {
  const open = new OpenReservations<{ readonly id: string }>();
  const [first, second] = [{ id: "same" }, { id: "same" }];
  open.add(first);
  open.add(second);
  expect(open.delete(second)).toBe(true);
  expect(open.get("same")).toBe(first);
});
