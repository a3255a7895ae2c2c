// Tokens: nothing of a text is lost when it is taken apart.
import { expect, test } from "vitest";
import { piecesOf, tokensOf } from "./pieces.ts";

test.each([
  "",
  "Hello, world.",
  "  two  spaces\n\n1. list\t2024",
  "Grüße 你好 👩‍👩‍👧 e\u0301",
  '{"a":[1,2.5,null]}',
  "\ud800 lone",
])("%j is its pieces again", (text) => {
  expect(piecesOf(text).join("")).toBe(text);
  expect(tokensOf(text)).toBe(piecesOf(text).length);
});

test("a sentence has about as many tokens as at a provider", () => {
  expect(tokensOf("The quick brown fox jumps over the lazy dog.")).toBe(10);
});

test("a text too long to take apart is measured", () => {
  expect(tokensOf("a".repeat(400_000))).toBe(100_000);
});
