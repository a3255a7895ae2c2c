// Facts about a backend's admission queue, by a clock that moves only when told.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ClientLeft, GatewayError } from "../errors.ts";
import { dice } from "../testing/dice.ts";
import { type Job, type QueueFailure, type QueueSettings, queue, type Slot, type Waiting } from "./queue.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
afterEach(() => void vi.useRealTimers());

function scene(settings: Partial<QueueSettings> = {}) {
  const limits = { maxConcurrent: 1, size: 10, timeout: 30, ...settings };
  const waits: number[] = [];
  const runs: (readonly [string, number])[] = [];
  const failures: QueueFailure[] = [];
  const line = queue({
    settings: limits,
    now: () => performance.now(),
    meter: {
      waited: (seconds) => void waits.push(seconds),
      ran: (operation, seconds) => void runs.push([operation, seconds]),
      failed: (why) => void failures.push(why),
    },
  });
  const served: string[] = [];
  const slots: Slot[] = [];
  const enter = (tenant = "a", priority = 0): Slot | Waiting => line.enter(job(tenant, priority));
  return {
    line,
    limits,
    waits,
    runs,
    failures,
    served,
    enter,
    /** A slot that is there at once. */
    hold(tenant?: string): Slot {
      const entered = enter(tenant);
      if (entered.isWaiting) throw new Error("it has to wait");
      return entered;
    },
    /** A job that has to wait, and that says its name when it is served. */
    wait(tenant = "a", priority = 0, name = tenant): Waiting {
      const entered = enter(tenant, priority);
      if (!entered.isWaiting) throw new Error("it has not to wait");
      entered.slot.then(
        (slot) => {
          served.push(name);
          slots.push(slot);
        },
        () => {},
      );
      return entered;
    },
    /** Serves one after the other until nobody waits. */
    async drain(first: Slot): Promise<readonly string[]> {
      first.release();
      for (let depth = Number.POSITIVE_INFINITY; depth > 0; ) {
        depth = line.depth;
        await Promise.resolve();
        slots.shift()?.release();
        await Promise.resolve();
      }
      return served;
    },
  };
}

const job = (tenant: string, priority = 0): Job => ({ tenant, priority, operation: "chat" });

const refusal = (attempt: () => unknown): GatewayError => {
  try {
    attempt();
  } catch (error) {
    if (error instanceof GatewayError) return error;
  }
  throw new Error("it was not refused");
};

test("a slot that is free is there at once, and is no Promise", () => {
  const { line, enter, waits } = scene({ maxConcurrent: 2 });
  expect([enter().isWaiting, enter().isWaiting, enter().isWaiting]).toEqual([false, false, true]);
  expect([line.active, line.depth]).toEqual([2, 1]);
  expect(waits).toEqual([0, 0]);
});

test("a slot given back goes to who waits, who has waited that long, and the job's duration is told", async () => {
  const { line, hold, wait, waits, runs } = scene();
  const first = hold();
  const { slot } = wait();
  vi.advanceTimersByTime(2_500);
  first.release();
  expect([line.active, line.depth]).toEqual([1, 0]);
  (await slot).release();
  expect(line.active).toBe(0);
  expect(waits).toEqual([0, 2.5]);
  expect(runs).toEqual([
    ["chat", 2.5],
    ["chat", 0],
  ]);
});

test("a slot is given back once, however often that is said", () => {
  const { line, hold, runs } = scene({ maxConcurrent: 2 });
  const slot = hold();
  hold();
  slot.release();
  slot.release();
  expect(line.active).toBe(1);
  expect(runs).toHaveLength(1);
});

test("a full queue refuses at once", () => {
  const { hold, wait, enter, failures, line } = scene({ size: 2 });
  hold();
  wait();
  wait();
  expect(refusal(enter).kind).toBe("queue_full");
  expect(failures).toEqual(["queue_full"]);
  expect(line.depth).toBe(2);
});

test("where none may wait, what has no slot is refused at once", () => {
  const { hold, enter } = scene({ size: 0 });
  hold();
  expect(refusal(enter).kind).toBe("queue_full");
});

test("who waits too long is refused, and who came later a little later", async () => {
  const { hold, wait, failures, waits, line } = scene({ timeout: 10 });
  hold();
  const first = wait();
  vi.advanceTimersByTime(4_000);
  const second = wait();
  const ends = Promise.allSettled([first.slot, second.slot]);
  vi.advanceTimersByTime(5_990);
  expect(line.depth).toBe(2);
  vi.advanceTimersByTime(11);
  expect(line.depth).toBe(1);
  vi.advanceTimersByTime(4_000);
  expect(line.depth).toBe(0);
  expect((await ends).map((end) => end.status === "rejected" && end.reason.kind)).toEqual([
    "queue_timeout",
    "queue_timeout",
  ]);
  expect(failures).toEqual(["queue_timeout", "queue_timeout"]);
  expect(waits.map(Math.round)).toEqual([0, 10, 10]);
});

