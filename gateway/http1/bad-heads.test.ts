import { describe, expect, test } from "vitest";
import { attemptFailure } from "../attempt-failure.ts";
import { wire } from "../testing/wire.ts";

describe("what is no answer is known at once, however little of it comes", () => {
  test.each([
    ["another protocol's greeting", "SSH-2.0-OpenSSH_9.6\r\n"],
    ["a TLS alert", "\x15\x03\x01\x00\x02\x02\x46"],
    ["a head whose lines end without CR", "HTTP/1.1 200 OK\nContent-Length: 0\n\n"],
    ["a head whose later lines do", "HTTP/1.1 200 OK\r\nContent-Length: 0\n\n"],
    ["another version", "HTTP/2.0 200 OK\r\n"],
    ["an answer from before HTTP/1.0", "<html>"],
  ])("%s", async (_, bytes) => {
    for (const pieces of [[bytes], [...bytes]]) {
      await using stage = await wire(async (socket) => {
        for (const piece of pieces) await new Promise((resolve) => socket.write(piece, "latin1", resolve));
      });
      const { error } = await stage.ask({}, { firstByte: 3_000 });
      expect(error?.name).toBe("HTTPParserError");
      expect(error && attemptFailure(error, false)).toBe("bad_answer");
    }
  });

  test("and what is one is not mistaken, in whatever pieces it comes", async () => {
    await using stage = await wire(async (socket) => {
      for (const piece of "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok") {
        await new Promise((resolve) => socket.write(piece, resolve));
      }
    });
    expect(await stage.ask({}, { firstByte: 3_000 })).toMatchObject({ end: "whole", text: "ok" });
  });
});
