// Facts about which backends may be asked, by a clock that moves only when told.
import { describe, expect, test } from "vitest";
import { backend } from "../config/builtin.ts";
import type { Backend, BreakerSettings } from "../config/config.ts";
import { dice } from "../testing/dice.ts";
import { type BreakerState, breaker } from "./breaker.ts";

const settings: BreakerSettings = { failures: 3, ratio: 0.5, minRequests: 10, window: 30, openFor: 5, halfOpen: 2 };

const guarded = (name: string, more: Partial<Backend> = {}): Backend => ({
  ...backend({ name, provider: "openai", baseUrl: `http://${name}.test/v1`, models: ["*"] }),
  breaker: settings,
  ...more,
});

const healthCheck = { every: 10, timeout: 5, healthy: 1, unhealthy: 3 };

/** Two backends, a and b; times in seconds. */
function scene(more: Partial<BreakerSettings> = {}) {
  let at = 5_000_000;
  const own = { ...settings, ...more };
  const changes: string[] = [];
  const seen = breaker({
    backends: [guarded("a", { breaker: own }), guarded("b", { breaker: own })],
    now: () => at,
    changed: (name, { kind }) => void changes.push(`${name} ${kind}`),
  });
  return {
    ...seen,
    changes,
    now: () => at,
    wait: (seconds: number) => {
      at += seconds * 1000;
    },
    fail: (times: number, name = "a") => {
      for (let time = 0; time < times; time += 1) seen.observe(name, false);
    },
    succeed: (times: number, name = "a") => {
      for (let time = 0; time < times; time += 1) seen.observe(name, true);
    },
  };
}

test("each change is told once: of many trials the first, and of failures under way when it opened none", () => {
  const { fail, wait, admits, forgo, succeed, checked, changes } = scene();
  fail(5);
  wait(5);
  for (let time = 0; time < 3; time += 1) {
    expect(admits("a")).toBe(true);
    forgo("a");
  }
  expect([admits("a"), admits("a"), admits("a")]).toEqual([true, true, false]);
  succeed(2);
  checked("a", true);
  for (const healthy of [false, false, true, true]) checked("a", healthy);
  expect(changes).toEqual(["a opened", "a half_open", "a closed", "a down", "a up"]);
});

describe("closed", () => {
  test("a backend that nobody has tried is up, and admits without end", () => {
    const { admits, state, up } = scene();
    expect(Array.from({ length: 100 }, () => admits("a")).every(Boolean)).toBe(true);
    expect([state("a"), up("a")]).toEqual(["closed", true]);
  });

  test("so many failures in a row open it, one fewer does not, and its neighbour stays closed", () => {
    const { fail, state, up, admits } = scene();
    fail(2);
    expect(state("a")).toBe("closed");
    fail(1);
    expect([state("a"), up("a"), admits("a")]).toEqual(["open", false, false]);
    expect([state("b"), up("b"), admits("b")]).toEqual(["closed", true, true]);
  });

  test("an answer between failures starts the count again", () => {
    const { fail, succeed, state } = scene();
    fail(2);
    succeed(1);
    fail(2);
    expect(state("a")).toBe("closed");
  });

  test("failures that are a quarter of an hour apart are not in a row", () => {
    const { fail, wait, state } = scene();
    for (let failure = 0; failure < 10; failure += 1) {
      fail(1);
      wait(900.001);
    }
    expect(state("a")).toBe("closed");
    fail(1);
    wait(900);
    fail(1);
    wait(900);
    fail(1);
    expect(state("a")).toBe("open");
  });

  test("half of at least ten tries within the window open it", () => {
    const { observe, state } = scene();
    for (const ok of [true, false, true, false, true, false, true, false, true]) observe("a", ok);
    expect(state("a")).toBe("closed");
    observe("a", false);
    expect(state("a")).toBe("open");
  });

  test("what has left the window no longer counts", () => {
    const { observe, wait, state } = scene();
    for (const ok of [true, false, true, false, true, false, true, false, true]) observe("a", ok);
    wait(31);
    observe("a", false);
    expect(state("a")).toBe("closed");
  });

  test("0 failures, or a ratio of 0, is a way not to open", () => {
    const byRatio = scene({ failures: 0 });
    byRatio.fail(9);
    expect(byRatio.state("a")).toBe("closed");
    byRatio.fail(1);
    expect(byRatio.state("a")).toBe("open");
    const byRow = scene({ ratio: 0 });
    for (let round = 0; round < 100; round += 1) {
      byRow.fail(2);
      byRow.succeed(1);
    }
    expect(byRow.state("a")).toBe("closed");
    byRow.fail(3);
    expect(byRow.state("a")).toBe("open");
  });
});

