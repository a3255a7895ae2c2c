// For how long a connection is kept, as the answer's fields have it; where bodies end is tested with the parser.
import { expect, test } from "vitest";
import { framing } from "./framing.ts";

const said = (...fields: readonly string[]) => framing(fields, { status: 200, minor: 1, isHead: false });

test.each([
  ["timeout=5", 5],
  ["timeout=5, max=100", 5],
  ["max=100, timeout=75", 75],
  ["max=100;timeout=75", 75],
  ["max=100 timeout=75", 75],
  ['Timeout = "30"', 30],
  ["timeout=0", 0],
  ["timeout=4294967", 4_294_967],
  ["", undefined],
  ["max=100", undefined],
  ["timeout", undefined],
  ["timeout=", undefined],
  ["timeout=-5", undefined],
  ["timeout=soon", undefined],
  ["notimeout=5", undefined],
])("keep-alive: %s", (value, seconds) => {
  expect(said("Keep-Alive", value, "Content-Length", "0").keepAliveSeconds).toBe(seconds);
});

test("no word of it is none", () => {
  expect(said("Connection", "keep-alive", "Content-Length", "0").keepAliveSeconds).toBeUndefined();
});

test("other names as long as those that matter mean nothing", () => {
  const fields = ["Connectiox", "close", "Content-Lengtx", "7", "Transfer-Encodinx", "gzip", "Content-Length", "2"];
  expect(said(...fields)).toEqual({ body: "length", length: 2, persists: true, keepAliveSeconds: undefined });
});

test("options of a connection stand in any case, among others, with white space", () => {
  for (const value of ["close", "CLOSE", "a,close", "close,a", "a ,\tClose , b", ",close"])
    expect(said("Connection", value, "Content-Length", "2").persists, value).toBe(false);
  for (const value of ["", "keep-alive", "closed", "no-close", "close-d", "clo se"])
    expect(said("Connection", value, "Content-Length", "2").persists, value).toBe(true);
});
