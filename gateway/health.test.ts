// Facts about what the gateway says of itself.
import { expect, test } from "vitest";
import { type HealthSnapshot, health } from "./health.ts";

const startedAt = Date.UTC(2026, 10, 6, 20, 55);
const told = (changes: Partial<HealthSnapshot> = {}) =>
  health({
    version: "1.2.3",
    startedAt,
    now: startedAt + 61_500,
    backends: [
      { name: "openai", up: true },
      { name: "local", up: true },
    ],
    draining: false,
    ...changes,
  });
const one = (up: boolean) => [{ name: "openai", up }];

test("a healthy gateway tells all that a probe, a dashboard or a person asks for, in one shape", () => {
  expect(told()).toEqual({
    status: 200,
    body: {
      status: "healthy",
      service: "tollgate",
      version: "1.2.3",
      uptime: 61.5,
      database: "none",
      services: { openai: true, local: true },
      timestamp: "2026-11-06T20:56:01.500Z",
    },
  });
});

test("some backends down is degraded, and still 200", () => {
  const { status, body } = told({ backends: [...one(true), { name: "local", up: false }] });
  expect([status, body.status, body.services]).toEqual([200, "degraded", { openai: true, local: false }]);
});

test("every backend down is unhealthy, and 503", () => {
  const { status, body } = told({ backends: one(false) });
  expect([status, body.status]).toEqual([503, "unhealthy"]);
});

test("a gateway that drains is unhealthy, however well its backends are", () => {
  const { status, body } = told({ draining: true });
  expect([status, body.status, body.services]).toEqual([503, "unhealthy", { openai: true, local: true }]);
});

test("a store that is away degrades; a store that is there does not; none is said to be none", () => {
  const of = (database: "connected" | "disconnected") => {
    const { status, body } = told({ database });
    return [status, body.status, body.database];
  };
  expect(of("connected")).toEqual([200, "healthy", "connected"]);
  expect(of("disconnected")).toEqual([200, "degraded", "disconnected"]);
  expect(told().body.database).toBe("none");
});

test("without backends there is none that could be down", () => {
  expect(told({ backends: [] })).toMatchObject({ status: 200, body: { status: "healthy", services: {} } });
});

test("uptime is never negative, even when the clock was set back", () => {
  expect(told({ now: startedAt - 5_000 }).body.uptime).toBe(0);
});

test("a backend may have any name", () => {
  const { body } = told({ backends: [{ name: "__proto__", up: false }] });
  expect(JSON.stringify(body.services)).toBe('{"__proto__":false}');
});
