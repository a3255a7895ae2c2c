// Facts about health checks, over real sockets to backends whose answers are set by the test.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { backend } from "../config/builtin.ts";
import type { HealthCheckSettings } from "../config/config.ts";
import { breaker } from "./breaker.ts";
import { type Checked, healthChecks } from "./health-check.ts";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A status to answer with; "hang" never answers, "halt" stops in the middle of its answer. */
type Say = number | "hang" | "halt";

async function server(first: Say) {
  let say = first;
  const received: IncomingMessage[] = [];
  let open = 0;
  let mostOpen = 0;
  const answer = (req: IncomingMessage, res: ServerResponse) => {
    received.push(req);
    open += 1;
    mostOpen = Math.max(mostOpen, open);
    res.on("close", () => {
      open -= 1;
    });
    if (say === "halt") res.writeHead(200, { "content-length": 100 }).write("{");
    else if (say !== "hang") res.writeHead(say, { location: "/elsewhere" }).end("{}");
  };
  const listening = createServer(answer);
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  closing.push(() => {
    listening.closeAllConnections();
    return new Promise((resolve) => listening.close(resolve));
  });
  const origin = `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
  return {
    origin,
    received,
    get open() {
      return open;
    },
    get mostOpen() {
      return mostOpen;
    },
    say: (next: Say) => {
      say = next;
    },
    async refuse() {
      listening.closeAllConnections();
      await new Promise((resolve) => listening.close(resolve));
    },
  };
}

/** Checks follow each other at once, so that a test need not wait. */
const often: HealthCheckSettings = { every: 0.005, timeout: 2, healthy: 1, unhealthy: 1 };

const checkedAt = (origin: string, settings: Partial<HealthCheckSettings> = {}, key?: string): Checked => ({
  backend: {
    ...backend({ name: "a", provider: "openai", baseUrl: `${origin}/v1`, models: ["*"] }),
    healthCheck: { ...often, ...settings },
  },
  headers: ["x-team", "research", ...(key === undefined ? [] : ["authorization", `Bearer ${key}`])],
});

function watch(...checked: Checked[]) {
  const verdicts: boolean[] = [];
  const checks = healthChecks({ checked, verdict: (_, healthy) => void verdicts.push(healthy), random: () => 0.5 });
  closing.push(checks.stop);
  return { verdicts, checks };
}

const soon = { timeout: 5_000, interval: 2 };

test("it asks for the list of models, with the backend's own headers, and one good answer is a good verdict", async () => {
  const { origin, received } = await server(200);
  const { verdicts } = watch(checkedAt(origin, {}, "sk-own"));
  await vi.waitFor(() => expect(received.length).toBeGreaterThan(3), soon);
  expect(verdicts).toEqual([true]);
  expect(received[0]).toMatchObject({
    method: "GET",
    url: "/v1/models",
    headers: { authorization: "Bearer sk-own", "x-team": "research", "user-agent": "tollgate" },
  });
});

test("a path of its own is one on the backend's host", async () => {
  const { origin, received } = await server(200);
  watch(checkedAt(origin, { path: "/health?deep=1" }));
  await vi.waitFor(() => expect(received[0]?.url).toBe("/health?deep=1"), soon);
});

test("it is down after so many failures in a row, and up after so many successes, each told once", async () => {
  const { origin, received, say } = await server(503);
  const { verdicts } = watch(checkedAt(origin, { unhealthy: 3, healthy: 2 }));
  await vi.waitFor(() => expect(verdicts).toEqual([false]), soon);
  expect(received.length).toBe(3);
  await vi.waitFor(() => expect(received.length).toBeGreaterThan(6), soon);
  expect(verdicts).toEqual([false]);
  const failed = received.length;
  say(200);
  await vi.waitFor(() => expect(verdicts).toEqual([false, true]), soon);
  expect(received.length).toBeGreaterThanOrEqual(failed + 2);
  say(500);
  await vi.waitFor(() => expect(verdicts).toEqual([false, true, false]), soon);
});

test.each<readonly [status: Say, own: "path" | "models", key: "key" | "none", good: boolean]>([
  [204, "path", "none", true],
  [404, "path", "none", false],
  [302, "path", "none", false],
  [404, "models", "key", true],
  [405, "models", "none", true],
  [401, "models", "none", true],
  [401, "models", "key", false],
  [403, "models", "key", false],
  [500, "models", "none", false],
  ["halt", "models", "none", false],
  ["hang", "models", "none", false],
])("an answer of %s to a check of its %s under %s key: healthy %s", async (status, own, key, good) => {
  const { origin } = await server(status);
  const settings = { timeout: 0.05, ...(own === "path" && { path: "/health" }) };
  const { verdicts } = watch(checkedAt(origin, settings, key === "key" ? "sk-own" : undefined));
  await vi.waitFor(() => expect(verdicts).toEqual([good]), soon);
});

test("an answer that limits our rate says nothing", async () => {
  const { origin, received, say } = await server(429);
  const { verdicts } = watch(checkedAt(origin));
  await vi.waitFor(() => expect(received.length).toBeGreaterThan(3), soon);
  expect(verdicts).toEqual([]);
  say(200);
  await vi.waitFor(() => expect(verdicts).toEqual([true]), soon);
});

test("a backend that refuses connections is down", async () => {
  const { origin, refuse } = await server(200);
  await refuse();
  const { verdicts } = watch(checkedAt(origin));
  await vi.waitFor(() => expect(verdicts).toEqual([false]), soon);
});

test("no two checks of a backend are under way at a time, however long one takes", async () => {
  const at = await server("hang");
  watch(checkedAt(at.origin, { timeout: 0.04, every: 0.001 }));
  await vi.waitFor(() => expect(at.received.length).toBeGreaterThan(4), soon);
  expect(at.mostOpen).toBe(1);
});

test.each(["hang", "halt"] as const)(
  "stopped (%s), it cuts off what is under way, says nothing of it, and asks no more",
  async (say) => {
    const at = await server(say);
    const { verdicts, checks } = watch(checkedAt(at.origin));
    await vi.waitFor(() => expect(at.open).toBe(1), soon);
    checks.stop();
    await vi.waitFor(() => expect(at.open).toBe(0), soon);
    at.say(200);
    // Another check of the same server shows that there was time for more of the first.
    const other = await server(200);
    watch(checkedAt(other.origin));
    await vi.waitFor(() => expect(other.received.length).toBeGreaterThan(5), soon);
    expect([at.received.length, verdicts]).toEqual([1, []]);
  },
);

test("a reload ends the checks that are gone, begins new ones, and lets the others go on", async () => {
  const [one, two] = [await server("hang"), await server(200)];
  const staying = checkedAt(one.origin, { timeout: 60 });
  const { checks } = watch(staying);
  await vi.waitFor(() => expect(one.open).toBe(1), soon);
  checks.follow([staying, checkedAt(two.origin)]);
  await vi.waitFor(() => expect(two.received.length).toBeGreaterThan(2), soon);
  expect([one.open, one.received.length]).toEqual([1, 1]);
  const { healthCheck: _, ...unchecked } = staying.backend;
  checks.follow([{ ...staying, backend: unchecked }]);
  await vi.waitFor(() => expect(one.open).toBe(0), soon);
});

test("it feeds the breaker: down without any traffic, and up again by a success", async () => {
  const { origin, say } = await server(500);
  const checked = checkedAt(origin, { unhealthy: 2 });
  const guarded = { ...backend({ name: "a", provider: "openai", baseUrl: origin, models: [] }), healthCheck: often };
  const seen = breaker({ backends: [guarded], now: () => 0 });
  const checks = healthChecks({ checked: [checked], verdict: seen.checked, random: Math.random });
  closing.push(checks.stop);
  await vi.waitFor(
    () => expect([seen.up("a"), seen.state("a"), seen.admits("a")]).toEqual([false, "open", false]),
    soon,
  );
  say(200);
  await vi.waitFor(
    () => expect([seen.up("a"), seen.state("a"), seen.admits("a")]).toEqual([true, "closed", true]),
    soon,
  );
});
