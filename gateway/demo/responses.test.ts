// Responses, as the official SDK sees them straight from the demo backend.
import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { afterAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { collected } from "../testing/collected.ts";
import { demo } from "./demo.ts";

const backend = await demo({ pace: 0 });
afterAll(() => backend.close());
const openai = new OpenAI({ baseURL: `${backend.url}/v1`, apiKey: "any", maxRetries: 0 });

const weather = {
  type: "function" as const,
  name: "get_weather",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  strict: false,
};

test("a response is a message with its usage", async () => {
  const made = await openai.responses.create({ model: "demo", input: "Tell me about space.", metadata: { a: "b" } });
  expect(made).toMatchObject({ object: "response", status: "completed", error: null, metadata: { a: "b" } });
  expect(made.output_text.length).toBeGreaterThan(20);
  const { input_tokens = 0, output_tokens = 0, total_tokens } = made.usage ?? {};
  expect(input_tokens).toBeGreaterThan(5);
  expect(total_tokens).toBe(input_tokens + output_tokens);
});

describe("a stream", () => {
  test("has every event in its order, numbered, with the same text in deltas, done and end", async () => {
    const stream = await openai.responses.create({ model: "demo", input: "Hello", stream: true });
    const events = await collected(stream);
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, at) => at));
    const types = events.map(({ type }) => type).filter((type, at, all) => all[at - 1] !== type);
    expect(types).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.completed",
    ]);
    const text = events.map((event) => (event.type === "response.output_text.delta" ? event.delta : "")).join("");
    const last = events.at(-1);
    if (last?.type !== "response.completed") throw new Error("not completed");
    expect(last.response.output).toMatchObject([{ content: [{ text }] }]);
    expect(events[0]).toMatchObject({ response: { status: "in_progress", output: [], usage: null } });
  });

  test("shows a summary of its reasoning where that is wanted", async () => {
    const asked = { model: "demo-reasoning", input: "Hello" };
    const final = async (extra: object) => await openai.responses.stream({ ...asked, ...extra }).finalResponse();
    const shown = await final({ reasoning: { summary: "auto" } });
    expect(shown.output.map(({ type }) => type)).toEqual(["reasoning", "message"]);
    expect(shown.output[0]).toMatchObject({ summary: [{ text: expect.stringMatching(/\w/) }] });
    const hidden = await final({});
    expect(hidden.output[0]).toMatchObject({ type: "reasoning", summary: [] });
    expect(hidden.usage?.output_tokens_details.reasoning_tokens).toBeGreaterThan(0);
  });

  test("calls a function", async () => {
    const final = await openai.responses
      .stream({ model: "demo", input: [{ role: "user", content: "Weather?" }], tools: [weather] })
      .finalResponse();
    expect(final.output).toMatchObject([
      { type: "function_call", name: "get_weather", call_id: expect.stringMatching(/^call_/), status: "completed" },
    ]);
    const [call] = final.output;
    expect(JSON.parse(call?.type === "function_call" ? call.arguments : "")).toHaveProperty("city");
  });
});

test("a function's result is answered with text", async () => {
  const called = await openai.responses.create({ model: "demo", input: "Weather?", tools: [weather] });
  const [call] = called.output;
  if (call?.type !== "function_call") throw new Error("no call");
  const answer = await openai.responses.create({
    model: "demo",
    previous_response_id: called.id,
    input: [{ type: "function_call_output", call_id: call.call_id, output: "12 degrees" }],
    tools: [weather],
  });
  expect(answer.output_text).toMatch(/\w/);
  expect(answer.usage?.input_tokens).toBeGreaterThan(called.usage?.input_tokens ?? 0);
});

test("a structured answer fits its schema", async () => {
  const place = z.object({ name: z.string(), visitors: z.int().min(10).max(20) });
  const format = zodTextFormat(place, "place");
  const parsed = await openai.responses.parse({ model: "demo", input: "A place.", text: { format } });
  expect(place.safeParse(parsed.output_parsed).success).toBe(true);
});

test("an answer that is too long is incomplete", async () => {
  const asked = { model: "demo-reasoning", input: "Hi", max_output_tokens: 16 };
  const made = await openai.responses.create(asked);
  expect(made).toMatchObject({ status: "incomplete", incomplete_details: { reason: "max_output_tokens" } });
  expect(made.usage?.output_tokens).toBe(16);
  const events = await collected(await openai.responses.create({ ...asked, stream: true }));
  expect(events.at(-1)?.type).toBe("response.incomplete");
});

describe("a stored response", () => {
  test("is read again with its input, and deleted", async () => {
    const made = await openai.responses.create({ model: "demo", input: "Remember this." });
    expect((await openai.responses.retrieve(made.id)).output_text).toBe(made.output_text);
    const items = await collected(openai.responses.inputItems.list(made.id));
    expect(items).toMatchObject([
      { type: "message", role: "user", content: [{ type: "input_text", text: "Remember this." }] },
    ]);
    await openai.responses.delete(made.id);
    await expect(openai.responses.retrieve(made.id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });

  test("is not stored where the client says so", async () => {
    const made = await openai.responses.create({ model: "demo", input: "Forget this.", store: false });
    await expect(openai.responses.retrieve(made.id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });

  test("goes on only from one that is there", async () => {
    const asked = { model: "demo", input: "Hi", previous_response_id: "resp_none" };
    await expect(openai.responses.create(asked)).rejects.toMatchObject({
      status: 400,
      code: "previous_response_not_found",
    });
  });
});

describe("a background response", () => {
  test("is queued, then completed", async () => {
    const queued = await openai.responses.create({ model: "demo", input: "Hi", background: true });
    expect(queued).toMatchObject({ status: "queued", output: [] });
    await expect.poll(async () => (await openai.responses.retrieve(queued.id)).status).toBe("completed");
  });

  test("can be cancelled while it is made, and no other can", async () => {
    const queued = await openai.responses.create({ model: "demo-stall", input: "Hi", background: true });
    expect((await openai.responses.cancel(queued.id)).status).toBe("cancelled");
    const usual = await openai.responses.create({ model: "demo", input: "Hi" });
    await expect(openai.responses.cancel(usual.id)).rejects.toBeInstanceOf(OpenAI.BadRequestError);
  });
});

test("input tokens are counted as they will be charged", async () => {
  const asked = { model: "demo", input: "How many are these?" };
  const counted = await openai.responses.inputTokens.count(asked);
  expect(counted.input_tokens).toBe((await openai.responses.create(asked)).usage?.input_tokens);
});

test.each([
  [{ input: undefined }, "input"],
  [{ input: 5 }, "input"],
  [{ input: ["Hi"] }, "input[0]"],
  [{ max_output_tokens: 1 }, "max_output_tokens"],
  [{ tools: [{ type: "function" }] }, "tools[0].name"],
  [{ text: { format: { type: "json_schema" } } }, "text.format.name"],
])("a wrong request is refused by name: %j", async (wrong, param) => {
  const body = { model: "demo", input: "Hi", ...wrong } as OpenAI.Responses.ResponseCreateParamsNonStreaming;
  await expect(openai.responses.create(body)).rejects.toMatchObject({ status: 400, param });
});
