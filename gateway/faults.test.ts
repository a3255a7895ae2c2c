import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { redact } from "../instrumentation/index.ts";
import {
  type AnswerOptions,
  answer,
  dropAsTheNextArrives,
  errorAnswer,
  eventStream,
  hangUp,
  json,
  raw,
  silence,
} from "./testing/answers.ts";
import type { Field } from "./testing/http-wire.ts";
import { asked, events, holds, model, ok, plain, type Row, usage } from "./testing/one-request.ts";
import { chatCompletion, event } from "./testing/payloads.ts";
import { type SceneOptions, scene } from "./testing/scene.ts";
import type { Answer } from "./testing/turn.ts";

const whole = JSON.stringify(chatCompletion(model, usage));
const broken = { kind: "failed", reason: "broken_stream", status: 200 };

describe("a backend's error is passed on, and counted as whose fault it is", () => {
  const refused = (status: number) => ({ kind: "refused", reason: "upstream_rejected", status });
  const failed = (reason: string, status: number) => ({ kind: "failed", reason, status });
  const after: Field[] = [["Retry-After", "17"]];
  const row = (status: number, outcome: Row["outcome"] & {}, headers: readonly Field[] = []): Row => ({
    name: `${status}${headers.length > 0 ? " with Retry-After" : ""}`,
    script: [errorAnswer(status, "no luck", { headers })],
    status,
    body: JSON.stringify({ error: { message: "no luck", type: "server_error", param: null, code: null } }),
    outcome,
    fields: headers,
  });
  test.each<Row>([
    ...[400, 404, 409, 413, 415, 418, 422].map((status) => row(status, refused(status))),
    row(429, failed("upstream_limited", 429)),
    row(429, failed("upstream_limited", 429), after),
    row(408, failed("timeout", 408)),
    ...[500, 501, 502, 503, 504, 529].map((status) => row(status, failed("upstream_status", status))),
    row(503, failed("upstream_status", 503), after),
  ])("$name", async (one) => {
    const { exchange } = await holds(one);
    expect(exchange.outcome).toMatchObject({ message: "no luck" });
    expect(exchange.cost).toBeUndefined();
    expect(exchange.tokens).toBeUndefined();
  });

  test.each([401, 403])("%i under our key becomes our own error", async (status) => {
    const { got, exchange } = await holds({
      name: "",
      settings: { backend: { key: "sk-ours-1234567890", passClientKey: false } },
      script: [errorAnswer(status, "Incorrect API key provided: sk-ours-1234567890")],
      status: 502,
      outcome: { kind: "failed", reason: "upstream_auth", status: 502 },
    });
    expect(got.json()).toMatchObject({ error: { code: "backend_auth_failed" } });
    expect(got.text).not.toContain("sk-ours");
    expect(JSON.stringify(redact()(exchange))).not.toContain("sk-ours");
  });

  test("an error event in a 200 stream is a failure; its bytes pass", async () => {
    const bad = [...events.slice(0, 3), event({ error: { message: "overloaded", type: "server_error", code: null } })];
    const { exchange } = await holds({
      name: "",
      request: asked,
      script: [eventStream(bad)],
      body: bad.join(""),
      outcome: { kind: "failed", reason: "upstream_status", status: 200, message: "overloaded" } as Row["outcome"] & {},
    });
    expect(exchange.firstTokenSeconds).toBeDefined();
  });
});

