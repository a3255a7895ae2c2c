// Facts about which backends count as up.
import { expect, test } from "vitest";
import { type AvailabilityOptions, availability } from "./availability.ts";

/** Two backends and a clock that moves only when told, in seconds. */
function scene(options: Partial<AvailabilityOptions> = {}) {
  let at = 5_000_000;
  const seen = availability({ backends: ["a", "b"], now: () => at, ...options });
  return {
    ...seen,
    wait: (seconds: number) => {
      at += seconds * 1000;
    },
    fail: (times: number, backend = "a") => {
      for (let time = 0; time < times; time += 1) seen.observe(backend, false);
    },
  };
}

test("a backend that nobody has tried is up", () => {
  expect(scene().up("a")).toBe(true);
});

test("three failures in a row put a backend down, two do not, and its neighbour stays up", () => {
  const { fail, up } = scene();
  fail(2);
  expect(up("a")).toBe(true);
  fail(1);
  expect(up("a")).toBe(false);
  expect(up("b")).toBe(true);
});

test("an answer between failures starts the count again", () => {
  const { fail, observe, up } = scene();
  fail(2);
  observe("a", true);
  fail(2);
  expect(up("a")).toBe(true);
});

test("failures further apart than the window are not in a row", () => {
  const { fail, wait, up } = scene();
  for (let failure = 0; failure < 10; failure += 1) {
    fail(1);
    wait(900.001);
  }
  fail(1);
  expect(up("a")).toBe(true);
  wait(900);
  fail(1);
  wait(900);
  fail(1);
  expect(up("a")).toBe(false);
});

test("one answer brings a backend up again at once", () => {
  const { fail, observe, up } = scene();
  fail(5);
  observe("a", true);
  expect(up("a")).toBe(true);
});

test("a rest without news brings a backend up again, and the next failure puts it down at once", () => {
  const { fail, wait, up } = scene();
  fail(3);
  wait(29.999);
  expect(up("a")).toBe(false);
  wait(0.001);
  expect(up("a")).toBe(true);
  fail(1);
  expect(up("a")).toBe(false);
});

test("the numbers are the caller's to choose", () => {
  const { fail, wait, up } = scene({ failures: 1, restSeconds: 2 });
  fail(1);
  expect(up("a")).toBe(false);
  wait(2);
  expect(up("a")).toBe(true);
});

test("a backend that is not configured is not up, and news of it changes nothing", () => {
  const { fail, observe, up } = scene();
  observe("ghost", true);
  expect(up("ghost")).toBe(false);
  fail(3, "ghost");
  expect(up("a") && up("b")).toBe(true);
});

test("a new configuration keeps what is known of the backends that stay", () => {
  const seen = availability({ backends: ["a", "b"], now: () => 0 });
  for (let failure = 0; failure < 3; failure++) seen.observe("a", false);
  seen.follow(["a", "c"]);
  expect(["a", "b", "c"].map(seen.up)).toEqual([false, false, true]);
});
