// Chat and completions, as the official SDK sees them straight from the demo backend.
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { afterAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { collected } from "../testing/collected.ts";
import { demo } from "./demo.ts";

const backend = await demo({ pace: 0 });
afterAll(() => backend.close());
const openai = new OpenAI({ baseURL: `${backend.url}/v1`, apiKey: "any", maxRetries: 0 });

const ask = (content: string) => [{ role: "user" as const, content }];
const weather = {
  type: "function" as const,
  function: {
    name: "get_weather",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

describe("an answer", () => {
  test("is text with the usage that it took", async () => {
    const answer = await openai.chat.completions.create({ model: "demo", messages: ask("Tell me about the weather.") });
    const [choice] = answer.choices;
    expect(choice?.message).toMatchObject({ role: "assistant", refusal: null });
    expect(choice?.message.content?.length).toBeGreaterThan(20);
    expect(choice?.finish_reason).toBe("stop");
    const { prompt_tokens, completion_tokens, total_tokens } = answer.usage ?? {};
    expect(prompt_tokens).toBe(13);
    expect(completion_tokens).toBeGreaterThan(5);
    expect(total_tokens).toBe(13 + (completion_tokens ?? 0));
    expect(answer.usage?.completion_tokens_details?.reasoning_tokens).toBe(0);
  });

  test("repeats with a seed, and varies without one", async () => {
    const seeded = () => openai.chat.completions.create({ model: "demo", messages: ask("Hello"), seed: 7 });
    const [one, two] = [await seeded(), await seeded()];
    expect(one.choices[0]?.message.content).toBe(two.choices[0]?.message.content);
    const many = await Promise.all(
      Array.from({ length: 8 }, () => openai.chat.completions.create({ model: "demo", messages: ask("Hello") })),
    );
    expect(new Set(many.map(({ choices }) => choices[0]?.message.content)).size).toBeGreaterThan(1);
  });

  test("repeats nothing of the prompt's own words", async () => {
    const messages = ask("My secret is Xylophonquartz, what about the weather?");
    const answer = await openai.chat.completions.create({ model: "demo", messages });
    expect(JSON.stringify(answer)).not.toMatch(/xylophon/i);
  });

  test("can be several", async () => {
    const answer = await openai.chat.completions.create({ model: "demo", messages: ask("Hello"), n: 3 });
    expect(answer.choices.map(({ index }) => index)).toEqual([0, 1, 2]);
  });

  test("ends at its limit, with that reason", async () => {
    const answer = await openai.chat.completions.create({ model: "demo", messages: ask("Hello"), max_tokens: 5 });
    expect(answer.choices[0]?.finish_reason).toBe("length");
    expect(answer.usage?.completion_tokens).toBe(5);
  });

  test("ends before a stop sequence", async () => {
    const asked = { model: "demo", messages: ask("Hello"), seed: 3 };
    const whole = (await openai.chat.completions.create(asked)).choices[0]?.message.content ?? "";
    const word = whole.split(" ")[4] ?? "";
    const cut = await openai.chat.completions.create({ ...asked, stop: [word] });
    expect(cut.choices[0]).toMatchObject({
      finish_reason: "stop",
      message: { content: whole.slice(0, whole.indexOf(word)) },
    });
  });

  test("has cached tokens when a long prompt comes again", async () => {
    const messages = ask("one two three four five six seven eight nine ten ".repeat(20));
    const usage = async () => (await openai.chat.completions.create({ model: "demo", messages })).usage;
    expect((await usage())?.prompt_tokens_details?.cached_tokens).toBe(0);
    const again = await usage();
    expect(again?.prompt_tokens_details?.cached_tokens).toBeGreaterThan(100);
    expect(again?.prompt_tokens_details?.cached_tokens).toBeLessThan(again?.prompt_tokens ?? 0);
  });
});

describe("a stream", () => {
  const chunksOf = async (extra: object = {}) => {
    const asked = { model: "demo", messages: ask("Hello"), seed: 1, stream: true as const, ...extra };
    return collected(await openai.chat.completions.create(asked));
  };

  test("gives the role, the same text piece by piece, and the reason of its end", async () => {
    const whole = await openai.chat.completions.create({ model: "demo", messages: ask("Hello"), seed: 1 });
    const chunks = await chunksOf();
    const deltas = chunks.map(({ choices }) => choices[0]?.delta);
    expect(deltas[0]).toEqual({ role: "assistant", content: "", refusal: null });
    expect(deltas.map((delta) => delta?.content ?? "").join("")).toBe(whole.choices[0]?.message.content);
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe("stop");
    expect(chunks.every((chunk) => !("usage" in chunk))).toBe(true);
  });

  test("ends with its usage where that is asked for, and null before", async () => {
    const chunks = await chunksOf({ stream_options: { include_usage: true } });
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: chunks.length - 3 } });
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
  });

  test("carries several answers side by side", async () => {
    const asked = { model: "demo", messages: ask("Hello"), n: 2 };
    const { choices } = await openai.chat.completions.stream(asked).finalChatCompletion();
    expect(choices.map(({ message }) => (message.content ?? "").length > 10)).toEqual([true, true]);
  });
});

