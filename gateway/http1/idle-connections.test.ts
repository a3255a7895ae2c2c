import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ask, backend } from "../testing/one-answer.ts";
import type { Connection } from "./connection.ts";
import { IdleConnections } from "./idle-connections.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] }));
afterEach(() => void vi.useRealTimers());

const saying = (more: string) => `HTTP/1.1 200 OK\r\nContent-Length: 0\r\n${more}\r\n`;

/** Connections that have served, and are kept. */
async function kept(more: string, count: number) {
  const stage = await backend((socket) => void socket.write(saying(more)));
  const idle = new IdleConnections();
  const connections: Connection[] = [];
  for (let i = 0; i < count; i += 1) {
    const connection = stage.connection((lost) => idle.drop(lost));
    await ask(connection).over;
    connections.push(connection);
    idle.keep(connection);
  }
  return { idle, connections, [Symbol.asyncDispose]: stage[Symbol.asyncDispose] };
}

const standing = (connections: readonly Connection[]) => connections.map(({ connected }) => connected);

test("the last one that was used is the first one to be used", async () => {
  await using stage = await kept("", 2);
  expect(stage.idle.take()).toBe(stage.connections[1]);
  expect(stage.idle.take()).toBe(stage.connections[0]);
  expect(stage.idle.take()).toBeUndefined();
});

test.each([
  ["says nothing of it", "", 30],
  ["says when it will close, before that", "Keep-Alive: timeout=7, max=100\r\n", 5],
  ["would wait for ever, after ten minutes", "Keep-Alive: max=5, timeout=99999999\r\n", 600],
])("one whose backend %s, is closed by us", async (_, more, seconds) => {
  await using stage = await kept(more, 2);
  vi.advanceTimersByTime((seconds - 1) * 1000);
  expect(standing(stage.connections)).toEqual([true, true]);
  vi.advanceTimersByTime(1000);
  expect(standing(stage.connections)).toEqual([false, false]);
  expect([stage.idle.take(), vi.getTimerCount()]).toEqual([undefined, 0]);
});

test.each([0, 1, 2])("one whose backend closes in %i s is not kept at all", async (seconds) => {
  await using stage = await kept(`keep-alive: timeout=${seconds}\r\n`, 1);
  expect([stage.idle.take(), standing(stage.connections)]).toEqual([undefined, [false]]);
});

test("one that served meanwhile has its time anew", async () => {
  await using stage = await kept("", 1);
  vi.advanceTimersByTime(29_000);
  const connection = stage.idle.take();
  if (connection) stage.idle.keep(connection);
  vi.advanceTimersByTime(29_000);
  expect(standing(stage.connections)).toEqual([true]);
});

test("one that its backend closes is forgotten", async () => {
  await using stage = await kept("", 1);
  const closing = await backend((socket) => void socket.end(saying("")));
  const connection = closing.connection((lost) => stage.idle.drop(lost));
  await ask(connection).over;
  stage.idle.keep(connection);
  await vi.waitFor(() => expect(connection.connected).toBe(false));
  expect(stage.idle.take()).toBe(stage.connections[0]);
  await closing[Symbol.asyncDispose]();
});

test("all are closed at the end", async () => {
  await using stage = await kept("", 3);
  stage.idle.close();
  expect([standing(stage.connections), vi.getTimerCount()]).toEqual([[false, false, false], 0]);
});
