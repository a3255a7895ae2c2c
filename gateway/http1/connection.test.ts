import { describe, expect, test } from "vitest";
import { Answer, ask, backend, noDeadlines as none } from "../testing/one-answer.ts";

const ok = (body = "ok", more = "") => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n${more}\r\n${body}`;

describe("deadlines", () => {
  test("are kept to the millisecond, more or less: a head that does not come", async () => {
    await using stage = await backend(() => {});
    const began = performance.now();
    expect(await ask(stage.connection(), { firstByte: 120, idle: 0 }).over).toBe("UND_ERR_HEADERS_TIMEOUT");
    const took = performance.now() - began;
    expect(took).toBeGreaterThanOrEqual(119);
    expect(took).toBeLessThan(600);
  });

  test("a body that stands still", async () => {
    await using stage = await backend((socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"));
    const answer = ask(stage.connection(), { firstByte: 0, idle: 80 });
    expect([await answer.over, answer.text]).toEqual(["UND_ERR_BODY_TIMEOUT", "abc"]);
  });

  test("each read of a body begins anew", async () => {
    let left = 6;
    await using stage = await backend((socket) => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n");
      const timer = setInterval(() => {
        socket.write("x");
        left -= 1;
        if (left === 0) clearInterval(timer);
      }, 50);
    });
    const answer = ask(stage.connection(), { firstByte: 100, idle: 200 });
    expect([await answer.over, answer.text]).toEqual(["whole", "xxxxxx"]);
  });

  test("time in which nobody reads is not the backend's", async () => {
    await using stage = await backend((socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab"));
    const connection = stage.connection();
    const answer = ask(connection, { firstByte: 0, idle: 60 });
    await answer.begun;
    connection.pause();
    const first = await Promise.race([answer.over, new Promise((resolve) => setTimeout(resolve, 200, "still open"))]);
    expect(first).toBe("still open");
    connection.resume();
    expect(await answer.over).toBe("UND_ERR_BODY_TIMEOUT");
  });
});

describe("a connection serves one after the other", () => {
  test("and tells that it is reused", async () => {
    await using stage = await backend((socket, request) => void socket.write(ok(request.split(" ")[1])));
    const connection = stage.connection();
    const first = ask(connection, none, "/1");
    expect([await first.over, first.text, connection.reused]).toEqual(["whole", "/1", false]);
    const second = ask(connection, none, "/2");
    expect([await second.over, second.text, connection.reused]).toEqual(["whole", "/2", true]);
    expect(stage.sockets.length).toBe(1);
  });

  test("an answer that ended while nobody read leaves nothing standing still for the next", async () => {
    await using stage = await backend((socket) => void socket.write(ok("x".repeat(200_000))));
    const connection = stage.connection();
    const held = new Answer();
    held.data = (chunk) => {
      connection.pause();
      Answer.prototype.data.call(held, chunk);
      setImmediate(() => connection.resume());
    };
    connection.send({ method: "GET", path: "/", headers: [], body: null }, held, none);
    expect([await held.over, held.text.length]).toEqual(["whole", 200_000]);
    const next = ask(connection);
    expect([await next.over, next.text.length]).toEqual(["whole", 200_000]);
  });

  test.each([
    ["that the backend will close", ok("ok", "Connection: close\r\n")],
    ["of HTTP/1.0", ok().replace("1.1", "1.0")],
    ["with something behind its answer", `${ok()}HTTP/1.1 200 OK\r\n`],
    ["whose answer has a body that may not be there", "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n"],
  ])("but not on one %s", async (_, bytes) => {
    await using stage = await backend((socket) => void socket.write(bytes));
    const connection = stage.connection();
    expect(await ask(connection).over).toBe("whole");
    expect([connection.connected, stage.lost]).toEqual([false, [connection]]);
  });

  test("nor on one on which something came that nobody asked for", async () => {
    await using stage = await backend((socket) => void socket.write(ok()));
    const connection = stage.connection();
    await ask(connection).over;
    expect(connection.connected).toBe(true);
    stage.sockets[0]?.write(ok("of somebody else"));
    await expect.poll(() => stage.lost).toEqual([connection]);
    expect(await ask(connection).over).toBe("HTTPParserError");
  });
});

describe("an end that nobody waited for", () => {
  test("of a request that was cancelled as it connected is told once, and nothing is sent", async () => {
    const heard: string[] = [];
    await using stage = await backend((_, request) => void heard.push(request));
    const connection = stage.connection();
    const answer = ask(connection);
    connection.destroy(Object.assign(new Error("enough"), { code: "ENOUGH" }));
    expect(await answer.over).toBe("ENOUGH");
    await expect.poll(() => stage.sockets.every(({ destroyed }) => destroyed)).toBe(true);
    expect([heard, stage.lost]).toEqual([[], [connection]]);
  });

  test("a listener that throws as the answer ends is told that it failed", async () => {
    await using stage = await backend((socket) => void socket.write(ok()));
    const answer = new Answer();
    answer.whole = () => {
      throw Object.assign(new Error("no"), { code: "OURS" });
    };
    stage.connection().send({ method: "GET", path: "/", headers: [], body: null }, answer, none);
    expect(await answer.over).toBe("OURS");
  });

  test("what may not be sent is told to who sent it", async () => {
    await using stage = await backend((socket) => void socket.write(ok()));
    expect(await ask(stage.connection(), none, "/a b").over).toBe("UND_ERR_INVALID_ARG");
  });
});
