// What the program tells others of its traffic, and that the traffic does not notice when they are away, hang, or stop reading.
import { spawnSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { errorAnswer, eventStream, json } from "./testing/answers.ts";
import { type FakeBackend, fakeBackend } from "./testing/fake-backend.ts";
import type { Field } from "./testing/http-wire.ts";
import { type Listener, listener } from "./testing/listener.ts";
import { chatCompletion, chatEvents, chatRequest } from "./testing/payloads.ts";
import { type Gateway, gatewayProcess } from "./testing/program.ts";
import { openEvents } from "./testing/sse-client.ts";

const model = "gpt-4o-mini";
const events = chatEvents({ model, usage: { input: 11, output: 7 } });
const answered = json(chatCompletion(model, { input: 11, output: 7 }));

const chat = (gateway: Gateway, headers?: readonly Field[]) => gateway.chat(chatRequest(model), headers);

const config = (backend: FakeBackend) =>
  `demo: false\nbackends:\n  - { name: fake, provider: openai, baseUrl: "${backend.url}", models: ["*"], propagateTrace: true }\ntraces: { sampleRatio: 1 }\n`;

const telling = (collector: string, sentry: string) => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: `http://${collector}`,
  OTEL_BSP_SCHEDULE_DELAY: "50",
  SENTRY_DSN: `http://publickey@${sentry}/1`,
});

interface Span {
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
}

const spansIn = ({ posts }: Listener): Span[] =>
  posts.flatMap(({ body }) =>
    (JSON.parse(body) as { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] }).resourceSpans
      .flatMap(({ scopeSpans }) => scopeSpans)
      .flatMap(({ spans }) => spans),
  );

const [serverKind, clientKind] = [2, 3];