test("however many wait, there is one timer, and none once nobody does", () => {
  const { hold, wait, line } = scene({ size: 1000 });
  hold();
  for (let job = 0; job < 1000; job += 1) wait(`t${job % 7}`);
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(30_001);
  expect(line.depth).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});

test("without a timeout a job waits as long as its client does", () => {
  const { hold, wait, line } = scene({ timeout: 0 });
  hold();
  wait();
  vi.advanceTimersByTime(24 * 3_600_000);
  expect(line.depth).toBe(1);
  expect(vi.getTimerCount()).toBe(0);
});

test("who leaves while waiting gets no slot and costs the backend nothing", async () => {
  const { hold, wait, failures, drain } = scene();
  const first = hold();
  const leaving = wait("a", 0, "left");
  wait("a", 0, "stayed");
  const end = expect(leaving.slot).rejects.toBeInstanceOf(ClientLeft);
  leaving.leave(new ClientLeft());
  leaving.leave(new ClientLeft());
  await end;
  expect(failures).toEqual(["abandoned"]);
  expect(await drain(first)).toEqual(["stayed"]);
});

test("a gateway that goes down sends away who waits", async () => {
  const { hold, wait, failures } = scene();
  hold();
  const waiting = wait();
  waiting.leave(new GatewayError("shutting_down"));
  await expect(waiting.slot).rejects.toMatchObject({ kind: "shutting_down" });
  expect(failures).toEqual(["shutting_down"]);
});

test("leaving after the slot was given changes nothing: whoever awaits it gives it back", async () => {
  const { hold, wait, line, failures } = scene();
  const first = hold();
  const waiting = wait();
  first.release();
  waiting.leave(new ClientLeft());
  expect(line.active).toBe(1);
  (await waiting.slot).release();
  expect(line.active).toBe(0);
  expect(failures).toEqual([]);
});

test("tenants take turns, however much one of them asks for", async () => {
  const { hold, wait, drain } = scene();
  const first = hold();
  for (const tenant of ["a", "a", "a", "a", "b", "b", "c"]) wait(tenant);
  expect((await drain(first)).join("")).toBe("abcabaa");
});

test("the jobs of one tenant are served in their order", async () => {
  const { hold, wait, drain } = scene();
  const first = hold();
  for (const name of ["1", "2", "3"]) wait("a", 0, name);
  expect((await drain(first)).join("")).toBe("123");
});

test("a higher priority goes first", async () => {
  const { hold, wait, drain } = scene();
  const first = hold();
  wait("a", 0, "usual");
  wait("b", 5, "high");
  wait("c", -1, "low");
  wait("d", 9, "highest");
  expect(await drain(first)).toEqual(["highest", "high", "usual", "low"]);
});

test("lower priorities have every eighth place between them, so that none starves", async () => {
  const { hold, wait, drain } = scene({ size: 1000 });
  const first = hold();
  for (let count = 0; count < 40; count += 1) wait("rich", 9, "h");
  for (let count = 0; count < 3; count += 1) wait("usual", 1, "m");
  for (let count = 0; count < 3; count += 1) wait("poor", 0, "l");
  expect((await drain(first)).join("").slice(0, 32)).toBe("hhhhhhhmhhhhhhhlhhhhhhhmhhhhhhhl");
});

test("Retry-After is how long the queue lasts at the pace of late, from 1 to 60 seconds", () => {
  const { hold, wait, enter, line } = scene({ maxConcurrent: 2, size: 4 });
  for (const seconds of [0, 0, 6, 6]) {
    const slot = hold();
    vi.advanceTimersByTime(seconds * 1000);
    slot.release();
  }
  const held = [hold(), hold()];
  for (let job = 0; job < 4; job += 1) wait();
  // 6 s count for a twentieth each, against 0 s: 0.585 s. Five jobs in two lines.
  expect(refusal(enter).retryAfter).toBe(2);
  vi.advanceTimersByTime(10_000_000);
  for (const slot of held) slot.release();
  hold();
  hold();
  for (let job = line.depth; job < 4; job += 1) wait();
  expect(refusal(enter).retryAfter).toBe(60);
  expect(refusal(scene({ maxConcurrent: 0, size: 0 }).enter).retryAfter).toBe(60);
});

test("how long sessions last says nothing of the pace, and the slots that they hold serve nobody else", () => {
  const { hold, line, enter, wait, runs } = scene({ maxConcurrent: 3, size: 2 });
  const usual = hold();
  const sessions = [1, 2].map(() => line.enter({ ...job("a"), operation: "realtime", lasting: true }) as Slot);
  vi.advanceTimersByTime(3_000);
  usual.release();
  const others = [hold()];
  for (let waiting = 0; waiting < 2; waiting += 1) wait();
  // Three jobs of 3 s in the one line that moves.
  expect(refusal(enter).retryAfter).toBe(9);
  vi.advanceTimersByTime(20_000);
  sessions[0]?.release();
  sessions[0]?.release();
  expect(refusal(() => [enter(), enter()]).retryAfter).toBe(5);
  expect(runs).toEqual([
    ["chat", 3],
    ["realtime", 23],
  ]);
  sessions[1]?.release();
  for (const other of others) other.release();
});

