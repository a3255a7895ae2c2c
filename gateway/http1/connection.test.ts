import { describe, expect, test } from "vitest";
import { wire } from "../testing/wire.ts";
import { Connection } from "./connection.ts";

const ok = (body = "ok", more = "") => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n${more}\r\n${body}`;

describe("deadlines", () => {
  test("are kept to the millisecond, more or less: a head that does not come", async () => {
    await using stage = await wire(() => {});
    const began = performance.now();
    const { error } = await stage.ask({}, { firstByte: 120 });
    const took = performance.now() - began;
    expect(error).toMatchObject({ code: "UND_ERR_HEADERS_TIMEOUT" });
    expect(took).toBeGreaterThanOrEqual(119);
    expect(took).toBeLessThan(600);
  });

  test("a body that stands still", async () => {
    await using stage = await wire((socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"));
    const { error, text } = await stage.ask({}, { idle: 80 });
    expect([error, text]).toMatchObject([{ code: "UND_ERR_BODY_TIMEOUT" }, "abc"]);
  });

  test("each read of a body begins anew", async () => {
    let left = 6;
    await using stage = await wire((socket) => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n");
      const timer = setInterval(() => {
        socket.write("x");
        left -= 1;
        if (left === 0) clearInterval(timer);
      }, 50);
    });
    expect(await stage.ask({}, { firstByte: 100, idle: 200 })).toMatchObject({ end: "whole", text: "xxxxxx" });
  });

  test("time in which nobody reads is not the backend's", async () => {
    await using stage = await wire((socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab"));
    const order: string[] = [];
    const head = () => {
      stage.connections[0]?.pause();
      setTimeout(() => {
        order.push("read on");
        stage.connections[0]?.resume();
      }, 200);
    };
    const { error } = await stage.ask({}, { idle: 60 }, { head });
    expect([error, order]).toMatchObject([{ code: "UND_ERR_BODY_TIMEOUT" }, ["read on"]]);
  });
});

describe("a connection serves one after the other", () => {
  test("and tells that it is reused", async () => {
    await using stage = await wire((socket, soFar) => {
      socket.write(ok(soFar.slice(soFar.lastIndexOf("GET ")).split(" ")[1]));
    });
    const first = await stage.ask({ path: "/1" });
    expect([first.text, first.connection.reused]).toEqual(["/1", false]);
    const second = await stage.ask({ path: "/2" });
    expect([second.text, second.connection.reused]).toEqual(["/2", true]);
    expect(second.connection).toBe(first.connection);
  });

  test("an answer that ended while nobody read leaves nothing standing still for the next", async () => {
    await using stage = await wire((socket) => socket.write(ok()));
    const first = await stage.ask({}, {}, { data: () => stage.connections[0]?.pause() });
    const second = await stage.ask();
    expect([first.end, second.end, second.connection]).toEqual(["whole", "whole", first.connection]);
  });

  test.each([
    ["that the backend will close", ok("ok", "Connection: close\r\n")],
    ["of HTTP/1.0", ok().replace("1.1", "1.0")],
    ["with something behind its answer", `${ok()}HTTP/1.1 200 OK\r\n`],
    ["whose answer has a body that may not be there", "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n"],
  ])("but not on one %s", async (_, bytes) => {
    await using stage = await wire((socket) => socket.write(bytes));
    const { end, connection } = await stage.ask();
    expect([end, connection.connected]).toEqual(["whole", false]);
    expect((await stage.ask()).connection).not.toBe(connection);
  });

  test("nor on one on which something came that nobody asked for", async () => {
    await using stage = await wire((socket) => socket.write(ok()));
    const { connection } = await stage.ask();
    expect(connection.connected).toBe(true);
    stage.sockets[0]?.write(ok("of somebody else"));
    await expect.poll(() => connection.connected).toBe(false);
    expect(await stage.ask()).toMatchObject({ end: "whole", text: "ok" });
  });
});

test("a listener that throws as the answer ends is told that it failed", async () => {
  await using stage = await wire((socket) => socket.write(ok()));
  const whole = () => {
    throw new Error("ours");
  };
  expect((await stage.ask({}, {}, { whole })).end).toBe("ours");
});

test("what may not be sent is told to who sent it", async () => {
  await using stage = await wire((socket) => socket.write(ok()));
  expect((await stage.ask({ path: "/a b" })).error).toMatchObject({ code: "UND_ERR_INVALID_ARG" });
});

test("what cannot even begin to connect is told to who sends", async () => {
  const connect = () => {
    throw new Error("no such thing");
  };
  const failed = await new Promise<Error>((resolve) => {
    const nobody = { asking() {}, head() {}, data() {}, whole() {}, failed: resolve };
    const connection = new Connection({ host: "a", connect, lost: () => {} });
    connection.send({ method: "GET", path: "/", headers: [], body: null }, nobody, { firstByte: 0, idle: 0 });
  });
  expect(failed.message).toBe("no such thing");
});
