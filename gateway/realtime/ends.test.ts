import { createHash } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { testLimits } from "../testing/harness.ts";
import { rawConnection, requestBytes } from "../testing/raw-client.ts";
import { handshake, model, realtimeScene } from "../testing/realtime-scene.ts";

const done = (input: number, output: number) =>
  JSON.stringify({ type: "response.done", response: { usage: { input_tokens: input, output_tokens: output } } });

/** The head of a 101 that a backend writes by hand; the bytes after it are the test's. */
const accepted = ({ headers }: IncomingMessage) =>
  [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Accept: ${createHash("sha1").update(`${headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")}`,
    "\r\n",
  ].join("\r\n");

const ways = {
  leave: (socket: Socket) => void socket.destroy(),
  reset: (socket: Socket) => void socket.resetAndDestroy(),
};

const completed = { kind: "completed", status: 101, finish: "closed" };

describe("a session that a client closes", () => {
  test.each([
    [1000, "bye"],
    [1001, ""],
    [4321, "a reason of the client's own ".repeat(4)],
  ])("in order (%i) is completed, and the backend is told the same", async (code, reason) => {
    await using stage = await realtimeScene();
    const here = await stage.connect();
    const there = await stage.there();
    here.socket.close(code, reason);
    expect(await there.closed).toEqual({ code, reason });
    expect(await here.closed).toEqual({ code, reason });
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome).toEqual(completed);
    expect(exchange.attempts).toMatchObject([{ backend: "fake", status: 101, result: "completed" }]);
    expect(exchange.attempts[0]?.reason).toBeUndefined();
  });

  test("without a code has none at the backend, either", async () => {
    await using stage = await realtimeScene();
    const here = await stage.connect();
    const there = await stage.there();
    here.socket.close();
    expect(await there.closed).toEqual({ code: 1005, reason: "" });
    expect((await stage.onlyExchange()).outcome).toEqual(completed);
  });

  test("has the backend's last words counted, which the client does not hear any more", async () => {
    const last = Buffer.from(done(3, 4));
    await using stage = await realtimeScene({
      upgrade: (req, socket) => {
        socket.write(accepted(req));
        // Answers the close with an event, and only then with a close.
        socket.once("data", () => {
          socket.write(Buffer.concat([Buffer.from([0x81, last.length]), last, Buffer.from([0x88, 2, 0x03, 0xe8])]));
        });
      },
    });
    const here = await stage.connect();
    here.socket.close(1000);
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome).toEqual(completed);
    expect(exchange).toMatchObject({ tokens: { input: 3, output: 4 }, bytes: { response: 0 } });
  });
});

describe.each(["leave", "reset"] as const)("a client that vanishes (%s)", (way) => {
  test("is abandoned, and the backend's session is closed", async () => {
    await using stage = await realtimeScene();
    const connection = await stage.rawSession();
    const there = await stage.there();
    ways[way](connection.socket);
    expect(await there.closed).toEqual({ code: 1001, reason: "" });
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome).toEqual({ kind: "abandoned", status: 499 });
    expect(exchange.attempts).toMatchObject([{ status: 101, result: "abandoned" }]);
    expect(stage.sockets.size).toBe(0);
  });

  test("while the backend thinks about the upgrade is abandoned, and the backend is let go", async () => {
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    await using stage = await realtimeScene({ upgrade: () => resolve() });
    const url = `${stage.tollgate.url}/realtime?model=${model}`;
    const connection = await rawConnection(url);
    await connection.send(requestBytes(url, { method: "GET", headers: handshake }));
    await asked;
    connection[way]();
    await stage.tollgate.settled(1);
    await expect.poll(() => stage.sockets.size).toBe(0);
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome).toEqual({ kind: "abandoned", status: 499 });
    expect(exchange.attempts.map(({ result, status }) => [result, status])).toEqual([["abandoned", undefined]]);
  });
});

