import { expect, test } from "vitest";
import { activeUsers } from "./active-users.ts";

test("a user counts once, and no longer when the window has passed", () => {
  let now = 0;
  const users = activeUsers({ seconds: 900, now: () => now });
  users.saw("user", "ann");
  users.saw("user", "ann");
  users.saw("user", "bob");
  expect(users.count()).toBe(2);
  now = 600_000;
  users.saw("user", "ann");
  now = 1_000_000;
  expect(users.count()).toBe(1);
  now = 2_000_000;
  expect(users.count()).toBe(0);
});

test("a user is counted for the whole window", () => {
  let now = 59_999;
  const users = activeUsers({ seconds: 900, now: () => now });
  users.saw("user", "ann");
  now += 900_000;
  expect(users.count()).toBe(1);
});

test("a key is not the user of the same name", () => {
  const users = activeUsers({ seconds: 900, now: () => 0 });
  users.saw("user", "ann");
  users.saw("key", "ann");
  expect(users.count()).toBe(2);
});

test("100,000 users are told apart almost exactly", () => {
  const users = activeUsers({ seconds: 900, now: () => 0, max: 200_000 });
  for (let index = 0; index < 100_000; index++) users.saw("user", `user ${index}`);
  expect(users.count()).toBeGreaterThan(99_990);
  expect(users.count()).toBeLessThanOrEqual(100_000);
});

test("memory is bounded, and users who left make room", () => {
  let now = 0;
  const users = activeUsers({ seconds: 15, now: () => now, max: 100 });
  for (let index = 0; index < 10_000; index++) users.saw("user", `user ${index}`);
  expect(users.count()).toBe(100);
  now = 60_000;
  for (let index = 0; index < 30; index++) users.saw("user", `later ${index}`);
  expect(users.count()).toBe(30);
});
