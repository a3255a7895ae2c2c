import { describe, expect, test } from "vitest";
import { wire } from "../testing/wire.ts";

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

describe("a connection is not used again", () => {
  test("after a HEAD request, whose answer may have a body all the same", async () => {
    await using stage = await wire((socket, soFar) => {
      // The body that does not belong there comes only with the next request.
      if (soFar.startsWith("HEAD") && !soFar.includes("GET"))
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 38\r\n\r\n");
      else if (soFar.startsWith("HEAD")) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      else socket.write(ok);
    });
    expect((await stage.ask({ method: "HEAD" })).end).toBe("whole");
    expect(await stage.ask()).toMatchObject({ end: "whole", text: "ok" });
    expect(stage.sockets).toHaveLength(2);
    expect(stage.read(0)).toContain("connection: close\r\n");
  });

  test.each(["GET", "DELETE", "OPTIONS"])(
    "after a %s with a body, which may be taken for a request",
    async (method) => {
      const hidden = Buffer.from("GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n");
      // A backend that knows no body there, and is not quick.
      await using stage = await wire((socket, soFar) => {
        const paths = [...soFar.matchAll(/[A-Z]+ (\/\S*) HTTP\/1.1\r\n/g)].map(([, path]) => path ?? "");
        const answered = socket.bytesWritten === 0 ? 0 : 1;
        const path = paths[answered] ?? "";
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`);
      });
      expect(await stage.ask({ method, path: "/a", body: hidden })).toMatchObject({ end: "whole", text: "/a" });
      expect(await stage.ask({ path: "/b" })).toMatchObject({ end: "whole", text: "/b" });
      expect(stage.sockets).toHaveLength(2);
      expect(stage.read(0)).toContain("connection: close\r\n");
    },
  );

  test.each(["GET", "DELETE", "POST"])("unless it is safe: after a plain %s it is", async (method) => {
    await using stage = await wire((socket) => socket.write(ok));
    await stage.ask({ method, ...(method === "POST" && { body: Buffer.from("{}") }) });
    await stage.ask();
    expect(stage.sockets).toHaveLength(1);
    expect(stage.read(0)).not.toContain("connection: close");
  });

  test("while a part of the request before waits to be sent, which nobody may ever take", async () => {
    await using stage = await wire((socket) => socket.write(ok), { paused: true });
    const told = await stage.ask({ method: "POST", body: Buffer.alloc(32 * 1024 * 1024, "x") });
    expect(told).toMatchObject({ end: "whole", text: "ok" });
    expect(told.connection.connected).toBe(false);
    await stage.ask();
    expect(stage.sockets).toHaveLength(2);
  });
});

test("a request that is given up before it is written never is, and its connection goes with it", async () => {
  await using stage = await wire((socket) => socket.write(ok));
  await stage.ask();
  const second = stage.ask();
  stage.connections[1]?.destroy(new Error("cancelled"));
  expect((await second).end).toBe("cancelled");
  expect((await stage.ask()).end).toBe("whole");
  expect(stage.sockets).toHaveLength(2);
  expect(stage.read(0).match(/GET/g)).toHaveLength(1);
});