describe("a client that leaves in the middle of a response", () => {
  const created = JSON.stringify({ type: "response.created", response: {} });

  test("leaves exact usage behind where the backend is drained", async () => {
    await using stage = await realtimeScene({ backend: { onClientAbort: "drain" } });
    const connection = await stage.rawSession();
    const there = await stage.there();
    there.socket.send(created);
    there.socket.send(done(1, 2));
    there.socket.send(created);
    await expect.poll(() => connection.bytes().length, { interval: 2 }).toBeGreaterThan(0);
    connection.socket.destroy();
    // By the time of a pong the gateway has seen the client go.
    there.socket.ping();
    await once(there.socket, "pong");
    there.socket.send(done(10, 20));
    expect(await there.closed).toEqual({ code: 1001, reason: "" });
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome).toEqual({ kind: "abandoned", status: 499 });
    expect(exchange).toMatchObject({ tokens: { input: 11, output: 22 }, usageSource: "provider" });
    expect(exchange.bytes.response).toBe(2 * created.length + done(1, 2).length);
  });

  test("and says good-bye has that told to the drained backend, too", async () => {
    await using stage = await realtimeScene({ backend: { onClientAbort: "drain" } });
    const here = await stage.connect();
    const there = await stage.there();
    there.socket.send(created);
    await here.got(1);
    here.socket.close(4321, "enough");
    await here.closed;
    there.socket.send(done(1, 2));
    expect(await there.closed).toEqual({ code: 4321, reason: "enough" });
    const exchange = await stage.onlyExchange();
    expect(exchange).toMatchObject({ outcome: { kind: "completed" }, tokens: { input: 1, output: 2 } });
  });

  test("has the backend closed at once where it is not", async () => {
    await using stage = await realtimeScene({ backend: { onClientAbort: "cancel" } });
    const connection = await stage.rawSession();
    const there = await stage.there();
    there.socket.send(created);
    await expect.poll(() => connection.bytes().length, { interval: 2 }).toBeGreaterThan(0);
    connection.socket.destroy();
    expect(await there.closed).toEqual({ code: 1001, reason: "" });
    expect((await stage.onlyExchange()).usageSource).toBe("missing");
  });

  test("has the drained backend closed after the time that draining may take", async () => {
    await using stage = await realtimeScene({
      backend: { onClientAbort: "drain" },
      config: { limits: testLimits({ drainSeconds: 0.1 }) },
    });
    const connection = await stage.rawSession();
    const there = await stage.there();
    there.socket.send(created);
    await expect.poll(() => connection.bytes().length, { interval: 2 }).toBeGreaterThan(0);
    connection.socket.destroy();
    expect(await there.closed).toEqual({ code: 1001, reason: "" });
  });

  test("has the drained backend closed after the bytes that draining may take", async () => {
    await using stage = await realtimeScene({
      backend: { onClientAbort: "drain" },
      config: { limits: testLimits({ drainSeconds: 100, drainBytes: 1000 }) },
    });
    const connection = await stage.rawSession();
    const there = await stage.there();
    there.socket.send(created);
    await expect.poll(() => connection.bytes().length, { interval: 2 }).toBeGreaterThan(0);
    connection.socket.destroy();
    const talking = setInterval(() => there.socket.send("x".repeat(200)), 5);
    expect(await there.closed).toEqual({ code: 1001, reason: "" });
    clearInterval(talking);
  });
});

describe("a session that a backend closes", () => {
  test.each([
    [1000, "done"],
    [1001, "session_expired"],
  ])("in order (%i) is completed, and the client is told the same", async (code, reason) => {
    await using stage = await realtimeScene();
    const here = await stage.connect();
    (await stage.there()).socket.close(code, reason);
    expect(await here.closed).toEqual({ code, reason });
    expect((await stage.onlyExchange()).outcome).toEqual(completed);
  });

  test.each([
    [4000, "invalid_request_error.invalid_model"],
    [3000, "ü".repeat(61)],
    [1008, ""],
    [1011, "server error"],
  ])("for a fault (%i) has failed, and the client is told the same", async (code, reason) => {
    await using stage = await realtimeScene();
    const here = await stage.connect();
    (await stage.there()).socket.close(code, reason);
    expect(await here.closed).toEqual({ code, reason });
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome).toMatchObject({
      kind: "failed",
      status: 101,
      reason: "upstream_status",
      message: reason || `The backend closed the session with ${code}.`,
    });
    expect(exchange.attempts).toMatchObject([{ result: "failed", reason: "upstream_status", status: 101 }]);
  });

  test("after a last message gives the client that message first", async () => {
    await using stage = await realtimeScene();
    const here = await stage.connect();
    const there = await stage.there();
    const last = "x".repeat(3_000_000);
    there.socket.send(last);
    there.socket.close(1000, "that was all");
    expect(await here.closed).toEqual({ code: 1000, reason: "that was all" });
    expect(here.texts).toEqual([last]);
  });
});

describe("a backend that vanishes", () => {
  test.each(["leave", "reset"] as const)("breaks the session off, which the client sees as 1011 (%s)", async (way) => {
    await using stage = await realtimeScene();
    const here = await stage.connect();
    const there = await stage.there();
    there.socket.send("said");
    await here.got(1);
    for (const socket of stage.sockets) ways[way](socket);
    expect(await here.closed).toEqual({ code: 1011, reason: "" });
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome).toMatchObject({ kind: "failed", reason: "broken_stream", status: 101 });
    expect(exchange.attempts).toMatchObject([{ result: "failed", reason: "broken_stream" }]);
    expect(exchange.bytes.response).toBe(4);
  });
});

