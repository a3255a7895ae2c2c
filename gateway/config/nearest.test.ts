// Typing mistakes find the word that was meant; other words find none.
import { expect, it } from "vitest";
import { nearest } from "./nearest.ts";

const keys = ["name", "provider", "baseUrl", "models", "shutdownSeconds", "maxConnections", "key"];

it.each([
  ["nmae", "name"],
  ["base_url", "baseUrl"],
  ["baseURL", "baseUrl"],
  ["model", "models"],
  ["shutdown", "shutdownSeconds"],
  ["max-conections", "maxConnections"],
  ["keys", "key"],
])("%s was meant to be %s", (word, meant) => {
  expect(nearest(word, keys)).toBe(meant);
});

it.each(["zzz", "temperature", "x", ""])("%j was meant to be none of them", (word) => {
  expect(nearest(word, keys)).toBeUndefined();
});
