// The official OpenAI SDK, untouched but for its base URL, through the gateway: what it gets, and the one record of it.
import OpenAI, { toFile } from "openai";
import { zodFunction, zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import type { CompletionUsage } from "openai/resources/completions";
import type { ResponseUsage } from "openai/resources/responses/responses";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { z } from "zod";
import type { Exchange, Tokens } from "../instrumentation/index.ts";
import { demoBackend } from "./config/builtin.ts";
import { demo } from "./demo/demo.ts";
import { bytesOf, tones, wavHeader } from "./demo/wav.ts";
import { ClearRoad } from "./testing/clear-road.ts";
import { collected } from "./testing/collected.ts";
import { startTollgate } from "./testing/harness.ts";
import { expectSound } from "./testing/scene.ts";

const backend = await demo({ pace: 0 });
const tollgate = await startTollgate({ backends: [demoBackend(`${backend.url}/v1`)] });
const openai = new OpenAI({ baseURL: tollgate.url, apiKey: "any", maxRetries: 0 });

/** What the tests took of the records; every test takes all of its own. */
let taken = 0;

/** The records of the requests since the last call, once there are so many. */
async function records(count: number): Promise<readonly Exchange[]> {
  const from = taken;
  taken += count;
  const all = await tollgate.settled(taken);
  const made = all.slice(from);
  expect(made.map(({ endpoint, outcome }) => `${endpoint} ${outcome.kind}`)).toHaveLength(count);
  for (const exchange of made) {
    expectSound(exchange);
    expect(exchange.attempts.length).toBeLessThanOrEqual(1);
  }
  return made;
}

async function record(): Promise<Exchange> {
  const [exchange] = await records(1);
  if (exchange === undefined) throw new Error("no exchange was recorded");
  return exchange;
}

afterEach(() => expect(tollgate.exchanges.length).toBe(taken));
afterAll(async () => {
  await tollgate.close();
  await backend.close();
  expect(tollgate.exchanges.length).toBe(taken);
});

const done = (finish: string, status = 200) => ({ kind: "completed", status, finish });
const user = (content: string) => [{ role: "user" as const, content }];

/** The usage object that a chat client saw, in the record's words. */
const chatTokens = (usage: CompletionUsage | null | undefined): Tokens => {
  if (!usage) throw new Error("the client saw no usage");
  const { prompt_tokens_details: read, completion_tokens_details: made } = usage;
  return {
    input: usage.prompt_tokens,
    output: usage.completion_tokens,
    cachedInput: read?.cached_tokens ?? -1,
    audioInput: read?.audio_tokens ?? -1,
    reasoning: made?.reasoning_tokens ?? -1,
    audioOutput: made?.audio_tokens ?? -1,
  };
};
const responseTokens = (usage: ResponseUsage | undefined): Tokens => {
  if (!usage) throw new Error("the client saw no usage");
  return {
    input: usage.input_tokens,
    output: usage.output_tokens,
    cachedInput: usage.input_tokens_details.cached_tokens,
    cacheWrite: usage.input_tokens_details.cache_write_tokens,
    reasoning: usage.output_tokens_details.reasoning_tokens,
  };
};

/** Nano-USD per token of the demo's made-up prices: 0.15, 0.075 and 0.60 USD per million. */
const costOf = ({ input = 0, output = 0, cachedInput = 0 }: Tokens) => ({
  status: "custom",
  nanoUsd: (input - cachedInput) * 150 + cachedInput * 75 + output * 600,
  input: (input - cachedInput) * 150 + cachedInput * 75,
  output: output * 600,
  other: 0,
  price: "demo: demo*",
});

describe("chat", () => {
  test("an answer is recorded with the tokens that the client saw, and their cost", async () => {
    const answer = await openai.chat.completions.create({ model: "demo", messages: user("Hello") });
    const tokens = chatTokens(answer.usage);
    const exchange = await record();
    expect(exchange).toMatchObject({
      operation: "chat",
      serviceType: "llm_chat",
      endpoint: "/v1/chat/completions",
      model: { requested: "demo", served: "demo" },
      streamed: false,
      messageCount: 1,
      usageSource: "provider",
      outcome: done("stop"),
    });
    expect(exchange.tokens).toEqual(tokens);
    expect(exchange.cost).toEqual(costOf(tokens));
  });

  test("cached and reasoning tokens are recorded and priced apart", async () => {
    const messages = user("one two three four five six seven ".repeat(30));
    const usages: (CompletionUsage | undefined)[] = [];
    for (let times = 0; times < 2; times++) {
      usages.push((await openai.chat.completions.create({ model: "demo", messages })).usage);
    }
    const [first, second] = await records(2);
    expect([first?.tokens, second?.tokens]).toEqual(usages.map(chatTokens));
    expect(second?.tokens?.cachedInput).toBeGreaterThan(100);
    expect(second?.cost).toEqual(costOf(chatTokens(usages[1])));

    const reasoned = await openai.chat.completions.create({ model: "demo-reasoning", messages: user("Hello") });
    const exchange = await record();
    expect(exchange.tokens).toEqual(chatTokens(reasoned.usage));
    expect(exchange.tokens?.reasoning).toBeGreaterThan(0);
    expect(exchange.cost).toMatchObject({ status: "custom", price: "demo: demo-reasoning*" });
  });

  test("a stream that did not ask for usage has none, and its tokens are known all the same", async () => {
    const asked = { model: "demo", messages: user("Hello"), seed: 5 };
    const whole = await openai.chat.completions.create(asked);
    const chunks = await collected(await openai.chat.completions.create({ ...asked, stream: true }));
    const [, exchange] = await records(2);
    const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("");
    expect(text).toBe(whole.choices[0]?.message.content);
    expect(chunks.every(({ choices, usage }) => choices.length === 1 && !usage)).toBe(true);
    expect(exchange).toMatchObject({ streamed: true, usageSource: "provider", outcome: done("stop") });
    expect(exchange?.tokens).toEqual(chatTokens(whole.usage));
    expect(exchange?.cost).toEqual(costOf(chatTokens(whole.usage)));
    expect(exchange?.firstTokenSeconds).toBeGreaterThan(0);
  });

  test("a stream that asked for usage gets it", async () => {
    const asked = { model: "demo-reasoning", messages: user("Hello"), stream: true as const };
    const stream = await openai.chat.completions.create({ ...asked, stream_options: { include_usage: true } });
    const chunks = await collected(stream);
    const last = chunks.at(-1);
    expect(last?.choices).toEqual([]);
    expect((await record()).tokens).toEqual(chatTokens(last?.usage));
  });

  test("several answers are one record", async () => {
    const stream = openai.chat.completions.stream({ model: "demo", messages: user("Hello"), n: 3 });
    expect((await stream.finalChatCompletion()).choices).toHaveLength(3);
    expect((await record()).outcome).toEqual(done("stop"));
  });

  test("an answer that met its limit says so", async () => {
    await openai.chat.completions.create({ model: "demo", messages: user("Hello"), max_tokens: 3 });
    expect(await record()).toMatchObject({ outcome: done("length"), tokens: { output: 3 } });
  });
});

describe("tools", () => {
  const city = z.object({ city: z.string() });

  test("a call comes through, whole", async () => {
    const tools = [zodFunction({ name: "get_weather", parameters: city })];
    const answer = await openai.chat.completions.parse({ model: "demo", messages: user("Weather?"), tools });
    const [call] = answer.choices[0]?.message.tool_calls ?? [];
    expect(call).toMatchObject({ function: { parsed_arguments: { city: expect.any(String) } } });
    const exchange = await record();
    expect(exchange.outcome).toEqual(done("tool_calls"));
    expect(exchange.tokens).toEqual(chatTokens(answer.usage));
  });

  test("a call comes through, streamed", async () => {
    const tools = [zodFunction({ name: "get_weather", parameters: city })];
    const asked = { model: "demo", messages: user("Weather?"), tools, stream_options: { include_usage: true } };
    const answer = await openai.chat.completions.stream(asked).finalChatCompletion();
    const [call] = answer.choices[0]?.message.tool_calls ?? [];
    expect(call).toMatchObject({ function: { parsed_arguments: { city: expect.any(String) } } });
    const exchange = await record();
    expect(exchange).toMatchObject({ streamed: true, outcome: done("tool_calls") });
    expect(exchange.tokens).toEqual(chatTokens(answer.usage));
  });

  test("the SDK's runner calls the function and goes on, each step a record", async () => {
    const asked: string[] = [];
    const runner = openai.chat.completions.runTools({
      model: "demo",
      messages: user("What is the weather in Oslo?"),
      tools: [
        {
          type: "function",
          function: {
            name: "get_weather",
            description: "The weather in a city",
            parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
            parse: (input: string) => city.parse(JSON.parse(input)),
            function(given: z.infer<typeof city>) {
              asked.push(given.city);
              return "12 degrees";
            },
          },
        },
      ],
    });
    expect(await runner.finalContent()).toMatch(/\w/);
    expect(asked).toHaveLength(1);
    const [call, answer] = await records(2);
    expect([call?.outcome, answer?.outcome]).toEqual([done("tool_calls"), done("stop")]);
    expect([call?.messageCount, answer?.messageCount]).toEqual([1, 3]);
    const total = runner.allChatCompletions().map(({ usage }) => chatTokens(usage));
    expect([call?.tokens, answer?.tokens]).toEqual(total);
  });
});

describe("JSON", () => {
  test("JSON mode", async () => {
    const asked = { model: "demo", messages: user("In JSON."), response_format: { type: "json_object" as const } };
    const answer = await openai.chat.completions.create(asked);
    expect(JSON.parse(answer.choices[0]?.message.content ?? "")).toBeTypeOf("object");
    expect((await record()).tokens).toEqual(chatTokens(answer.usage));
  });

  test("structured output is parsed by the SDK", async () => {
    const plan = z.object({ title: z.string(), steps: z.array(z.object({ minutes: z.int().min(1).max(60) })) });
    const answer = await openai.chat.completions.parse({
      model: "demo",
      messages: user("Plan it."),
      response_format: zodResponseFormat(plan, "plan"),
    });
    expect(plan.safeParse(answer.choices[0]?.message.parsed).success).toBe(true);
    expect((await record()).tokens).toEqual(chatTokens(answer.usage));
  });
});

test("completions, whole and streamed", async () => {
  const asked = { model: "demo", prompt: "Once upon a time", seed: 1 };
  const whole = await openai.completions.create(asked);
  const chunks = await collected(await openai.completions.create({ ...asked, stream: true }));
  expect(chunks.map(({ choices }) => choices[0]?.text).join("")).toBe(whole.choices[0]?.text);
  for (const exchange of await records(2)) {
    expect(exchange).toMatchObject({ operation: "completion", outcome: done("length") });
    expect(exchange.tokens).toEqual(chatTokens(whole.usage));
    expect(exchange.cost).toEqual(costOf(chatTokens(whole.usage)));
  }
});

describe("responses", () => {
  test("one is made, read again with its input, and deleted; only its making has tokens", async () => {
    const made = await openai.responses.create({ model: "demo", input: "Hello" });
    const again = await openai.responses.retrieve(made.id);
    expect(again.output_text).toBe(made.output_text);
    expect(await collected(openai.responses.inputItems.list(made.id))).toHaveLength(1);
    await openai.responses.delete(made.id);
    await expect(openai.responses.retrieve(made.id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    const [creation, ...others] = await records(5);
    expect(creation).toMatchObject({ operation: "response", upstreamMode: "responses", outcome: done("completed") });
    expect(creation?.tokens).toEqual(responseTokens(made.usage));
    expect(creation?.cost).toEqual(costOf(responseTokens(made.usage)));
    expect(others.map(({ operation, endpoint, method }) => [operation, method, endpoint])).toEqual([
      ["stored_response", "GET", "/v1/responses/{id}"],
      ["stored_response", "GET", "/v1/responses/{id}/input_items"],
      ["stored_response", "DELETE", "/v1/responses/{id}"],
      ["stored_response", "GET", "/v1/responses/{id}"],
    ]);
    for (const { tokens, cost } of others) expect([tokens, cost]).toEqual([undefined, undefined]);
    expect(others.at(-1)?.outcome).toMatchObject({ kind: "refused", status: 404, reason: "upstream_rejected" });
  });

  test("one is streamed, with its reasoning", async () => {
    const asked = { model: "demo-reasoning", input: "Hello", reasoning: { summary: "auto" as const } };
    const final = await openai.responses.stream(asked).finalResponse();
    expect(final.output.map(({ type }) => type)).toEqual(["reasoning", "message"]);
    const exchange = await record();
    expect(exchange).toMatchObject({ operation: "response", streamed: true, outcome: done("completed") });
    expect(exchange.tokens).toEqual(responseTokens(final.usage));
    expect(exchange.tokens?.reasoning).toBeGreaterThan(0);
    expect(exchange.firstTokenSeconds).toBeGreaterThan(0);
  });

  test("one that is cut short is incomplete, streamed or not", async () => {
    const asked = { model: "demo-reasoning", input: "Hello", max_output_tokens: 16 };
    const whole = await openai.responses.create(asked);
    await collected(await openai.responses.create({ ...asked, stream: true }));
    for (const exchange of await records(2)) {
      expect(exchange.outcome).toEqual(done("incomplete"));
      expect(exchange.tokens).toEqual(responseTokens(whole.usage));
    }
  });

  test("a function is called, its result answered, and an MCP server noted", async () => {
    const name = "get_weather";
    const parameters = { type: "object", properties: { city: { type: "string" } } };
    const called = await openai.responses.create({
      model: "demo",
      input: "Weather?",
      tools: [
        { type: "function", name, parameters, strict: false },
        { type: "mcp", server_label: "maps", server_url: "https://mcp.example.com" },
      ],
    });
    const [call] = called.output;
    if (call?.type !== "function_call") throw new Error("no call");
    const output = { type: "function_call_output" as const, call_id: call.call_id, output: "12 degrees" };
    const answer = await openai.responses.create({ model: "demo", previous_response_id: called.id, input: [output] });
    expect(answer.output_text).toMatch(/\w/);
    const [first, second] = await records(2);
    expect(first).toMatchObject({ mcpServers: ["maps"], tokens: responseTokens(called.usage) });
    expect(second).toMatchObject({ mcpServers: [], tokens: responseTokens(answer.usage) });
  });

  test("structured output is parsed by the SDK", async () => {
    const format = zodTextFormat(z.object({ name: z.string() }), "place");
    const parsed = await openai.responses.parse({ model: "demo", input: "A place.", text: { format } });
    expect(parsed.output_parsed).toEqual({ name: expect.any(String) });
    expect((await record()).tokens).toEqual(responseTokens(parsed.usage));
  });

  test("one in the background is cancelled", async () => {
    const { id } = await openai.responses.create({ model: "demo-stall", input: "Hello", background: true });
    expect((await openai.responses.cancel(id)).status).toBe("cancelled");
    const [creation, cancelling] = await records(2);
    expect(creation).toMatchObject({ operation: "response", outcome: done("queued") });
    expect(cancelling).toMatchObject({ operation: "stored_response", endpoint: "/v1/responses/{id}/cancel" });
  });
});

test("embeddings", async () => {
  const made = await openai.embeddings.create({ model: "demo-embedding", input: ["one", "two words"], dimensions: 16 });
  expect(made.data.map(({ embedding }) => embedding.length)).toEqual([16, 16]);
  const exchange = await record();
  expect(exchange).toMatchObject({ operation: "embedding", serviceType: "embeddings", outcome: done("ok") });
  expect(exchange.tokens).toEqual({ input: made.usage.prompt_tokens });
  expect(exchange.cost).toMatchObject({ status: "custom", nanoUsd: 3 * 20, price: "demo: demo-embedding*" });
});

test("moderations are free", async () => {
  const { results } = await openai.moderations.create({ model: "demo-moderation", input: "I will attack the castle." });
  expect(results[0]?.flagged).toBe(true);
  expect(await record()).toMatchObject({
    operation: "moderation",
    outcome: done("ok"),
    cost: { status: "custom", nanoUsd: 0 },
  });
});

describe("images", () => {
  const picture = () => toFile(Buffer.from("not looked at"), "fox.png", { type: "image/png" });
  const size = "256x256" as const;
  const imageTokens = (usage: OpenAI.ImagesResponse["usage"]) => ({
    input: usage?.input_tokens,
    output: usage?.output_tokens,
    imageInput: usage?.input_tokens_details.image_tokens,
    imageOutput: usage?.output_tokens,
  });
  /** Four cents a picture. */
  const costOfImages = (count: number) => ({ status: "custom", nanoUsd: count * 40_000_000 });
  const bytes = ({ data = [] }: OpenAI.ImagesResponse) =>
    data.reduce((sum, { b64_json = "" }) => sum + Buffer.from(b64_json, "base64").length, 0);

  test("are generated, counted and priced by the picture", async () => {
    const made = await openai.images.generate({ model: "demo-image", prompt: "a fox", n: 2, size, quality: "low" });
    const exchange = await record();
    expect(exchange).toMatchObject({
      operation: "image",
      outcome: done("ok"),
      cost: costOfImages(2),
      media: { images: 2, imageBytes: bytes(made), imageSize: size, imageQuality: "low" },
    });
    expect(exchange.tokens).toEqual(imageTokens(made.usage));
  });

  test("are edited from uploads", async () => {
    const image = [await picture(), await picture()];
    const made = await openai.images.edit({ model: "demo-image", image, prompt: "a red fox", size });
    const exchange = await record();
    expect(exchange).toMatchObject({
      endpoint: "/v1/images/edits",
      model: { requested: "demo-image" },
      outcome: done("ok"),
      cost: costOfImages(1),
      media: { images: 1, imageBytes: bytes(made) },
    });
    expect(exchange.tokens).toEqual(imageTokens(made.usage));
  });

  test("are varied, and streamed", async () => {
    await openai.images.createVariation({ model: "demo-image", image: await picture(), size });
    const asked = { model: "demo-image", prompt: "a fox", size, stream: true as const, partial_images: 1 };
    const events = await collected(await openai.images.generate(asked));
    expect(events.map(({ type }) => type)).toEqual(["image_generation.partial_image", "image_generation.completed"]);
    const [variation, stream] = await records(2);
    expect(variation).toMatchObject({ endpoint: "/v1/images/variations", media: { images: 1 } });
    expect(stream).toMatchObject({ streamed: true, outcome: { kind: "completed" }, media: { images: 1 } });
    expect(stream?.cost).toMatchObject(costOfImages(1));
  });
});

describe("audio", () => {
  const sound = async (seconds: number) =>
    await toFile(Buffer.concat([wavHeader(bytesOf(seconds)), ...tones(seconds, [220])]), "a.wav");

  test("speech is counted in characters, bytes and voice", async () => {
    const input = "Hello there, friend.";
    const answer = await openai.audio.speech.create({ model: "demo-speech", voice: "alloy", input });
    const audioBytes = (await answer.arrayBuffer()).byteLength;
    expect(audioBytes).toBeGreaterThan(10_000);
    expect(await record()).toMatchObject({
      operation: "speech",
      serviceType: "text_to_speech",
      outcome: done("ok"),
      media: { characters: input.length, audioBytes, voice: "alloy" },
      cost: { status: "custom", nanoUsd: input.length * 15_000 },
    });
  });

  test("speech as events has its tokens", async () => {
    const asked = { model: "demo-speech", voice: "alloy", input: "Hello.", stream_format: "sse" as const };
    expect(await (await openai.audio.speech.create(asked)).text()).toContain("speech.audio.done");
    expect(await record()).toMatchObject({
      operation: "speech",
      streamed: true,
      outcome: { kind: "completed" },
      tokens: { input: 2 },
    });
  });

  test("a transcription is counted in seconds, whatever its format", async () => {
    const file = await sound(90);
    const json = await openai.audio.transcriptions.create({ model: "demo-transcription", file });
    expect(json.usage).toEqual({ type: "duration", seconds: 90 });
    await openai.audio.transcriptions.create({ model: "demo-transcription", file, response_format: "verbose_json" });
    for (const exchange of await records(2)) {
      expect(exchange).toMatchObject({
        operation: "transcription",
        serviceType: "speech_to_text",
        model: { requested: "demo-transcription" },
        outcome: done("ok"),
        media: { audioSeconds: 90 },
        cost: { status: "custom", nanoUsd: 9_000_000 },
      });
    }
  });

  test("a transcription is streamed, and a translation made", async () => {
    const asked = { model: "demo-transcription", file: await sound(3) };
    const events = await collected(await openai.audio.transcriptions.create({ ...asked, stream: true }));
    const last = events.at(-1);
    if (last?.type !== "transcript.text.done") throw new Error("not done");
    expect((await openai.audio.translations.create(asked)).text).toMatch(/\w/);
    const [stream, translation] = await records(2);
    expect(stream).toMatchObject({
      streamed: true,
      outcome: { kind: "completed" },
      tokens: { input: last.usage?.input_tokens, output: last.usage?.output_tokens },
    });
    expect(translation).toMatchObject({ operation: "translation", outcome: done("ok") });
  });
});

describe("what is kept at the provider", () => {
  test("files are created, listed, read and deleted, without usage or cost", async () => {
    const text = "Grüße\0\r\n".repeat(1_000);
    const file = await openai.files.create({ file: await toFile(Buffer.from(text), "a.txt"), purpose: "user_data" });
    expect(file.bytes).toBe(Buffer.byteLength(text));
    expect(await (await openai.files.content(file.id)).text()).toBe(text);
    expect((await openai.files.list()).data.map(({ id }) => id)).toContain(file.id);
    expect((await openai.files.retrieve(file.id)).filename).toBe("a.txt");
    expect((await openai.files.delete(file.id)).deleted).toBe(true);
    const made = await records(5);
    expect(made.map(({ method, endpoint }) => `${method} ${endpoint}`)).toEqual([
      "POST /v1/files",
      "GET /v1/files/{id}/content",
      "GET /v1/files",
      "GET /v1/files/{id}",
      "DELETE /v1/files/{id}",
    ]);
    for (const { operation, outcome, usageSource, cost } of made) {
      expect({ operation, outcome, usageSource, cost }).toEqual({ operation: "files", outcome: done("ok") });
    }
    expect(made[1]?.bytes.response).toBe(Buffer.byteLength(text));
  });

  test("uploads, batches, vector stores and fine-tuning jobs go through", async () => {
    const line = JSON.stringify({ custom_id: "a", body: { model: "demo", messages: user("Hi") } });
    const bytes = Buffer.byteLength(line);
    const about = { bytes, filename: "in.jsonl", mime_type: "text/jsonl", purpose: "batch" as const };
    const upload = await openai.uploads.create(about);
    const part = await openai.uploads.parts.create(upload.id, { data: await toFile(Buffer.from(line), "part") });
    const { file } = await openai.uploads.complete(upload.id, { part_ids: [part.id] });
    const input_file_id = file?.id ?? "";
    const endpoint = "/v1/chat/completions" as const;
    const batch = await openai.batches.create({ input_file_id, endpoint, completion_window: "24h" });
    expect((await openai.batches.retrieve(batch.id)).status).toBe("completed");
    const store = await openai.vectorStores.create({ file_ids: [input_file_id] });
    expect((await openai.vectorStores.search(store.id, { query: "demo" })).data).toHaveLength(1);
    const job = await openai.fineTuning.jobs.create({ model: "demo", training_file: input_file_id });
    expect((await openai.fineTuning.jobs.cancel(job.id)).status).toBe("cancelled");
    const made = await records(9);
    expect(made.map(({ operation, endpoint: path }) => `${operation} ${path}`)).toEqual([
      "uploads /v1/uploads",
      "uploads /v1/uploads/{id}/parts",
      "uploads /v1/uploads/{id}/complete",
      "batches /v1/batches",
      "batches /v1/batches/{id}",
      "vector_stores /v1/vector_stores",
      "vector_stores /v1/vector_stores/{id}/search",
      "fine_tuning /v1/fine_tuning/jobs",
      "fine_tuning /v1/fine_tuning/jobs/{id}/cancel",
    ]);
    for (const { outcome } of made) expect(outcome).toEqual(done("ok"));
  });

  test("models are listed and retrieved", async () => {
    expect((await collected(openai.models.list())).map(({ id }) => id)).toContain("demo-reasoning");
    expect((await openai.models.retrieve("demo")).id).toBe("demo");
    const made = await records(2);
    expect(made.map(({ endpoint }) => endpoint)).toEqual(["/v1/models", "/v1/models/{id}"]);
    for (const { operation, outcome } of made) expect([operation, outcome]).toEqual(["models", done("ok")]);
  });
});

describe("errors", () => {
  const ask = (model: string) => openai.chat.completions.create({ model, messages: user("Hello") });

  test.each([
    [400, "refused", "upstream_rejected", OpenAI.BadRequestError],
    [404, "refused", "upstream_rejected", OpenAI.NotFoundError],
    [408, "failed", "timeout", OpenAI.APIError],
    [429, "failed", "upstream_limited", OpenAI.RateLimitError],
    [500, "failed", "upstream_status", OpenAI.InternalServerError],
    [503, "failed", "upstream_status", OpenAI.InternalServerError],
  ])("a backend's %i is the SDK's own class, and %s: %s", async (status, outcome, reason, kind) => {
    const error = await ask(`demo-error-${status}`).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(kind);
    expect(error).toMatchObject({ status, message: expect.stringContaining("because it was asked to") });
    const exchange = await record();
    expect(exchange.outcome).toMatchObject({ kind: outcome, status, reason });
    expect(exchange.tokens).toBeUndefined();
    expect(exchange.cost).toBeUndefined();
    expect((error as InstanceType<typeof OpenAI.APIError>).requestID).toBe(exchange.id);
  });

  test.each([401, 403])("a backend's %i about our key is our failure, not the client's", async (status) => {
    const error = await ask(`demo-error-${status}`).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OpenAI.InternalServerError);
    expect((await record()).outcome).toMatchObject({ kind: "failed", reason: "upstream_auth" });
  });

  test("a key of the client's own that is wrong is the client's to know", async () => {
    const passing = { ...demoBackend(`${backend.url}/v1`), passClientKey: true };
    const other = await startTollgate({ backends: [passing] });
    const client = new OpenAI({ baseURL: other.url, apiKey: "any", maxRetries: 0 });
    const wrong = (status: number) =>
      client.chat.completions.create({ model: `demo-error-${status}`, messages: user("Hello") });
    await expect(wrong(401)).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
    await expect(wrong(403)).rejects.toBeInstanceOf(OpenAI.PermissionDeniedError);
    const outcomes = (await other.settled(2)).map(({ outcome }) => outcome);
    await other.close();
    expect(outcomes).toMatchObject([
      { kind: "refused", status: 401, reason: "auth" },
      { kind: "refused", status: 403, reason: "auth" },
    ]);
  });

  test("a model that no backend has is not found, and nobody was asked", async () => {
    await expect(ask("gpt-9")).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    const exchange = await record();
    expect(exchange.attempts).toEqual([]);
    expect(exchange.outcome).toMatchObject({ kind: "refused", status: 404, reason: "no_route" });
  });

  test("a wrong parameter is named", async () => {
    const wrong = openai.chat.completions.create({ model: "demo", messages: user("Hello"), temperature: 9 });
    await expect(wrong).rejects.toMatchObject({ status: 400, param: "temperature", code: "invalid_value" });
    expect((await record()).outcome).toMatchObject({ kind: "refused", reason: "upstream_rejected" });
  });

  test("a stream that breaks off is an error for the client, and failed", async () => {
    const stream = await openai.chat.completions.create({ model: "demo-cut", messages: user("Hi"), stream: true });
    await expect(collected(stream)).rejects.toThrow();
    expect((await record()).outcome).toMatchObject({ kind: "failed", status: 200, reason: "broken_stream" });
  });
});

describe("a client that leaves", () => {
  test("in the middle of a stream is abandoned, once", async () => {
    const stream = await openai.chat.completions.create({ model: "demo-stall", messages: user("Hi"), stream: true });
    let seen = 0;
    for await (const _ of stream) if (++seen === 3) break;
    const exchange = await record();
    expect(exchange).toMatchObject({ streamed: true, outcome: { kind: "abandoned", status: 499 } });
    expect(exchange.usageSource).toBe("estimated");
  });

  test("before the answer began is abandoned, too", async () => {
    const leaving = new AbortController();
    const asked = { model: "demo-stall", messages: user("Hi") };
    const answer = openai.chat.completions.create(asked, { signal: leaving.signal });
    const thrown = expect(answer).rejects.toBeInstanceOf(OpenAI.APIUserAbortError);
    await expect.poll(() => tollgate.gateway.open).toBe(1);
    leaving.abort();
    await thrown;
    expect((await record()).outcome).toEqual({ kind: "abandoned", status: 499 });
  });

  test("because it waits no longer is abandoned as well", async () => {
    const answer = openai.chat.completions.create({ model: "demo-stall", messages: user("Hi") }, { timeout: 300 });
    await expect(answer).rejects.toBeInstanceOf(OpenAI.APIConnectionTimeoutError);
    expect((await record()).outcome).toEqual({ kind: "abandoned", status: 499 });
  });
});

describe("the SDK's own retries", () => {
  const patient = new OpenAI({ baseURL: tollgate.url, apiKey: "any", maxRetries: 2 });

  test("are records of their own: refused at first, then answered", async () => {
    const answer = await patient.chat.completions.create({ model: "demo-flaky", messages: user("Hello") });
    const [first, second] = await records(2);
    expect(first?.outcome).toMatchObject({ kind: "failed", status: 429, reason: "upstream_limited" });
    expect(first?.tokens).toBeUndefined();
    expect(second?.outcome).toEqual(done("stop"));
    expect(second?.tokens).toEqual(chatTokens(answer.usage));
    // The backend's Retry-After of one second went through, and was heeded.
    expect((second?.openedAt ?? 0) - (first?.openedAt ?? 0)).toBeGreaterThan(990);
  });

  test("end, each on record, when nothing helps", async () => {
    const asked = { model: "demo-error-503", messages: user("Hello") };
    await expect(patient.chat.completions.create(asked)).rejects.toBeInstanceOf(OpenAI.InternalServerError);
    const statuses = (await records(3)).map(({ outcome }) => outcome.status);
    expect(statuses).toEqual([503, 503, 503]);
  });
});

test("a realtime session is one record with the tokens of all its answers", async () => {
  const session = new OpenAIRealtimeWS({ model: "demo", options: { agent: new ClearRoad() } }, openai);
  const usages: { input_tokens?: number; output_tokens?: number }[] = [];
  const greetings: unknown[] = [];
  const errors: string[] = [];
  session.on("session.created", (event) => greetings.push(event));
  session.on("response.done", ({ response }) => usages.push(response.usage ?? {}));
  session.on("error", ({ message }) => errors.push(message));
  await expect.poll(() => [errors, greetings.length]).toEqual([[], 1]);
  for (let turn = 1; turn <= 2; turn++) {
    session.send({
      type: "conversation.item.create",
      item: { type: "message", role: "user", content: [{ type: "input_text", text: "Tell me about space." }] },
    });
    session.send({ type: "response.create" });
    await expect.poll(() => [errors, usages.length]).toEqual([[], turn]);
  }
  session.close();
  const sum = (name: "input_tokens" | "output_tokens") =>
    usages.reduce((total, { [name]: count = 0 }) => total + count, 0);
  const exchange = await record();
  expect(exchange).toMatchObject({
    operation: "realtime",
    endpoint: "/v1/realtime",
    model: { requested: "demo", served: "demo" },
    usageSource: "provider",
    outcome: { kind: "completed" },
    tokens: { input: sum("input_tokens"), output: sum("output_tokens") },
    cost: { status: "custom" },
  });
  expect(exchange.firstTokenSeconds).toBeGreaterThan(0);
});
