import { expect, test } from "vitest";
import { textHeaders } from "./received-head.ts";

const head = "content-type: text/plain\r\nx-name: J\u00fcrgen\r\nx-empty: \r\n";
const memory = Buffer.from(`HTTP/1.1 200 OK\r\n${head}\r\nand a body`, "latin1");
const part = (text: string): Buffer => {
  const at = memory.indexOf(text, 0, "latin1");
  return memory.subarray(at, at + text.length);
};
const name = part("x-name");
const value = part("J\u00fcrgen");
const type = [part("content-type"), part("text/plain")];

test.each([
  ["that came in one piece", [...type, name, value]],
  ["out of order", [name, value, ...type]],
  ["twice the same", [name, value, name, value]],
  ["in pieces of their own", [Buffer.from(name), Buffer.from(value), ...type]],
  ["with a value that is empty", [name, memory.subarray(40, 40)]],
  ["as text, in part", ["x-name", value]],
])("headers %s are read as Latin-1", (_, raw) => {
  expect(textHeaders(raw)).toEqual(raw.map((one) => (typeof one === "string" ? one : one.toString("latin1"))));
});

test("what is no list has none", () => {
  expect([textHeaders(null), textHeaders({}), textHeaders([])]).toEqual([[], [], []]);
});

test("parts that lie far apart in one piece of memory are read without all that is between", () => {
  const wide = Buffer.concat([Buffer.from("x-far"), Buffer.alloc(100_000), Buffer.from("away")]);
  expect(textHeaders([wide.subarray(0, 5), wide.subarray(100_005)])).toEqual(["x-far", "away"]);
});
