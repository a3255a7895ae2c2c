import { describe, expect, it } from "vitest";
import { receiverFor } from "./index.ts";
import type { RequestFacts } from "./receiver.ts";

const read = (path: string, body: unknown): RequestFacts => receiverFor("POST", path).receiver.readRequest(body);
const estimate = (path: string, body: unknown) => receiverFor("POST", path).receiver.estimateInput?.(body);

describe("a request", () => {
  it("of chat says model, stream, user, metadata and how many messages", () => {
    const body = {
      model: "gpt-4o",
      stream: true,
      user: "u1",
      safety_identifier: "s1",
      metadata: { team: "red", n: 1, long: "x".repeat(500), ["k".repeat(65)]: "dropped" },
      messages: [{ role: "user", content: "secret" }, {}],
    };
    expect(read("/v1/chat/completions", body)).toEqual({
      model: "gpt-4o",
      streamed: true,
      user: "s1",
      metadata: { team: "red", long: "x".repeat(128) },
      messageCount: 2,
      asksForUsage: false,
    });
  });

  it("keeps 16 pairs of metadata at most", () => {
    const metadata = Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`k${at}`, "v"]));
    expect(Object.keys(read("/v1/chat/completions", { metadata }).metadata ?? {})).toHaveLength(16);
  });

  it("asks for usage only in so many words", () => {
    const asks = (stream_options: unknown, stream: unknown = true) =>
      read("/v1/completions", { stream, stream_options }).asksForUsage;
    expect(asks({ include_usage: true })).toBe(true);
    for (const options of [{ include_usage: false }, { include_usage: "true" }, {}, null, undefined, [], 1]) {
      expect(asks(options)).toBe(false);
    }
    expect(asks({ include_usage: true }, false)).toBeUndefined();
    expect(read("/v1/responses", { stream: true }).asksForUsage).toBeUndefined();
  });

  it("of Responses counts its input and names its MCP servers", () => {
    const tools = [
      { type: "mcp", server_label: "wiki", server_url: "https://secret" },
      { type: "function" },
      { type: "mcp" },
    ];
    expect(read("/v1/responses", { model: "m", input: "hello", tools })).toEqual({
      model: "m",
      streamed: false,
      messageCount: 1,
      mcpServers: ["wiki"],
    });
    expect(read("/v1/responses", { input: [{}, {}, {}] }).messageCount).toBe(3);
  });

  it("of speech counts characters as code points, and is streamed where it asks for events", () => {
    expect(read("/v1/audio/speech", { model: "tts-1", input: "a😀é", voice: "alloy", stream_format: "sse" })).toEqual({
      model: "tts-1",
      streamed: true,
      media: { characters: 3, voice: "alloy" },
    });
    expect(read("/v1/audio/speech", { input: "", voice: { id: "v1" } })).toEqual({
      streamed: false,
      media: { characters: 0, voice: "v1" },
    });
  });

  it("of images says size and quality, and how many, but not what is yet to be made", () => {
    expect(read("/v1/images/generations", { prompt: "cat", n: 3, size: "1024x1024", quality: "hd" })).toEqual({
      streamed: false,
      choices: 3,
      media: { imageSize: "1024x1024", imageQuality: "hd" },
    });
  });

  it("that came as a form asks for a stream in text", () => {
    expect(read("/v1/audio/transcriptions", { model: "w", stream: "true" })).toEqual({ model: "w", streamed: true });
    expect(read("/v1/images/edits", { stream: "false" }).streamed).toBe(false);
  });
});

describe("an estimate of input", () => {
  it("grows with the text, wherever a message holds it", () => {
    const chat = (content: unknown) => estimate("/v1/chat/completions", { messages: [{ role: "user", content }] }) ?? 0;
    const words = "The quick brown fox jumps over the lazy dog. ";
    expect(chat(words)).toBeGreaterThanOrEqual(10);
    expect(chat(words)).toBeLessThanOrEqual(22);
    expect(
      chat([
        { type: "text", text: words },
        { type: "image_url", image_url: { url: "x".repeat(9999) } },
      ]),
    ).toBe(chat(words));
    expect(chat(words.repeat(1000)) / chat(words)).toBeGreaterThan(500);
    expect(
      estimate("/v1/responses", { instructions: words, input: [{ content: [{ type: "input_text", text: words }] }] }),
    ).toBeGreaterThanOrEqual(18);
  });

  it("counts a prompt of tokens exactly", () => {
    expect(estimate("/v1/embeddings", { input: [1, 2, 3] })).toBe(3);
    expect(estimate("/v1/embeddings", { input: [[1, 2], [3]] })).toBe(3);
    expect(estimate("/v1/completions", { prompt: ["hello", "world"] })).toBe(2);
  });
});
