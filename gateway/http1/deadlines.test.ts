import { Readable } from "node:stream";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { wire } from "../testing/wire.ts";

/** What no other timer has, in milliseconds. */
const idle = 98_765;

/** Counts the timers of so many milliseconds that were set and not cleared. */
function timersOf(millis: number): () => number {
  const set = vi.spyOn(globalThis, "setTimeout");
  const cleared = vi.spyOn(globalThis, "clearTimeout");
  onTestFinished(() => {
    set.mockRestore();
    cleared.mockRestore();
  });
  return () => {
    const gone = new Set(cleared.mock.calls.map(([timer]) => timer));
    const own = set.mock.results.filter((_, i) => set.mock.calls[i]?.[1] === millis);
    return own.filter(({ value }) => !gone.has(value)).length;
  };
}

describe("a connection that is gone keeps no timer", () => {
  const half = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";

  test("where its answer is cut off while it is read", async () => {
    const timers = timersOf(idle);
    await using stage = await wire((socket) => socket.write(half));
    const told = await stage.ask({}, { idle }, { data: () => stage.connections[0]?.destroy(new Error("enough")) });
    expect(told.end).toBe("enough");
    expect(timers()).toBe(0);
  });

  test("where its client takes more when it is gone already", async () => {
    const timers = timersOf(idle);
    await using stage = await wire((socket) => socket.write(half));
    const told = await stage.ask(
      {},
      { idle },
      {
        data() {
          const [connection] = stage.connections;
          connection?.pause();
          process.nextTick(() => {
            connection?.destroy(new Error("enough"));
            connection?.resume();
          });
        },
      },
    );
    expect(told.end).toBe("enough");
    expect(timers()).toBe(0);
  });
});

describe("a backend that takes an upload no further", () => {
  const upload = () => Readable.from(Array.from({ length: 512 }, () => Buffer.alloc(64 * 1024, "x")));

  test("has as long to take more as it has to answer", async () => {
    await using stage = await wire(() => {}, { paused: true });
    const told = await stage.ask({ method: "POST", body: upload() }, { firstByte: 200 });
    expect(told.error).toMatchObject({ code: "UND_ERR_HEADERS_TIMEOUT" });
  });

  test("fails nothing when it goes on in time, and keeps no timer", async () => {
    const timers = timersOf(idle);
    await using stage = await wire(() => {}, { paused: true });
    const asked = stage.ask({ method: "POST", body: upload() }, { firstByte: idle });
    await vi.waitFor(() => expect(timers()).toBe(1));
    const [socket] = stage.sockets;
    socket?.on("data", (chunk) => {
      if (chunk.toString("latin1").endsWith("\r\n0\r\n\r\n")) socket.write("HTTP/1.1 204 No Content\r\n\r\n");
    });
    socket?.resume();
    expect((await asked).end).toBe("whole");
    expect(timers()).toBe(0);
  });
});
