// A problem is told without repeating what may be a secret.
import { expect, it } from "vitest";
import { keyPath, sentence } from "./problem.ts";

it("keys and positions are told as they are written in code", () => {
  expect(keyPath(["backends", 0, "headers", "x-team"])).toBe("backends[0].headers.x-team");
});

it.each(["sk-abc", "hunter2a", "p4ssw0rd", "a b", "A".repeat(41), "xai-key", "0123"])(
  "%j is no key to repeat",
  (key) => {
    expect(keyPath(["backends", 0, key])).toBe("backends[0].…");
  },
);

it("a place, a key and a message make a sentence", () => {
  const problem = { source: "a.yaml", line: 3, column: 5, key: "listen.port", message: "must be a port" };
  expect(sentence(problem)).toBe("a.yaml:3:5: listen.port must be a port.");
  expect(sentence({ source: "a.yaml", key: "", message: "is empty" })).toBe("a.yaml: is empty.");
  expect(sentence({ source: "a.yaml", key: "x", message: 'is unknown; did you mean "y"?' })).toMatch(/\?$/);
});