describe("a backend that breaks off", () => {
  const own = (code: string) => ({ error: { code } });
  const dead = (
    name: string,
    script: Answer,
    status: number,
    code: string,
    reason: string,
    settings: SceneOptions = {},
  ) => ({
    code,
    row: { name, script: [script], status, settings, outcome: { kind: "failed", reason, status } },
  });
  const soon = (which: "firstByte" | "idle" | "total" | "connect"): SceneOptions => ({
    backend: { timeouts: { connect: 5, firstByte: 5, idle: 5, total: 0, [which]: 0.15 } },
  });

  test.each([
    dead("resets before its head", hangUp("reset"), 502, "backend_unreachable", "unreachable"),
    dead("closes before its head", hangUp("close"), 502, "backend_unreachable", "unreachable"),
    dead("sends half a head", raw("HTTP/1.1 200 OK\r\nContent-Le"), 502, "backend_unreachable", "unreachable"),
    dead("sends garbage", raw("\x16\x03\x01garbage\r\n\r\n"), 502, "backend_bad_answer", "broken_stream"),
    dead(
      "sends a huge head",
      raw(`HTTP/1.1 200 OK\r\nX: ${"y".repeat(300_000)}\r\n\r\n`),
      502,
      "backend_bad_answer",
      "broken_stream",
    ),
    dead("says nothing", silence, 504, "backend_timeout", "timeout", soon("firstByte")),
    dead("says nothing, and the total runs out", silence, 504, "backend_total_timeout", "timeout", soon("total")),
  ])("$row.name: the client is told in our words", async ({ row, code }) => {
    const { got } = await holds(row);
    expect(got.json()).toMatchObject(own(code));
    expect(got.header("content-type")).toBe("application/json");
  });

  test("refuses the connection: the client is told, and the next request finds it back", async () => {
    await using stage = await scene();
    await stage.backend.refuse();
    const refused = await stage.post("/chat/completions", plain);
    expect([refused.status, refused.json()]).toMatchObject([502, own("backend_unreachable")]);
    await stage.backend.listen();
    stage.backend.next(json(chatCompletion(model, usage)));
    expect((await stage.post("/chat/completions", plain)).status).toBe(200);
    const [first, second] = await stage.tollgate.settled(2);
    expect(first?.outcome).toMatchObject({ kind: "failed", reason: "unreachable", status: 502 });
    expect(second?.outcome).toEqual(ok);
  });

  const half = events.slice(0, 3);
  const cut = (name: string, options: Partial<AnswerOptions>, more: Partial<Row> = {}): Row => ({
    name,
    request: asked,
    script: [eventStream([...half, 30], options)],
    body: half.join(""),
    ended: "fin",
    outcome: broken,
    ...more,
  });
  const timedOut = { kind: "failed", reason: "timeout", status: 200 };
  test.each<Row>([
    cut("closes in mid-stream", { end: "unterminated" }),
    cut("resets in mid-stream", { end: "reset" }),
    cut("closes short of its length", { framing: 9_999, end: "unterminated" }),
    cut("ends in order, without an end mark", {}, { ended: "complete" }),
    cut("ends a close-delimited stream without an end mark", { framing: "close" }, { ended: "complete" }),
    cut("stalls in mid-stream", { end: "stall" }, { outcome: timedOut, settings: soon("idle") }),
    cut("is cut by the total timeout", { end: "stall" }, { outcome: timedOut, settings: soon("total") }),
    cut(
      "closes after its head",
      { end: "unterminated", body: [] },
      {
        script: [eventStream([30], { end: "unterminated" })],
        body: "",
      },
    ),
    cut("resets after its head", {}, { script: [eventStream([30], { end: "reset" })], body: "" }),
    cut(
      "garbles a chunk size",
      {},
      {
        script: [raw(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nXYZ\r\n`)],
        body: "abc",
      },
    ),
    cut(
      "cuts a JSON answer",
      {},
      {
        request: plain,
        script: [json(undefined, { body: [whole.slice(0, 40), 30], framing: whole.length, end: "unterminated" })],
        body: whole.slice(0, 40),
      },
    ),
  ])("$name: the client gets what came, and no clean end unless the backend gave one", async (row) => {
    const { exchange } = await holds(row);
    expect(exchange.usageSource).not.toBe("provider");
    for (const count of Object.values(exchange.tokens ?? {})) expect(count).not.toBe(0);
  });

  test("breaks off within an event, while the usage chunk is looked for: the client gets what came", async () => {
    const half = [...events.slice(0, 2), (events[2] ?? "").slice(0, 30)];
    await holds({
      name: "",
      request: { ...plain, stream: true },
      script: [eventStream([...half, 30], { end: "unterminated" })],
      body: half.join(""),
      ended: "fin",
      outcome: broken,
    });
  });

  test.each([
    ["is not compressed as it says", Buffer.from(events.join("")), "fin" as const],
    ["ends in the middle of its compression", gzipSync(events.join("")).subarray(0, -30), "fin" as const],
  ])("%s, where it has to be unpacked: that is the backend's fault, not the client's", async (_, bytes, ended) => {
    await using stage = await scene({
      script: [eventStream([bytes], { headers: [["Content-Encoding", "gzip"]] })],
    });
    const got = await stage.post("/chat/completions", { ...plain, stream: true });
    expect([got.status, got.ended]).toEqual([200, ended]);
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome).toMatchObject(broken);
    expect(exchange.attempts).toMatchObject([{ result: "failed", reason: "broken_stream" }]);
  });

  test.each([json(chatCompletion(model, usage)), answer({ body: ["a"] })])(
    "drops an idle connection just as the next request arrives: it is sent again on a fresh one",
    async (first) => {
      await using stage = await scene({ script: [first, dropAsTheNextArrives, json(chatCompletion(model, usage))] });
      await stage.post("/chat/completions", plain);
      const got = await stage.post("/chat/completions", plain);
      expect([got.status, got.text]).toEqual([200, whole]);
      expect(stage.backend.received.map(({ reused }) => reused)).toEqual([false, true, false]);
      const [, exchange] = await stage.tollgate.settled(2);
      expect(exchange?.outcome).toEqual(ok);
      expect(exchange?.attempts.map(({ result }) => result)).toEqual(["failed", "completed"]);
    },
  );
});