describe("frames that are none", () => {
  test.each([
    ["not masked", Buffer.from([0x81, 0x01, 0x61]), 1002, "invalid"],
    ["of an unknown kind", Buffer.from([0x83, 0x80, 0, 0, 0, 0]), 1002, "invalid"],
    ["with reserved bits", Buffer.from([0xf1, 0x80, 0, 0, 0, 0]), 1002, "invalid"],
    ["of text that is no UTF-8", Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0xff]), 1007, "invalid"],
    ["with a false close code", Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xed]), 1002, "invalid"],
    ["larger than may be", Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0x7f, 0, 0, 0, 0, 0, 0, 0]), 1009, "too_large"],
    ["larger than can be", Buffer.from([0x82, 0xff, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 1009, "invalid"],
    ["that are HTTP", Buffer.from("GET / HTTP/1.1\r\n\r\n"), 1002, "invalid"],
  ])("from a client (%s) are refused, and the backend's session is closed", async (_, bytes, code, reason) => {
    await using stage = await realtimeScene();
    const connection = await stage.rawSession();
    const there = await stage.there();
    connection.socket.write(bytes);
    expect(await there.closed).toEqual({ code: 1001, reason: "" });
    await connection.ended;
    expect(connection.bytes()).toEqual(Buffer.from([0x88, 2, code >> 8, code & 255]));
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome).toMatchObject({ kind: "refused", reason, status: 101 });
    expect(exchange.attempts).toMatchObject([{ result: "refused" }]);
  });

  test.each([
    ["masked", Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x61])],
    ["of an unknown kind", Buffer.from([0x83, 0])],
    ["said to be compressed", Buffer.from([0xc1, 0x01, 0x61])],
    ["of text that is no UTF-8", Buffer.from([0x81, 0x01, 0xff])],
    ["that are HTTP", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")],
  ])("from a backend (%s) break the session off, which the client sees as 1011", async (_, bytes) => {
    await using stage = await realtimeScene({
      upgrade: (req, socket) => {
        socket.write(accepted(req));
        socket.write(Buffer.concat([Buffer.from([0x81, 0x02, 0x68, 0x69]), bytes]));
      },
    });
    const here = await stage.connect();
    expect(await here.closed).toEqual({ code: 1011, reason: "" });
    expect(here.texts).toEqual(["hi"]);
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome).toMatchObject({ kind: "failed", reason: "broken_stream", status: 101 });
    expect(exchange.attempts).toMatchObject([{ result: "failed", reason: "broken_stream", status: 101 }]);
  });
});

test("a backend that writes no frames and stays is cut off all the same", async () => {
  await using stage = await realtimeScene({
    upgrade: (req, socket) => {
      socket.removeAllListeners("end");
      socket.write(Buffer.concat([Buffer.from(accepted(req)), Buffer.from([0x83, 0])]));
    },
  });
  const here = await stage.connect();
  const from = performance.now();
  expect(await here.closed).toMatchObject({ code: 1011 });
  await stage.onlyExchange();
  expect(performance.now() - from).toBeLessThan(5_000);
});

describe.each(["client", "backend"] as const)("a session whose %s has stopped reading", (who) => {
  test("is over when that end vanishes, and the other learns of it", async () => {
    await using stage = await realtimeScene();
    const here = await stage.connect();
    const there = await stage.there();
    const [slow, fast] = who === "client" ? [here, there] : [there, here];
    slow.socket.pause();
    // More than kernel and gateway take.
    const pieces = 30;
    for (let i = 0; i < pieces; i++) fast.socket.send(Buffer.alloc(1_000_000));
    await expect.poll(() => fast.socket.bufferedAmount).toBeLessThan((pieces - 2) * 1_000_000);
    const from = performance.now();
    slow.socket.terminate();
    expect(await fast.closed).toMatchObject({ code: who === "client" ? 1001 : 1011 });
    const exchange = await stage.onlyExchange();
    expect(performance.now() - from).toBeLessThan(5_000);
    expect(exchange.outcome.kind).toBe(who === "client" ? "abandoned" : "failed");
  });
});

