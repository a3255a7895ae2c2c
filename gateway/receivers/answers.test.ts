import { describe, expect, it } from "vitest";
import { cuts, dice } from "../testing/dice.ts";
import { receiverFor } from "./index.ts";
import type { AnswerFacts } from "./receiver.ts";

type Chunks = readonly (Buffer | string)[];

/** What a stream that failed had written until then is estimated; that is tested by itself. */
const plain = ({ estimatedOutput: _, ...facts }: AnswerFacts): AnswerFacts => facts;

function answered(path: string, chunks: Chunks, head: { status?: number; contentType: string; asked?: boolean }) {
  const { receiver } = receiverFor("POST", path);
  const { status = 200, contentType, asked = contentType === "text/event-stream" } = head;
  const reader = receiver.readAnswer(
    { status, contentType, streamed: contentType === "text/event-stream" },
    { streamed: asked },
  );
  for (const chunk of chunks) reader.read(Buffer.from(chunk));
  return { sawToken: reader.sawToken, facts: reader.finish() };
}

const json = (path: string, chunks: Chunks, status = 200) =>
  answered(path, chunks, { status, contentType: "application/json" }).facts;
const stream = (path: string, chunks: Chunks) => answered(path, chunks, { contentType: "text/event-stream" });

const event = (data: unknown, name?: string) =>
  `${name === undefined ? "" : `event: ${name}\n`}data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;
/** As Responses, images and audio send them: the event's name is the data's type. */
const typed = (...events: readonly { readonly type: string }[]) =>
  events.map((data) => event(data, data.type)).join("");
const pieces = (bytes: Buffer, size: number) =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size));
const singleBytes = (text: string) => [...Buffer.from(text)].map((byte) => Buffer.from([byte]));

const trap = '{"usage":{"prompt_tokens":999,"completion_tokens":999}} data: [DONE]\n\n {"error":{"message":"trap"}}';

const chat = "/v1/chat/completions";
const chatUsage = {
  prompt_tokens: 20,
  completion_tokens: 9,
  total_tokens: 29,
  prompt_tokens_details: { cached_tokens: 4, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 5 },
};
const chatTokens = { input: 20, output: 9, cachedInput: 4, reasoning: 5, audioInput: 0 };
const chunk = (delta: unknown, more: object = {}) => ({
  id: "c",
  model: "gpt-4o-2024",
  choices: [{ index: 0, delta, finish_reason: null }],
  usage: null,
  ...more,
});
const finished = {
  id: "c",
  model: "gpt-4o-2024",
  choices: [{ index: 0, delta: {}, finish_reason: "stop" }],
  usage: null,
};

const response = {
  id: "r",
  object: "response",
  model: "gpt-5",
  status: "completed",
  error: null,
  metadata: { usage: trap },
  output: [{ type: "message", content: [{ type: "output_text", text: trap, annotations: [] }] }],
  usage: {
    input_tokens: 7,
    output_tokens: 8,
    total_tokens: 15,
    input_tokens_details: { cached_tokens: 1 },
    output_tokens_details: { reasoning_tokens: 3 },
  },
};
const responseFacts = {
  model: "gpt-5",
  finish: "completed",
  tokens: { input: 7, output: 8, cachedInput: 1, reasoning: 3 },
  ended: true,
};
const image = Buffer.alloc(1000, 1).toString("base64");
const imageUsage = {
  input_tokens: 50,
  output_tokens: 1000,
  total_tokens: 1050,
  input_tokens_details: { image_tokens: 40, text_tokens: 10 },
};
const imageTokens = { input: 50, output: 1000, imageInput: 40, imageOutput: 1000 };
const heard = {
  type: "tokens",
  input_tokens: 14,
  output_tokens: 3,
  total_tokens: 17,
  input_token_details: { audio_tokens: 14, text_tokens: 0 },
};
const heardTokens = { input: 14, output: 3, audioInput: 14 };

/** Answers as each family gives them as JSON, and what is to be learned. */
const goldenJson: readonly [string, string, unknown, AnswerFacts][] = [
  [
    "chat",
    chat,
    {
      id: "c",
      model: "gpt-4o-2024",
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: trap, tool_calls: [{ function: { name: "usage", arguments: trap } }] },
          finish_reason: "tool_calls",
        },
        { index: 1, finish_reason: "length" },
      ],
      usage: chatUsage,
      metadata: { usage: { prompt_tokens: 1 }, error: { message: "no" } },
    },
    { model: "gpt-4o-2024", finish: "tool_calls", tokens: chatTokens, ended: true },
  ],
  [
    "completions",
    "/v1/completions",
    {
      model: "m",
      choices: [{ text: trap, index: 0, finish_reason: "length" }],
      usage: { prompt_tokens: 1, completion_tokens: 2 },
    },
    { model: "m", finish: "length", tokens: { input: 1, output: 2 }, ended: true },
  ],
  [
    "Groq",
    chat,
    {
      model: "m",
      choices: [{ message: { content: "a" }, finish_reason: "stop" }],
      x_groq: { usage: { prompt_tokens: 3, completion_tokens: 4 } },
    },
    { model: "m", finish: "stop", tokens: { input: 3, output: 4 }, ended: true },
  ],
  ["Responses", "/v1/responses", response, responseFacts],
  [
    "an incomplete response",
    "/v1/responses",
    { ...response, status: "incomplete" },
    { ...responseFacts, finish: "incomplete" },
  ],
  [
    "a failed response",
    "/v1/responses",
    { ...response, status: "failed", error: { code: "server_error", message: "no" } },
    { ...responseFacts, finish: "failed", error: { code: "server_error", message: "no" } },
  ],
  [
    "embeddings",
    "/v1/embeddings",
    {
      object: "list",
      model: "e",
      data: [{ embedding: [0.25, -1e-3], usage: { prompt_tokens: 9 } }],
      usage: { prompt_tokens: 8, total_tokens: 8 },
    },
    { model: "e", tokens: { input: 8 }, ended: true },
  ],
  ["moderation", "/v1/moderations", { model: "omni", results: [{ flagged: true }] }, { model: "omni", ended: true }],
  [
    "images as base64",
    "/v1/images/generations",
    {
      created: 1,
      size: "1024x1024",
      quality: "high",
      data: [{ b64_json: image }, { b64_json: image }],
      usage: imageUsage,
    },
    {
      tokens: imageTokens,
      media: { images: 2, imageBytes: 2000, imageSize: "1024x1024", imageQuality: "high" },
      ended: true,
    },
  ],
  [
    "images with parts of output told",
    "/v1/images/edits",
    { data: [], usage: { ...imageUsage, output_tokens_details: { image_tokens: 900, text_tokens: 100 } } },
    { tokens: { ...imageTokens, imageOutput: 900 }, media: { images: 0 }, ended: true },
  ],
  [
    "images as addresses",
    "/v1/images/variations",
    { data: [{ url: "https://a/b" }] },
    { media: { images: 1 }, ended: true },
  ],
  [
    "transcription by tokens",
    "/v1/audio/transcriptions",
    { text: trap, usage: heard },
    { tokens: heardTokens, ended: true },
  ],
  [
    "transcription by seconds",
    "/v1/audio/transcriptions",
    { text: "a", usage: { type: "duration", seconds: 12.5 } },
    { media: { audioSeconds: 12.5 }, ended: true },
  ],
  [
    "verbose transcription",
    "/v1/audio/translations",
    { duration: 8.47, segments: [{ duration: 1 }], text: "a" },
    { media: { audioSeconds: 8.47 }, ended: true },
  ],
  [
    "an older verbose transcription",
    "/v1/audio/transcriptions",
    { duration: "8.47" },
    { media: { audioSeconds: 8.47 }, ended: true },
  ],
];

describe("a JSON answer that is cut short", () => {
  const completion = (content: string) => JSON.stringify({ ...answer, choices: [{ message: { content } }] });
  const answer = { model: "m", usage: { prompt_tokens: 5, completion_tokens: 5 } };

  it.each([
    ["short", 400],
    ["too long to be held", 100_000],
  ])("and %s is not at its end, and what was written is guessed from its length", (_, length) => {
    const text = completion("x".repeat(length)).slice(0, -1);
    expect(json(chat, cuts(dice(3), Buffer.from(text)))).toEqual({
      ended: false,
      estimatedOutput: Math.ceil(text.length / 4),
    });
    expect(json("/v1/embeddings", [Buffer.from(text)])).toEqual({ ended: false });
  });

  it("is at its end where it is a long list, of which nothing is known", () => {
    expect(json("/v1/embeddings", [Buffer.from(JSON.stringify([["x".repeat(100_000)]]))])).toEqual({ ended: true });
  });
});

describe.each(goldenJson)("a JSON answer: %s", (_, path, value, expected) => {
  it("is read at every cut, pretty-printed or not, with its members in any order", () => {
    const reversed = Object.fromEntries(Object.entries(value as object).reverse());
    for (const text of [
      JSON.stringify(value),
      JSON.stringify(value, null, "\t\r\n "),
      ` ${JSON.stringify(reversed, null, 1)}\n`,
    ]) {
      const bytes = Buffer.from(text);
      for (let cut = 0; cut <= bytes.length; cut += 7) {
        expect(json(path, [bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(expected);
      }
      expect(json(path, singleBytes(text))).toEqual(expected);
    }
  });

  it("is read the same where it is too big to be held", () => {
    const padding = { a: 'x\\"'.repeat(30_000), b: [[{ usage: { prompt_tokens: 5 }, error: { message: "trap" } }]] };
    const die = dice(2);
    for (const big of [
      { padding, ...(value as object) },
      { ...(value as object), padding },
    ]) {
      expect(json(path, cuts(die, Buffer.from(JSON.stringify(big))))).toEqual(expected);
    }
  });
});

const r = (type: string, more: object = {}) => ({ type, sequence_number: 1, ...more });
/** Streams as each family sends them, and what is to be learned. */
const goldenStreams: readonly [string, string, string, AnswerFacts][] = [
  [
    "chat",
    chat,
    [
      chunk({ role: "assistant", content: "" }),
      chunk({ content: trap }),
      chunk({ content: "b" }),
      finished,
      { ...finished, choices: [], usage: chatUsage },
      "[DONE]",
    ]
      .map((data) => event(data))
      .join(""),
    { model: "gpt-4o-2024", finish: "stop", tokens: chatTokens, ended: true },
  ],
  [
    "usage in every chunk: the last counts",
    chat,
    [1, 2, 3]
      .map((n) => event(chunk({ content: "a" }, { usage: { prompt_tokens: 5, completion_tokens: n } })))
      .join("") +
      event({ ...finished, usage: { prompt_tokens: 5, completion_tokens: 4 } }) +
      event("[DONE]"),
    { model: "gpt-4o-2024", finish: "stop", tokens: { input: 5, output: 4 }, ended: true },
  ],
  [
    "usage beside the finish and again at the end: the last counts",
    chat,
    event(chunk({ content: "a" }, { usage: { prompt_tokens: 5, completion_tokens: 1 } })) +
      event({ ...finished, usage: { prompt_tokens: 5, completion_tokens: 3 } }) +
      event({ model: "last", choices: [], usage: { prompt_tokens: 5, completion_tokens: 4 } }),
    { model: "last", finish: "stop", tokens: { input: 5, output: 4 }, ended: true },
  ],
  [
    "Groq",
    chat,
    event(chunk({ content: "a" })) +
      event({ ...finished, x_groq: { usage: { prompt_tokens: 3, completion_tokens: 4 } } }) +
      event("[DONE]"),
    { model: "gpt-4o-2024", finish: "stop", tokens: { input: 3, output: 4 }, ended: true },
  ],
  [
    "completions",
    "/v1/completions",
    event({ model: "m", choices: [{ index: 0, text: "a", finish_reason: null }] }) +
      event({
        model: "m",
        choices: [{ index: 0, text: "", finish_reason: "length" }],
        usage: { prompt_tokens: 1, completion_tokens: 2 },
      }) +
      event("[DONE]"),
    { model: "m", finish: "length", tokens: { input: 1, output: 2 }, ended: true },
  ],
  [
    "several choices, of which the first counts",
    chat,
    [
      chunk({ content: "a" }),
      { choices: [{ index: 0, delta: {}, finish_reason: "length" }] },
      { choices: [{ index: 1, delta: { content: "b" }, finish_reason: null }] },
      { choices: [{ index: 1, delta: {}, finish_reason: "stop" }] },
      { model: "m", choices: [], usage: { prompt_tokens: 1, completion_tokens: 2 } },
    ]
      .map((data) => event(data))
      .join(""),
    { model: "m", finish: "length", tokens: { input: 1, output: 2 }, ended: true },
  ],
  [
    "Responses",
    "/v1/responses",
    typed(
      r("response.created", { response: { ...response, status: "in_progress", usage: null } }),
      r("response.output_text.delta", { delta: trap }),
      r("response.output_text.done", { text: trap }),
      r("response.completed", { response }),
    ),
    responseFacts,
  ],
  [
    "an incomplete response",
    "/v1/responses",
    typed(
      r("response.output_text.delta", { delta: "a" }),
      r("response.incomplete", { response: { ...response, status: "incomplete" } }),
    ),
    { ...responseFacts, finish: "incomplete" },
  ],
  [
    "a failed response",
    "/v1/responses",
    typed(
      r("response.output_text.delta", { delta: "a" }),
      r("response.failed", {
        response: { ...response, status: "failed", usage: null, error: { code: "server_error", message: "no" } },
      }),
    ),
    { model: "gpt-5", finish: "failed", error: { code: "server_error", message: "no" }, ended: true },
  ],
  [
    "images",
    "/v1/images/generations",
    typed(
      { type: "image_generation.partial_image", b64_json: image } as never,
      {
        type: "image_generation.completed",
        b64_json: image,
        size: "1024x1024",
        quality: "low",
        usage: imageUsage,
      } as never,
    ),
    {
      tokens: imageTokens,
      media: { images: 1, imageBytes: 1000, imageSize: "1024x1024", imageQuality: "low" },
      ended: true,
    },
  ],
  [
    "speech",
    "/v1/audio/speech",
    typed(
      { type: "speech.audio.delta", audio: image } as never,
      { type: "speech.audio.delta", audio: image } as never,
      { type: "speech.audio.done", usage: { input_tokens: 14, output_tokens: 101, total_tokens: 115 } } as never,
    ),
    { tokens: { input: 14, output: 101 }, media: { audioBytes: 2000 }, ended: true },
  ],
  [
    "transcription",
    "/v1/audio/transcriptions",
    typed(
      { type: "transcript.text.delta", delta: "a" } as never,
      { type: "transcript.text.done", text: trap, usage: heard } as never,
    ),
    { tokens: heardTokens, ended: true },
  ],
];

describe.each(goldenStreams)("a stream: %s", (_, path, text, expected) => {
  it("is read to its end, however often its connection was kept alive after that", () => {
    expect(plain(stream(path, [text + ": keep-alive\n\n".repeat(40)]).facts)).toEqual(expected);
  });

  it.each([["\n"], ["\r\n"], ["\r"]])("is read at every cut, with line ends %j, comments and keep-alives", (end) => {
    const noisy = `: hello\n\n${text.replaceAll("\n\n", "\n\n: keep-alive\n\n")}`.replaceAll("\n", end);
    const bytes = Buffer.from(noisy);
    for (let cut = 0; cut <= bytes.length; cut += 5) {
      const { facts, sawToken } = stream(path, [bytes.subarray(0, cut), bytes.subarray(cut)]);
      expect(plain(facts)).toEqual(expected);
      expect(sawToken).toBe(true);
    }
    expect(plain(stream(path, singleBytes(noisy)).facts)).toEqual(expected);
  });

  it("is read where its data is spread over lines", () => {
    const spread = text.replace(
      /data: (\{.*\})/g,
      (_, data) => `data: ${JSON.stringify(JSON.parse(data), null, 1).replaceAll("\n", "\ndata: ")}`,
    );
    expect(plain(stream(path, [spread]).facts)).toEqual(expected);
  });

  it("is read where an event is too big to be held", () => {
    const big = text.replaceAll(
      "data: {",
      `data: {"padding":{"usage":{"prompt_tokens":5},"x":"${'y\\\\\\"'.repeat(20_000)}"},`,
    );
    const { sawToken, facts } = stream(path, pieces(Buffer.from(big), 997));
    expect(facts).toEqual(expected);
    expect(sawToken).toBe(true);
    expect(stream(path, [big]).facts).toEqual(expected);
  });

  it("is read where it hides under a wrong content type", () => {
    const { sawToken, facts } = answered(path, [text], { contentType: "application/json", asked: true });
    expect(sawToken).toBe(true);
    expect(plain(facts)).toEqual(expected);
  });

  it("is read where an event is too big to be held and spread over lines", () => {
    const big = text.replaceAll("data: {", `data: {"padding":"${"y".repeat(70_000)}",\ndata:`);
    expect(plain(stream(path, pieces(Buffer.from(big), 997)).facts)).toEqual(expected);
  });

  it("that breaks off has not ended", () => {
    const lines = text.split("\n\n").filter((line) => line !== "");
    const broken = lines.slice(0, path === "/v1/responses" ? -1 : 1).join("\n\n");
    expect(stream(path, [`${broken}\n\n`]).facts.ended).toBe(false);
    expect(stream(path, [`${broken}\n\ndata: {"cho`]).facts.ended).toBe(false);
  });
});

