import { createServer } from "node:net";
import { describe, expect, test, vi } from "vitest";
import { answer, eventStream, json, silence } from "./testing/answers.ts";
import { backendAt, startTollgate, testLimits } from "./testing/harness.ts";
import type { Field } from "./testing/http-wire.ts";
import { chatCompletion, chatEvents, chatRequest } from "./testing/payloads.ts";
import { type RawConnection, rawConnection, requestBytes } from "./testing/raw-client.ts";
import { expectSound, type Scene, type SceneOptions, scene } from "./testing/scene.ts";

const model = "gpt-4o-mini";
const usage = { input: 11, output: 7 };
const events = chatEvents({ model, usage });
const streamed = chatRequest(model, { stream: true });
const abandoned = { kind: "abandoned", status: 499 };

/** Opens a connection and sends a chat request on it. */
async function begin(stage: Scene, body: object = streamed): Promise<RawConnection> {
  const url = stage.at("/chat/completions");
  const connection = await rawConnection(url);
  await connection.send(
    requestBytes(url, { headers: [["Content-Type", "application/json"]], body: JSON.stringify(body) }),
  );
  return connection;
}

const ways = ["leave", "reset"] as const;
const cancelling: SceneOptions = { backend: { onClientAbort: "cancel" } };
const draining: SceneOptions = { backend: { onClientAbort: "drain" } };

describe.each(ways)("a client that goes away (%s)", (way) => {
  test("in the middle of a JSON body is abandoned, and no backend is asked", async () => {
    await using stage = await scene(cancelling);
    const url = stage.at("/chat/completions");
    const connection = await rawConnection(url);
    await connection.send(requestBytes(url, { headers: [["Content-Length", "99"]], body: '{"model":' }));
    connection[way]();
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome).toEqual(abandoned);
    expect([exchange.attempts, stage.backend.received]).toEqual([[], []]);
    expect(exchange.usageSource).toBeUndefined();
  });

  test.each([streamed, chatRequest(model)])(
    "while it waits for the first byte is abandoned, and the backend is let go",
    async (body) => {
      await using stage = await scene({ ...cancelling, script: [silence] });
      const connection = await begin(stage, body);
      const request = await stage.backend.request(0);
      await request.readBody();
      connection[way]();
      expect(await request.ended).toBe("left");
      const exchange = await stage.onlyExchange();
      expect(exchange.outcome).toEqual(abandoned);
      expect(exchange.attempts.map(({ result }) => result)).toEqual(["abandoned"]);
      expect(exchange.bytes.response).toBe(0);
      expect([exchange.model.requested, exchange.tokens?.output]).toEqual([model, undefined]);
    },
  );

  test("in mid-stream is abandoned, once, and the backend is let go", async () => {
    await using stage = await scene({ ...cancelling, script: [eventStream(events.slice(0, 3), { end: "stall" })] });
    const connection = await begin(stage);
    await connection.head();
    let got = 0;
    while (got < events.slice(0, 3).join("").length) got += (await connection.piece())?.length ?? 0;
    connection[way]();
    expect(await stage.backend.received[0]?.ended).toBe("left");
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome).toEqual(abandoned);
    expect(exchange.attempts).toMatchObject([{ result: "abandoned", status: 200 }]);
    expect(exchange.bytes.response).toBe(got);
    expect(exchange.usageSource).toBe("estimated");
    expect(exchange.tokens?.output).toBeGreaterThan(0);
  });

  test("from a backend that is drained leaves exact usage behind", async () => {
    const { promise: left, resolve } = Promise.withResolvers<void>();
    await using stage = await scene({
      ...draining,
      script: [eventStream([...events.slice(0, 2), left, 20, ...events.slice(2)])],
    });
    const connection = await begin(stage);
    await connection.head();
    await connection.piece();
    connection[way]();
    resolve();
    expect(await stage.backend.received[0]?.ended).toBe("answered");
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome).toEqual(abandoned);
    expect(exchange).toMatchObject({ tokens: usage, usageSource: "provider" });
  });

  test("before a drained backend's first byte leaves exact usage behind, too", async () => {
    const { promise: left, resolve } = Promise.withResolvers<void>();
    await using stage = await scene({ ...draining, script: [json(chatCompletion(model, usage), { delay: left })] });
    const connection = await begin(stage, chatRequest(model));
    await stage.backend.request(0);
    connection[way]();
    resolve();
    expect(await stage.backend.received[0]?.ended).toBe("answered");
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome).toEqual(abandoned);
    expect(exchange).toMatchObject({ tokens: usage, usageSource: "provider" });
  });
});

