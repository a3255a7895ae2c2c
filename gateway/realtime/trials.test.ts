// Sessions and the backend's breaker: a dial that fails speaks of the backend, and one that succeeds does at once.
import { expect, test } from "vitest";
import type { Upgrade } from "../testing/realtime-backend.ts";
import { realtimeScene } from "../testing/realtime-scene.ts";

test("failed dials open the breaker, which then refuses before any backend is asked", async () => {
  await using stage = await realtimeScene({ upgrade: (_, socket) => socket.destroy() });
  for (let i = 0; i < 5; i++) expect((await stage.knock()).status).toBe(502);
  const refused = await stage.knock();
  expect(refused.status).toBe(503);
  expect(Number(refused.header("retry-after"))).toBeGreaterThan(0);
  expect(stage.asked).toHaveLength(5);
  await stage.tollgate.settled(6);
  expect(stage.tollgate.exchanges.at(-1)).toMatchObject({ attempts: [], outcome: { reason: "no_backend_up" } });
});

/** Opens at the first failure, and lets one try after a second. */
const trial = { failures: 1, ratio: 0, minRequests: 1, window: 60, openFor: 1, halfOpen: 1 };

/** A backend whose breaker is half-open: it hung up on one, and what comes next is for the test to answer. */
async function halfOpen() {
  const answers: Parameters<Upgrade>[] = [];
  const stage = await realtimeScene({
    backend: { breaker: trial },
    upgrade: (...asked) => {
      if (stage.asked.length === 1) asked[1].destroy();
      else answers.push(asked);
    },
  });
  expect((await stage.knock()).status).toBe(502);
  await expect
    .poll(() => stage.gauge("gateway_backend_breaker_state", { state: "half_open" }), { timeout: 5_000 })
    .toBe(1);
  const asks = async (count: number) => {
    await expect.poll(() => answers.length, { timeout: 5_000, interval: 2 }).toBe(count);
    return answers[count - 1];
  };
  return { stage, asks };
}

test("a half-open breaker lets one session try; it is closed when that begins, however long it lasts", async () => {
  const { stage, asks } = await halfOpen();
  await using _ = stage;
  const first = stage.connect();
  const asked = await asks(1);
  const refused = await stage.knock();
  expect([refused.status, refused.json()]).toMatchObject([503, { error: { code: "no_backend_up" } }]);
  asked?.[3]();
  await first;
  expect(await stage.gauge("gateway_backend_breaker_state", { state: "closed" })).toBe(1);
  const second = stage.connect();
  (await asks(2))?.[3]();
  await second;
  expect(stage.asked).toHaveLength(3);
});

test("a client that leaves while its session is the try gives the place to the next one", async () => {
  const { stage, asks } = await halfOpen();
  await using _ = stage;
  const gone = await stage.dial();
  await asks(1);
  gone.reset();
  await stage.tollgate.settled(2);
  const next = stage.connect();
  (await asks(2))?.[3]();
  await next;
  expect(await stage.gauge("gateway_backend_breaker_state", { state: "closed" })).toBe(1);
});

test("a try that fails opens the breaker again", async () => {
  const { stage, asks } = await halfOpen();
  await using _ = stage;
  const failing = stage.knock();
  (await asks(1))?.[1].destroy();
  expect((await failing).status).toBe(502);
  expect((await stage.knock()).status).toBe(503);
  expect(await stage.gauge("gateway_backend_breaker_state", { state: "open" })).toBe(1);
  expect(stage.asked).toHaveLength(2);
});

test("a session that leaves the queue before its try gives the place to the next one", async () => {
  let held = () => {};
  const dialled = new Promise<void>((resolve) => {
    held = resolve;
  });
  await using stage = await realtimeScene({
    backend: { breaker: { ...trial, openFor: 2, halfOpen: 2 }, maxConcurrent: 2, queue: { size: 1, timeout: 60 } },
    upgrade: (_, __, ___, accept) => (stage.asked.length < 3 ? accept() : held()),
  });
  await stage.connect();
  const failing = await stage.connect();
  const depth = () => expect.poll(() => stage.gauge("gateway_queue_depth"), { timeout: 5_000, interval: 5 });
  const waiting = stage.knock();
  await depth().toBe(1);
  // Its end opens the breaker: who waits is told so, and not sent there.
  (await stage.there(1)).socket.close(1011);
  await failing.closed;
  expect((await waiting).json()).toMatchObject({ error: { code: "no_backend_up" } });
  expect(stage.asked).toHaveLength(2);
  await expect
    .poll(() => stage.gauge("gateway_backend_breaker_state", { state: "half_open" }), { timeout: 5_000 })
    .toBe(1);
  // The first try waits for its answer from now on, the second one for a slot.
  await stage.dial();
  await dialled;
  const gone = await stage.dial();
  await depth().toBe(1);
  expect((await stage.knock()).json()).toMatchObject({ error: { code: "no_backend_up" } });
  gone.reset();
  await depth().toBe(0);
  await stage.dial();
  await depth().toBe(1);
});
