import { describe, expect, test } from "vitest";
import { eventType } from "./event-type.ts";

const typeOf = (event: unknown) => eventType(Buffer.from(typeof event === "string" ? event : JSON.stringify(event)));

describe("an event's type", () => {
  test.each<readonly [string, unknown]>([
    ["first", { type: "response.done", response: {} }],
    ["after an id", { event_id: "event_1", type: "response.done", response: { type: "message" } }],
    [
      "after types of what is nested",
      { item: { type: "message", content: [{ type: "text" }] }, type: "response.done" },
    ],
    ["last", { response: { output: "x".repeat(100_000) }, type: "response.done" }],
    ["in the middle of a small event", { a: "x".repeat(400), type: "response.done", b: "x".repeat(400) }],
    ["in pretty JSON", '{\n  "type" : "response.done"\n}'],
  ])("is found where it stands %s", (_, event) => expect(typeOf(event)).toBe("response.done"));

  test.each([
    ["{}"],
    [""],
    [{ type: "error" }],
    [{ type: "message" }],
    [{ delta: '{"type":"response.done"}' }],
    [{ delta: `${"x".repeat(300)}{"type":"response.done"}` }],
    [{ type: "Response.Done" }],
    [{ type: "response." }],
    [{ type: 7 }],
  ])("is not seen in %j", (event) => expect(typeOf(event)).toBeUndefined());

  test("in the middle of a large one is not looked for", () =>
    expect(typeOf({ a: "x".repeat(20_000), type: "response.done", b: "x".repeat(400) })).toBeUndefined());
});