describe("the first token", () => {
  const saw = (path: string, ...events: readonly unknown[]) =>
    stream(path, [events.map((data) => event(data)).join("")]).sawToken;

  it.each([
    [{ content: "a" }],
    [{ reasoning_content: "a" }],
    [{ reasoning: "a" }],
    [{ refusal: "a" }],
    [{ tool_calls: [{ index: 0, function: { name: "f", arguments: "" } }] }],
    [{ function_call: { name: "f" } }],
    [{ audio: { transcript: "a" } }],
    [{ content: [{ type: "thinking" }] }],
  ])("of chat is %j", (delta) => expect(saw(chat, chunk({ role: "assistant" }), chunk(delta))).toBe(true));

  it.each([[{ role: "assistant", content: "" }], [{ content: null }], [{}], [{ tool_calls: [] }], [null]])(
    "of chat is not %j",
    (delta) => expect(saw(chat, chunk(delta), { choices: [], usage: chatUsage })).toBe(false),
  );

  it("of Responses is a delta of any kind, but not an empty one", () => {
    expect(saw("/v1/responses", r("response.reasoning_summary_text.delta", { delta: "a" }))).toBe(true);
    expect(saw("/v1/responses", r("response.function_call_arguments.delta", { delta: "{" }))).toBe(true);
    expect(saw("/v1/responses", r("response.output_text.delta", { delta: "" }))).toBe(false);
    expect(
      saw("/v1/responses", r("response.created", { response }), r("response.output_item.added", { item: {} })),
    ).toBe(false);
  });

  it("shows at once, not when the stream is over", () => {
    const reader = receiverFor("POST", chat).receiver.readAnswer(
      { status: 200, contentType: "text/event-stream", streamed: true },
      { streamed: true },
    );
    reader.read(Buffer.from(event(chunk({ role: "assistant", content: "" }))));
    expect(reader.sawToken).toBe(false);
    const first = event(chunk({ content: "hi" }));
    reader.read(Buffer.from(first.slice(0, -1)));
    expect(reader.sawToken).toBe(false);
    reader.read(Buffer.from("\n"));
    expect(reader.sawToken).toBe(true);
  });
});

