import { connect } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { handshake, realtimeScene } from "../testing/realtime-scene.ts";

const megabyte = 1024 * 1024;

describe("messages", () => {
  const kinds: readonly (readonly [string, string | Buffer])[] = [
    ["text", '{"type":"response.create"}'],
    ["text of many bytes a character", "€🙂\u0000é".repeat(1000)],
    ["no text", ""],
    ["binary", Buffer.from([0, 255, 128, 10, 13])],
    ["no bytes", Buffer.alloc(0)],
    ["text of a megabyte", "x".repeat(megabyte)],
    ["binary of a megabyte", Buffer.alloc(megabyte, 7)],
  ];

  test.each(kinds)("of %s pass unchanged, both ways", async (_, message) => {
    await using stage = await realtimeScene();
    const here = await stage.connect();
    const there = await stage.there();
    here.socket.send(message);
    there.socket.send(message);
    const wanted = [{ data: Buffer.from(message), binary: typeof message !== "string" }];
    expect(await there.got(1)).toEqual(wanted);
    expect(await here.got(1)).toEqual(wanted);
    here.socket.close();
    const { bytes } = await stage.onlyExchange();
    expect(bytes).toEqual({ request: Buffer.byteLength(message), response: Buffer.byteLength(message) });
  });

  test("keep their order, however many there are at once", async () => {
    await using stage = await realtimeScene();
    const here = await stage.connect();
    const there = await stage.there();
    const count = 5_000;
    const numbered = Array.from({ length: count }, (_, i) => `${i} ${"x".repeat(i % 300)}`);
    for (const text of numbered) {
      here.socket.send(text);
      there.socket.send(text);
    }
    await Promise.all([here.got(count), there.got(count)]);
    expect(there.texts).toEqual(numbered);
    expect(here.texts).toEqual(numbered);
  });

  test("in fragments come as the messages they are", async () => {
    await using stage = await realtimeScene();
    const here = await stage.connect();
    const there = await stage.there();
    for (const part of ["a", "b", "c"]) here.socket.send(part, { fin: part === "c" });
    there.socket.send(Buffer.from([1]), { fin: false });
    there.socket.send(Buffer.from([2]), { fin: true });
    expect(await there.got(1)).toEqual([{ data: Buffer.from("abc"), binary: false }]);
    expect(await here.got(1)).toEqual([{ data: Buffer.from([1, 2]), binary: true }]);
  });

  test("that come in one packet with the client's handshake are not lost", async () => {
    await using stage = await realtimeScene();
    const { hostname, port } = new URL(stage.url);
    const socket = connect(Number(port), hostname);
    const fields = [["Host", "localhost"], ...handshake].map(([name, value]) => `${name}: ${value}\r\n`).join("");
    const frame = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]);
    socket.write(Buffer.concat([Buffer.from(`GET /v1/realtime HTTP/1.1\r\n${fields}\r\n`), frame, frame]));
    const there = await stage.there();
    await there.got(2);
    expect(there.texts).toEqual(["hi", "hi"]);
    socket.destroy();
  });

  test("sent with the backend's handshake are not lost", async () => {
    await using stage = await realtimeScene();
    const connecting = stage.connect();
    const there = await stage.there();
    // Before the client's own handshake is through.
    there.socket.send("first");
    const here = await connecting;
    expect((await here.got(1)).map(({ data }) => data.toString())).toEqual(["first"]);
  });
});

/** Bytes of buffers that are really held, by all that lives in this process. */
function held(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().arrayBuffers;
}

describe.each(["client", "backend"] as const)("a %s that stops reading", (who) => {
  test("holds the other back, loses nothing, and costs the gateway no more than a bounded amount", async () => {
    await using stage = await realtimeScene();
    const here = await stage.connect();
    const there = await stage.there();
    const [slow, fast] = who === "client" ? [here, there] : [there, here];
    slow.socket.pause();
    const before = held();
    const piece = Buffer.alloc(256 * 1024, 1);
    const pieces = 256;
    let sent = 0;
    // Waits for each to leave this side, as a careful sender does.
    const sending = (async () => {
      for (let i = 0; i < pieces; i++) {
        await new Promise<void>((resolve) => fast.socket.send(piece, () => resolve()));
        sent += 1;
      }
    })();
    let stalledAt = -1;
    await expect
      .poll(
        () => {
          const stalled = sent === stalledAt;
          stalledAt = sent;
          return stalled;
        },
        { timeout: 10_000, interval: 300 },
      )
      .toBe(true);
    // The allowance of 1 MiB, and what is on its way.
    await expect.poll(() => held() - before, { timeout: 10_000, interval: 200 }).toBeLessThan(4 * megabyte);
    expect(sent).toBeLessThan(pieces / 2);
    slow.socket.resume();
    await sending;
    await slow.got(pieces);
    expect(slow.messages.every(({ data }) => data.equals(piece))).toBe(true);
  });
});
