import { expect, test } from "vitest";
import { target } from "./target.ts";

test.each([
  ["/v1/chat/completions", "/v1/chat/completions", ""],
  ["/v1/models?limit=2&after=a/../b", "/v1/models", "?limit=2&after=a/../b"],
  ["/v1/files/file-1.tar.gz/content", "/v1/files/file-1.tar.gz/content", ""],
  ["/v1/models/org%2Fname", "/v1/models/org%2Fname", ""],
  ["/v1/models/ft:gpt-4o:acme::x%20y", "/v1/models/ft:gpt-4o:acme::x%20y", ""],
  ["/v1/files/...", "/v1/files/...", ""],
])("%s is a plain target", (raw, path, query) => {
  expect(target(raw)).toEqual({ path, query });
});

test.each([
  undefined,
  "",
  "*",
  "http://evil.example/v1/models",
  "evil.example:443",
  "//evil.example/v1/models",
  "/v1//models",
  "/v1/../admin",
  "/v1/./models",
  "/v1/..",
  "/v1/%2e%2e/admin",
  "/v1/.%2E/admin",
  "/v1/%2e/models",
  "/v1/files/a%2fb",
  "/v1/files/..%2fadmin",
  "/v1/models/..%2f..%2fadmin",
  "/v1/models/org%2F%2e%2e",
  "/v1\\models",
  "/v1/%5c..%5cadmin",
  "/v1/models#fragment",
  "/v1/mod\u00e9ls",
  "/v1/a\u0000b",
  "/v1/a%00b",
  "/v1/a b",
])("%j is refused", (raw) => {
  expect(target(raw)).toBeUndefined();
});
