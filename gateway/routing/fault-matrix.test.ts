// Every fault of a backend under every policy: what the client sees, who was asked how often, and what is counted.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Exchange } from "../../instrumentation/index.ts";
import { selfSigned } from "../testing/certificate.ts";
import type { Fault } from "../testing/fault.ts";
import { faults } from "../testing/faults.ts";
import { goodBody, type Kind } from "../testing/good-backend.ts";
import { type MetricSample, sumsBy } from "../testing/metrics-text.ts";
import {
  cellsOf,
  clientsKey,
  expectedTries,
  modelless,
  nameOf,
  type Played,
  play,
  retries,
} from "../testing/policies.ts";
import type { RawAnswer } from "../testing/raw-client.ts";
import type { RoutedScene } from "../testing/routed-scene.ts";

const certificate = await selfSigned();

/** Those that wait for a timeout wait beside all the others. */
const early = new Map<Fault, Promise<Played>>();

beforeAll(() => {
  for (const fault of faults) {
    if (fault.timeouts === undefined) continue;
    const played = play(fault, certificate);
    played.catch(() => undefined);
    early.set(fault, played);
  }
});

describe.each(faults)("$name", (fault) => {
  const cells = cellsOf(fault);
  let stage: RoutedScene;
  let metrics: readonly MetricSample[];
  let played: Played;

  beforeAll(async () => {
    played = await (early.get(fault) ?? play(fault, certificate));
    ({ stage, metrics } = played);
  });

  beforeEach(({ skip }) => {
    if (fault.unreached === "tls" && certificate === undefined)
      skip("there is no openssl command to make a certificate with");
  });

  afterAll(() => stage?.[Symbol.asyncDispose]());

  test.each(cells.map((cell, index) => ({ cell, index, policy: cell.policy.name, kind: cell.kind })))(
    "$policy, $kind",
    async ({ cell, index }) => {
      const { alias, kind, policy } = cell;
      const got = played.answers[index] as RawAnswer;
      const exchange = await stage.exchangeOf(got);
      const asked = expectedTries(fault, policy);
      const [last = 0, works] = asked.at(-1) ?? [];
      if (works) expectGood(got, exchange, goodBody(nameOf(cell, last), kind));
      else expectFault(got, exchange, fault, kind);
      expect(got.header("x-tollgate-backend")).toBe(nameOf(cell, last));
      expectTries(
        exchange,
        fault,
        asked.map(([at, well]) => [nameOf(cell, at), well]),
      );
      expectRest(
        exchange,
        fault,
        asked.length > policy.parts.length || (policy.parts.length === 1 && asked.length > 1),
      );

      const counted = sumsBy(metrics, "gateway_requests_total", ["backend", "outcome"], { model: alias });
      expect(counted).toEqual({ [`${nameOf(cell, last)} ${exchange.outcome.kind}`]: 1 });
      for (const [at, part] of policy.parts.entries()) {
        const own = nameOf(cell, at);
        const tries = asked.filter(([target]) => target === at);
        expectCounted(
          metrics,
          own,
          fault,
          tries.filter(([, well]) => well).length,
          tries.filter(([, well]) => !well).length,
        );
        if (part === "works" || fault.unreached === undefined) {
          const passes = policy.passesKey === true && at < 2;
          expectReceived(stage, own, alias, tries.length, passes ? clientsKey : `Bearer sk-${own}`);
        } else expect(stage.place(own).received).toEqual([]);
      }
    },
  );

  test("a job that is cancelled: tried again only where the backend did nothing with it", async () => {
    const exchange = await stage.exchangeOf(played.cancelled);
    const times = fault.harmless && !((fault.asks ?? 0) > retries.maxBackoff * 1000) ? 2 : 1;
    expect(exchange.attempts).toHaveLength(times);
    if (fault.within || isStreamFault(fault)) return;
    expectFault(played.cancelled, exchange, fault, fault.only ?? "json");
    expectTries(
      exchange,
      fault,
      Array.from({ length: times }, () => [modelless, false]),
    );
    expectRest(exchange, fault, times > 1);
  });

  test("an upload: never tried again, for its bytes are gone", async () => {
    const exchange = await stage.exchangeOf(played.uploaded);
    expect(exchange.attempts).toHaveLength(1);
    expect(exchange.phases.backoff).toBe(0);
    if (fault.within || isStreamFault(fault)) return;
    expectFault(played.uploaded, exchange, fault, fault.only ?? "json");
  });

  test("every request is counted once, every try once", async () => {
    const { exchanges } = stage.tollgate;
    const sum = (metric: string) =>
      Object.values(sumsBy(metrics, metric, [])).reduce((total, value) => total + value, 0);
    expect(exchanges).toHaveLength(cells.length + 2);
    expect(sum("gateway_requests_total")).toBe(exchanges.length);
    expect(sum("gateway_attempts_total")).toBe(exchanges.reduce((total, { attempts }) => total + attempts.length, 0));
    // Each try is a span of its own, under the request's.
    const spans = stage.tollgate.spans.length;
    expect(spans).toBe(exchanges.reduce((total, { attempts }) => total + 1 + attempts.length, 0));
  });
});