describe("a gateway that shuts down", () => {
  test("closes sessions with 1001 at both ends, and records them", async () => {
    await using stage = await realtimeScene({ config: { shutdownSeconds: 0.1 } });
    const here = await stage.connect();
    const there = await stage.there();
    there.socket.send(done(1, 2));
    await here.got(1);
    const from = performance.now();
    await stage.tollgate.close();
    expect(performance.now() - from).toBeLessThan(2_000);
    expect(await here.closed).toMatchObject({ code: 1001 });
    expect(await there.closed).toMatchObject({ code: 1001 });
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome).toMatchObject({ kind: "refused", reason: "shutting_down", status: 101 });
    expect(exchange.attempts).toMatchObject([{ result: "abandoned" }]);
    expect(exchange.tokens).toEqual({ input: 1, output: 2 });
  });

  test("waits for no end that does not answer", async () => {
    await using stage = await realtimeScene({ config: { shutdownSeconds: 0.1 } });
    await stage.rawSession();
    const there = await stage.there();
    there.socket.pause();
    const from = performance.now();
    await stage.tollgate.close();
    expect(performance.now() - from).toBeLessThan(3_000);
    expect((await stage.onlyExchange()).outcome).toMatchObject({ reason: "shutting_down" });
  });

  test("lets a session that ends within the grace period end in its own way", async () => {
    await using stage = await realtimeScene({ config: { shutdownSeconds: 10 } });
    const here = await stage.connect();
    await stage.there();
    const closing = stage.tollgate.close();
    here.socket.close(1000);
    await closing;
    expect((await stage.onlyExchange()).outcome).toEqual(completed);
  });

  test("answers an upgrade that waits for its backend with 503", async () => {
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    await using stage = await realtimeScene({ config: { shutdownSeconds: 0.1 }, upgrade: () => resolve() });
    const answer = stage.knock();
    await asked;
    await stage.tollgate.close();
    expect(await answer).toMatchObject({ status: 503 });
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome).toMatchObject({ kind: "refused", reason: "shutting_down", status: 503 });
    expect(exchange.attempts.map(({ result }) => result)).toEqual(["abandoned"]);
  });

  test("takes no new session", async () => {
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    await using stage = await realtimeScene({ config: { shutdownSeconds: 0.3 }, upgrade: () => resolve() });
    // A connection that is not idle, so that the draining gateway keeps it for a while.
    const url = `${stage.tollgate.url}/realtime?model=${model}`;
    const connection = await rawConnection(url);
    const bytes = requestBytes(url, { method: "GET", headers: handshake });
    await connection.send(bytes.subarray(0, 40));
    const waiting = stage.knock();
    await asked;
    const closing = stage.tollgate.close();
    await connection.send(bytes.subarray(40));
    const got = await connection.answer();
    expect([got.status, got.json()]).toMatchObject([503, { error: { code: "shutting_down" } }]);
    await Promise.all([waiting, closing]);
    expect(stage.asked).toHaveLength(1);
    expect(stage.tollgate.exchanges.map(({ outcome }) => outcome)).toMatchObject([
      { reason: "shutting_down", status: 503 },
      { reason: "shutting_down", status: 503 },
    ]);
  });
});

describe("a session's time", () => {
  const timeouts = { connect: 5, firstByte: 5, idle: 0, total: 0 };

  test("is limited as a whole where the operator wants it", async () => {
    await using stage = await realtimeScene({ backend: { timeouts: { ...timeouts, total: 0.2 } } });
    const here = await stage.connect();
    const there = await stage.there();
    expect(await here.closed).toMatchObject({ code: 1001 });
    expect(await there.closed).toMatchObject({ code: 1001 });
    expect((await stage.onlyExchange()).outcome).toMatchObject({ kind: "failed", reason: "timeout", status: 101 });
  });

  test("is not over for silence alone, while both ends answer", async () => {
    await using stage = await realtimeScene({ backend: { timeouts: { ...timeouts, idle: 0.1 } } });
    const here = await stage.connect();
    const there = await stage.there();
    let pings = 0;
    here.socket.on("ping", () => {
      pings += 1;
    });
    await expect.poll(() => pings, { timeout: 5_000 }).toBeGreaterThan(3);
    here.socket.send("still here");
    await there.got(1);
    here.socket.close(1000);
    expect((await stage.onlyExchange()).outcome).toEqual(completed);
  });

  test("is over when the client answers no more", async () => {
    await using stage = await realtimeScene({ backend: { timeouts: { ...timeouts, idle: 0.1 } } });
    await stage.rawSession();
    expect(await (await stage.there()).closed).toEqual({ code: 1001, reason: "" });
    expect((await stage.onlyExchange()).outcome).toEqual({ kind: "abandoned", status: 499 });
  });

  test("is over when the backend answers no more", async () => {
    await using stage = await realtimeScene({
      backend: { timeouts: { ...timeouts, idle: 0.1 } },
      upgrade: (req, socket) => {
        socket.write(accepted(req));
      },
    });
    const here = await stage.connect();
    expect(await here.closed).toEqual({ code: 1011, reason: "" });
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome).toMatchObject({ kind: "failed", reason: "timeout", status: 101 });
  });
});
