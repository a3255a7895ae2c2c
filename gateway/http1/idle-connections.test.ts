import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Wire, wire } from "../testing/wire.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] }));
afterEach(() => void vi.useRealTimers());

/** A backend with two connections that have served, the second one last. */
async function served(more = ""): Promise<Wire> {
  const held: (() => void)[] = [];
  const stage = await wire((socket) => {
    held.push(() => void socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 0\r\n${more}\r\n`));
  });
  const answers = [stage.ask(), stage.ask()];
  await vi.waitFor(() => expect(held.length).toBe(2));
  for (const answer of held) answer();
  await Promise.all(answers);
  return stage;
}

const standing = ({ connections }: Wire) => connections.map(({ connected }) => connected);

test("the last one that was used is the first one to be used", async () => {
  await using stage = await served();
  const [first, second] = [stage.transport.acquire(), stage.transport.acquire()];
  expect([first?.connected, second?.connected, stage.transport.acquire()?.connected]).toEqual([true, true, false]);
  if (first && second) for (const one of [first, second]) stage.transport.release(one);
  expect(stage.transport.acquire()).toBe(second);
});

test.each([
  ["says nothing of it", "", 30],
  ["says when it will close, before that", "Keep-Alive: timeout=7, max=100\r\n", 5],
  ["would wait for ever, after ten minutes", "Keep-Alive: max=5, timeout=99999999\r\n", 600],
])("one whose backend %s, is closed by us", async (_, more, seconds) => {
  await using stage = await served(more);
  vi.advanceTimersByTime((seconds - 1) * 1000);
  expect(standing(stage)).toEqual([true, true]);
  vi.advanceTimersByTime(1000);
  expect([standing(stage), vi.getTimerCount()]).toEqual([[false, false], 0]);
  expect(stage.transport.acquire()?.connected).toBe(false);
});

test.each([0, 1, 2])("one whose backend closes in %i s is not kept at all", async (seconds) => {
  await using stage = await served(`keep-alive: timeout=${seconds}\r\n`);
  expect(standing(stage)).toEqual([false, false]);
});

test("one that served meanwhile has its time anew", async () => {
  await using stage = await served();
  vi.advanceTimersByTime(29_000);
  const again = stage.transport.acquire();
  if (again) stage.transport.release(again);
  vi.advanceTimersByTime(29_000);
  expect(standing(stage).filter((stands) => stands)).toEqual([true]);
  expect(again?.connected).toBe(true);
});

test("one that its backend closes is forgotten", async () => {
  await using stage = await served();
  for (const socket of stage.sockets) socket.end();
  await vi.waitFor(() => expect(standing(stage)).toEqual([false, false]));
  expect(stage.transport.acquire()?.connected).toBe(false);
});

test("all are closed at the end", async () => {
  await using stage = await served();
  stage.transport.close();
  expect([standing(stage), vi.getTimerCount()]).toEqual([[false, false], 0]);
});
