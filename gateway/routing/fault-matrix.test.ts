// Every fault of a backend under every policy: what the client sees, who was asked how often, and what is counted.
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Exchange } from "../../instrumentation/index.ts";
import { selfSigned } from "../testing/certificate.ts";
import { type Fault, faults, good, goodBody, type Kind } from "../testing/faults.ts";
import { type MetricSample, sumsBy } from "../testing/metrics-text.ts";
import { chatRequest } from "../testing/payloads.ts";
import { type RawAnswer, rawRequest } from "../testing/raw-client.ts";
import { type Place, type RoutedScene, type RouteInWords, routedScene } from "../testing/routed-scene.ts";

const certificate = await selfSigned();
const retries = { max: 2, backoff: 0.02, maxBackoff: 1 };
const clientsKey = "Bearer sk-the-clients-own";

/** A backend's part: it fails always, once, or never; or it would, but must not be asked. */
type Part = "fails" | "fails once" | "works";

interface Policy {
  readonly name: string;
  readonly parts: readonly Part[];
  readonly retries: number;
  /** The first two targets take the client's own key. */
  readonly passesKey?: true;
}

const policies: readonly Policy[] = [
  { name: "alone", parts: ["fails"], retries: 0 },
  { name: "retried in vain", parts: ["fails"], retries: 2 },
  { name: "retried", parts: ["fails once"], retries: 2 },
  { name: "fallback", parts: ["fails", "works"], retries: 0 },
  { name: "fallback in vain, retried in vain", parts: ["fails", "fails"], retries: 1 },
  { name: "fallback in vain, retried", parts: ["fails", "fails once"], retries: 1 },
  { name: "client's own key", parts: ["fails", "works", "works"], retries: 0, passesKey: true },
];

interface Cell {
  readonly policy: Policy;
  readonly kind: Kind;
  /** What clients call the model. */
  readonly alias: string;
}

const name = ({ alias }: Cell, index: number) => `${alias}-${"abc"[index]}`;
const letters = (text: string) => text.replace(/[^a-z]+/g, "-");

const cellsOf = ({ only, unreached, name: fault }: Fault): Cell[] =>
  policies
    // Who cannot be reached at all does not come back by itself; that has its own test. The client's key may be refused.
    .filter(
      ({ parts, passesKey }) =>
        !(unreached && parts.includes("fails once")) && !(passesKey && fault === "our key refused"),
    )
    .flatMap((policy) =>
      (["json", "stream"] as const)
        .filter((kind) => only === undefined || only === kind)
        .map((kind) => ({ policy, kind, alias: `${letters(policy.name)}-${kind}` })),
    );

/** The tries as they must be, by index of the target; `true` for one that works. */
function expected({ again, asks = 0 }: Fault, { parts, retries: rounds, passesKey }: Policy): [number, boolean][] {
  const asked: [number, boolean][] = [];
  for (let round = 0; round <= rounds; round += 1) {
    for (const [index, part] of parts.entries()) {
      // The other one that takes clients' keys.
      if (passesKey && index === 1) continue;
      const works = part === "works" || (part === "fails once" && round > 0);
      asked.push([index, works]);
      if (works || again === "nowhere") return asked;
    }
    if (again === "elsewhere" || asks > retries.maxBackoff * 1000) return asked;
  }
  return asked;
}

function placeOf(fault: Fault, kind: Kind, part: Part, own: string): Place {
  if (part === "works") return { otherwise: good(own) };
  if (fault.unreached === "refused") return { refuses: true };
  if (fault.unreached === "tls") return certificate === undefined ? { refuses: true } : { tls: certificate };
  const answer = fault.answer?.(kind);
  if (answer === undefined) throw new Error(`${fault.name} has no answer`);
  return part === "fails" ? { otherwise: answer } : { script: [answer], otherwise: good(own) };
}

function routeOf(cell: Cell, { timeouts = {} }: Fault): RouteInWords {
  const { policy, alias } = cell;
  return {
    model: alias,
    retries: { ...retries, max: policy.retries },
    systemPrompt: { mode: "prepend", text: `You are ${alias}.` },
    targets: policy.parts.map((part, index) => ({
      backend: name(cell, index),
      model: `served-by-${name(cell, index)}`,
      timeouts: part === "works" ? {} : timeouts,
    })),
  };
}

/** The backend of what names no model: a job to be cancelled, a file that is uploaded. */
const modelless = "modelless";

