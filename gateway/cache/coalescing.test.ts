// Requests that ask the same at a time: one backend request serves them all, and no failure of one is another's.
import { afterEach, expect, test, vi } from "vitest";
import type { Passage } from "../passage.ts";
import { answer, errorAnswer, eventStream, json } from "../testing/answers.ts";
import { cacheScene } from "../testing/cache-scene.ts";
import { chatCompletion, chatEvents, chatRequest } from "../testing/payloads.ts";
import { rawConnection, requestBytes } from "../testing/raw-client.ts";
import type { Scene } from "../testing/scene.ts";
import type { Entry } from "./entry.ts";
import { Flights, type Landing } from "./flights.ts";
import { Waiter } from "./waiter.ts";

const model = "gpt-4o-mini";
const usage = { input: 10, output: 5 };
const path = "/chat/completions";
const question = chatRequest(model, { temperature: 0 });
const said = (content: string, delay?: Promise<unknown>) =>
  json(chatCompletion(model, usage, content), delay === undefined ? {} : { delay });
const coalesced = { coalesce: true };

function gate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { closed: promise, open: resolve };
}

/** So many are asked, and wait: all are open, and one of them reached the backend. */
async function waiting(stage: Scene, count: number, received = 1) {
  await expect.poll(() => stage.tollgate.gateway.open).toBe(count);
  await expect.poll(() => stage.backend.received.length).toBe(received);
}

const caches = (answers: readonly { header(name: string): string | undefined }[]) =>
  answers.map((got) => got.header("x-tollgate-cache")).sort();

async function connected(stage: Scene, body: unknown = question) {
  const connection = await rawConnection(stage.tollgate.url);
  const headers = [["Content-Type", "application/json"]] as const;
  await connection.send(requestBytes(stage.at(path), { headers, body: JSON.stringify(body) }));
  return connection;
}

test("ten of them are one request to the backend", async () => {
  const held = gate();
  await using stage = await cacheScene({ cache: coalesced, script: [said("a", held.closed)] });
  const asked = Array.from({ length: 10 }, () => stage.post(path, question));
  await waiting(stage, 10);
  held.open();
  const answers = await Promise.all(asked);
  expect(caches(answers)).toEqual([...Array(9).fill("hit"), "miss"]);
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  expect(stage.backend.received).toHaveLength(1);
  const exchanges = await stage.tollgate.settled(10);
  for (const { cache, attempts, phases } of exchanges) {
    expect(attempts).toHaveLength(cache === "hit" ? 0 : 1);
    if (cache === "hit") expect(phases.queue).toBeGreaterThan(0);
  }
});

test("each is sent on where that is not configured", async () => {
  const held = gate();
  await using stage = await cacheScene({ script: [said("a", held.closed), said("b", held.closed)] });
  const asked = [stage.post(path, question), stage.post(path, question)];
  await waiting(stage, 2, 2);
  held.open();
  expect(caches(await Promise.all(asked))).toEqual(["miss", "miss"]);
});

test("a stream is replayed to the others once it is whole", async () => {
  const held = gate();
  const events = chatEvents({ model, usage });
  const body = chatRequest(model, { temperature: 0, stream: true, stream_options: { include_usage: true } });
  const [first = "", ...rest] = events;
  await using stage = await cacheScene({
    cache: coalesced,
    script: [eventStream([first, held.closed, rest.join("")])],
  });
  const leader = await connected(stage, body);
  await leader.head("POST");
  expect(String(await leader.piece())).toBe(first);
  const follower = stage.post(path, body);
  await waiting(stage, 2);
  held.open();
  const got = await follower;
  expect([got.header("x-tollgate-cache"), got.text]).toEqual(["hit", events.join("")]);
  leader.leave();
});

test("where the first fails, the next one asks, and the others wait for that", async () => {
  const held = gate();
  await using stage = await cacheScene({
    cache: coalesced,
    script: [errorAnswer(500, "no", { delay: held.closed }), said("a")],
  });
  const asked = Array.from({ length: 4 }, () => stage.post(path, question));
  await waiting(stage, 4);
  held.open();
  const answers = await Promise.all(asked);
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 500]);
  expect(caches(answers.filter(({ status }) => status === 200))).toEqual(["hit", "hit", "miss"]);
  expect(stage.backend.received).toHaveLength(2);
});

