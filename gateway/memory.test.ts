import { createHash } from "node:crypto";
import { expect, test, vi } from "vitest";
import { answer, json } from "./testing/answers.ts";
import { type FakeBackend, fakeBackend } from "./testing/fake-backend.ts";
import { ownProcess } from "./testing/own-process.ts";
import { rawConnection, requestBytes } from "./testing/raw-client.ts";
import type { Answer } from "./testing/turn.ts";

const megabyte = 1024 * 1024;
/** What two connections' socket buffers hold in the kernel, with room to spare; none of it is the gateway's memory. */
const underWay = 48 * megabyte;
/** What the gateway may hold of one transfer that stands still. */
const still = 64 * megabyte;
/** At full speed there is garbage that waits to be collected: about 100 MB, however much is transferred. */
const moving = 200 * megabyte;

/** Waits until a growing number stands still. */
async function standsStill(read: () => number): Promise<number> {
  let before = -1;
  await vi.waitFor(
    () => {
      const standing = read() === before && before > 0;
      before = read();
      if (!standing) throw new Error("still moving");
    },
    { interval: 300, timeout: 20_000 },
  );
  return before;
}

const octets = ["Content-Type", "application/octet-stream"] as const;

async function withBackend(script: Answer, act: (backend: FakeBackend) => Promise<void>): Promise<void> {
  const backend = await fakeBackend();
  backend.next(script);
  await act(backend);
  await backend.close();
}

test("a reader that is slow holds the backend back: 400 MB pass exactly, and little of it is in memory", async () => {
  const block = Buffer.alloc(64 * 1024, "x");
  const total = 400 * megabyte;
  const sentHash = createHash("sha256");
  function* blocks() {
    for (let sent = 0; sent < total; sent += block.length) {
      sentHash.update(block);
      yield block;
    }
  }
  await withBackend(answer({ body: blocks(), headers: [octets] }), async (backend) => {
    await using gateway = await ownProcess(backend.url);
    const before = await gateway.residentBytes();
    const url = `${gateway.url}/files/file-1/content`;
    const connection = await rawConnection(url);
    await connection.send(requestBytes(url, { method: "GET" }));
    expect((await connection.head()).status).toBe(200);
    const request = await backend.request(0);

    expect(await standsStill(() => request.bytesSent)).toBeLessThan(underWay);
    expect(request.end).toBeUndefined();
    let peak = await gateway.residentBytes();
    expect(peak - before).toBeLessThan(still);

    const gotHash = createHash("sha256");
    let got = 0;
    let looked = 0;
    for (let piece = await connection.piece(); piece !== undefined; piece = await connection.piece()) {
      got += piece.length;
      gotHash.update(piece);
      if (got - looked < 20 * megabyte) continue;
      looked = got;
      peak = Math.max(peak, await gateway.residentBytes());
    }
    expect([got, gotHash.digest("hex")]).toEqual([total, sentHash.digest("hex")]);
    expect(peak - before).toBeLessThan(moving);
    connection.leave();
  });
}, 60_000);

test("a backend that does not read holds the client back: 100 MB arrive exactly, and little of it is in memory", async () => {
  const { promise: wake, resolve } = Promise.withResolvers<void>();
  const block = Buffer.alloc(256 * 1024, "u");
  const blocks = 400;
  const script: Answer = async (turn) => {
    await turn.wait(wake);
    await json({ ok: true })(turn);
  };
  await withBackend(script, async (backend) => {
    await using gateway = await ownProcess(backend.url);
    const before = await gateway.residentBytes();
    const url = `${gateway.url}/files`;
    const connection = await rawConnection(url);
    const length = ["Content-Length", String(block.length * blocks)] as const;
    await connection.send(requestBytes(url, { headers: [octets, length] }));
    let handed = 0;
    const hash = createHash("sha256");
    const sending = (async () => {
      for (let i = 0; i < blocks; i += 1) {
        await connection.send(block);
        hash.update(block);
        handed += block.length;
      }
    })();
    await backend.request(0);

    expect(await standsStill(() => handed)).toBeLessThan(underWay);
    expect((await gateway.residentBytes()) - before).toBeLessThan(still);
    resolve();
    await sending;
    expect((await connection.answer()).json()).toEqual({ ok: true });
    expect((await gateway.residentBytes()) - before).toBeLessThan(moving);
    expect([backend.received[0]?.bodyBytes, backend.received[0]?.bodyHash()]).toEqual([
      block.length * blocks,
      hash.digest("hex"),
    ]);
    connection.leave();
  });
}, 60_000);