test("where sessions hold every slot, Retry-After is that of one slot", () => {
  const { line, enter } = scene({ maxConcurrent: 2, size: 0 });
  for (let session = 0; session < 2; session += 1) line.enter({ ...job("a"), operation: "realtime", lasting: true });
  expect(refusal(enter).retryAfter).toBe(1);
});

test("new limits let more in at once, keep the order of those who wait, and end waits that are too long now", async () => {
  const { hold, wait, line, limits, served } = scene({ timeout: 100 });
  hold();
  for (const name of ["1", "2", "3", "4"]) wait("a", 0, name);
  vi.advanceTimersByTime(20_000);
  wait("a", 0, "5");
  line.configure({ ...limits, maxConcurrent: 3, size: 1 });
  await Promise.resolve();
  expect(served).toEqual(["1", "2"]);
  expect([line.active, line.depth]).toEqual([3, 3]);
  line.configure({ ...limits, maxConcurrent: 1, timeout: 10 });
  expect([line.active, line.depth]).toEqual([3, 1]);
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(10_001);
  expect(line.depth).toBe(0);
});

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  "whatever happens: no slot too many, no job lost, each ends once (%i)",
  async (seed) => {
    const die = dice(seed);
    const { line, limits, failures } = scene({ maxConcurrent: 3, size: 12, timeout: 20 });
    let most = limits.maxConcurrent;
    const held: Slot[] = [];
    const waiting = new Set<Waiting>();
    let entered = 0;
    let full = 0;
    let started = 0;
    let failed = 0;
    for (let step = 0; step < 3_000; step += 1) {
      const what = die.below(100);
      if (what < 45) {
        entered += 1;
        const depth = line.depth;
        const isBusy = line.active >= most;
        try {
          const one = line.enter(job(`t${die.below(4)}`, die.below(3)));
          expect(one.isWaiting).toBe(isBusy);
          if (one.isWaiting) {
            waiting.add(one);
            one.slot.then(
              (slot) => {
                waiting.delete(one);
                started += 1;
                held.push(slot);
              },
              () => {
                waiting.delete(one);
                failed += 1;
              },
            );
          } else {
            started += 1;
            held.push(one);
          }
        } catch (error) {
          expect(error).toMatchObject({ kind: "queue_full" });
          expect([isBusy, depth >= limits.size]).toEqual([true, true]);
          full += 1;
        }
      } else if (what < 75) held.splice(die.below(held.length), 1)[0]?.release();
      else if (what < 85) [...waiting][die.below(waiting.size)]?.leave(new ClientLeft());
      else if (what < 97) vi.advanceTimersByTime(die.below(4_000));
      else {
        most = 1 + die.below(5);
        line.configure({ ...limits, maxConcurrent: most });
      }
      await Promise.resolve();
      await Promise.resolve();
      expect(line.active).toBe(held.length);
      expect(line.depth).toBe(waiting.size);
      expect(entered).toBe(full + failed + started + waiting.size);
      // Fewer are let in after a reload, but nobody who is in is thrown out.
      if (line.depth > 0) expect(line.active).toBeGreaterThanOrEqual(most);
      expect(line.depth).toBeLessThanOrEqual(limits.size);
    }
    expect(failures).toHaveLength(full + failed);
    expect(new Set(failures)).toEqual(new Set(["queue_full", "queue_timeout", "abandoned"]));
  },
);

test.each([1, 2, 3, 4])(
  "between two turns of a tenant everyone who waited all the while has one (%i)",
  async (seed) => {
    const die = dice(seed);
    const { hold, wait, drain, served } = scene({ size: 500 });
    const first = hold();
    const count = new Map<string, number>();
    for (let job = 0; job < 200; job += 1) {
      const tenant = `t${die.pick([0, 0, 0, 0, 1, 1, 2, 3])}`;
      count.set(tenant, (count.get(tenant) ?? 0) + 1);
      wait(tenant);
    }
    await drain(first);
    const left = new Map(count);
    let since = new Map<string, Set<string>>();
    for (const tenant of served) {
      const others = since.get(tenant);
      if (others) for (const [other, jobs] of left) if (other !== tenant && jobs > 0) expect(others).toContain(other);
      since = new Map([...since].map(([name, seen]) => [name, new Set([...seen, tenant])]));
      since.set(tenant, new Set());
      left.set(tenant, (left.get(tenant) ?? 0) - 1);
    }
    expect([...left.values()]).toEqual([...left.values()].map(() => 0));
  },
);