describe.each(faults)("$name", (fault) => {
  const cells = cellsOf(fault);
  let stage: RoutedScene;
  let answers: readonly RawAnswer[];
  let cancelled: RawAnswer;
  let uploaded: RawAnswer;
  let metrics: readonly MetricSample[];

  beforeAll(async () => {
    const { timeouts } = fault;
    const usual = { connect: 5, firstByte: 10, idle: 10, total: 0 };
    const places: Record<string, Place> = {};
    for (const cell of cells) {
      for (const [index, part] of cell.policy.parts.entries()) {
        const own = name(cell, index);
        const passes = cell.policy.passesKey && index < 2;
        places[own] = {
          ...placeOf(fault, cell.kind, part, own),
          ...(passes && { backend: { passClientKey: true, key: "" } }),
        };
      }
    }
    const kind = fault.only ?? "json";
    places[modelless] = {
      ...placeOf(fault, kind, "fails", modelless),
      ...(timeouts && { backend: { timeouts: { ...usual, ...timeouts } } }),
    };
    stage = await routedScene({
      places,
      routes: cells.map((cell) => routeOf(cell, fault)),
      config: { defaultBackend: modelless, retries: { ...retries, max: 1 } },
    });
    const chat = ({ alias, kind }: Cell) =>
      stage.post("/chat/completions", chatRequest(alias, { stream: kind === "stream" }), [
        ["Authorization", clientsKey],
      ]);
    const post = (path: string, body: string) => rawRequest(stage.tollgate.url + path, { body });
    [answers, cancelled, uploaded] = await Promise.all([
      Promise.all(cells.map(chat)),
      post("/batches/batch_1/cancel", ""),
      post("/files", "some bytes"),
    ]);
    const { exchanges } = stage.tollgate;
    await vi.waitFor(() => expect(exchanges).toHaveLength(cells.length + 2), { timeout: 20_000, interval: 5 });
    metrics = await stage.metrics();
  });

  afterAll(() => stage[Symbol.asyncDispose]());

  test.each(cells.map((cell, index) => ({ cell, index, policy: cell.policy.name, kind: cell.kind })))(
    "$policy, $kind",
    async ({ cell, index }) => {
      const { alias, kind, policy } = cell;
      const got = answers[index] as RawAnswer;
      const exchange = await stage.exchangeOf(got);
      const asked = expected(fault, policy);
      const [last = 0, works] = asked.at(-1) ?? [];
      if (works) expectGood(got, exchange, goodBody(name(cell, last), kind));
      else expectFault(got, exchange, fault, kind);
      expect(got.header("x-tollgate-backend")).toBe(name(cell, last));
      expectTries(
        exchange,
        fault,
        asked.map(([at, well]) => [name(cell, at), well]),
      );
      expectRest(
        exchange,
        fault,
        asked.length > policy.parts.length || (policy.parts.length === 1 && asked.length > 1),
      );

      const counted = sumsBy(metrics, "gateway_requests_total", ["backend", "outcome"], { model: alias });
      expect(counted).toEqual({ [`${name(cell, last)} ${exchange.outcome.kind}`]: 1 });
      for (const [at, part] of policy.parts.entries()) {
        const own = name(cell, at);
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
    const exchange = await stage.exchangeOf(cancelled);
    const times = fault.harmless && !((fault.asks ?? 0) > retries.maxBackoff * 1000) ? 2 : 1;
    expect(exchange.attempts).toHaveLength(times);
    if (fault.within || isStreamFault(fault)) return;
    expectFault(cancelled, exchange, fault, fault.only ?? "json");
    expectTries(
      exchange,
      fault,
      Array.from({ length: times }, () => [modelless, false]),
    );
    expectRest(exchange, fault, times > 1);
  });

  test("an upload: never tried again, for its bytes are gone", async () => {
    const exchange = await stage.exchangeOf(uploaded);
    expect(exchange.attempts).toHaveLength(1);
    expect(exchange.phases.backoff).toBe(0);
    if (fault.within || isStreamFault(fault)) return;
    expectFault(uploaded, exchange, fault, fault.only ?? "json");
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

/** The wait between rounds is backoff and nothing else; what the backend asked for is waited in full. */
function expectRest({ phases, attempts, totalSeconds }: Exchange, { asks = 0 }: Fault, rested: boolean): void {
  if (!rested) {
    expect(phases.backoff).toBe(0);
    // Who asks for more than is allowed is not waited for.
    if (asks > 0) expect(totalSeconds).toBeLessThan(asks / 1000);
    return;
  }
  expect(phases.backoff).toBeGreaterThanOrEqual(Math.max(retries.backoff / 2, asks / 1000) - 0.001);
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
