import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { type WholeHead, writeQuickly } from "./quick-head.ts";
import { rawConnection } from "./testing/raw-client.ts";

const body = "hello";
const usual: WholeHead = {
  status: 200,
  statusText: "OK",
  fields: [
    ["Date", "Thu, 01 Jan 2026 00:00:00 GMT", "content-type", "text/plain"],
    ["x-request-id", "1"],
  ],
  length: "5",
};

/** Answers `/quickly` and `/plainly` with the same head; says whether the first went the quick way. */
async function twoWays(head: WholeHead) {
  const quick: boolean[] = [];
  const answer = (res: ServerResponse, way: string | undefined) => {
    const isDone = way === "/quickly" && writeQuickly(res, head);
    if (way === "/quickly") quick.push(isDone);
    if (!isDone) res.writeHead(head.status, head.statusText, [...head.fields.flat(), "content-length", head.length]);
    res.end(body);
  };
  const server = createServer({ keepAliveTimeout: 75_000 }, (req, res) => answer(res, req.url));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    quick,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    server,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

/** Both answers as they came, each on a connection of its own. */
async function both(url: string, more = "", version = "1.1") {
  const seen: object[] = [];
  for (const way of ["quickly", "plainly"]) {
    const connection = await rawConnection(url);
    await connection.send(`GET /${way} HTTP/${version}\r\nHost: a\r\n${more}\r\n`);
    const { status, statusText, fields, text, ended } = await connection.answer();
    seen.push({ status, statusText, fields, text, ended });
    connection.leave();
  }
  return seen;
}

test.each<[string, Partial<WholeHead>]>([
  ["as usual", {}],
  ["with another status", { status: 429, statusText: "Too Many" }],
  ["without a reason", { statusText: "" }],
  [
    "with what comes twice, is empty, or is Latin-1",
    {
      fields: [
        ["date", "x", "A", "1", "a", "2"],
        ["b", "", "c", "gr\u00fc\u00df"],
      ],
    },
  ],
])("a head %s is what Node's own is", async (_, more) => {
  const head = { ...usual, ...more };
  await using served = await twoWays(head);
  const [quickly, plainly] = await both(served.url);
  expect(quickly).toEqual(plainly);
  expect(quickly).toMatchObject({ status: head.status, statusText: head.statusText, text: body, ended: "complete" });
  expect(served.quick).toEqual([true]);
});

test("one after another on the same connection, asked for together or not", async () => {
  await using served = await twoWays(usual);
  const connection = await rawConnection(served.url);
  const ask = "GET /quickly HTTP/1.1\r\nHost: a\r\n\r\n";
  await connection.send(ask + ask);
  for (let i = 0; i < 2; i += 1) expect((await connection.answer()).text).toBe(body);
  await connection.send(ask);
  expect((await connection.answer()).text).toBe(body);
  expect(served.quick).toEqual([true, true, true]);
  connection.leave();
});

test.each<[string, Partial<WholeHead>, string?, string?]>([
  ["no date", { fields: [["a", "b"]] }],
  ["a file's name", { fields: [["Date", "x", "Content-Disposition", "a; filename=\u00fc"]] }],
  ["a client that wants the connection closed", {}, "Connection: close\r\n"],
  ["a client of HTTP/1.0", {}, "", "1.0"],
])("%s is left to Node", async (_, more, line, version) => {
  await using served = await twoWays({ ...usual, ...more });
  const [quickly, plainly] = await both(served.url, line, version);
  expect(served.quick).toEqual([false]);
  const dateless = ({ fields, ...rest }: { fields?: readonly (readonly string[])[] }) => ({
    ...rest,
    names: fields?.map(([name]) => name),
  });
  expect(dateless(quickly ?? {})).toEqual(dateless(plainly ?? {}));
});
