// A session that waits for its backend's slot: no backend is asked before its turn, however the wait ends.
import { expect, test } from "vitest";
import { keyRing } from "../testing/key-ring.ts";
import type { RawConnection } from "../testing/raw-client.ts";
import { type RealtimeScene, type RealtimeSceneOptions, realtimeScene } from "../testing/realtime-scene.ts";
import { expectSound } from "../testing/scene.ts";

const oneSlot = (timeout = 30): RealtimeSceneOptions => ({
  backend: { queue: { size: 10, timeout }, maxConcurrent: 1 },
});

const depth = (stage: RealtimeScene) => stage.gauge("gateway_queue_depth");

/** Resolves when so many wait. */
const waiting = (stage: RealtimeScene, count: number) =>
  expect.poll(() => depth(stage), { timeout: 10_000, interval: 5 }).toBe(count);

/** All records; each is the only one of its session, and sound. */
async function records(stage: RealtimeScene, count: number) {
  await stage.tollgate.settled(count);
  await stage.tollgate.close();
  const { exchanges } = stage.tollgate;
  expect(exchanges).toHaveLength(count);
  expect(new Set(exchanges.map(({ id }) => id)).size).toBe(count);
  for (const exchange of exchanges) expectSound(exchange);
  return exchanges;
}

test("a session has its turn when the one before it is over, and its wait is in the record", async () => {
  await using stage = await realtimeScene(oneSlot());
  const first = await stage.connect();
  const later = stage.connect();
  await waiting(stage, 1);
  expect(stage.asked).toHaveLength(1);
  first.socket.close(1000);
  const second = await later;
  expect(stage.asked).toHaveLength(2);
  second.socket.close(1000);
  const exchanges = await records(stage, 2);
  expect(exchanges.map(({ phases }) => phases.queue > 0)).toEqual([false, true]);
  expect(exchanges.map(({ outcome, attempts }) => [outcome.kind, attempts.length])).toEqual([
    ["completed", 1],
    ["completed", 1],
  ]);
});

test.each(["leave", "reset"] as const)(
  "a client that goes while it waits (%s) is abandoned: its backend is never asked, and others are next",
  async (way) => {
    await using stage = await realtimeScene(oneSlot());
    const first = await stage.connect();
    const gone = await stage.dial();
    await waiting(stage, 1);
    const later = stage.connect();
    await waiting(stage, 2);
    gone[way]();
    await waiting(stage, 1);
    expect((await stage.tollgate.settled(1))[0]).toMatchObject({
      outcome: { kind: "abandoned", status: 499 },
      attempts: [],
    });
    first.socket.close(1000);
    const { socket } = await later;
    expect(stage.asked).toHaveLength(2);
    socket.close(1000);
    await stage.tollgate.settled(3);
    expect(await stage.gauge("active_jobs_total")).toBe(0);
    await records(stage, 3);
  },
);

test("a session that waits too long is refused, is told when to come again, and never reaches the backend", async () => {
  await using stage = await realtimeScene(oneSlot(0.1));
  const { socket } = await stage.connect();
  const refused = await stage.knock();
  expect([refused.status, refused.json()]).toMatchObject([503, { error: { code: "queue_timeout" } }]);
  expect(refused.header("retry-after")).toBe("1");
  expect(stage.asked).toHaveLength(1);
  socket.close(1000);
  expect(await records(stage, 2)).toMatchObject([
    { outcome: { kind: "refused", reason: "queue_timeout", status: 503 }, attempts: [] },
    { outcome: { kind: "completed" } },
  ]);
});

test("a key of higher priority goes before one that has waited longer", async () => {
  const keys = keyRing();
  const [low, high] = [keys.add("low", { priority: 0 }), keys.add("high", { priority: 5 })];
  await using stage = await realtimeScene({ ...oneSlot(), admitting: { keys } });
  const first = await stage.connect(undefined, { headers: { authorization: `Bearer ${low}` } });
  const raw: RawConnection[] = [];
  for (const [index, secret] of [low, high].entries()) {
    raw.push(await stage.dial(secret));
    await waiting(stage, index + 1);
  }
  first.socket.close(1000);
  await stage.there(1);
  raw[1]?.leave();
  await stage.there(2);
  raw[0]?.leave();
  const exchanges = await records(stage, 3);
  expect(exchanges.map(({ caller }) => caller.keyId)).toEqual(["low", "high", "low"]);
});

test("a gateway that goes down sends away who waits, and the backend hears nothing of it", async () => {
  await using stage = await realtimeScene({ ...oneSlot(), config: { shutdownSeconds: 0.05 } });
  await stage.connect();
  const connection = await stage.dial();
  await waiting(stage, 1);
  const down = stage.tollgate.close();
  const answer = await connection.answer();
  expect([answer.status, answer.json()]).toMatchObject([503, { error: { code: "shutting_down" } }]);
  await down;
  expect(stage.asked).toHaveLength(1);
  const exchanges = await records(stage, 2);
  expect(exchanges.find(({ attempts }) => attempts.length === 0)?.outcome).toMatchObject({ reason: "shutting_down" });
});
