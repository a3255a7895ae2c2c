// Facts about what is told of something that goes and comes, by a clock that moves only when told.
import { expect, test } from "vitest";
import { presence } from "./presence.ts";

function scene() {
  let at = 1_000;
  const told: string[] = [];
  const { away, back } = presence({
    gone: (error, silent) => void told.push(`gone ${error} ${silent}`),
    returned: (seconds) => void told.push(`back ${seconds}`),
    now: () => at,
  });
  return {
    told,
    away,
    back,
    wait: (seconds: number) => {
      at += seconds * 1000;
    },
  };
}

test("an absence is told once however often it is noticed, and its end with how long it took", () => {
  const { away, back, wait, told } = scene();
  back();
  for (let time = 0; time < 60; time += 1) {
    away(time);
    wait(1);
  }
  back();
  back();
  expect(told).toEqual(["gone 0 0", "back 60"]);
});

test("what flickers is told once in ten seconds, and counted", () => {
  const { away, back, wait, told } = scene();
  for (let time = 0; time < 25; time += 1) {
    away(time);
    wait(0.25);
    back();
    wait(0.25);
  }
  expect(told).toEqual(["gone 0 0", "back 0.25", "gone 20 19", "back 0.25"]);
});

test("an absence that follows soon after another is told when it lasts", () => {
  const { away, back, wait, told } = scene();
  away(1);
  wait(1);
  back();
  wait(1);
  for (let time = 0; time < 20; time += 1) {
    away(2);
    wait(1);
  }
  back();
  expect(told).toEqual(["gone 1 0", "back 1", "gone 2 0", "back 20"]);
});
