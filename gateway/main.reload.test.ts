// A running program takes on what its files newly say, and stays as it is where they say nonsense.
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { eventStream, json } from "./testing/answers.ts";
import { type FakeBackend, fakeBackend } from "./testing/fake-backend.ts";
import { chatCompletion, chatEvents, chatRequest } from "./testing/payloads.ts";
import { type Gateway, gatewayProcess } from "./testing/program.ts";
import { openEvents } from "./testing/sse-client.ts";

const model = "gpt-4o-mini";
const events = chatEvents({ model, usage: { input: 11, output: 7 } });
const answered = (text: string) => json(chatCompletion(model, { input: 11, output: 7 }, text));

let [first, second]: FakeBackend[] = [];
let gateway: Gateway;

const config = (backend: FakeBackend | undefined, more = "") =>
  `demo: false\nbackends:\n  - { name: fake, provider: openai, baseUrl: "${backend?.url}", models: ["*"], key: { file: key } }\n${more}`;

beforeAll(async () => {
  [first, second] = await Promise.all([
    fakeBackend({ otherwise: answered("first") }),
    fakeBackend({ otherwise: answered("second") }),
  ]);
  gateway = await gatewayProcess({ config: config(first), files: { key: "sk-one\n" } });
});

afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await Promise.all([first?.close(), second?.close()]);
});

const reloads = async (result: "success" | "failure") =>
  (await gateway.metric("gateway_config_reloads_total", { result }))[0]?.value ?? Number.NaN;
const loadedAt = async () => (await gateway.metric("gateway_config_loaded_timestamp_seconds"))[0]?.value ?? Number.NaN;

/** Does something, and waits until a reload has come of it. */
async function reloaded(result: "success" | "failure", act: () => void): Promise<void> {
  const before = await reloads(result);
  act();
  await vi.waitFor(async () => expect(await reloads(result)).toBeGreaterThan(before), { timeout: 5_000 });
}

const ask = (name = model) => gateway.chat(chatRequest(name, { max_tokens: 1 }));

test("SIGHUP reads the files anew, counts it and notes when", async () => {
  expect([await reloads("success"), await reloads("failure")]).toEqual([0, 0]);
  const before = await loadedAt();
  await reloaded("success", () => gateway.signal("SIGHUP"));
  expect(await reloads("success")).toBe(1);
  expect(await loadedAt()).toBeGreaterThan(before);
  await gateway.line({ level: "info", msg: "configuration reloaded" });
});

test("a changed file moves new requests to another backend, and drops no stream", async () => {
  const { promise: later, resolve } = Promise.withResolvers<void>();
  first?.next(eventStream([...events.slice(0, 2), later, ...events.slice(2)]));
  const body = chatRequest(model, { stream: true, stream_options: { include_usage: true } });
  const stream = await openEvents(`${gateway.url}/chat/completions`, body);
  await stream.next();
  await reloaded("success", () => gateway.write("config.yaml", config(second)));
  expect((await ask()).text).toContain('"second"');
  resolve();
  expect(await stream.rest()).toBe("complete");
  expect(stream.bytes.toString()).toBe(events.join(""));
});

test("a changed secret is used from the next request on", async () => {
  await reloaded("success", () => gateway.write("key", "sk-two\n"));
  await ask();
  expect(second?.received.map((request) => request.header("authorization"))).toEqual([
    "Bearer sk-one",
    "Bearer sk-two",
  ]);
});

test.each([
  ["a faulty file", "demo: maybe\n", /^config\.yaml:1:1: demo must be .* The configuration in use stays\.$/],
  [
    "a price like that of a model that nobody lists",
    "prices:\n  - { model: mine, sameAs: openai/gpt-400 }\n",
    /^config: prices\[0\]: sameAs "openai\/gpt-400" .* The configuration in use stays\.$/,
  ],
])("%s is refused: told of, counted, and the old configuration stays", async (_, more, sentence) => {
  const before = await loadedAt();
  const told = gateway.lines().length;
  await reloaded("failure", () => gateway.write("config.yaml", more.startsWith("demo") ? more : config(first, more)));
  await vi.waitFor(() =>
    expect(gateway.lines().slice(told)).toContainEqual(
      expect.objectContaining({ level: "error", msg: expect.stringMatching(sentence) }),
    ),
  );
  expect(await loadedAt()).toBe(before);
  expect((await ask()).text).toContain('"second"');
});

test("what takes a restart is said to", async () => {
  await reloaded("success", () =>
    gateway.write("config.yaml", config(first, "log: { level: warn }\nmetrics: false\n")),
  );
  for (const key of ["log", "metrics"])
    await gateway.line({
      level: "warn",
      msg: `${key} changed: that takes a restart; what else changed is in use now.`,
    });
  expect((await ask()).text).toContain('"first"');
});

test("a cache that is moved to a Redis of no address stays where it is, and nothing else is taken on", async () => {
  const cached = "cache: { store: memory }\nroutes: [{ model: '*', targets: [{ backend: fake }], cache: all }]\n";
  await reloaded("success", () => gateway.write("config.yaml", config(first, cached)));
  expect([await ask(), await ask()].map((got) => got.header("x-tollgate-cache"))).toEqual(["miss", "hit"]);
  const moved = `${cached.replace("memory", "redis")}redis: { url: "redis://127.0.0.1:1/cache" }\n`;
  await reloaded("failure", () => gateway.write("config.yaml", config(second, moved)));
  expect((await ask()).header("x-tollgate-cache")).toBe("hit");
  expect((await ask("other")).text).toContain('"first"');
});

test("a demo that is switched on later answers", async () => {
  expect((await ask("demo")).text).toContain('"first"');
  await reloaded("success", () => gateway.write("config.yaml", config(first).replace("demo: false", "demo: true")));
  const { status, text } = await ask("demo");
  expect(status).toBe(200);
  expect(JSON.parse(text)).toMatchObject({ model: "demo", created: expect.closeTo(Date.now() / 1000, -2) });
});
