import { describe, expect, test } from "vitest";
import { outcomeOf } from "./errors.ts";
import { failureOfStatus, outcomeOfStatus, reviewed } from "./verdict.ts";

test.each([
  [200, undefined, undefined],
  [304, undefined, undefined],
  [400, "upstream_rejected", "upstream_rejected"],
  [401, "backend_auth", "client_key_rejected"],
  [403, "backend_auth", "client_key_rejected"],
  [404, "upstream_rejected", "upstream_rejected"],
  [408, "backend_status_timeout", "backend_status_timeout"],
  [429, "backend_limited", "backend_limited"],
  [500, "backend_status", "backend_status"],
  [999, "backend_status", "backend_status"],
])("%i means, under our key and under the client's own", (status, ours, theirs) => {
  expect([failureOfStatus(status, true), failureOfStatus(status, false)]).toEqual([ours, theirs]);
});

test("the record has the status that the client saw, not the table's", () => {
  expect(outcomeOfStatus(503, true)).toMatchObject({ kind: "failed", reason: "upstream_status", status: 503 });
  expect(outcomeOfStatus(201, true)).toEqual({ kind: "completed", status: 201, finish: "ok" });
});

describe("an outcome in the light of the answer", () => {
  const completed = outcomeOfStatus(200, true);
  const facts = { ended: true } as const;

  test("stays as it is where nothing was learned", () => {
    expect(reviewed(completed, undefined, true)).toBe(completed);
    expect(reviewed(completed, facts, true)).toBe(completed);
  });

  test("has the model's own finish", () => {
    expect(reviewed(completed, { ...facts, finish: "length" }, true)).toMatchObject({ finish: "length" });
  });

  test("is a failure where the answer tells of one, with its words", () => {
    const error = { message: "overloaded", code: "x", type: "y" };
    expect(reviewed(completed, { ...facts, error }, true)).toMatchObject({
      kind: "failed",
      reason: "upstream_status",
      status: 200,
      message: "overloaded",
    });
    expect(reviewed(completed, { ...facts, error: { type: "y" } }, false)).toMatchObject({ message: "y" });
  });

  test("is a broken stream where a stream lacks its end mark, or JSON is none, and says which", () => {
    expect(reviewed(completed, { ended: false }, true)).toMatchObject({ kind: "failed", reason: "broken_stream" });
    expect(reviewed(completed, { ended: false }, false)).toMatchObject({
      reason: "broken_stream",
      message: "The answer is not the whole JSON that it says it is.",
    });
  });

  test("of a failure gains the backend's words, where there are none yet", () => {
    const error = { message: "no luck" };
    expect(reviewed(outcomeOfStatus(400, true), { ...facts, error }, false)).toMatchObject({ message: "no luck" });
    const told = outcomeOf("idle_timeout", "ours", 200);
    expect(reviewed(told, { ended: false, error }, true)).toBe(told);
  });

  test("of a client that left stays so, whatever the answer says", () => {
    const left = { kind: "abandoned", status: 499 } as const;
    expect(reviewed(left, { ended: false, error: { message: "x" } }, true)).toBe(left);
  });
});