test("a long answer that begins after its client left is drained to its end, too", async () => {
  const { promise: left, resolve } = Promise.withResolvers<void>();
  const words = Array.from({ length: 200 }, () => "x".repeat(10_000));
  const long = chatEvents({ model, usage, words });
  await using stage = await scene({ ...draining, script: [eventStream(long, { delay: left })] });
  const connection = await begin(stage);
  await stage.backend.request(0);
  connection.leave();
  await vi.waitFor(() => expect(connection.socket.destroyed).toBe(true));
  resolve();
  expect(await stage.backend.received[0]?.ended).toBe("answered");
  expect(await stage.onlyExchange()).toMatchObject({ outcome: abandoned, tokens: usage, usageSource: "provider" });
});

test("a client that stopped reading and then leaves does not hold up the draining", async () => {
  const words = Array.from({ length: 400 }, () => "x".repeat(50_000));
  const long = chatEvents({ model, usage, words });
  const limits = testLimits({ drainBytes: 1e9, drainSeconds: 15 });
  await using stage = await scene({ ...draining, config: { limits }, script: [eventStream(long)] });
  const connection = await begin(stage);
  await connection.head();
  connection.socket.pause();
  const request = await stage.backend.request(0);
  let before = -1;
  await vi.waitFor(
    () => {
      const still = request.bytesSent === before && before > 0;
      before = request.bytesSent;
      if (!still) throw new Error("still moving");
    },
    { interval: 200, timeout: 10_000 },
  );
  connection.reset();
  expect(await request.ended).toBe("answered");
  expect(await stage.onlyExchange()).toMatchObject({ outcome: abandoned, tokens: usage, usageSource: "provider" });
});

test("a client that stopped reading and does not leave is taken to be gone, and the backend is let go", async () => {
  const words = Array.from({ length: 400 }, () => "x".repeat(50_000));
  const limits = testLimits({ stallSeconds: 0.2 });
  const script = [eventStream(chatEvents({ model, usage, words }))];
  await using stage = await scene({ ...cancelling, config: { limits }, script });
  const connection = await begin(stage);
  await connection.head();
  connection.socket.pause();
  const request = await stage.backend.request(0);
  expect(await request.ended).toBe("left");
  expect(await stage.onlyExchange()).toMatchObject({ outcome: abandoned });
  connection.leave();
});

test("a client that takes no answer at all is taken to be gone, though each was written whole", async () => {
  const whole = JSON.stringify({ pad: "x".repeat(60_000) });
  const limits = testLimits({ stallSeconds: 0.2 });
  const otherwise = answer({ body: whole, headers: [["Content-Type", "application/json"]] });
  await using stage = await scene({ ...cancelling, config: { limits }, fake: { otherwise } });
  const { socket } = await rawConnection(stage.at("/chat/completions"), 1);
  socket.pause();
  const { promise: gone, resolve } = Promise.withResolvers<void>();
  socket.on("error", () => resolve());
  const headers: Field[] = [["Content-Type", "application/json"]];
  const request = requestBytes(stage.at("/chat/completions"), { headers, body: JSON.stringify(streamed) });
  for (let time = 0; time < 200; time += 1) socket.write(request);
  // It learns of it as it writes on.
  const writing = setInterval(() => socket.write(request), 20);
  await gone;
  clearInterval(writing);
  const kinds = () => new Set(stage.tollgate.exchanges.map(({ outcome }) => outcome.kind));
  await expect
    .poll(() => [stage.tollgate.gateway.open, kinds().has("abandoned")], { timeout: 10_000 })
    .toEqual([0, true]);
  expect(kinds().has("failed")).toBe(false);
});

