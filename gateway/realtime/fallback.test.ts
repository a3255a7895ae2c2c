// A session whose first target does not take it goes to the next one: one Exchange, one attempt for each that was asked.
import type { Duplex } from "node:stream";
import { expect, test } from "vitest";
import { model, type RealtimeSceneOptions, realtimeScene } from "../testing/realtime-scene.ts";
import { tries } from "../testing/routed-scene.ts";

const answering = (status: string) => (_: unknown, socket: Duplex) =>
  void socket.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);

const timeouts = { connect: 5, firstByte: 0.1, idle: 60, total: 0 };

const unwilling: readonly (readonly [string, RealtimeSceneOptions, string])[] = [
  ["takes no connections", { refuses: true }, "unreachable"],
  ["hangs up", { upgrade: (_, socket) => void socket.destroy() }, "unreachable"],
  ["is overloaded", { upgrade: answering("503 Service Unavailable") }, "upstream_status"],
  ["limits us", { upgrade: answering("429 Too Many Requests") }, "upstream_limited"],
  ["refuses our key", { upgrade: answering("401 Unauthorized") }, "upstream_auth"],
  ["thinks too long", { upgrade: () => {}, backend: { timeouts } }, "timeout"],
];

test.each(unwilling)("where the first target %s the next one has the session", async (_, first, reason) => {
  await using stage = await realtimeScene({ ...first, second: {}, routed: model });
  const here = await stage.connect();
  const there = await stage.second?.there();
  here.socket.send("hello");
  expect((await there?.got(1))?.[0]?.data.toString()).toBe("hello");
  // The slot of the one that failed is free, that of the other is not.
  expect(await stage.gauge("active_jobs_total", { queue_name: "backend:fake" })).toBe(0);
  expect(await stage.gauge("active_jobs_total", { queue_name: "backend:second" })).toBe(1);
  here.socket.close(1000);
  const exchange = await stage.onlyExchange();
  expect(tries(exchange)).toEqual([`fake ${reason}`, "second completed"]);
  expect(exchange.outcome).toEqual({ kind: "completed", status: 101, finish: "closed" });
  expect(stage.sockets.size).toBe(0);
});

test("where the first target's queue is full the next one has the session, and the first was never asked", async () => {
  const backend = { queue: { size: 0, timeout: 1 }, maxConcurrent: 1 };
  await using stage = await realtimeScene({ backend, second: {}, routed: model });
  await stage.connect();
  const here = await stage.connect();
  expect(stage.asked).toHaveLength(1);
  here.socket.close(1000);
  const [exchange] = await stage.tollgate.settled(1);
  expect(exchange && tries(exchange)).toEqual(["second completed"]);
});

test("a request that is refused for its own fault is offered to nobody else", async () => {
  await using stage = await realtimeScene({ upgrade: answering("400 Bad Request"), second: {}, routed: model });
  expect((await stage.knock()).status).toBe(400);
  expect(stage.second?.asked).toEqual([]);
  const exchange = await stage.onlyExchange();
  expect(tries(exchange)).toEqual(["fake upstream_rejected"]);
});

test("where no target takes the session the client has the last one's failure, and no slot is held", async () => {
  await using stage = await realtimeScene({
    upgrade: answering("503 Service Unavailable"),
    second: { refuses: true },
    routed: model,
  });
  const got = await stage.knock();
  expect([got.status, got.json()]).toMatchObject([502, { error: { code: "backend_unreachable" } }]);
  expect(await stage.gauge("active_jobs_total")).toBe(0);
  const exchange = await stage.onlyExchange();
  expect(tries(exchange)).toEqual(["fake upstream_status", "second unreachable"]);
});

test("a client that leaves while the first target thinks is offered to nobody else", async () => {
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  await using stage = await realtimeScene({ upgrade: () => resolve(), second: {}, routed: model });
  const connection = await stage.dial();
  await asked;
  connection.reset();
  const exchange = await stage.onlyExchange();
  expect(tries(exchange)).toEqual(["fake abandoned"]);
  expect(exchange.outcome.kind).toBe("abandoned");
  expect(stage.second?.asked).toEqual([]);
});

test("a session whose time in all is over while the first target thinks is offered to nobody else", async () => {
  const backend = { timeouts: { ...timeouts, firstByte: 60, total: 0.1 } };
  await using stage = await realtimeScene({ upgrade: () => {}, backend, second: {}, routed: model });
  expect((await stage.knock()).json()).toMatchObject({ error: { code: "backend_total_timeout" } });
  expect(tries(await stage.onlyExchange())).toEqual(["fake timeout"]);
  expect(stage.second?.asked).toEqual([]);
});
