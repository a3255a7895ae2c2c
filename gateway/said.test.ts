// What the running gateway's log says of backends that come and go, line by line.
import { expect, test, vi } from "vitest";
import type { BreakerSettings, HealthCheckSettings } from "./config/config.ts";
import { errorAnswer } from "./testing/answers.ts";
import { good } from "./testing/good-backend.ts";
import { backendAt, testConfig } from "./testing/harness.ts";
import { chatRequest } from "./testing/payloads.ts";
import { type Place, type RoutedScene, routedScene } from "./testing/routed-scene.ts";
import { scene } from "./testing/scene.ts";

const model = "alias";
const log = { level: "debug", format: "json" } as const;
const breaker: BreakerSettings = { failures: 3, ratio: 0, minRequests: 1, window: 30, openFor: 0.05, halfOpen: 1 };

const routed = (place: Place) =>
  routedScene({
    places: { a: { otherwise: good("a"), ...place } },
    routes: [{ model, targets: [{ backend: "a", model: "at-a" }] }],
    config: { log },
  });

type Line = Readonly<Record<string, unknown>>;

/** The lines about backends; when they came left out. */
const said = ({ tollgate }: Pick<RoutedScene, "tollgate">): Line[] =>
  tollgate.lines
    .map((line): Line => JSON.parse(line))
    .filter((line) => "breaker" in line || "up" in line)
    .map(({ time, ...line }) => {
      expect(time).toMatch(/^\d{4}-.*Z$/);
      return line;
    });

const ask = async (stage: RoutedScene): Promise<number> =>
  (await stage.post("/chat/completions", chatRequest(model))).status;

const soon = { timeout: 5_000, interval: 5 };

test("a breaker that opens, lets one try, opens again and closes says each once", async () => {
  const bad = errorAnswer(503, "no luck");
  await using stage = await routed({ script: [bad, bad, bad, bad], backend: { breaker } });
  expect([await ask(stage), await ask(stage), await ask(stage)]).toEqual([503, 503, 503]);
  // Open: nothing is asked, and nothing said of it.
  expect(stage.place("a").received).toHaveLength(3);
  await expect.poll(() => ask(stage).then(() => stage.place("a").received.length), soon).toBe(4);
  await expect.poll(() => ask(stage), soon).toBe(200);
  expect(await ask(stage)).toBe(200);
  await stage.tollgate.close();
  const why = { reason: "upstream_status", status: 503 };
  const tried = { level: "debug", backend: "a", breaker: "half_open", msg: "backend a is tried again" };
  const lines = said(stage);
  expect(lines).toEqual([
    {
      level: "warn",
      backend: "a",
      breaker: "open",
      ...why,
      failures: 3,
      open_seconds: 0.05,
      msg: "backend a is left alone for 0.05 s after 3 failures (the last: upstream_status 503)",
    },
    tried,
    {
      level: "warn",
      backend: "a",
      breaker: "open",
      ...why,
      failures: 4,
      open_seconds: 0.1,
      msg: "backend a is left alone for 0.1 s after 4 failures (the last: upstream_status 503)",
    },
    tried,
    {
      level: "info",
      backend: "a",
      breaker: "closed",
      open_seconds: expect.any(Number),
      msg: expect.stringMatching(/^backend a is asked again after [\d.]+ s$/),
    },
  ]);
  expect(lines.at(-1)?.open_seconds).toBeGreaterThanOrEqual(0.15);
});

test("a backend that cannot be reached has a reason and no status, and a share of failures is told by their number", async () => {
  await using stage = await routed({
    refuses: true,
    backend: { breaker: { ...breaker, failures: 0, ratio: 0.5, minRequests: 2, openFor: 5 } },
  });
  expect([await ask(stage), await ask(stage), await ask(stage)]).toEqual([502, 502, 503]);
  await stage.tollgate.close();
  expect(said(stage)).toEqual([
    {
      level: "warn",
      backend: "a",
      breaker: "open",
      reason: "unreachable",
      failures: 2,
      open_seconds: 5,
      msg: "backend a is left alone for 5 s after 2 failures (the last: unreachable)",
    },
  ]);
});

test("a health check that turns a backend down, and up again, says each once", async () => {
  const healthCheck: HealthCheckSettings = { every: 0.005, timeout: 2, healthy: 2, unhealthy: 2 };
  let healthy = true;
  await using stage = await routed({
    otherwise: (turn) => (healthy ? good("a") : errorAnswer(500, "ill"))(turn),
    backend: { healthCheck },
  });
  const line = (level: string) => vi.waitFor(() => expect(said(stage).at(-1)).toMatchObject({ level }), soon);
  const checks = (count: number) =>
    vi.waitFor(() => expect(stage.place("a").received.length).toBeGreaterThan(count), soon);
  await checks(4);
  expect(said(stage)).toEqual([]);
  healthy = false;
  await line("warn");
  await checks(stage.place("a").received.length + 4);
  healthy = true;
  await line("info");
  await stage.tollgate.close();
  expect(said(stage)).toEqual([
    {
      level: "warn",
      backend: "a",
      up: false,
      reason: "upstream_status",
      status: 500,
      failures: 2,
      msg: "backend a is down by its health check: 2 failures (the last: upstream_status 500)",
    },
    {
      level: "info",
      backend: "a",
      up: true,
      down_seconds: expect.any(Number),
      msg: expect.stringMatching(/^backend a is up again after [\d.]+ s$/),
    },
  ]);
});

test("a reload that gives a backend another breaker ends what the old one held against it", async () => {
  const slow = { ...breaker, failures: 1, openFor: 60 };
  await using stage = await scene({
    config: { log },
    backend: { breaker: slow },
    fake: { otherwise: good("fake") },
    script: [errorAnswer(503, "no luck")],
  });
  const post = async () => (await stage.post("/chat/completions", chatRequest(model))).status;
  expect([await post(), await post()]).toEqual([503, 503]);
  stage.tollgate.gateway.reload(testConfig({ log, backends: [backendAt(stage.backend.origin, { breaker })] }));
  expect(await post()).toBe(200);
  await stage.tollgate.close();
  expect(said(stage).map(({ level, breaker: state }) => [level, state])).toEqual([
    ["warn", "open"],
    ["info", "closed"],
  ]);
});
