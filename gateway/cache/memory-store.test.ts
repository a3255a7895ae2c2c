// The memory store keeps within its bounds, exactly, whatever is put into it.
import { afterEach, beforeEach, expect, test } from "vitest";
import { MemoryStore, overheadBytes } from "./memory-store.ts";

const room = (entries: number, bytes: number) => entries * (bytes + overheadBytes);
const value = (length: number) => Buffer.alloc(length, "x");

let now = 1_000_000;
let store: MemoryStore;

beforeEach(() => {
  now = 1_000_000;
  store = new MemoryStore({ maxBytes: room(3, 100), wall: () => now });
});
afterEach(() => store.close());

test("what was not asked for longest goes first", () => {
  for (const key of ["a", "b", "c"]) store.put(key, value(100), 60);
  store.get("a");
  store.put("d", value(100), 60);
  expect(["a", "b", "c", "d"].filter((key) => store.get(key) !== undefined)).toEqual(["a", "c", "d"]);
  expect(store.bytes).toBe(room(3, 100));
});

test("one that takes another's place is counted once, and what is larger than all the room is not kept", () => {
  store.put("a", value(100), 60);
  store.put("a", value(50), 60);
  expect(store.bytes).toBe(room(1, 50));
  store.put("b", value(100), 60);
  store.put("a", value(room(3, 100)), 60);
  expect(store.get("a")).toBeUndefined();
  expect(store.get("b")).toBeDefined();
  expect(store.bytes).toBe(room(1, 100));
});

test("what is too old is not given, and goes by itself though nobody asks for it", () => {
  store.put("a", value(100), 1);
  store.put("b", value(100), 1);
  store.put("c", value(100), 60);
  now += 999;
  expect(store.get("a")).toBeDefined();
  now += 1;
  expect(store.get("a")).toBeUndefined();
  store.sweep();
  expect([store.size, store.bytes]).toEqual([1, room(1, 100)]);
});

test("a smaller bound holds at once", () => {
  for (const key of ["a", "b", "c"]) store.put(key, value(100), 60);
  store.resize(room(1, 100));
  expect([store.size, store.bytes]).toEqual([1, room(1, 100)]);
  expect(store.get("c")).toBeDefined();
});

test("100,000 distinct answers stay within the bound, and the process does not grow past it", () => {
  const maxBytes = 4 * 1024 * 1024;
  store.resize(maxBytes);
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  for (let at = 0; at < 100_000; at++) {
    store.put(`key ${at}`, Buffer.allocUnsafeSlow(500 + (at % 1_500)), 60);
    most = Math.max(most, store.bytes);
  }
  expect(most).toBeLessThanOrEqual(maxBytes);
  expect(most).toBeGreaterThan(maxBytes - 3_000);
  let kept = 0;
  for (let at = 0; at < 100_000; at++) kept += (store.get(`key ${at}`)?.length ?? -overheadBytes) + overheadBytes;
  expect(kept).toBe(store.bytes);
  globalThis.gc?.();
  if (globalThis.gc) expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 * maxBytes);
});
