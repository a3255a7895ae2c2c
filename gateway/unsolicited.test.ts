import { expect, test } from "vitest";
import { json } from "./testing/answers.ts";
import { rawConnection, requestBytes } from "./testing/raw-client.ts";
import { scene } from "./testing/scene.ts";
import type { Answer, Turn } from "./testing/turn.ts";

const poison = (text: string) =>
  `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`;

/** The first answer, and the turn that gave it: its connection is still in the test's hand. */
function firstTurn() {
  const { promise: turn, resolve } = Promise.withResolvers<Turn>();
  const script: Answer = async (taken) => {
    resolve(taken);
    await json({ n: 1 })(taken);
  };
  return { turn, script };
}

test("an answer that comes with a request is nobody's, and none to the request", async () => {
  const { turn, script } = firstTurn();
  await using stage = await scene({ script: [script, json({ n: 2 }), json({ n: 2 })] });
  const url = stage.at("/files");
  const connection = await rawConnection(stage.tollgate.url);
  const request = requestBytes(url, { method: "GET" });
  await connection.send(request);
  expect((await connection.answer()).json()).toEqual({ n: 1 });
  // Both are there when the gateway looks next, and it sees the request first.
  connection.socket.write(request);
  void (await turn).send(poison('{"n":666}'));
  expect((await connection.answer()).text).toBe('{"n":2}');
  connection.leave();
});

test("an upload that finds its connection closed goes on a new one, as nothing of it was sent", async () => {
  const { turn, script } = firstTurn();
  await using stage = await scene({ script: [script, json({ n: 2 })] });
  const request = (body: string) =>
    requestBytes(stage.at("/files"), { headers: [["Content-Type", "application/octet-stream"]], body });
  const connection = await rawConnection(stage.tollgate.url);
  await connection.send(request("one"));
  expect((await connection.answer()).json()).toEqual({ n: 1 });
  connection.socket.write(request("two"));
  void (await turn).close();
  const second = await connection.answer();
  expect([second.status, second.text]).toEqual([200, '{"n":2}']);
  expect(stage.backend.received.map(({ bodyBytes }) => bodyBytes)).toEqual([3, 3]);
  connection.leave();
});