describe("an error", () => {
  const many = Array.from({ length: 200 }, () => event(chunk({ content: "word" }))).join("");

  it.each([
    [
      "as an object",
      event({ error: { message: "no", type: "server_error", code: 500 } }),
      { message: "no", type: "server_error", code: "500" },
    ],
    ["as text", event({ error: "no" }), { message: "no" }],
    ["as a named event", event({ message: "no", code: "x" }, "error"), { message: "no", code: "x" }],
    ["as a named event that is no JSON", event("it broke", "error"), { message: "it broke" }],
    ["with `type: error`", event({ type: "error", message: "no", code: "x" }), { message: "no", code: "x" }],
    ["beside choices", event({ ...finished, error: { message: "no", code: 502 } }), { message: "no", code: "502" }],
  ])("within a stream is seen %s, at its end", (_, text, error) => {
    for (const tail of ["", "data: [DONE]\n\n"]) {
      const { facts } = stream(chat, [many, text, tail]);
      expect(facts.error).toEqual(error);
      expect(facts.ended).toBe(true);
    }
    expect(stream(chat, [text]).facts.error).toEqual(error);
  });

  it("within a stream is seen even where the stream goes on for long", () => {
    for (const text of [event({ error: { message: "no" } }), event({ message: "no" }, "error")]) {
      expect(stream(chat, [many + text + many, many, event(finished)]).facts.error).toEqual({ message: "no" });
    }
  });

  it("is not what somebody wrote about", () => {
    const told = [trap, '{"error":', "event: error\ndata: x\n\n", "[DONE]"]
      .map((content) => event(chunk({ content })))
      .join("");
    const { facts } = stream(chat, [told, many]);
    expect(facts.error).toBeUndefined();
    expect(facts.ended).toBe(false);
    expect(facts.tokens).toBeUndefined();
  });

  it.each([
    ["OpenAI", { error: { message: "m", type: "t", code: "c", param: null } }, { message: "m", type: "t", code: "c" }],
    ["Google", [{ error: { message: "m", code: 400, status: "S" } }], { message: "m", code: "400" }],
    ["vLLM", { object: "error", message: "m", type: "t", code: 400 }, { message: "m", type: "t", code: "400" }],
    ["FastAPI", { detail: "m" }, { message: "m" }],
    ["Ollama", { error: "m" }, { message: "m" }],
  ])("body of %s is read", (_, body, error) => {
    expect(json(chat, [JSON.stringify(body)], 400)).toEqual({ error, ended: true });
  });

  it("body of plain text is its message; of HTML it is unknown", () => {
    expect(answered(chat, ["Bad gateway\n"], { status: 502, contentType: "text/plain" }).facts.error).toEqual({
      message: "Bad gateway",
    });
    expect(answered(chat, ["<html>"], { status: 502, contentType: "text/html" }).facts.error).toBeUndefined();
  });
});

