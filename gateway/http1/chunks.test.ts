import { describe, expect, test } from "vitest";
import { wire } from "../testing/wire.ts";

const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const asked = async (body: string, piecewise: boolean) => {
  const pieces = piecewise ? [...(head + body)] : [head + body];
  await using stage = await wire(async (socket) => {
    for (const piece of pieces) await new Promise((resolve) => socket.write(piece, "latin1", resolve));
  });
  return await stage.ask({}, { firstByte: 3_000, idle: 3_000 });
};

describe.each([false, true])("byte by byte: %s", (piecewise) => {
  test.each([
    ["5\r\nhello\r\n0\r\n\r\n"],
    ["0005\r\nhello\r\n0\r\n\r\n"],
    ["5  \r\nhello\r\n0\r\n\r\n"],
    ['5;a=b;c="d e"\r\nhello\r\n0;x\r\nA: b\r\n\r\n'],
    ["5 ;a\r\nhello\r\n0\r\n\r\n"],
    ["3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"],
  ])("chunks: %j", async (body) => {
    expect(await asked(body, piecewise)).toMatchObject({ end: "whole", text: "hello" });
  });

  test.each([
    ["5 6\r\nhello\r\n0\r\n\r\n"],
    ["5\t0\r\nhello\r\n0\r\n\r\n"],
    ["5x\r\nhello\r\n0\r\n\r\n"],
    ["\r\nhello\r\n0\r\n\r\n"],
    ["-5\r\nhello\r\n0\r\n\r\n"],
    ["0x5\r\nhello\r\n0\r\n\r\n"],
    ["5\nhello\n0\n\n"],
    ["5\r\nhello0\r\n\r\n"],
    ["5\r\nhello!\r\n0\r\n\r\n"],
    ["5;a\nb\r\nhello\r\n0\r\n\r\n"],
    ["fffffffffffffffff\r\nhello\r\n0\r\n\r\n"],
    ["5\r\nhello\r\n0\r\nA : b\r\n\r\n"],
  ])("no chunks: %j", async (body) => {
    expect((await asked(body, piecewise)).error?.name).toBe("HTTPParserError");
  });
});
