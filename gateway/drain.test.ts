import { describe, expect, test, vi } from "vitest";
import { answer, eventStream, json, silence } from "./testing/answers.ts";
import { CutOff } from "./testing/byte-reader.ts";
import { backendAt, testConfig } from "./testing/harness.ts";
import { chatCompletion, chatEvents, chatRequest } from "./testing/payloads.ts";
import { type RawConnection, rawConnection, rawRequest, requestBytes } from "./testing/raw-client.ts";
import { expectSound, type Scene, scene } from "./testing/scene.ts";

const model = "gpt-4o-mini";
const events = chatEvents({ model, usage: { input: 11, output: 7 } });
const streamed = chatRequest(model, { stream: true, stream_options: { include_usage: true } });

/** Opens a connection and sends a chat request on it. */
async function begin(stage: Scene, body: object = streamed): Promise<RawConnection> {
  const url = stage.at("/chat/completions");
  const connection = await rawConnection(url);
  await connection.send(
    requestBytes(url, { headers: [["Content-Type", "application/json"]], body: JSON.stringify(body) }),
  );
  return connection;
}

const opsStatus = async (stage: Scene, path: string) =>
  (await rawRequest(stage.tollgate.opsUrl + path, { method: "GET" })).status;

describe("a gateway that shuts down", () => {
  test("is not ready, takes nothing new, and lets an open stream finish to its last byte", async () => {
    const { promise: later, resolve } = Promise.withResolvers<void>();
    await using stage = await scene({
      config: { shutdownSeconds: 10 },
      script: [json(chatCompletion(model)), eventStream([...events.slice(0, 2), later, ...events.slice(2)])],
    });
    const kept = await begin(stage, chatRequest(model));
    expect((await kept.answer()).status).toBe(200);
    const open = await begin(stage);
    await open.head();
    expect(await opsStatus(stage, "/ready")).toBe(200);

    let over = false;
    const shutdown = stage.tollgate.close().then(() => {
      over = true;
    });
    expect(await opsStatus(stage, "/ready")).toBe(503);
    expect(await opsStatus(stage, "/health")).toBe(200);
    // A connection that was idle is closed; a new one is refused.
    expect(await kept.closed()).toBe("fin");
    await expect(rawConnection(stage.tollgate.url)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    expect(over).toBe(false);
    expect(stage.backend.received).toHaveLength(2);

    resolve();
    const parts: Buffer[] = [];
    for (let piece = await open.piece(); piece !== undefined; piece = await open.piece()) parts.push(piece);
    expect(Buffer.concat(parts).toString()).toBe(events.join(""));
    await shutdown;
    expect(stage.tollgate.exchanges.map(({ outcome }) => outcome.kind)).toEqual(["completed", "completed"]);
    expect(stage.tollgate.exchanges[1]?.tokens).toMatchObject({ input: 11, output: 7 });
    open.leave();
  });

  test("tells a request that still comes on an open connection to come again", async () => {
    const { promise: later, resolve } = Promise.withResolvers<void>();
    await using stage = await scene({
      config: { shutdownSeconds: 10 },
      script: [json({ first: 1 }, { delay: later })],
    });
    const url = stage.at("/files");
    const connection = await rawConnection(url);
    const one = requestBytes(url, { method: "GET" });
    // Both are on their way; the second is read when the first is answered.
    await connection.send(one);
    await stage.backend.request(0);
    const shutdown = stage.tollgate.close();
    await connection.send(one);
    resolve();
    expect((await connection.answer()).json()).toEqual({ first: 1 });
    const second = await connection.answer().catch((error: unknown) => error);
    if (!(second instanceof CutOff)) expect(second).toMatchObject({ status: 503 });
    await shutdown;
    expect(stage.backend.received).toHaveLength(1);
    connection.leave();
  });

  test("is done at once when nothing is open, whatever connections idle", async () => {
    await using stage = await scene({ config: { shutdownSeconds: 10 }, script: [json(chatCompletion(model))] });
    const idle = await begin(stage, chatRequest(model));
    await idle.answer();
    const fresh = await rawConnection(stage.tollgate.url);
    const from = performance.now();
    await stage.tollgate.close();
    expect(performance.now() - from).toBeLessThan(1_000);
    expect([await idle.closed(), ["fin", "reset"].includes(await fresh.closed())]).toEqual(["fin", true]);
  });

  test("cuts off what is still open after the grace period, and records it before it is done", async () => {
    await using stage = await scene({
      config: { shutdownSeconds: 0.2 },
      script: [eventStream(events.slice(0, 3), { end: "stall" })],
    });
    const open = await begin(stage);
    await open.head();
    await open.piece();
    const from = performance.now();
    await stage.tollgate.close();
    expect(performance.now() - from).toBeGreaterThan(190);
    expect(performance.now() - from).toBeLessThan(2_000);
    const [exchange, ...others] = stage.tollgate.exchanges;
    expect(others).toEqual([]);
    expect(exchange?.outcome).toMatchObject({ kind: "refused", reason: "shutting_down", status: 200 });
    if (exchange) expectSound(exchange);
    expect(await stage.backend.received[0]?.ended).toBe("left");
    // The client can tell that this is not the end of the stream.
    await expect(async () => {
      while ((await open.piece()) !== undefined);
    }).rejects.toBeInstanceOf(CutOff);
  });

  test("tells a client that is still waiting for its first byte after the grace period to come again", async () => {
    await using stage = await scene({ config: { shutdownSeconds: 0.2 }, script: [silence] });
    const open = await begin(stage);
    await stage.backend.request(0);
    const [got] = await Promise.all([open.answer(), stage.tollgate.close()]);
    expect([got.status, got.header("retry-after"), got.json()]).toMatchObject([
      503,
      "1",
      { error: { code: "shutting_down" } },
    ]);
    expect(stage.tollgate.exchanges.map(({ outcome }) => outcome)).toMatchObject([
      { kind: "refused", reason: "shutting_down", status: 503 },
    ]);
  });

  test("waits for a backend that is drained after its client left", async () => {
    const { promise: later, resolve } = Promise.withResolvers<void>();
    await using stage = await scene({
      config: { shutdownSeconds: 10 },
      backend: { onClientAbort: "drain" },
      script: [eventStream([...events.slice(0, 2), later, ...events.slice(2)])],
    });
    const open = await begin(stage);
    await open.head();
    open.leave();
    const shutdown = stage.tollgate.close();
    await vi.waitFor(async () => expect(await opsStatus(stage, "/ready")).toBe(503));
    resolve();
    await shutdown;
    expect(stage.tollgate.exchanges).toMatchObject([
      { outcome: { kind: "abandoned" }, tokens: { input: 11, output: 7 } },
    ]);
  });

  test("aborted, it ends at once, and nothing stays open", async () => {
    await using stage = await scene({
      config: { shutdownSeconds: 10 },
      script: [eventStream(events.slice(0, 2), { end: "stall" }), silence],
    });
    const [first, second] = [await begin(stage), await begin(stage)];
    await first.head();
    await stage.backend.request(1);
    stage.tollgate.gateway.abort();
    await Promise.all([first.closed(), second.closed()]);
    expect(await Promise.all(stage.backend.received.map(({ ended }) => ended))).toEqual(["left", "left"]);
    await expect(rawConnection(stage.tollgate.opsUrl)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });
});

test("a reload drops no stream: what is open finishes with the backend that it began with", async () => {
  const { promise: later, resolve } = Promise.withResolvers<void>();
  await using stage = await scene({ script: [eventStream([...events.slice(0, 2), later, ...events.slice(2)])] });
  await using other = await scene({ fake: { otherwise: answer({ body: "other" }) } });
  const config = testConfig({ backends: [backendAt(other.backend.origin)] });
  const open = await begin(stage);
  await open.head();
  stage.tollgate.gateway.reload(config);
  expect((await stage.post("/chat/completions", chatRequest(model))).text).toBe("other");
  resolve();
  const parts: Buffer[] = [];
  for (let piece = await open.piece(); piece !== undefined; piece = await open.piece()) parts.push(piece);
  expect(Buffer.concat(parts).toString()).toBe(events.join(""));
  open.leave();
});