describe("reasoning", () => {
  test("comes before the content and is counted", async () => {
    const stream = await openai.chat.completions.create({
      model: "demo-reasoning",
      messages: ask("How do I bake bread?"),
      stream: true,
      stream_options: { include_usage: true },
    });
    const kinds: string[] = [];
    let reasoning = 0;
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      const delta: object = chunk.choices[0]?.delta ?? {};
      const kind = "reasoning_content" in delta ? "reasoning" : "content" in delta && delta.content ? "content" : "";
      if (kind === "reasoning") reasoning += 1;
      if (kind !== "" && kinds.at(-1) !== kind) kinds.push(kind);
      usage = chunk.usage;
    }
    expect(kinds).toEqual(["reasoning", "content"]);
    expect(reasoning).toBeGreaterThan(20);
    expect(usage?.completion_tokens_details?.reasoning_tokens).toBe(reasoning);
    expect(usage?.completion_tokens).toBeGreaterThan(reasoning);
  });

  test("grows with the effort, and counts towards the limit", async () => {
    const reasoned = async (extra: object) =>
      await openai.chat.completions.create({ model: "demo-reasoning", messages: ask("Hi"), seed: 1, ...extra });
    const tokens = async (effort: string) =>
      (await reasoned({ reasoning_effort: effort })).usage?.completion_tokens_details?.reasoning_tokens ?? -1;
    expect(await tokens("none")).toBe(0);
    expect(await tokens("low")).toBeLessThan(await tokens("high"));
    const cut = await reasoned({ max_completion_tokens: 4 });
    expect(cut.choices[0]).toMatchObject({ finish_reason: "length", message: { content: "" } });
  });
});

describe("a tool", () => {
  test("is called with arguments that fit, and its result is answered with text", async () => {
    const messages: OpenAI.ChatCompletionMessageParam[] = ask("What is the weather in Oslo?");
    const call = await openai.chat.completions.create({ model: "demo", messages, tools: [weather] });
    const message = call.choices[0]?.message;
    expect(call.choices[0]?.finish_reason).toBe("tool_calls");
    expect(message?.content).toBeNull();
    const [asked] = message?.tool_calls ?? [];
    if (message === undefined || asked?.type !== "function") throw new Error("no function call");
    expect(JSON.parse(asked.function.arguments)).toEqual({ city: expect.any(String) });
    messages.push(message, { role: "tool", tool_call_id: asked.id, content: "12 degrees" });
    const answer = await openai.chat.completions.create({ model: "demo", messages, tools: [weather] });
    expect(answer.choices[0]).toMatchObject({ finish_reason: "stop", message: { content: expect.any(String) } });
  });

  test("is called in pieces where the answer is streamed", async () => {
    const asked = { model: "demo", messages: ask("Weather?"), tools: [weather] };
    const { choices } = await openai.chat.completions.stream(asked).finalChatCompletion();
    const [call] = choices[0]?.message.tool_calls ?? [];
    expect(call).toMatchObject({ id: expect.stringMatching(/^call_/), function: { name: "get_weather" } });
    expect(JSON.parse(call?.type === "function" ? call.function.arguments : "")).toHaveProperty("city");
  });

  test("is not called where the choice is none, and by name where it is named", async () => {
    const other = { type: "function" as const, function: { name: "other" } };
    const asked = { model: "demo", messages: ask("Weather?"), tools: [weather, other] };
    const none = await openai.chat.completions.create({ ...asked, tool_choice: "none" });
    expect(none.choices[0]?.message.tool_calls).toBeUndefined();
    const named = await openai.chat.completions.create({ ...asked, tool_choice: other });
    expect(named.choices[0]?.message.tool_calls).toMatchObject([{ function: { name: "other" } }]);
  });

  test("may take free text", async () => {
    const tools = [{ type: "custom" as const, custom: { name: "note" } }];
    const answer = await openai.chat.completions.create({ model: "demo", messages: ask("Note it."), tools });
    expect(answer.choices[0]?.message.tool_calls).toMatchObject([
      { type: "custom", custom: { name: "note", input: expect.stringMatching(/./) } },
    ]);
  });
});

