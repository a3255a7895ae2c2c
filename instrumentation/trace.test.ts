import { randomFillSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { parseTraceparent, parseTracestate, traceHeaders, traceSource } from "./trace.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const parentId = "00f067aa0ba902b7";
const good = `00-${traceId}-${parentId}-01`;

describe("traceparent", () => {
  test("a valid one is read whole", () => {
    expect(parseTraceparent(good)).toEqual({ traceId, spanId: parentId, flags: 1 });
  });

  test("flags that the specification does not know are dropped", () => {
    expect(parseTraceparent(`00-${traceId}-${parentId}-ff`)?.flags).toBe(3);
    expect(parseTraceparent(`00-${traceId}-${parentId}-08`)?.flags).toBe(0);
  });

  test("a later version is read as far as it is known", () => {
    expect(parseTraceparent(`cc-${traceId}-${parentId}-01`)?.spanId).toBe(parentId);
    expect(parseTraceparent(`cc-${traceId}-${parentId}-01-what-comes`)?.spanId).toBe(parentId);
    expect(parseTraceparent(`cc-${traceId}-${parentId}-01.what`)).toBeUndefined();
  });

  test.each([
    ["empty", ""],
    ["version ff", `ff-${traceId}-${parentId}-01`],
    ["more after version 00", `${good}-x`],
    ["upper case", good.toUpperCase()],
    ["a trace id of zeros", `00-${"0".repeat(32)}-${parentId}-01`],
    ["a span id of zeros", `00-${traceId}-${"0".repeat(16)}-01`],
    ["short ids", `00-${traceId.slice(1)}-${parentId}-01`],
    ["long ids", `00-${traceId}0-${parentId}-01`],
    ["no flags", `00-${traceId}-${parentId}`],
    ["one digit of flags", `00-${traceId}-${parentId}-1`],
    ["not hex", `00-${traceId.replace("4", "g")}-${parentId}-01`],
    ["two headers in one", `${good}, ${good}`],
    ["underscores", good.replaceAll("-", "_")],
    ["a line break", `${good}\nx`],
  ])("%s is not valid", (_, value) => {
    expect(parseTraceparent(value)).toBeUndefined();
  });
});

describe("tracestate", () => {
  test("valid members pass in their order, without spaces and empty members", () => {
    expect(parseTracestate("congo=t61rcWkgMzE , ,rojo=00f067aa0ba902b7")).toBe(
      "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7",
    );
    expect(parseTracestate("fw529a3039@dt=FfAAA,1a-_*/=b c")).toBe("fw529a3039@dt=FfAAA,1a-_*/=b c");
  });

  test.each([
    ["nothing", " , "],
    ["a member without a value", "congo"],
    ["an empty value", "congo="],
    ["an upper-case key", "Congo=1"],
    ["a key that begins with a sign", "_congo=1"],
    ["a value with an equals sign", "congo=a=b"],
    ["a value that is not ASCII", "congo=é"],
    ["a key of 257 characters", `${"k".repeat(257)}=1`],
    ["a value of 257 characters", `k=${"v".repeat(257)}`],
    ["a key twice", "a=1,b=2,a=3"],
    ["33 members", Array.from({ length: 33 }, (_, index) => `k${index}=1`).join(",")],
  ])("%s is not valid", (_, value) => {
    expect(parseTracestate(value)).toBeUndefined();
  });

  test("32 members are allowed", () => {
    const all = Array.from({ length: 32 }, (_, index) => `k${index}=1`).join(",");
    expect(parseTracestate(all)).toBe(all);
  });

  test("past 512 characters the long members go first, then the last ones", () => {
    const long = `long=${"x".repeat(200)}`;
    const short = Array.from({ length: 6 }, (_, index) => `s${index}=${"y".repeat(90)}`);
    expect(parseTracestate([long, ...short].join(","))).toBe(short.slice(0, 5).join(","));
    expect(parseTracestate([long, ...short.slice(0, 3)].join(","))).toBe([long, ...short.slice(0, 3)].join(","));
  });
});

describe("the source", () => {
  const source = traceSource(randomFillSync);

  test("a request without context begins a random trace", () => {
    const trace = source.begin();
    expect(trace).toEqual({
      traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
      spanId: expect.stringMatching(/^[0-9a-f]{16}$/),
      flags: 2,
    });
  });

  test("a request with context continues it under a span of its own", () => {
    expect(source.begin(good, "congo=1")).toEqual({
      traceId,
      spanId: expect.stringMatching(/^[0-9a-f]{16}$/),
      parentSpanId: parentId,
      tracestate: "congo=1",
      flags: 1,
    });
  });

  test("a bad tracestate is lost alone, a bad traceparent takes tracestate with it", () => {
    expect(source.begin(good, "Bad=1")).toMatchObject({ traceId, parentSpanId: parentId });
    expect(source.begin(good, "Bad=1")).not.toHaveProperty("tracestate");
    const fresh = source.begin(`${good}-x`, "congo=1");
    expect(fresh.traceId).not.toBe(traceId);
    expect(fresh).not.toHaveProperty("parentSpanId");
    expect(fresh).not.toHaveProperty("tracestate");
  });

  test("ids do not repeat across refills of the pool", () => {
    const ids = new Set(Array.from({ length: 20_000 }, () => source.spanId()));
    expect(ids.size).toBe(20_000);
  });

  test("an id of zeros is never given out", () => {
    let fills = 0;
    const shy = traceSource((bytes) => bytes.fill(fills++ === 0 ? 0 : 7));
    expect(shy.spanId()).toBe("07".repeat(8));
  });
});

describe("what a backend is told", () => {
  const attempt = "b7ad6b7169203331";
  const continued = { traceId, spanId: "1".repeat(16), parentSpanId: parentId, tracestate: "congo=1", flags: 2 };
  const begun = { traceId, spanId: "1".repeat(16), flags: 2 };

  test("while spans are exported, the attempt is the parent and may be kept", () => {
    expect(traceHeaders(continued, attempt, true)).toEqual({
      traceparent: `00-${traceId}-${attempt}-03`,
      tracestate: "congo=1",
    });
    expect(traceHeaders({ ...continued, flags: 0 }, attempt, true).traceparent).toBe(`00-${traceId}-${attempt}-01`);
  });

  test("while they are not, a client's context passes through unchanged", () => {
    expect(traceHeaders({ ...continued, flags: 1 }, attempt, false)).toEqual({
      traceparent: good,
      tracestate: "congo=1",
    });
  });

  test("while they are not, a trace that begins here is sent unsampled", () => {
    expect(traceHeaders(begun, attempt, false)).toEqual({ traceparent: `00-${traceId}-${attempt}-02` });
  });
});
