// Only what this machine alone can reach may be open without keys.
import { expect, it } from "vitest";
import { isLoopback, openDoor } from "./anonymous.ts";

it.each(["127.0.0.1", "127.8.9.10", "::1", "localhost", "::ffff:127.0.0.1"])("%s is this machine", (host) => {
  expect(isLoopback(host)).toBe(true);
});

it.each(["0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "localhost.example.com", "gateway", "::ffff:10.0.0.1"])(
  "%s is not only this machine",
  (host) => {
    expect(isLoopback(host)).toBe(false);
  },
);

const listening = (host: string, allowAnonymous = false) => ({
  listen: { host, port: 1, opsHost: host, opsPort: 2 },
  allowAnonymous,
});

it("caller keys or allowAnonymous open the door to a network, and nothing else does", () => {
  expect(openDoor(listening("0.0.0.0"), { hasCallerKeys: false })).toContain("allowAnonymous: true");
  expect(openDoor(listening("0.0.0.0"), { hasCallerKeys: true })).toBeUndefined();
  expect(openDoor(listening("0.0.0.0", true), { hasCallerKeys: false })).toBeUndefined();
  expect(openDoor(listening("127.0.0.1"), { hasCallerKeys: false })).toBeUndefined();
});