describe("JSON", () => {
  test("fits the schema that was given", async () => {
    const event = z.object({ title: z.string(), days: z.array(z.enum(["mon", "tue"])), size: z.int().min(3).max(5) });
    const answer = await openai.chat.completions.parse({
      model: "demo",
      messages: ask("Plan it."),
      response_format: zodResponseFormat(event, "event"),
    });
    expect(event.safeParse(answer.choices[0]?.message.parsed).success).toBe(true);
  });

  test("is an object where only JSON is asked for, by the format and by the words", async () => {
    const asked = { model: "demo", response_format: { type: "json_object" as const } };
    const answer = await openai.chat.completions.create({ ...asked, messages: ask("Answer in JSON.") });
    expect(JSON.parse(answer.choices[0]?.message.content ?? "")).toBeTypeOf("object");
    await expect(openai.chat.completions.create({ ...asked, messages: ask("Answer.") })).rejects.toMatchObject({
      status: 400,
      param: "messages",
    });
  });
});

describe("a wrong request is refused by the name of what is wrong", () => {
  const good = { model: "demo", messages: ask("Hi") };
  test.each([
    [{ messages: [] }, "messages"],
    [{ messages: undefined }, "messages"],
    [{ messages: "Hi" }, "messages"],
    [{ messages: [{ role: "robot", content: "" }] }, "messages[0].role"],
    [{ messages: [{ role: "tool", content: "", tool_call_id: "a" }] }, "messages.[0].role"],
    [{ model: undefined }, "model"],
    [{ model: 5 }, "model"],
    [{ temperature: 3 }, "temperature"],
    [{ n: 0 }, "n"],
    [{ n: 1.5 }, "n"],
    [{ max_tokens: "5" }, "max_tokens"],
    [{ stop: ["a", "b", "c", "d", "e"] }, "stop"],
    [{ stream: "yes" }, "stream"],
    [{ stream_options: { include_usage: true } }, "stream_options"],
    [{ tools: [{ type: "function", function: {} }] }, "tools[0].function.name"],
    [{ tools: [weather], tool_choice: { type: "function", function: { name: "x" } } }, "tool_choice"],
    [{ response_format: { type: "xml" } }, "type"],
    [{ metadata: { a: 1 } }, "metadata.a"],
  ])("%j", async (wrong, param) => {
    const body = { ...good, ...wrong } as OpenAI.ChatCompletionCreateParamsNonStreaming;
    const refused = openai.chat.completions.create(body);
    await expect(refused).rejects.toBeInstanceOf(OpenAI.BadRequestError);
    await expect(refused).rejects.toMatchObject({ param, type: "invalid_request_error" });
  });

  test("a model that is not there, or is for something else, is not found", async () => {
    for (const model of ["gpt-9", "demo-embedding", "__proto__", "constructor"]) {
      await expect(openai.chat.completions.create({ ...good, model })).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    }
  });

  test("a body that is no JSON object", async () => {
    for (const body of ["{", "[]", "5"]) {
      const headers = { "content-type": "application/json" };
      const answer = await fetch(`${backend.url}/v1/chat/completions`, { method: "POST", headers, body });
      expect(answer.status).toBe(400);
      expect(await answer.json()).toMatchObject({ error: { type: "invalid_request_error", param: null } });
    }
  });
});

describe("completions", () => {
  test("answer each prompt", async () => {
    const answer = await openai.completions.create({ model: "demo", prompt: ["One", "Two"], max_tokens: 400 });
    expect(answer.choices.map(({ index, finish_reason }) => [index, finish_reason])).toEqual([
      [0, "stop"],
      [1, "stop"],
    ]);
    expect(answer.usage?.prompt_tokens).toBe(2);
  });

  test("stream, stop at 16 tokens as ever, and say their usage", async () => {
    const asked = { model: "demo", prompt: "Once upon a time", stream: true as const };
    const stream = await openai.completions.create({ ...asked, stream_options: { include_usage: true } });
    const chunks = await collected(stream);
    expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe("length");
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 16, prompt_tokens: 4 } });
  });

  test("echo the prompt, and take tokens for one", async () => {
    const echo = await openai.completions.create({ model: "demo", prompt: "Once", echo: true });
    expect(echo.choices[0]?.text.startsWith("Once")).toBe(true);
    const numbers = await openai.completions.create({ model: "demo", prompt: [1, 2, 3] });
    expect(numbers.usage?.prompt_tokens).toBe(3);
  });
});
