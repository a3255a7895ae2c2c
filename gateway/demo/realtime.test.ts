// Realtime, as the official SDK's WebSocket sees it straight from the demo backend.
import { once } from "node:events";
import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import type { RealtimeServerEvent } from "openai/resources/realtime/realtime";
import { afterAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { ClearRoad } from "../testing/clear-road.ts";
import { demo } from "./demo.ts";

const backend = await demo({ pace: 0 });
afterAll(() => backend.close());
const openai = new OpenAI({ baseURL: `${backend.url}/v1`, apiKey: "any" });

/** A session, and everything that it was told. */
function connect(model: string) {
  const session = new OpenAIRealtimeWS({ model, options: { agent: new ClearRoad() } }, openai);
  const events: RealtimeServerEvent[] = [];
  session.on("event", (event) => events.push(event));
  session.on("error", () => {});
  const seen = (type: string) => expect.poll(() => events.map((event) => event.type)).toContain(type);
  return { session, events, seen };
}

test("a question is answered in text, piece by piece, with usage", async () => {
  const { session, events, seen } = connect("demo");
  await seen("session.created");
  session.send({
    type: "conversation.item.create",
    item: { type: "message", role: "user", content: [{ type: "input_text", text: "Tell me about space." }] },
  });
  session.send({ type: "response.create" });
  await seen("response.done");
  session.close();
  const types = events.map(({ type }) => type).filter((type, at, all) => all[at - 1] !== type);
  expect(types).toEqual([
    "session.created",
    "conversation.item.added",
    "conversation.item.done",
    "response.created",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.done",
  ]);
  const text = events.map((event) => (event.type === "response.output_text.delta" ? event.delta : "")).join("");
  const done = events.at(-1);
  if (done?.type !== "response.done") throw new Error("not done");
  const { usage, output, status } = done.response;
  expect({ status, output }).toMatchObject({ status: "completed", output: [{ content: [{ text }] }] });
  expect(usage?.total_tokens).toBe((usage?.input_tokens ?? 0) + (usage?.output_tokens ?? 0));
});

test("a tool is called", async () => {
  const { session, events, seen } = connect("demo-realtime");
  await seen("session.created");
  const parameters = { type: "object", properties: { city: { type: "string" } } };
  session.send({
    type: "session.update",
    session: { type: "realtime", tools: [{ type: "function", name: "get_weather", parameters }] },
  });
  session.send({
    type: "conversation.item.create",
    item: { type: "message", role: "user", content: [{ type: "input_text", text: "Weather?" }] },
  });
  session.send({ type: "response.create" });
  await seen("response.done");
  session.close();
  const call = events.find((event) => event.type === "response.function_call_arguments.done");
  expect(call).toMatchObject({ name: "get_weather", arguments: expect.stringContaining('"city"') });
});

test("what it cannot do it says, and a stalled answer can be cancelled", async () => {
  const { session, events, seen } = connect("demo-stall");
  await seen("session.created");
  session.send({ type: "response.create", response: { output_modalities: ["audio"] } });
  await seen("error");
  session.send({ type: "response.create" });
  await seen("response.output_text.delta");
  session.send({ type: "response.cancel" });
  await seen("response.done");
  session.close();
  expect(events.at(-1)).toMatchObject({ response: { status: "cancelled" } });
});

test.each([
  ["/v1/realtime?model=demo-error-503", 503],
  ["/v1/realtime?model=nothing", 404],
  ["/v1/realtime", 400],
  ["/v1/other", 404],
])("an upgrade of %s is answered with %i", async (path, status) => {
  const socket = new WebSocket(`${backend.url.replace("http", "ws")}${path}`);
  const [, answer] = await once(socket, "unexpected-response");
  expect(answer.statusCode).toBe(status);
  socket.on("error", () => {});
  socket.terminate();
});