describe("with a collector and a Sentry that listen, and a bug that strikes", () => {
  /** A bug outside of every request, as often as it is asked for. */
  const bug = `
    let times = 0;
    process.on("SIGUSR2", () => {
      times += 1;
      if (times % 2 === 0) Promise.reject(new Error("nobody awaits this"));
      else setTimeout(() => { throw new TypeError("nobody catches this"); });
    });`;
  let [collector, sentry]: Listener[] = [];
  let backend: FakeBackend;
  let gateway: Gateway;
  beforeAll(async () => {
    [collector, sentry] = await Promise.all([listener(), listener()]);
    backend = await fakeBackend({ otherwise: answered });
    gateway = await gatewayProcess({
      config: config(backend),
      files: { "bug.mjs": bug },
      env: { ...telling(collector.host, sentry.host), NODE_OPTIONS: "--import ./bug.mjs" },
    });
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await Promise.all([collector?.close(), sentry?.close(), backend.close()]);
  });

  test("a SERVER span under the client's own and a CLIENT span under that arrive, and the backend is told of the latter", async () => {
    const [traceId, clientSpan] = ["4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"];
    const got = await chat(gateway, [["traceparent", `00-${traceId}-${clientSpan}-01`]]);
    expect(got.status).toBe(200);
    const spans = await vi.waitFor(
      () => {
        const found = collector === undefined ? [] : spansIn(collector).filter((span) => span.traceId === traceId);
        expect(found).toHaveLength(2);
        return found;
      },
      { timeout: 5_000 },
    );
    expect(collector?.posts.map(({ path }) => path)).toContain("/v1/traces");
    const [server, client] = [serverKind, clientKind].map((wanted) => spans.find(({ kind }) => kind === wanted));
    expect(server).toMatchObject({ name: "POST /v1/chat/completions", parentSpanId: clientSpan });
    expect(client).toMatchObject({ name: `chat ${model}`, parentSpanId: server?.spanId });
    expect(backend.received[0]?.header("traceparent")).toMatch(new RegExp(`^00-${traceId}-${client?.spanId}-0[13]$`));
    await gateway.line({ id: got.header("x-request-id"), trace_id: traceId, span_id: server?.spanId });
  });

  test("a failure is told to Sentry, with its trace, and nothing of what the client sent", async () => {
    backend.next(errorAnswer(500, "out of order"));
    const { status, header } = await chat(gateway, [["authorization", "Bearer sk-of-the-client"]]);
    expect(status).toBe(500);
    const line = await gateway.line({ id: header("x-request-id") });
    await vi.waitFor(() => expect(sentry?.posts).toHaveLength(1), { timeout: 5_000 });
    const { path, body } = sentry?.posts[0] ?? { path: "", body: "" };
    expect(path).toMatch(/^\/api\/1\/envelope\//);
    expect(body).toContain("upstream_status (fake): out of order");
    expect(body).toContain(String(line.trace_id));
    expect(body).not.toMatch(/sk-of-the-client|Say hello/);
  });

  test("what nobody catches is survived, counted and told of, and an open stream goes on", async () => {
    const { promise: later, resolve } = Promise.withResolvers<void>();
    backend.next(eventStream([...events.slice(0, 2), later, ...events.slice(2)]));
    const body = chatRequest(model, { stream: true, stream_options: { include_usage: true } });
    const stream = await openEvents(`${gateway.url}/chat/completions`, body);
    await stream.next();
    for (const times of [1, 2]) {
      gateway.signal("SIGUSR2");
      await vi.waitFor(async () =>
        expect(await gateway.metric("gateway_exporter_errors_total", { exporter: "gateway" })).toMatchObject([
          { value: times },
        ]),
      );
    }
    expect(await gateway.line({ stage: "gateway" })).toMatchObject({
      level: "error",
      msg: "gateway failed; the traffic goes on",
      err: { type: "TypeError", message: "nobody catches this" },
    });
    resolve();
    expect(await stream.rest()).toBe("complete");
    expect(stream.bytes.toString()).toBe(events.join(""));
  });

  test("what is not sent yet goes out before the end", async () => {
    const before = collector === undefined ? 0 : spansIn(collector).length;
    const { header } = await chat(gateway);
    gateway.signal("SIGTERM");
    const { code, millis } = await gateway.ended();
    expect(code).toBe(0);
    expect(millis).toBeLessThan(900);
    const { trace_id } = await gateway.line({ id: header("x-request-id") });
    const spans = collector === undefined ? [] : spansIn(collector).slice(before);
    expect(spans.filter(({ traceId }) => traceId === trace_id)).toHaveLength(2);
  });
});

const noPipe = spawnSync("sh", ["-c", "command -v mkfifo"]).status !== 0;
if (noPipe) console.warn("skipped: no `mkfifo` here to give the program a real pipe whose reader goes away or stops");

/** A real pipe, as a shell's `|` makes it; what Node gives a child is a socket. Nobody reads it but who holds `reader`. */
function pipe() {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-pipe-"));
  const path = join(folder, "pipe");
  spawnSync("sh", ["-c", 'mkfifo "$0"', path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY);
  rmSync(folder, { recursive: true });
  return { reader, writer };
}

describe.skipIf(noPipe)("whoever listens does not hold up the traffic", () => {
  const lost = async (gateway: Gateway, exporter: string) => {
    const samples = await gateway.metric("gateway_events_lost_total", { exporter });
    return samples.reduce((sum, { value }) => sum + value, 0);
  };

  test("when the collector, Sentry, and the reader of the log are gone: all requests are answered, all losses counted", async () => {
    const [collector, sentry] = await Promise.all([listener(), listener()]);
    await Promise.all([collector.close(), sentry.close()]);
    const backend = await fakeBackend({ otherwise: answered });
    const { reader, writer } = pipe();
    await using gateway = await gatewayProcess({
      config: config(backend),
      env: { ...telling(collector.host, sentry.host), OTEL_EXPORTER_OTLP_TIMEOUT: "300" },
      stdout: writer,
    });
    closeSync(writer);
    closeSync(reader);
    backend.next(errorAnswer(500, "out of order"));
    const statuses: number[] = [];
    for (let times = 0; times < 50; times += 1) statuses.push((await chat(gateway)).status);
    expect(statuses).toEqual([500, ...Array(49).fill(200)]);
    await vi.waitFor(
      async () => {
        expect(await lost(gateway, "spans")).toBe(100);
        expect(await lost(gateway, "sentry")).toBe(1);
        expect(await lost(gateway, "log")).toBeGreaterThanOrEqual(50);
      },
      { timeout: 10_000, interval: 50 },
    );
    for (const exporter of ["spans", "sentry", "log"])
      expect((await gateway.metric("gateway_exporter_errors_total", { exporter }))[0]?.value).toBeGreaterThan(0);
    gateway.signal("SIGTERM");
    const { code, millis } = await gateway.ended();
    expect(code).toBe(0);
    expect(millis).toBeLessThan(900);
    await backend.close();
  });

  test("when they all hang: requests are answered, memory is bounded, the end is in time", async () => {
    const [collector, sentry] = await Promise.all([listener({ hangs: true }), listener({ hangs: true })]);
    const backend = await fakeBackend({ otherwise: answered });
    const { reader, writer } = pipe();
    await using gateway = await gatewayProcess({
      config: config(backend),
      env: { ...telling(collector.host, sentry.host), OTEL_BSP_MAX_QUEUE_SIZE: "64" },
      stdout: writer,
    });
    closeSync(writer);
    backend.next(errorAnswer(500, "out of order"));
    const statuses: number[] = [];
    for (let times = 0; times < 200; times += 1) statuses.push((await chat(gateway)).status);
    expect(statuses).toEqual([500, ...Array(199).fill(200)]);
    const buffered = async (exporter: string) =>
      (await gateway.metric("gateway_events_buffered", { exporter }))[0]?.value;
    // A pipe takes 64 KB, which is some 60 lines; the others wait.
    expect(await buffered("log")).toBeGreaterThan(50);
    expect(await lost(gateway, "spans")).toBeGreaterThan(0);
    expect((await buffered("spans")) ?? Number.NaN).toBeLessThanOrEqual(128);
    await vi.waitFor(() => expect(sentry.posts).toHaveLength(1), { timeout: 5_000 });
    gateway.signal("SIGTERM");
    const { code, millis } = await gateway.ended();
    expect(code).toBe(0);
    // Three seconds for collector and Sentry side by side, two for the log, one to leave.
    expect(millis).toBeLessThan(6_500);
    closeSync(reader);
    await Promise.all([collector.close(), sentry.close(), backend.close()]);
  });
});
