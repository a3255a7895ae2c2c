import { errors } from "undici";
import { expect, test } from "vitest";
import { attemptFailure, inWords } from "./attempt-failure.ts";
import { GatewayError } from "./errors.ts";

const coded = (code: string, message = "") => Object.assign(new Error(message), { code });

test.each([
  ["no connection in time", new errors.ConnectTimeoutError(), "connect_timeout", "connect_timeout"],
  ["no head in time", new errors.HeadersTimeoutError(), "first_byte_timeout", "first_byte_timeout"],
  ["a stall", new errors.BodyTimeoutError(), "idle_timeout", "idle_timeout"],
  ["a head too large", new errors.HeadersOverflowError(), "bad_answer", "bad_answer"],
  ["what is not HTTP", new errors.HTTPParserError(), "bad_answer", "bad_answer"],
  ["a length that does not hold", new errors.ResponseContentLengthMismatchError(), "unreachable", "broken_answer"],
  ["a closed connection", new errors.SocketError("other side closed"), "unreachable", "broken_answer"],
  ["a reset", coded("ECONNRESET"), "unreachable", "broken_answer"],
  ["nobody there", coded("ECONNREFUSED"), "unreachable", "broken_answer"],
  ["an unknown name", coded("ENOTFOUND"), "unreachable", "broken_answer"],
  ["a request that may not be written", new errors.InvalidArgumentError("path"), "internal", "internal"],
  ["a request of another length", new errors.RequestContentLengthMismatchError(), "internal", "internal"],
  ["an upload cut by us", new GatewayError("body_too_large"), "body_too_large", "body_too_large"],
])("%s: before the answer's head and after it", (_, error, before, after) => {
  expect([attemptFailure(error, false), attemptFailure(error, true)]).toEqual([before, after]);
});

test("the record's words have the code once", () => {
  expect(inWords(coded("ECONNREFUSED", "connect ECONNREFUSED 192.0.2.1:80"))).toBe("connect ECONNREFUSED 192.0.2.1:80");
  expect(inWords(coded("ECONNRESET", "socket hang up"))).toBe("ECONNRESET: socket hang up");
  expect(inWords(new TypeError("x"))).toBe("TypeError: x");
});
