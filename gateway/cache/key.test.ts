// What makes two questions the same, and what keeps them apart.
import { describe, expect, test } from "vitest";
import { anonymous } from "../admission/identity.ts";
import type { Route } from "../routing/route.ts";
import { keyOf as testKey } from "../testing/key-ring.ts";
import { type KeyParts, keyOf } from "./key.ts";
import { membersOf } from "./rules.ts";

const route: Route = {
  name: "*",
  strategy: "priority",
  targets: [],
  retries: { max: 0, backoff: 1, maxBackoff: 1 },
  systemPrompt: undefined,
};

const key = (body: string, more: Partial<KeyParts> = {}) =>
  keyOf({
    identity: anonymous,
    acrossKeys: false,
    route,
    path: "/v1/chat/completions",
    query: "",
    headers: {},
    members: membersOf(Buffer.from(body)) ?? new Map(),
    repeatsCaller: false,
    isEncoded: false,
    ...more,
  });

const body = '{"model":"m","messages":[{"role":"user","content":"a b"}]}';
const of = (id: string) => ({ identity: { auth: "key" as const, priority: 0, key: testKey(id) } });

describe("the same", () => {
  test.each([
    ["white space outside strings", '{ "model" : "m",\n"messages":[ {"role":"user", "content":"a b"} ] }'],
    ["another order of members", '{"messages":[{"role":"user","content":"a b"}],"model":"m"}'],
    ["who asks", `{"user":"u","safety_identifier":"s","metadata":{"a":"b"},"prompt_cache_key":"k",${body.slice(1)}`],
  ])("%s", (_, other) => {
    expect(key(other)).toBe(key(body));
  });

  test("the key of a caller, where callers share", () => {
    expect(key(body, { acrossKeys: true, ...of("a") })).toBe(key(body, { acrossKeys: true, ...of("b") }));
  });

  test("credentials that no backend gets", () => {
    expect(key(body, { headers: { authorization: "Bearer x" } })).toBe(key(body));
  });
});

describe("apart", () => {
  test.each([
    ["white space in strings", body.replace("a b", "a  b")],
    ["the model", body.replace('"m"', '"n"')],
    ["a member more", `{"seed":1,${body.slice(1)}`],
    ["a stream", `{"stream":true,${body.slice(1)}`],
  ])("%s", (_, other) => {
    expect(key(other)).not.toBe(key(body));
  });

  test("a key's own system prompt, across keys, too", () => {
    const plain = of("a").identity;
    const prompted = { ...plain, key: testKey("a", { systemPrompt: { mode: "prepend", text: "x" } }) };
    const shared = (identity: KeyParts["identity"]) => key(body, { acrossKeys: true, identity });
    expect(shared(plain)).toBe(shared(of("b").identity));
    expect(shared(prompted)).not.toBe(shared(plain));
  });

  test("digits that a number of JavaScript does not hold", () => {
    expect(key('{"seed":9007199254740993}')).not.toBe(key('{"seed":9007199254740992}'));
  });

  test("a value that looks like another's name and value", () => {
    expect(key('{"a":"b","c":"d"}')).not.toBe(key('{"a":"b\\"c\\"d"}'));
    expect(key(body, { path: "/v1/a", query: "?b" })).not.toBe(key(body, { path: "/v1/a?", query: "b" }));
  });

  test.each([
    ["the tenant", of("a")],
    ["the route", { route: { ...route, name: "m" } }],
    ["the system prompt", { route: { ...route, systemPrompt: { mode: "prepend" as const, text: "x" } } }],
    ["the path", { path: "/v1/completions" }],
    ["the query", { query: "?api-version=1" }],
    ["beta features", { headers: { "openai-beta": "x" } }],
  ])("%s", (_, more) => {
    expect(key(body, more)).not.toBe(key(body));
  });

  test("the system prompt's text, and its place", () => {
    const prompted = (mode: "prepend" | "append", text: string) =>
      key(body, { route: { ...route, systemPrompt: { mode, text } } });
    expect(new Set([prompted("prepend", "x"), prompted("prepend", "y"), prompted("append", "x")]).size).toBe(3);
  });

  test("the client's own credential, where it is passed through", () => {
    const passed = (word: string) =>
      key(body, { acrossKeys: true, identity: { auth: "passthrough", priority: 0 }, headers: { authorization: word } });
    expect(passed("Bearer a")).not.toBe(passed("Bearer b"));
  });

  test("who asks, where the answer repeats it", () => {
    const repeats = { repeatsCaller: true };
    expect(key('{"user":"a"}', repeats)).not.toBe(key('{"user":"b"}', repeats));
  });
});