describe("open", () => {
  test("it lasts its time, and what was under way meanwhile changes nothing", () => {
    const { fail, succeed, wait, state } = scene();
    fail(3);
    wait(4.999);
    succeed(5);
    fail(5);
    expect(state("a")).toBe("open");
    wait(0.001);
    expect(state("a")).toBe("half_open");
  });

  test("clients are told to come back when the first of the backends may be tried", () => {
    const { fail, wait, retryAfterSeconds } = scene({ openFor: 20 });
    fail(3, "a");
    wait(7.5);
    fail(3, "b");
    expect(retryAfterSeconds(["a", "b"])).toBe(13);
    expect(retryAfterSeconds(["b"])).toBe(20);
    wait(19);
    expect(retryAfterSeconds(["a", "b"])).toBe(1);
    expect(retryAfterSeconds(["nowhere"])).toBe(60);
  });
});

describe("half-open", () => {
  test("it is up, admits a few at a time, and looking takes no place", () => {
    const { fail, wait, admits, mayAdmit, up } = scene();
    fail(3);
    wait(5);
    expect(up("a")).toBe(true);
    for (let look = 0; look < 10; look += 1) expect(mayAdmit("a")).toBe(true);
    expect([admits("a"), admits("a"), admits("a")]).toEqual([true, true, false]);
    expect(mayAdmit("a")).toBe(false);
  });

  test("one success closes it, with nothing held against it", () => {
    const { fail, succeed, wait, admits, state } = scene();
    fail(9);
    wait(5);
    admits("a");
    succeed(1);
    expect(state("a")).toBe("closed");
    fail(2);
    expect(state("a")).toBe("closed");
  });

  test("a trial that says nothing gives its place back", () => {
    const { fail, wait, admits, forgo } = scene();
    fail(3);
    wait(5);
    admits("a");
    admits("a");
    forgo("a");
    expect([admits("a"), admits("a")]).toEqual([true, false]);
  });

  test("a trial that is never heard of again keeps its place no longer than it was open", () => {
    const { fail, wait, admits } = scene();
    fail(3);
    wait(5);
    admits("a");
    admits("a");
    wait(4.999);
    expect(admits("a")).toBe(false);
    wait(0.001);
    expect([admits("a"), admits("a")]).toEqual([true, false]);
  });

  test("trials that were under way when it opened again take no place afterwards", () => {
    const { fail, wait, admits } = scene();
    fail(3);
    wait(5);
    admits("a");
    admits("a");
    fail(1);
    wait(10);
    expect([admits("a"), admits("a"), admits("a")]).toEqual([true, true, false]);
  });

  test("each failed trial opens it for twice as long, up to a minute", () => {
    const { fail, wait, state } = scene();
    fail(3);
    for (const seconds of [5, 10, 20, 40, 60, 60]) {
      wait(seconds - 0.001);
      expect(state("a")).toBe("open");
      wait(0.001);
      expect(state("a")).toBe("half_open");
      fail(1);
    }
  });

  test("one that opens again soon after it closed opens for longer, too; one that did well for a window does not", () => {
    const { fail, succeed, wait, state } = scene();
    fail(3);
    wait(5);
    succeed(1);
    wait(29);
    fail(3);
    wait(9.999);
    expect(state("a")).toBe("open");
    wait(0.001);
    succeed(1);
    wait(30);
    fail(3);
    wait(5);
    expect(state("a")).toBe("half_open");
  });

  test("a time longer than a minute stays as it is set", () => {
    const { fail, wait, state } = scene({ openFor: 90 });
    fail(3);
    wait(90);
    fail(1);
    wait(89.999);
    expect(state("a")).toBe("open");
    wait(0.001);
    expect(state("a")).toBe("half_open");
  });
});

describe("a health check", () => {
  test("puts a backend without traffic down, and brings it up again", () => {
    const { checked, state, up, admits } = scene();
    checked("a", false);
    expect([state("a"), up("a"), admits("a"), admits("b")]).toEqual(["open", false, false, true]);
    checked("a", true);
    expect([state("a"), up("a"), admits("a")]).toEqual(["closed", true, true]);
  });

  test("that finds it well lets what its traffic opened be tried at once, and no more than that", () => {
    const { fail, checked, state } = scene();
    fail(3);
    checked("a", true);
    expect(state("a")).toBe("half_open");
    fail(1);
    expect(state("a")).toBe("open");
  });

  test("that is no longer configured says nothing any more", () => {
    const seen = breaker({ backends: [guarded("a", { healthCheck })], now: () => 0 });
    seen.checked("a", false);
    seen.follow([guarded("a", { healthCheck: { ...healthCheck, every: 1 } })]);
    expect(seen.up("a")).toBe(false);
    seen.follow([guarded("a")]);
    expect(seen.up("a")).toBe(true);
  });
});