test("where the first one's client leaves, the next one asks; one that leaves while it waits is abandoned", async () => {
  const held = gate();
  await using stage = await cacheScene({ cache: coalesced, script: [said("never", held.closed), said("a")] });
  const leader = await connected(stage);
  await waiting(stage, 1);
  const impatient = await connected(stage);
  await waiting(stage, 2);
  const follower = stage.post(path, question);
  await waiting(stage, 3);
  impatient.reset();
  await waiting(stage, 2);
  leader.reset();
  const got = await follower;
  expect([got.status, got.header("x-tollgate-cache")]).toEqual([200, "miss"]);
  const kinds = (await stage.tollgate.settled(3)).map(({ outcome, attempts }) => [outcome.kind, attempts.length]);
  expect(kinds).toEqual([
    ["abandoned", 0],
    ["abandoned", 1],
    ["completed", 1],
  ]);
  held.open();
});

test("where the answer is too large to be kept, all ask for themselves at once", async () => {
  const held = gate();
  const large = JSON.stringify(chatCompletion(model, usage, "x".repeat(500)));
  const headers = [["Content-Type", "application/json"]] as const;
  // The first one's answer is not over when the others are let go.
  const first = answer({ headers, body: [large.slice(0, 400), held.closed, large.slice(400)] });
  const other = answer({ headers, body: large, delay: held.closed });
  await using stage = await cacheScene({
    cache: { coalesce: true, maxEntryBytes: 300 },
    script: [first, other, other],
  });
  const asked = Array.from({ length: 3 }, () => stage.post(path, question));
  await expect.poll(() => stage.backend.received.length).toBe(3);
  held.open();
  for (const got of await Promise.all(asked)) expect(got.text).toBe(large);
});

test("where the first one's request is refused for what it says, all ask for themselves at once", async () => {
  const held = gate();
  const second = gate();
  const late = errorAnswer(400, "no", { delay: second.closed });
  await using stage = await cacheScene({
    cache: coalesced,
    script: [errorAnswer(400, "no", { delay: held.closed }), late, late],
  });
  const asked = Array.from({ length: 3 }, () => stage.post(path, question));
  await waiting(stage, 3);
  held.open();
  // None of them is answered yet.
  await expect.poll(() => stage.backend.received.length).toBe(3);
  second.open();
  for (const got of await Promise.all(asked)) expect(got.status).toBe(400);
});

test("an answer that is whole and still not to be kept lets all ask for themselves at once", async () => {
  const held = gate();
  const second = gate();
  const no = { id: "x", object: "thing" };
  await using stage = await cacheScene({
    cache: coalesced,
    script: [
      json(no, { status: 202, delay: held.closed }),
      json(no, { status: 202, delay: second.closed }),
      json(no, { status: 202, delay: second.closed }),
    ],
  });
  const asked = Array.from({ length: 3 }, () => stage.post(path, question));
  await waiting(stage, 3);
  held.open();
  await expect.poll(() => stage.backend.received.length).toBe(3);
  second.open();
  for (const got of await Promise.all(asked)) expect(got.status).toBe(202);
});

test("at shutdown those that wait are told", async () => {
  await using stage = await cacheScene({
    cache: coalesced,
    config: { shutdownSeconds: 0.05 },
    script: [said("never", new Promise(() => undefined))],
  });
  const asked = [stage.post(path, question), stage.post(path, question)];
  await waiting(stage, 2);
  await stage.tollgate.close();
  for (const got of await Promise.all(asked)) expect(got.status).toBe(503);
  expect(stage.tollgate.exchanges.map(({ outcome }) => outcome)).toMatchObject(
    Array(2).fill({ kind: "refused", reason: "shutting_down" }),
  );
});

test("a wait that is stopped is over, and its place is free", async () => {
  const flights = new Flights();
  flights.lead("k");
  const waiter = new Waiter();
  const flight = flights.join("k", waiter);
  waiter.boards(flight, { left: false } as Passage);
  waiter.stop();
  await expect(waiter.over).rejects.toMatchObject({ kind: "shutting_down" });
  expect(flight.waiting.size).toBe(0);
});

afterEach(() => {
  vi.useRealTimers();
});

test("no wait is longer than a minute, and who comes then leads", () => {
  vi.useFakeTimers();
  const flights = new Flights();
  const landings: Landing[] = [];
  const flight = flights.lead("k");
  if (flight === undefined) throw new Error("nobody leads");
  expect(flights.lead("k")).toBeUndefined();
  flights.join("k", { landed: (landing) => landings.push(landing) });
  vi.advanceTimersByTime(59_999);
  expect(landings).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(landings).toEqual(["alone"]);
  expect(flights.lead("k")).toBeDefined();
  // The one that was waited for comes too late for anybody.
  flights.land(flight, { finish: "stop" } as Entry, false);
  expect(landings).toEqual(["alone"]);
  expect(flights.lead("k")).toBeUndefined();
});
