import type { IncomingMessage } from "node:http";
import { expect, test } from "vitest";
import { callerOf, clientAddress, purposeOf } from "./caller.ts";

const request = (remoteAddress: string, headers: Record<string, string> = {}) =>
  ({ headers, socket: { remoteAddress } }) as unknown as IncomingMessage;

test("the client is the connection's peer, and X-Forwarded-For is not believed", () => {
  expect(clientAddress([])(request("::ffff:10.0.0.9", { "x-forwarded-for": "1.2.3.4" }))).toBe("10.0.0.9");
});

test("behind a trusted proxy the client is the last address that is no proxy's", () => {
  const address = clientAddress(["10.0.0.0/8", "::1"]);
  expect(address(request("10.0.0.9", { "x-forwarded-for": "6.6.6.6, 1.2.3.4, 10.1.1.1" }))).toBe("1.2.3.4");
  expect(address(request("::1", { "x-forwarded-for": "2001:db8::7" }))).toBe("2001:db8::7");
});

test("a stranger's X-Forwarded-For is not believed even when proxies are trusted", () => {
  expect(clientAddress(["10.0.0.0/8"])(request("9.9.9.9", { "x-forwarded-for": "1.2.3.4" }))).toBe("9.9.9.9");
});

test("nonsense in X-Forwarded-For ends the search at the last good address", () => {
  expect(clientAddress(["10.0.0.0/8"])(request("10.0.0.9", { "x-forwarded-for": "1.2.3.4, evil" }))).toBe("10.0.0.9");
});

test("what the caller does not say stays unsaid", () => {
  const req = request("1.1.1.1");
  expect(callerOf(req, "1.1.1.1")).toEqual({ auth: "none", address: "1.1.1.1" });
  expect(purposeOf(req)).toEqual({});
});

test("what the caller says is cut to a bounded length", () => {
  const req = request("1.1.1.1", {
    "x-tollgate-feature": "f".repeat(999),
    "user-agent": "u".repeat(999),
    "x-request-id": "r".repeat(999),
  });
  expect(purposeOf(req).feature).toHaveLength(128);
  expect(callerOf(req, undefined)).toEqual({ auth: "none", userAgent: "u".repeat(256), requestId: "r".repeat(128) });
});