/** Only who follows the events can see it, and nobody does for a job or a file. */
const isStreamFault = ({ only, reason, seen }: Fault) =>
  only === "stream" && (reason === "upstream_status" || seen("stream").ended === "complete");

function expectGood(got: RawAnswer, exchange: Exchange, body: string): void {
  expect([got.status, got.ended, got.text]).toEqual([200, "complete", body]);
  expect(exchange.outcome).toEqual({ kind: "completed", status: 200, finish: "stop" });
  expect(exchange).toMatchObject({
    tokens: { input: 11, output: 7 },
    usageSource: "provider",
    systemPromptApplied: true,
  });
  expect(exchange.bytes.response).toBe(got.body.length);
}

function expectFault(got: RawAnswer, exchange: Exchange, fault: Fault, kind: Kind): void {
  const { status, code, body, ended = "complete" } = fault.seen(kind);
  expect([got.status, got.ended]).toEqual([status, ended]);
  if (body !== undefined) expect(got.text).toBe(body);
  else expect(got.json()).toMatchObject({ error: { code } });
  expect(exchange.outcome).toMatchObject({ kind: fault.result ?? "failed", reason: fault.reason, status });
  expect(exchange.bytes.response).toBe(got.body.length);
}

function expectTries(exchange: Exchange, fault: Fault, asked: readonly (readonly [string, boolean])[]): void {
  expect(exchange.attempts.map(({ backend, result, reason }) => `${backend}: ${result} ${reason ?? "ok"}`)).toEqual(
    asked.map(
      ([backend, well]) => `${backend}: ${well ? "completed ok" : `${fault.result ?? "failed"} ${fault.reason}`}`,
    ),
  );
}

/** The wait between rounds is backoff and nothing else; no backend is asked again before the time that it asked for. */
function expectRest({ phases, attempts, totalSeconds }: Exchange, { asks = 0 }: Fault, rested: boolean): void {
  if (!rested) {
    expect(phases.backoff).toBe(0);
    // Who asks for more than is allowed is not waited for.
    if (asks > 0) expect(totalSeconds).toBeLessThan(asks / 1000);
    return;
  }
  expect(phases.backoff).toBeGreaterThanOrEqual(retries.backoff / 2 - 0.001);
  for (const [at, { backend, startedAfter }] of attempts.entries()) {
    const before = attempts.slice(0, at).findLast((one) => one.backend === backend);
    if (before === undefined) continue;
    expect(startedAfter - before.startedAfter - before.seconds).toBeGreaterThanOrEqual(asks / 1000 - 0.002);
  }
  const between = attempts.slice(1).map(({ startedAfter }, at) => {
    const { startedAfter: before = 0, seconds = 0 } = attempts[at] ?? {};
    return startedAfter - before - seconds;
  });
  expect(between.reduce((sum, seconds) => sum + seconds, 0)).toBeGreaterThanOrEqual(phases.backoff - 0.001);
}

function expectCounted(metrics: readonly MetricSample[], backend: string, fault: Fault, well: number, badly: number) {
  const failed = `${fault.result ?? "failed"} ${fault.reason}`;
  expect(sumsBy(metrics, "gateway_attempts_total", ["result", "reason"], { backend })).toEqual({
    ...(well > 0 && { "completed ok": well }),
    ...(badly > 0 && { [failed]: badly }),
  });
}

function expectReceived(stage: RoutedScene, own: string, alias: string, times: number, authorization: string): void {
  const { received } = stage.place(own);
  expect(received).toHaveLength(times);
  for (const request of received) {
    expect(request.header("authorization")).toBe(authorization);
    expect(request.json()).toMatchObject({
      model: `served-by-${own}`,
      messages: [{ role: "system", content: `You are ${alias}.` }, { role: "user" }],
    });
  }
}
