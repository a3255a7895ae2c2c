import { expect, test } from "vitest";
import { banner } from "./banner.ts";
import { withDemo } from "./config/builtin.ts";
import { config } from "./testing/load-config.ts";

const lines = (
  yaml: string | undefined,
  env: Readonly<Record<string, string>> = {},
  host = "127.0.0.1",
  needsKey = false,
) => {
  const complete = withDemo(config(yaml, env), "http://127.0.0.1:1/v1");
  const text = banner({
    config: complete,
    needsKey,
    url: `http://${host}:8088`,
    opsUrl: `http://${host}:9091`,
    version: "1.2.3",
  });
  const [first = "", backends = "", ops = "", attempt = "", then = "", ...more] = text.split("\n");
  expect(more).toEqual([]);
  return { first, backends, ops, attempt, then, text };
};

const chat = (model: string) => `/v1/chat/completions -H 'content-type: application/json' -d '{"model":"${model}",`;
const own = (models: string, more = "") =>
  `demo: false\nbackends:\n  - { name: own, provider: my-llm, baseUrl: "http://10.0.0.1/v1", models: [${models}]${more} }\n`;

test("a listener on every address is called by one that works, and said to be one", () => {
  const { first, ops, attempt, then } = lines("allowAnonymous: true\n", {}, "0.0.0.0");
  expect(first).toContain(
    "base URL at http://127.0.0.1:8088/v1, on every address of this machine (/etc/tollgate/config.yaml)",
  );
  for (const line of [ops, attempt, then]) expect(line).toMatch(/http:\/\/127\.0\.0\.1:/);
  expect(lines(undefined, {}, "[::]").ops).toContain("http://[::1]:9091 ");
});

test.each<[string, string | undefined, Readonly<Record<string, string>>, string]>([
  ["the demo, where it is on", undefined, { OPENAI_API_KEY: "sk-1" }, chat("demo")],
  ["a model by name", own("llama-3"), {}, chat("llama-3")],
  ["a model that chats, before one that does not", own("text-embedding-9, llama-3"), {}, chat("llama-3")],
  ["OpenAI's usual one", "demo: false\n", { OPENAI_API_KEY: "sk-1" }, chat("gpt-4o-mini")],
  ["DeepSeek's usual one", "demo: false\n", { DEEPSEEK_API_KEY: "sk-1" }, chat("deepseek-chat")],
  ["the list of models, where only patterns are known", own('"*"'), {}, "curl -s http://127.0.0.1:8088/v1/models"],
])("the request to try asks for %s", (_, yaml, env, wanted) => {
  const { attempt, text } = lines(yaml, env);
  expect(attempt).toContain(wanted);
  expect(text).not.toContain("sk-1");
});

test("a backend that takes the client's key is asked with it", () => {
  const { attempt, backends } = lines(own("llama-3", ", passClientKey: true"));
  expect(attempt).toContain(' -H "authorization: Bearer $MY_LLM_API_KEY" ');
  expect(backends).toBe("  backends  own (llama-3; the client's key)");
});

test("where callers need a key, the request to try has a place for one", () => {
  expect(lines(own("llama-3"), {}, "127.0.0.1", true).attempt).toContain(' -H "authorization: Bearer $TOLLGATE_KEY" ');
  expect(lines(own("llama-3")).attempt).not.toContain("authorization");
});

test("a quote in a model's name does not end the shell's", () => {
  expect(lines(own(`"it's"`)).attempt).toContain(`{"model":"it'\\''s",`);
});

test.each([
  ["TOLLGATE_METRICS_TOKEN", { TOLLGATE_METRICS_TOKEN: "t1", TOLLGATE_ADMIN_TOKEN: "t2" }],
  ["TOLLGATE_ADMIN_TOKEN", { TOLLGATE_ADMIN_TOKEN: "t2" }],
])("metrics behind %s are asked for with it", (name, env) => {
  expect(lines(undefined, env).then).toContain(`/metrics -H "authorization: Bearer $${name}" | grep `);
});
