import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { expect, test } from "vitest";
import { type WholeHead, writeQuickly } from "./quick-head.ts";
import { rawConnection } from "./testing/raw-client.ts";

const head: WholeHead = {
  status: 200,
  statusText: "Gr\u00fc\u00dfe",
  fields: [["Date", "some day", "X-A", "caf\u00e9", "x-a", ""], [], ["vary", "origin"]],
  length: "2",
};
const rest = (version = "1.1", more = "") => `HTTP/${version}\r\nHost: x\r\n${more}\r\n`;
const changed = (more: Partial<WholeHead>): WholeHead => ({ ...head, ...more });

/** All that is written to a client for these requests, and how often the head went out as text. */
async function written(head: WholeHead, requests: string, isQuick: boolean): Promise<readonly [string, number]> {
  let quick = 0;
  const answer = (req: IncomingMessage, res: ServerResponse) => {
    req.resume();
    if (isQuick && writeQuickly(res, head)) quick += 1;
    else res.writeHead(head.status, head.statusText, [...head.fields.flat(), "content-length", head.length]);
    res.end(Buffer.from("ok"));
  };
  const server = createServer({ keepAliveTimeout: 75_000 }, answer).on("checkContinue", answer);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const { socket } = await rawConnection(`http://127.0.0.1:${address.port}`);
  const pieces: Buffer[] = [];
  socket.on("data", (piece) => void pieces.push(piece));
  // The last request says that it is the last, so that the connection ends behind its answer.
  socket.write(`${requests}GET / ${rest("1.1", "Connection: close\r\n")}`);
  await once(socket, "end");
  socket.destroy();
  server.close();
  return [
    Buffer.concat(pieces)
      .toString("latin1")
      .replaceAll(/\r\nDate: \w{3}, .*/g, "\r\nDate: now"),
    quick,
  ];
}

test.each<[string, WholeHead, string, number]>([
  ["to one that stays", head, `GET / ${rest()}`, 1],
  ["to one that sends the next before it has the first", head, `GET / ${rest()}GET / ${rest()}`, 2],
  ["to one of HTTP/1.0 that stays", head, `GET / ${rest("1.0", "Connection: keep-alive\r\n")}`, 1],
  ["to one of HTTP/1.0 that goes", head, `GET / ${rest("1.0")}`, 0],
  ["to one that goes", head, "", 0],
  ["to one that expects to be told to go on, and was not", head, `GET / ${rest("1.1", "Expect: 100-continue\r\n")}`, 0],
  ["without a phrase", changed({ statusText: "" }), `GET / ${rest()}`, 1],
  ["without a date", changed({ fields: [["x", "y"]] }), `GET / ${rest()}`, 0],
  ["with a file's name", changed({ fields: [["date", "x", "content-disposition", "\u00fc"]] }), `GET / ${rest()}`, 0],
  ["with an odd status", changed({ status: 599 }), `GET / ${rest()}`, 1],
])("a head %s is what Node itself would have written", async (_, of, requests, quick) => {
  const [itself] = await written(of, requests, false);
  expect(await written(of, requests, true)).toEqual([itself, quick]);
});