describe("a reload", () => {
  test("keeps what is known of the backends that stay, and forgets the others", () => {
    const seen = breaker({ backends: [guarded("a"), guarded("b")], now: () => 0 });
    for (let failure = 0; failure < 3; failure += 1) for (const name of ["a", "b"]) seen.observe(name, false);
    seen.follow([guarded("a", { maxConnections: 3 }), guarded("c")]);
    expect(["a", "b", "c"].map(seen.up)).toEqual([false, false, true]);
    seen.follow([guarded("a"), guarded("b")]);
    expect(["a", "b"].map(seen.up)).toEqual([false, true]);
  });

  test.each<Partial<Backend>>([
    { baseUrl: "http://elsewhere.test/v1" },
    { key: "sk-new" },
    { breaker: { ...settings, failures: 9 } },
  ])("with another address, key or breaker begins anew: %j", (change) => {
    const seen = breaker({ backends: [guarded("a")], now: () => 0 });
    for (let failure = 0; failure < 3; failure += 1) seen.observe("a", false);
    seen.follow([guarded("a", change)]);
    expect(seen.state("a")).toBe("closed");
  });

  test("with another breaker for a backend that its health check found down leaves it down, unless it is another one", () => {
    const seen = breaker({ backends: [guarded("a", { healthCheck })], now: () => 0 });
    seen.checked("a", false);
    const changed = { healthCheck, breaker: { ...settings, failures: 9 } };
    seen.follow([guarded("a", changed)]);
    expect(seen.state("a")).toBe("open");
    seen.follow([guarded("a", { ...changed, baseUrl: "http://elsewhere.test/v1" })]);
    expect(seen.state("a")).toBe("closed");
  });
});

test("whoever looks on and throws changes nothing, and is told of", () => {
  const told: unknown[] = [];
  const fault = new Error("no room");
  const changed = () => {
    throw fault;
  };
  const troubled = (error: unknown) => void told.push(error);
  const seen = breaker({ backends: [guarded("a")], now: () => 0, changed, troubled });
  for (let failure = 0; failure < 3; failure += 1) seen.observe("a", false);
  expect([seen.state("a"), told]).toEqual(["open", [fault]]);
});

test("a backend that is not configured is down, and news of it changes nothing", () => {
  const { fail, succeed, admits, mayAdmit, forgo, checked, state, up } = scene();
  succeed(1, "ghost");
  fail(9, "ghost");
  forgo("ghost");
  checked("ghost", true);
  expect([state("ghost"), up("ghost"), admits("ghost"), mayAdmit("ghost")]).toEqual(["open", false, false, false]);
  expect(up("a") && up("b")).toBe(true);
});

/** The breaker in the plainest words: every try is kept, and counted anew each time. */
function model(own: BreakerSettings) {
  let tries: { at: number; ok: boolean }[] = [];
  let inARow = 0;
  let opened: { until: number; length: number } | undefined;
  let trials: number[] = [];
  let closedAt = Number.NEGATIVE_INFINITY;
  let length = 0;
  const slice = (own.window * 1000) / 10;
  const open = (at: number, again: boolean) => {
    length = again && length > 0 ? Math.min(60, length * 2) : own.openFor;
    opened = { until: at + length * 1000, length };
    trials = [];
  };
  const state = (at: number): BreakerState =>
    opened === undefined ? "closed" : at < opened.until ? "open" : "half_open";
  return {
    state,
    admits(at: number): boolean {
      if (state(at) !== "half_open") return state(at) === "closed";
      const newest = Math.max(Number.NEGATIVE_INFINITY, ...trials);
      if (trials.length >= own.halfOpen) {
        if (at - newest < length * 1000) return false;
        trials.shift();
      }
      trials.push(at);
      return true;
    },
    forgo: () => void trials.shift(),
    observe(ok: boolean, at: number): void {
      switch (state(at)) {
        case "open":
          return;
        case "half_open":
          if (!ok) open(at, true);
          else {
            opened = undefined;
            closedAt = at;
            tries = [];
            inARow = 0;
          }
          return;
        case "closed": {
          tries.push({ at, ok });
          inARow = ok ? 0 : inARow + 1;
          const recent = tries.filter((one) => Math.floor(one.at / slice) > Math.floor(at / slice) - 10);
          const bad = recent.filter((one) => !one.ok).length;
          const isBad = recent.length >= own.minRequests && bad / recent.length >= own.ratio;
          if (!ok && (inARow >= own.failures || isBad)) open(at, at - closedAt < own.window * 1000);
        }
      }
    },
  };
}

test.each([1, 2, 3, 4, 5, 6, 7, 8])("whatever happens, it is in the state that its rules say (%i)", (seed) => {
  const die = dice(seed);
  const own = { ...settings, failures: 4 + die.below(4), ratio: die.pick([0.3, 0.5, 0.8]) };
  const real = scene(own);
  const plain = model(own);
  const met = new Set<BreakerState>();
  let share = 50;
  for (let step = 0; step < 5_000; step += 1) {
    if (step % 50 === 0) share = die.pick([2, 20, 50, 90]);
    const what = die.below(10);
    if (what < 5) {
      const ok = die.below(100) >= share;
      real.observe("a", ok);
      plain.observe(ok, real.now());
    } else if (what < 7) expect(real.admits("a")).toBe(plain.admits(real.now()));
    else if (what < 8) {
      real.forgo("a");
      plain.forgo();
    } else real.wait(die.pick([0.001, 0.4, 3, 7]));
    const state = real.state("a");
    met.add(state);
    expect(state).toBe(plain.state(real.now()));
  }
  expect(met).toEqual(new Set(["closed", "open", "half_open"]));
});
