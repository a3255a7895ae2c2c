// The requests and answers of the benchmark, as bytes that are made once.

export type Kind = "json" | "sse" | "hold";

/** One word in the request's model says what the mock backend answers. */
export const modelOf = (kind: Kind): string => `bench-${kind}`;

/** What a client brings, of one length: a provider's key, or one of Tollgate's, which is refused where nobody has any. */
export const secrets = {
  provider: "sk-bench-client-0123456789abcdefghijklmnop",
  tollgate: "tg-bench-client-0123456789abcdefghijklmnop",
};

const deltas = 64;
const text = "The quick brown fox jumps over the lazy dog. ";
const shared = { id: "chatcmpl-bench0123456789", created: 1_767_225_600, model: "gpt-4o-mini-2024-07-18" };
const usage = {
  prompt_tokens: 87,
  completion_tokens: 64,
  total_tokens: 151,
  prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
};

/** A chat request of about 600 bytes, as an SDK sends it. */
export function request(kind: Kind, secret: string): Buffer {
  const body = JSON.stringify({
    model: modelOf(kind),
    messages: [
      { role: "system", content: "You are a helpful assistant." },
      { role: "user", content: text.repeat(6) },
    ],
    ...(kind !== "json" && { stream: true }),
  });
  const head = [
    "POST /v1/chat/completions HTTP/1.1",
    "host: bench.internal",
    "accept: application/json",
    "content-type: application/json",
    "user-agent: OpenAI/JS 7.55.0",
    "x-stainless-lang: js",
    "x-stainless-package-version: 7.55.0",
    "x-stainless-runtime: node",
    `authorization: Bearer ${secret}`,
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  return Buffer.from(`${head.join("\r\n")}\r\n\r\n${body}`);
}

/** A whole JSON answer of about 1 KB. */
export function jsonAnswer(): Buffer {
  const message = { role: "assistant", content: text.repeat(10), refusal: null };
  const choices = [{ index: 0, message, logprobs: null, finish_reason: "stop" }];
  const body = JSON.stringify({ ...shared, object: "chat.completion", choices, usage });
  return Buffer.from(
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_bench\r\n${serverHeaders}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** A stream's head, with the two events that begin it. */
export function sseStart(): Buffer {
  const head = `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nx-request-id: req_bench\r\n${serverHeaders}transfer-encoding: chunked\r\n\r\n`;
  return Buffer.from(head + event(delta({ role: "assistant", content: "" })) + sseDelta().toString());
}

/** One event with a few words in it, as one chunk. */
export function sseDelta(): Buffer {
  return Buffer.from(event(delta({ content: " fox jumps" })));
}

/** What ends a stream; with an event that has the usage, where the request asked for it. */
export function sseEnd(withUsage: boolean): Buffer {
  const finish = {
    ...shared,
    object: "chat.completion.chunk",
    choices: [{ index: 0, delta: {}, finish_reason: "stop" }],
  };
  const last = withUsage
    ? event(JSON.stringify({ ...shared, object: "chat.completion.chunk", choices: [], usage }))
    : "";
  return Buffer.from(`${event(JSON.stringify(finish))}${last}${event("[DONE]")}0\r\n\r\n`);
}

/** A whole stream of 64 content events, each a chunk of its own, as one piece. */
export function sseAnswer(withUsage: boolean): Buffer {
  return Buffer.concat([sseStart(), ...Array.from({ length: deltas - 1 }, sseDelta), sseEnd(withUsage)]);
}

/** Headers such as a provider's edge sends with every answer. */
const serverHeaders = [
  "date: Thu, 01 Jan 2026 00:00:00 GMT",
  "server: bench",
  "openai-version: 2020-10-01",
  "openai-processing-ms: 120",
  "x-ratelimit-limit-requests: 10000",
  "x-ratelimit-remaining-requests: 9999",
  "connection: keep-alive",
  "",
].join("\r\n");

const delta = (content: object): string =>
  JSON.stringify({
    ...shared,
    object: "chat.completion.chunk",
    system_fingerprint: "fp_bench",
    choices: [{ index: 0, delta: content, logprobs: null, finish_reason: null }],
  });

function event(data: string): string {
  const bytes = `data: ${data}\n\n`;
  return `${Buffer.byteLength(bytes).toString(16)}\r\n${bytes}\r\n`;
}
