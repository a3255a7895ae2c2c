import { expect, test, vi } from "vitest";
import type { UsageRecord } from "./exchange.ts";
import { type Exporter, type Processor, pipeline } from "./pipeline.ts";

const record = (id: string): UsageRecord => ({ kind: "tracked", id, openedAt: 0, service: "s" });
const collector = (name: string) => {
  const seen: UsageRecord[] = [];
  return {
    seen,
    exporter: { name, export: (one: UsageRecord) => void seen.push(one), shutdown: async () => {} } satisfies Exporter,
  };
};
const troubles = () => ({ exporterFailed: vi.fn(), recordLost: vi.fn() });

test("processors run in order, and every exporter sees what came out of the last", async () => {
  const rename = (suffix: string): Processor =>
    Object.defineProperty((one: UsageRecord) => ({ ...one, id: one.id + suffix }), "name", { value: suffix });
  const [a, b] = [collector("a"), collector("b")];
  const line = pipeline({
    processors: [rename("1"), rename("2")],
    exporters: [a.exporter, b.exporter],
    troubles: troubles(),
  });
  line.record(record("x"));
  await line.shutdown();
  expect([a.seen[0]?.id, b.seen[0]?.id]).toEqual(["x12", "x12"]);
});

test("nothing of it happens within the turn that recorded", () => {
  const { seen, exporter } = collector("a");
  let later = () => {};
  const line = pipeline({
    processors: [],
    exporters: [exporter],
    troubles: troubles(),
    defer: (task) => {
      later = task;
    },
  });
  line.record(record("x"));
  line.record({ id: "y", seal: () => record("y") });
  expect(seen).toEqual([]);
  later();
  expect(seen.map(({ id }) => id)).toEqual(["x", "y"]);
});

test("each record passes once, in batch after batch, though one of them ends it all", async () => {
  const seen: string[] = [];
  const tasks: (() => void)[] = [];
  const exporter: Exporter = {
    name: "ending",
    export: ({ id }) => {
      seen.push(id);
      if (id !== "b") return;
      line.record(record("during"));
      void line.shutdown();
      line.record(record("after"));
    },
    shutdown: async () => {},
  };
  const defer = (task: () => void) => void tasks.push(task);
  const line = pipeline({ processors: [], exporters: [exporter], troubles: troubles(), defer });
  for (const ids of [["x"], ["y"], ["a", "b", "c"], ["z"]]) {
    for (const id of ids) line.record(record(id));
    for (const task of tasks.splice(0)) task();
  }
  await line.shutdown();
  expect(seen.toSorted()).toEqual(["a", "after", "b", "c", "during", "x", "y", "z"]);
});

test("all records of a turn pass one stage, in order, before any passes the next", () => {
  const passed: string[] = [];
  const stage = (name: string): Processor => {
    const pass = (one: UsageRecord) => {
      passed.push(`${name} ${one.id}`);
      return one;
    };
    return Object.defineProperty(pass, "name", { value: name });
  };
  const sink = (name: string): Exporter => ({
    ...collector(name).exporter,
    export: ({ id }) => void passed.push(`${name} ${id}`),
  });
  let turnEnds = () => {};
  const line = pipeline({
    processors: [stage("price"), stage("redact")],
    exporters: [sink("metrics"), sink("log")],
    troubles: troubles(),
    defer: (task) => {
      turnEnds = task;
    },
  });
  line.record(record("x"));
  const seal = () => {
    passed.push("seal y");
    return record("y");
  };
  line.record({ id: "y", seal });
  turnEnds();
  const stages = ["price", "redact", "metrics", "log"];
  expect(passed).toEqual(["seal y", ...stages.flatMap((name) => [`${name} x`, `${name} y`])]);
});

test("only exporters that want to be told of an opening are, and one that throws is counted", () => {
  const told: string[] = [];
  const counts = troubles();
  const [{ exporter }, bad] = [collector("plain"), collector("bad").exporter];
  const watching: Exporter = { ...collector("live").exporter, opened: ({ id }) => void told.push(id) };
  const throwing: Exporter = {
    ...bad,
    opened: () => {
      throw new Error("no");
    },
  };
  const line = pipeline({ processors: [], exporters: [exporter, throwing, watching], troubles: counts });
  line.opened({ id: "x", operation: "chat", openedAt: 0 });
  expect(told).toEqual(["x"]);
  expect(counts.exporterFailed).toHaveBeenCalledExactlyOnceWith("bad", expect.any(Error));
});

test("an exporter that throws is counted, and the others still get the record", async () => {
  const { seen, exporter } = collector("good");
  const counts = troubles();
  const bad: Exporter = {
    name: "bad",
    export: () => {
      throw new Error("no");
    },
    shutdown: async () => {},
  };
  const line = pipeline({ processors: [], exporters: [bad, exporter], troubles: counts });
  line.record(record("x"));
  await line.shutdown();
  expect(seen).toHaveLength(1);
  expect(counts.exporterFailed).toHaveBeenCalledExactlyOnceWith("bad", expect.any(Error));
});

test("a record whose processor throws is dropped and counted, and the next is processed", async () => {
  const { seen, exporter } = collector("a");
  const counts = troubles();
  function picky(one: UsageRecord) {
    if (one.id === "bad") throw new Error("no");
    return one;
  }
  const line = pipeline({ processors: [picky], exporters: [exporter], troubles: counts });
  line.record(record("bad"));
  line.record(record("good"));
  await line.shutdown();
  expect(seen.map(({ id }) => id)).toEqual(["good"]);
  expect(counts.recordLost).toHaveBeenCalledExactlyOnceWith("picky", "processor_failed");
});

test("who wants to know is told of a record that is lost, with as much of it as was made of it", () => {
  const { seen, exporter } = collector("a");
  const counts = troubles();
  const told: unknown[] = [];
  const careful: Exporter = { ...exporter, lost: (...given) => void told.push(given) };
  const failing: Exporter = {
    ...collector("b").exporter,
    name: "failing",
    lost: () => {
      throw new Error("no");
    },
  };
  function price(one: UsageRecord): UsageRecord {
    return { ...one, openedAt: 7 };
  }
  function redact(): UsageRecord {
    throw new Error("no");
  }
  const line = pipeline({
    processors: [price, redact],
    exporters: [failing, careful, collector("deaf").exporter],
    troubles: counts,
    defer: (task) => task(),
  });
  line.record(record("x"));
  line.record({
    id: "y",
    seal() {
      throw new Error("no");
    },
  });
  expect(told).toEqual([
    ["x", { ...record("x"), openedAt: 7 }],
    ["y", undefined],
  ]);
  expect(seen).toEqual([]);
  expect(counts.recordLost.mock.calls.map(([stage]) => stage)).toEqual(["redact", "close"]);
  expect(counts.exporterFailed.mock.calls.map(([stage]) => stage)).toEqual(["redact", "failing", "close", "failing"]);
});

test("a shutdown waits for no exporter longer than it may, and never rejects", async () => {
  const counts = troubles();
  const hanging: Exporter = { name: "hanging", export: () => {}, shutdown: () => new Promise(() => {}) };
  const rejecting: Exporter = { name: "rejecting", export: () => {}, shutdown: () => Promise.reject(new Error("no")) };
  const line = pipeline({ processors: [], exporters: [hanging, rejecting], troubles: counts, shutdownMillis: 20 });
  await line.shutdown();
  expect(counts.exporterFailed.mock.calls.map(([name]) => name).sort()).toEqual(["hanging", "rejecting"]);
});
