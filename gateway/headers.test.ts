import { expect, test } from "vitest";
import { Crossing, crossingToBackend, headerIn, headersToBackend, headersToClient } from "./headers.ts";

const crossing = (rawHeaders: string[], options: Partial<Parameters<typeof crossingToBackend>[0]> = {}) => {
  const connection = headerIn(rawHeaders, "connection");
  return headersToBackend(
    { rawHeaders, headers: connection === undefined ? {} : { connection } },
    crossingToBackend({ passCredentials: false, replaced: [], ...options }),
  );
};

test("a header that is not known crosses to the backend untouched, doubles and case included", () => {
  const raw = ["X-Custom", "1", "x-custom", "2", "Content-Type", "application/json", "OpenAI-Beta", "assistants=v2"];
  expect(crossing(raw)).toEqual(raw);
});

test("hop-by-hop and framing headers never cross to the backend", () => {
  const raw = [
    "Connection",
    "keep-alive",
    "Keep-Alive",
    "5",
    "TE",
    "trailers",
    "Transfer-Encoding",
    "chunked",
    "Content-Length",
    "3",
    "Upgrade",
    "h2c",
    "Expect",
    "100-continue",
    "Proxy-Authorization",
    "x",
    "Trailer",
    "y",
  ];
  expect(crossing(raw)).toEqual([]);
});

test("headers that Connection names stay behind", () => {
  expect(crossing(["Connection", "close, X-Hop", "X-Hop", "1", "X-Keep", "2"])).toEqual(["X-Keep", "2"]);
});

test("credentials cross only where the client's own are wanted", () => {
  const raw = ["Authorization", "Bearer sk-client", "OpenAI-Organization", "org", "api-key", "k"];
  expect(crossing(raw)).toEqual([]);
  expect(crossing(raw, { passCredentials: true })).toEqual(raw);
});

test("cookies, baggage, origins, addresses and our own headers stay with us", () => {
  expect(
    crossing([
      "Cookie",
      "a=b",
      "baggage",
      "k=v",
      "Origin",
      "http://x",
      "X-Forwarded-For",
      "1.2.3.4",
      "traceparent",
      "00-",
      "X-Tollgate-Feature",
      "f",
      "Host",
      "h",
      "x-request-id",
      "r",
    ]),
  ).toEqual([]);
});

test("what the gateway sets itself replaces what the client sent", () => {
  expect(crossing(["Accept-Encoding", "gzip", "Accept", "*/*"], { replaced: ["accept-encoding"] })).toEqual([
    "Accept",
    "*/*",
  ]);
});

test("an answer's headers cross but for framing, the backend's own affairs, and what its Connection names", () => {
  expect(
    headersToClient([
      "Content-Type",
      "text/plain",
      "Set-Cookie",
      "s=1",
      "OpenAI-Organization",
      "acme",
      "X-Hop",
      "1",
      "Connection",
      "X-Hop",
      "Access-Control-Allow-Origin",
      "*",
      "x-ratelimit-remaining-requests",
      "9",
      "Link",
      "a",
      "Link",
      "b",
      "Content-Length",
      "4",
      "Date",
      "now",
    ]),
  ).toEqual([
    "Content-Type",
    "text/plain",
    "x-ratelimit-remaining-requests",
    "9",
    "Link",
    "a",
    "Link",
    "b",
    "Date",
    "now",
  ]);
});

test("a header is found whatever its case", () => {
  expect(headerIn(["Content-TYPE", "a", "content-type", "b"], "content-type")).toBe("a");
  expect(headerIn(["Content-Type", "a"], "etag")).toBeUndefined();
});

test("a name is judged the same however many others came before, and the last", () => {
  const rule = new Crossing(["x-stays"]);
  for (let i = 0; i < 2_000; i += 1) expect(rule.crosses(`X-Name-${i}`)).toBe(true);
  expect([rule.crosses("X-Stays"), rule.crosses("x-stays"), rule.crosses("x-goes")]).toEqual([false, false, true]);
});