describe("an answer without usage", () => {
  const words = "The quick brown fox jumps over the lazy dog again. ";

  it("is estimated from a sample, in a stream", () => {
    const text = Array.from({ length: 3000 }, () => event(chunk({ content: words }))).join("");
    const { facts } = stream(chat, cuts(dice(1), Buffer.from(event(chunk({ role: "assistant", content: "" })) + text)));
    // 3,000 times 11 tokens (o200k_base).
    expect(facts.estimatedOutput).toBeGreaterThan(33_000 * 0.8);
    expect(facts.estimatedOutput).toBeLessThan(33_000 * 1.3);
  });

  it("is estimated as JSON, and not where the provider stated usage or an error", () => {
    const body = { choices: [{ message: { content: words.repeat(100) }, finish_reason: "stop" }] };
    expect(json(chat, [JSON.stringify(body)]).estimatedOutput).toBeGreaterThan(900);
    expect(json(chat, [JSON.stringify({ ...body, usage: chatUsage })]).estimatedOutput).toBeUndefined();
    expect(json(chat, [JSON.stringify({ error: { message: words } })], 400).estimatedOutput).toBeUndefined();
    const { usage: _, ...unmetered } = response;
    expect(json("/v1/responses", [JSON.stringify(unmetered)]).estimatedOutput).toBeGreaterThan(10);
  });
});