describe("draining has its bounds", () => {
  const limits = testLimits();
  test.each([
    ["seconds", { drainSeconds: 0.1 }, eventStream(events.slice(0, 2), { end: "stall" })],
    [
      "bytes",
      { drainBytes: 20_000 },
      eventStream(
        [
          ...events.slice(0, 2),
          ...Array.from({ length: 100 }, () => 5).flatMap((ms) => [ms, "data: x\n\n".repeat(200)]),
        ],
        { end: "stall" },
      ),
    ],
    ["nothing at all", { drainSeconds: 0 }, eventStream(events.slice(0, 2), { end: "stall" })],
  ])("in %s", async (_, more, script) => {
    await using stage = await scene({ ...draining, config: { limits: { ...limits, ...more } }, script: [script] });
    const connection = await begin(stage);
    await connection.head();
    await connection.piece();
    connection.leave();
    const request = await stage.backend.request(0);
    expect(await request.ended).toBe("left");
    expect(request.bytesSent).toBeLessThan(180_000);
    expect((await stage.onlyExchange()).outcome).toEqual(abandoned);
  });
});

test("a client that leaves while the backend's connection is being made is abandoned", async () => {
  // It takes the connection and never answers the TLS handshake.
  const { promise: connected, resolve } = Promise.withResolvers<void>();
  const mute = createServer((socket) => resolve(void socket.on("error", () => undefined).resume()));
  await new Promise<void>((listening) => mute.listen(0, "127.0.0.1", listening));
  const address = mute.address();
  const port = typeof address === "object" ? address?.port : 0;
  const tollgate = await startTollgate({ backends: [backendAt(`https://127.0.0.1:${port}`)] });
  try {
    const url = `${tollgate.url}/chat/completions`;
    const connection = await rawConnection(url);
    await connection.send(requestBytes(url, { body: JSON.stringify(streamed) }));
    await connected;
    connection.leave();
    const [exchange] = await tollgate.settled(1);
    expect(exchange?.outcome).toEqual(abandoned);
    if (exchange) expectSound(exchange);
  } finally {
    await tollgate.close();
    mute.close();
  }
});

test("a backend that takes no TLS handshake in time is a timeout, told in our words", async () => {
  const mute = createServer((socket) => socket.on("error", () => undefined).resume());
  await new Promise<void>((listening) => mute.listen(0, "127.0.0.1", listening));
  const address = mute.address();
  const port = typeof address === "object" ? address?.port : 0;
  const timeouts = { connect: 0.15, firstByte: 5, idle: 5, total: 0 };
  const tollgate = await startTollgate({ backends: [backendAt(`https://127.0.0.1:${port}`, { timeouts })] });
  try {
    const url = `${tollgate.url}/chat/completions`;
    const connection = await rawConnection(url);
    await connection.send(requestBytes(url, { body: JSON.stringify(streamed) }));
    const got = await connection.answer();
    expect([got.status, got.json()]).toMatchObject([504, { error: { code: "backend_connect_timeout" } }]);
    const [exchange] = await tollgate.settled(1);
    expect(exchange?.outcome).toMatchObject({ kind: "failed", reason: "timeout", status: 504 });
    expect(exchange?.phases.connect).toBeGreaterThan(0.14);
    connection.leave();
  } finally {
    await tollgate.close();
    mute.close();
  }
});

test("a client that leaves after the last byte has been served, not abandoned", async () => {
  await using stage = await scene({ script: [eventStream(events), answer({ body: "x" })] });
  const connection = await begin(stage);
  await connection.answer();
  connection.reset();
  expect((await stage.onlyExchange()).outcome).toEqual({ kind: "completed", status: 200, finish: "stop" });
});

test("one client that leaves does not disturb another on the same backend", async () => {
  const { promise: left, resolve } = Promise.withResolvers<void>();
  await using stage = await scene({
    script: [
      eventStream(events.slice(0, 3), { end: "stall" }),
      eventStream([...events.slice(0, 3), left, ...events.slice(3)]),
    ],
  });
  const leaving = await begin(stage);
  await leaving.head();
  const staying = await begin(stage, { ...streamed, stream_options: { include_usage: true } });
  await staying.head();
  leaving.leave();
  expect(await stage.backend.received[0]?.ended).toBe("left");
  resolve();
  const parts: Buffer[] = [];
  for (let piece = await staying.piece(); piece !== undefined; piece = await staying.piece()) parts.push(piece);
  expect(Buffer.concat(parts).toString()).toBe(events.join(""));
  const outcomes = (await stage.tollgate.settled(2)).map(({ outcome }) => outcome.kind);
  expect(outcomes.sort()).toEqual(["abandoned", "completed"]);
  staying.leave();
});
