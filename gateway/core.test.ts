import { setImmediate as turn } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { describe, expect, test, vi } from "vitest";
import { answer, answerBy, chunk, errorAnswer, eventStream, json, silence } from "./testing/answers.ts";
import { events, plain } from "./testing/one-request.ts";
import { type RawConnection, rawConnection, requestBytes } from "./testing/raw-client.ts";
import { type Scene, scene } from "./testing/scene.ts";

const get = { method: "GET" };

async function open(stage: Scene, bytes: Buffer | string): Promise<RawConnection> {
  const connection = await rawConnection(stage.tollgate.url, 64 * 1024);
  await connection.send(bytes);
  return connection;
}

/** What Node says of a process while `act` runs, e.g. of listeners that pile up. */
async function warningsDuring(act: () => Promise<void>): Promise<readonly string[]> {
  const warnings: string[] = [];
  const hear = (warning: Error) => void warnings.push(warning.message);
  process.on("warning", hear);
  try {
    await act();
  } finally {
    process.off("warning", hear);
  }
  return warnings;
}

describe("a stream that comes compressed although it has to be looked at", () => {
  test("reaches a client that takes its time, and no listener piles up", async () => {
    const word = (i: number) => events[1]?.replace("Hel", `${i}${"y".repeat(1_000_000)}`) ?? "";
    const text = Buffer.from(
      [events[0], ...Array.from({ length: 20 }, (_, i) => word(i)), ...events.slice(3)].join(""),
    );
    await using stage = await scene({
      script: [eventStream([gzipSync(text)], { headers: [["Content-Encoding", "gzip"]] })],
    });
    const warnings = await warningsDuring(async () => {
      const body = JSON.stringify({ ...plain, stream: true });
      const headers = [["Content-Type", "application/json"]] as const;
      const connection = await open(stage, requestBytes(stage.at("/chat/completions"), { headers, body }));
      await connection.head();
      await (await stage.backend.request(0)).ended;
      for (let i = 0; i < 300; i += 1) await turn();
      let length = 0;
      for (let piece = await connection.piece(); piece; piece = await connection.piece()) length += piece.length;
      expect(length).toBeGreaterThan(20_000_000);
      connection.leave();
    });
    expect(warnings).toEqual([]);
    expect((await stage.onlyExchange()).outcome.kind).toBe("completed");
  });

  test("in a way that nobody here can undo is passed on as it is, and says so", async () => {
    const packed = gzipSync(gzipSync(events.join("")));
    await using stage = await scene({
      script: [eventStream([packed], { headers: [["Content-Encoding", "gzip, gzip"]] })],
    });
    const got = await stage.post("/chat/completions", { ...plain, stream: true });
    expect([got.body.equals(packed), got.header("content-encoding")]).toEqual([true, "gzip, gzip"]);
  });
});

describe("what a backend never hears of", () => {
  test.each(["/%761/models", "/v%31/models", "/%76%31/files"])(
    "%s, which is not /v1 as it is written",
    async (target) => {
      await using stage = await scene();
      const got = await stage.ask("", { ...get, target });
      expect([got.status, got.json()]).toMatchObject([404, { error: { code: "unknown_url" } }]);
      expect(stage.backend.received).toEqual([]);
    },
  );

  test("TRACE, whose answer would have our key in it", async () => {
    const echo = answerBy(({ request }) => answer({ body: request.head.raw }));
    await using stage = await scene({ fake: { otherwise: echo } });
    const got = await stage.ask("/files", { method: "TRACE" });
    expect([got.status, got.text.includes("sk-backend-key")]).toEqual([405, false]);
    expect((await stage.onlyExchange()).outcome).toMatchObject({ kind: "refused", status: 405 });
  });

  test("a body in a transfer coding that would be lost on the way", async () => {
    await using stage = await scene();
    const packed = Buffer.concat([chunk(gzipSync("{}")), Buffer.from("0\r\n\r\n")]);
    const head = "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n";
    const connection = await open(stage, Buffer.concat([Buffer.from(head), packed]));
    expect(await connection.answer()).toMatchObject({ status: 400 });
    expect(stage.backend.received).toEqual([]);
  });

  test.each(["a b", "x@y", "localhost:99999", "\u00e9"])(
    "a Host that is none (%s); the client hears of it in our words",
    async (host) => {
      await using stage = await scene();
      const got = await stage.ask("", { ...get, target: "/v1/files", headers: [["Host", host]] });
      expect([got.status, got.json()]).toMatchObject([400, { error: { code: "malformed_http" } }]);
    },
  );
});

test("a client of HTTP/1.0 that expects 100 gets none", async () => {
  await using stage = await scene({ script: [json({})] });
  const head = "POST /v1/files HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}";
  const got = await (await open(stage, head)).answer();
  expect([got.status, got.informational]).toEqual([200, []]);
});

test("an upload that goes on for ever after its answer is read for a while, and then cut", async () => {
  await using stage = await scene({ fake: { otherwise: errorAnswer(400, "no", { early: true }) } });
  const connection = await open(
    stage,
    "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
  );
  const more = chunk(Buffer.alloc(64 * 1024, "x"));
  const sending = (async () => {
    for (let sent = 0; sent < 100_000_000; sent += more.length) await connection.send(more);
  })();
  const cut = expect(sending).rejects.toThrow();
  expect((await connection.answer()).status).toBe(400);
  await cut;
});

test("a retry is not made for a client that has left while its answer was looked at", async () => {
  const { promise: later, resolve } = Promise.withResolvers<void>();
  const refusal = errorAnswer(400, "Unrecognized request argument supplied: stream_options", { delay: later });
  await using stage = await scene({
    backend: { onClientAbort: "drain" },
    fake: { otherwise: json({}) },
    script: [refusal],
  });
  const body = JSON.stringify({ ...plain, stream: true });
  const headers = [["Content-Type", "application/json"]] as const;
  const connection = await open(stage, requestBytes(stage.at("/chat/completions"), { headers, body }));
  await stage.backend.request(0);
  connection.reset();
  await stage.ask("/files", get);
  resolve();
  const [, left] = await stage.tollgate.settled(2);
  expect(left?.outcome.kind).toBe("abandoned");
  expect(left?.attempts).toHaveLength(1);
  const phases = Object.values(left?.phases ?? {}).reduce((sum, seconds) => sum + seconds, 0);
  expect(phases).toBeCloseTo(left?.totalSeconds ?? -1, 9);
});

describe("at the end of the grace period", () => {
  const head = (path: string, type: string) =>
    `POST /v1${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: 100\r\n\r\n`;
  test.each([
    ["a JSON body that still arrives", `${head("/chat/completions", "application/json")}{`, 0],
    ["a form's head that still arrives", `${head("/audio/transcriptions", "multipart/form-data; boundary=b")}--b`, 0],
    ["a list of models that is waited for", "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n", 1],
  ])("%s is cut off, told so, and recorded", async (_, bytes, asked) => {
    await using stage = await scene({ config: { shutdownSeconds: 0.2 }, fake: { otherwise: silence } });
    const connection = await open(stage, bytes);
    await vi.waitFor(() => expect([stage.tollgate.gateway.open, stage.backend.received.length]).toEqual([1, asked]));
    const from = performance.now();
    const closing = stage.tollgate.close();
    expect(await connection.answer()).toMatchObject({ status: 503 });
    await closing;
    expect(performance.now() - from).toBeLessThan(1_000);
    const refused = { kind: "refused", reason: "shutting_down", status: 503 };
    expect(stage.tollgate.exchanges.map(({ outcome }) => outcome)).toMatchObject([refused]);
  });
});
