// The demo backend as a whole: its models, its pace, its troubles on demand, its end.
import OpenAI from "openai";
import { afterAll, describe, expect, test } from "vitest";
import { collected } from "../testing/collected.ts";
import { demo } from "./demo.ts";

const backend = await demo({ pace: 0 });
afterAll(() => backend.close());
const openai = new OpenAI({ baseURL: `${backend.url}/v1`, apiKey: "any", maxRetries: 0 });
const hi = [{ role: "user" as const, content: "Hi" }];

test("it lists its models and shows each", async () => {
  const ids = (await collected(openai.models.list())).map(({ id }) => id);
  expect(ids).toEqual(expect.arrayContaining(["demo", "demo-reasoning", "demo-embedding", "demo-error-429"]));
  for (const id of ids) expect(await openai.models.retrieve(id)).toMatchObject({ id, object: "model" });
  await expect(openai.models.retrieve("gpt-9")).rejects.toBeInstanceOf(OpenAI.NotFoundError);
});

test("every answer has an id of its own", async () => {
  const id = async () => (await openai.models.list().asResponse()).headers.get("x-request-id");
  const [one, two] = [await id(), await id()];
  expect(one).toMatch(/^req_\w{24}$/);
  expect(two).not.toBe(one);
});

test("what is not there is 404, and a wrong method 405, in OpenAI's shape", async () => {
  const ask = async (path: string, method = "GET") => {
    const answer = await fetch(backend.url + path, { method });
    const body = (await answer.json()) as { error?: { type?: string; code?: string } };
    return [answer.status, body.error?.type, body.error?.code];
  };
  expect(await ask("/v1/nothing")).toEqual([404, "invalid_request_error", "unknown_url"]);
  expect(await ask("/v1/models/%zz/x")).toEqual([404, "invalid_request_error", "unknown_url"]);
  expect(await ask("/v1/chat/completions")).toEqual([405, "invalid_request_error", "method_not_supported"]);
});

describe("failures on demand", () => {
  test.each([
    [400, OpenAI.BadRequestError],
    [401, OpenAI.AuthenticationError],
    [403, OpenAI.PermissionDeniedError],
    [404, OpenAI.NotFoundError],
    [408, OpenAI.APIError],
    [429, OpenAI.RateLimitError],
    [500, OpenAI.InternalServerError],
    [503, OpenAI.InternalServerError],
  ])("demo-error-%i", async (status, kind) => {
    const model = `demo-error-${status}`;
    const error = await openai.chat.completions.create({ model, messages: hi }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(kind);
    expect(error).toMatchObject({ status, type: expect.any(String) });
    await expect(openai.embeddings.create({ model, input: "Hi" })).rejects.toMatchObject({ status });
    await expect(openai.responses.create({ model, input: "Hi" })).rejects.toMatchObject({ status });
    if (status === 429) expect((error as InstanceType<typeof OpenAI.APIError>).headers?.get("retry-after")).toBe("1");
  });

  test("demo-flaky fails every other time", async () => {
    const ask = () => openai.chat.completions.create({ model: "demo-flaky", messages: hi });
    await expect(ask()).rejects.toBeInstanceOf(OpenAI.RateLimitError);
    expect((await ask()).choices).toHaveLength(1);
    await expect(ask()).rejects.toBeInstanceOf(OpenAI.RateLimitError);
  });

  test("demo-cut breaks off in the middle, be it a stream or not", async () => {
    const asked = { model: "demo-cut", messages: hi };
    const seen: unknown[] = [];
    const read = async () => {
      for await (const chunk of await openai.chat.completions.create({ ...asked, stream: true })) seen.push(chunk);
    };
    await expect(read()).rejects.toThrow();
    expect(seen.length).toBeGreaterThan(2);
    await expect(openai.chat.completions.create(asked)).rejects.toThrow();
  });

  test("demo-stall begins, and then says no more until the client leaves", async () => {
    const body = JSON.stringify({ model: "demo-stall", messages: hi, stream: true });
    const request = { method: "POST", headers: { "content-type": "application/json" }, body };
    const leaving = new AbortController();
    const answer = await fetch(`${backend.url}/v1/chat/completions`, { ...request, signal: leaving.signal });
    let seen = "";
    const reading = async () => {
      for await (const chunk of answer.body ?? []) seen += Buffer.from(chunk).toString();
      return "it ended";
    };
    const ended = reading().catch((error: unknown) => error);
    await expect.poll(() => seen).toContain('"content":"');
    leaving.abort(new Error("left"));
    expect(await ended).toMatchObject({ message: "left" });
    expect(seen).not.toMatch(/"finish_reason":"|\[DONE\]/);
  });
});

test("its pace is that of a model: a first token after 150 to 400 ms, then 40 to 80 a second", async () => {
  const paced = await demo();
  const client = new OpenAI({ baseURL: `${paced.url}/v1`, apiKey: "any" });
  const started = performance.now();
  const asked = { model: "demo", messages: hi, max_tokens: 30, stream: true as const };
  const times: number[] = [];
  for await (const _ of await client.chat.completions.create(asked)) times.push(performance.now());
  await paced.close();
  const [first = 0, last = 0] = [times[0], times.at(-1)];
  // Timers are never early by more than a millisecond; late they may be, on a busy machine.
  expect(first - started).toBeGreaterThan(145);
  expect((last - first) / 30).toBeGreaterThan(1000 / 80 - 1);
  expect(times).toHaveLength(32);
});

test("closing it cuts off what is open", async () => {
  const short = await demo({ pace: 0 });
  const client = new OpenAI({ baseURL: `${short.url}/v1`, apiKey: "any", maxRetries: 0 });
  const stream = await client.chat.completions.create({ model: "demo-stall", messages: hi, stream: true });
  const reading = collected(stream);
  await Promise.all([short.close(), expect(reading).rejects.toThrow()]);
  await expect(client.models.list()).rejects.toBeInstanceOf(OpenAI.APIConnectionError);
});