describe("speech as sound", () => {
  it("is counted in bytes", () => {
    expect(
      answered("/v1/audio/speech", [Buffer.alloc(1000), Buffer.alloc(500)], { contentType: "audio/mpeg" }).facts,
    ).toEqual({
      media: { audioBytes: 1500 },
      ended: true,
    });
  });
});

describe("a reader", () => {
  it("takes JSON that came as a stream for what it is", () => {
    expect(stream(chat, [JSON.stringify(goldenJson[0]?.[2])]).facts).toEqual(goldenJson[0]?.[3]);
  });

  it("takes `[DONE]` for an end even where no finish was told", () => {
    expect(stream(chat, [event(chunk({ content: "a" })) + event("[DONE]")]).facts.ended).toBe(true);
  });

  it("keeps no long text of an answer that is too big to be held", () => {
    const big = { padding: "x".repeat(100_000), model: "m".repeat(20_000), usage: chatUsage };
    expect(json(chat, pieces(Buffer.from(JSON.stringify(big)), 997))).toEqual({ tokens: chatTokens, ended: true });
  });

  it("counts a last event that lacks its blank line", () => {
    const text = event(chunk({ content: "a" })) + event(finished) + event("[DONE]").trimEnd();
    expect(stream(chat, [text]).facts.ended).toBe(true);
  });

  it("takes odd, huge and broken numbers for unknown", () => {
    const usages = [
      '{"prompt_tokens":-1,"completion_tokens":1.5}',
      '{"prompt_tokens":"7"}',
      "[]",
      '"x"',
      '{"prompt_tokens":1e400}',
    ];
    for (const usage of usages) expect(json(chat, [`{"choices":[],"usage":${usage}}`]).tokens).toBeUndefined();
  });
});
