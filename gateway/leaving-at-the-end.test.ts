import { describe, expect, test } from "vitest";
import { eventStream } from "./testing/answers.ts";
import { testConfig } from "./testing/harness.ts";
import { chatEvents, chatRequest } from "./testing/payloads.ts";
import { type RawConnection, rawConnection, requestBytes } from "./testing/raw-client.ts";
import { expectSound, type Scene, type SceneOptions, scene } from "./testing/scene.ts";

const model = "gpt-4o-mini";
const usage = { input: 11, output: 7 };
const events = chatEvents({ model, usage });
const streamed = chatRequest(model, { stream: true });
const cancelling: SceneOptions = { backend: { onClientAbort: "cancel" } };

/** A request whose answer's head has come. */
async function begin(stage: Scene): Promise<RawConnection> {
  const url = stage.at("/chat/completions");
  const connection = await rawConnection(url);
  const headers = [["Content-Type", "application/json"]] as const;
  await connection.send(requestBytes(url, { headers, body: JSON.stringify(streamed) }));
  await connection.head();
  return connection;
}

/** Reads the answer's body as far as these words. */
async function readTo(connection: RawConnection, words: string): Promise<void> {
  for (let got = ""; !got.includes(words); ) got += (await connection.piece())?.toString();
}

describe("a client that leaves once the stream has said that it is over", () => {
  const all = events.join("");

  async function leftAtDone(stage: Scene): Promise<void> {
    const connection = await begin(stage);
    await readTo(connection, "\ndata: [DONE]\n\n");
    connection.leave();
  }

  test("has it all: completed, and its backend may end the answer and serve on", async () => {
    const { promise: left, resolve } = Promise.withResolvers<void>();
    await using stage = await scene({ ...cancelling, script: [eventStream([all, left]), eventStream([all])] });
    await leftAtDone(stage);
    // What comes on another connection afterwards is read after the client's end.
    await (await fetch(`${stage.tollgate.opsUrl}/health`)).text();
    resolve();
    expect(await stage.backend.received[0]?.ended).toBe("answered");
    const exchange = await stage.tollgate.nextExchange();
    expectSound(exchange);
    expect(exchange.outcome).toEqual({ kind: "completed", status: 200, finish: "stop" });
    expect(exchange).toMatchObject({ tokens: usage, usageSource: "provider", attempts: [{ result: "completed" }] });
    await stage.post("/chat/completions", streamed);
    expect(stage.backend.connections).toBe(1);
  });

  test("may ask again at once where it may have one request open at a time", async () => {
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    const { rateLimits } = testConfig();
    await using stage = await scene({
      ...cancelling,
      config: { rateLimits: { ...rateLimits, default: { concurrent: 1 } } },
      script: [eventStream([all, asked]), eventStream([all])],
    });
    await leftAtDone(stage);
    expect((await stage.post("/chat/completions", streamed)).status).toBe(200);
    resolve();
  });

  test("has it all, too, where the backend never ends the answer: it is let go", async () => {
    await using stage = await scene({ ...cancelling, script: [eventStream([all], { end: "stall" })] });
    await leftAtDone(stage);
    expect(await stage.backend.received[0]?.ended).toBe("left");
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome).toEqual({ kind: "completed", status: 200, finish: "stop" });
    expect(exchange.attempts).toMatchObject([{ result: "completed", status: 200 }]);
  });

  test("is abandoned where only what was written says so", async () => {
    const spoken = chatEvents({ model, usage, words: ["data: [DONE]"] }).slice(0, -1);
    await using stage = await scene({ ...cancelling, script: [eventStream(spoken, { end: "stall" })] });
    const connection = await begin(stage);
    await readTo(connection, '"stop"');
    connection.leave();
    expect((await stage.onlyExchange()).outcome).toEqual({ kind: "abandoned", status: 499 });
  });
});
