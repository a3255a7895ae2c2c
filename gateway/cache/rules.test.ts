// The table of what may be cached, row by row.
import { describe, expect, test } from "vitest";
import { receiverFor } from "../receivers/index.ts";
import { familyOf, isCacheable, membersOf, wishOf } from "./rules.ts";

/** By default under a route that caches what is deterministic, without a wish. */
function cached(
  path: string,
  body: object | string,
  mode: Parameters<typeof isCacheable>[2] = "deterministic",
  wish?: string,
) {
  const family = familyOf("POST", receiverFor("POST", path).receiver.path);
  const members = membersOf(Buffer.from(typeof body === "string" ? body : JSON.stringify(body)));
  return family !== undefined && members !== undefined && isCacheable(family, members, mode, wishOf(wish));
}

const chat = "/v1/chat/completions";
const responses = "/v1/responses";
const cold = { model: "m", temperature: 0 };

test.each([chat, "/v1/chat//completions", "/v1/completions", "/v1/embeddings", "/v1/moderations"])(
  "POST %s",
  (path) => {
    expect(cached(path, cold)).toBe(true);
  },
);

test.each([
  "/v1/images/generations",
  "/v1/audio/speech",
  "/v1/files",
  "/v1/responses/compact",
  "/v1/models",
  "/v1/other",
])("%s never", (path) => expect(cached(path, cold, "all", "on")).toBe(false));

test("only POST", () => {
  expect(familyOf("GET", chat)).toBeUndefined();
});

describe("route and wish", () => {
  test.each([
    ["off", undefined, false, false],
    ["off", "on", false, false],
    ["off", "refresh", false, false],
    ["deterministic", undefined, true, false],
    ["deterministic", "on", true, true],
    ["deterministic", "Refresh", true, true],
    ["deterministic", "off", false, false],
    ["deterministic", "yes", false, false],
    ["all", undefined, true, true],
    ["all", "off", false, false],
  ] as const)("%s, %s", (mode, wish, whenCold, whenWarm) => {
    expect(cached(chat, cold, mode, wish)).toBe(whenCold);
    expect(cached(chat, { model: "m" }, mode, wish)).toBe(whenWarm);
  });
});

describe("deterministic", () => {
  test.each([
    [{ temperature: 0 }, true],
    [{ temperature: 0, n: 1, best_of: null }, true],
    [{ temperature: 0, tools: [{ type: "function", function: { name: "f" } }] }, true],
    [{ seed: 1 }, false],
    [{ temperature: 0.1 }, false],
    [{ temperature: null }, false],
    [{ temperature: "0" }, false],
    [{ temperature: 0, n: 2 }, false],
    [{ temperature: 0, best_of: 3 }, false],
    [{ temperature: 0, web_search_options: {} }, false],
    [{ temperature: 0, audio: { voice: "a" } }, false],
  ])("%j: %s", (body, expected) => {
    expect(cached(chat, body)).toBe(expected);
  });

  test("embeddings and moderations always", () => {
    for (const path of ["/v1/embeddings", "/v1/moderations"]) expect(cached(path, { input: "x" })).toBe(true);
  });
});

describe("never, not even with cache: all", () => {
  test.each([
    [chat, { store: true }],
    [chat, { tools: [{ type: "web_search" }] }],
    [responses, {}],
    [responses, { store: true }],
    [responses, { store: false, previous_response_id: "resp_1" }],
    [responses, { store: false, conversation: "conv_1" }],
    [responses, { store: false, background: true }],
    [responses, { store: false, tools: [{ type: "function" }, { type: "mcp" }] }],
  ])("%s %j", (path, body) => {
    expect(cached(path, body, "all", "on")).toBe(false);
  });

  test("a member twice, or no object", () => {
    for (const body of ['{"model":"a","model":"b"}', '{"model":"a","mod\\u0065l":"b"}', "[]", '"x"']) {
      expect(cached(chat, body, "all")).toBe(false);
    }
  });

  test("a response that is not stored, and depends on nothing, is", () => {
    const body = { store: false, previous_response_id: null, background: false, tools: [{ type: "custom" }] };
    expect(cached(responses, body, "all")).toBe(true);
    expect(cached(responses, body)).toBe(false);
    expect(cached(responses, { ...body, temperature: 0 })).toBe(true);
  });
});
