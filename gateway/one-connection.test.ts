import { Hono } from "hono";
import { describe, expect, test, vi } from "vitest";
import { type Bindings, listen } from "./server.ts";
import { answer, json, silence } from "./testing/answers.ts";
import { CutOff } from "./testing/byte-reader.ts";
import { type RawConnection, rawConnection, requestBytes } from "./testing/raw-client.ts";
import { type Scene, scene } from "./testing/scene.ts";

const list = (stage: Scene) => requestBytes(stage.at("/files"), { method: "GET" });

async function open(stage: Scene, ...requests: readonly Buffer[]): Promise<RawConnection> {
  const connection = await rawConnection(stage.tollgate.url);
  await connection.send(Buffer.concat(requests));
  return connection;
}

describe("requests sent at once on one connection", () => {
  test("are all over when their client leaves", async () => {
    await using stage = await scene({ fake: { otherwise: silence } });
    const connection = await open(stage, list(stage), list(stage), list(stage));
    await stage.backend.request(2);
    connection.reset();
    const exchanges = await stage.tollgate.settled(3);
    expect(exchanges.map(({ outcome }) => outcome.kind)).toEqual(["abandoned", "abandoned", "abandoned"]);
    expect(stage.tollgate.gateway.open).toBe(0);
  });

  test("are answered in order, and one that breaks before its turn ends the connection at its turn", async () => {
    const { promise: later, resolve } = Promise.withResolvers<void>();
    await using stage = await scene({
      script: [json({ n: 1 }, { delay: later }), answer({ body: ["abc", 10], end: "reset" }), json({})],
    });
    const connection = await open(stage, list(stage), list(stage));
    await (await stage.backend.request(1)).ended;
    // By the time another request is through, the gateway knows that it broke.
    await stage.ask("/files", { method: "GET" });
    resolve();
    expect((await connection.answer()).json()).toEqual({ n: 1 });
    const second = await connection.answer();
    expect([second.text, second.ended]).toEqual(["abc", "fin"]);
    const kinds = (await stage.tollgate.settled(3)).map(({ outcome }) => outcome.kind);
    expect(kinds.toSorted()).toEqual(["completed", "completed", "failed"]);
    expect(stage.tollgate.gateway.open).toBe(0);
  });

  test("are cut off together at the end of the grace period, and recorded", async () => {
    await using stage = await scene({
      config: { shutdownSeconds: 0.2 },
      script: [silence, answer({ body: ["abc"], end: "stall" })],
    });
    const connection = await open(stage, list(stage), list(stage));
    await stage.backend.request(1);
    const closing = stage.tollgate.close();
    expect(await connection.answer()).toMatchObject({ status: 503 });
    await closing;
    const reasons = stage.tollgate.exchanges.map(({ outcome }) => "reason" in outcome && outcome.reason);
    expect(reasons).toEqual(["shutting_down", "shutting_down"]);
  });

  test("do not let a big answer pile up that has to wait for its turn", async () => {
    const { promise: later, resolve } = Promise.withResolvers<void>();
    const piece = Buffer.alloc(1024 * 1024, "x");
    await using stage = await scene({
      script: [json({ n: 1 }, { delay: later }), answer({ body: Array.from({ length: 32 }, () => piece) })],
    });
    const connection = await open(stage, list(stage), list(stage));
    const big = await stage.backend.request(1);
    // What the kernel's buffers take is taken; then it stands still.
    let before = -1;
    await vi.waitFor(
      () => {
        const now = big.bytesSent;
        const still = now > 0 && now === before;
        before = now;
        expect(still).toBe(true);
      },
      { interval: 100 },
    );
    expect(big.bytesSent).toBeLessThan(16 * piece.length);
    resolve();
    expect((await connection.answer()).json()).toEqual({ n: 1 });
    expect((await connection.answer()).body.length).toBe(32 * piece.length);
    connection.leave();
    await stage.tollgate.settled(2);
  });
});

describe("what is no request", () => {
  test("behind one whose answer is being written ends the connection, and gets nothing into that answer", async () => {
    const never = new Promise(() => undefined);
    await using stage = await scene({ script: [answer({ body: ["abc", never] })], fake: { otherwise: json({}) } });
    const connection = await open(stage, list(stage));
    await connection.head();
    expect((await connection.piece())?.toString()).toBe("abc");
    await connection.send(Buffer.concat([list(stage), Buffer.from("\0garbage\r\n\r\n")]));
    await expect(connection.piece()).rejects.toBeInstanceOf(CutOff);
    connection.leave();
  });

  test("after a complete answer is refused in our words", async () => {
    await using stage = await scene({ script: [json({ n: 1 })] });
    const connection = await open(stage, list(stage));
    expect((await connection.answer()).json()).toEqual({ n: 1 });
    await connection.send("garbage\0\r\n\r\n");
    const refused = await connection.answer();
    expect([refused.status, refused.json()]).toMatchObject([400, { error: { code: "malformed_http" } }]);
    connection.leave();
  });

  test.each(["garbage\0\r\n\r\n", "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n"])(
    "(%j) does not hold its connection open for longer than its refusal takes",
    async (bytes) => {
      const { server, port, destroy } = await listen({ app: new Hono<Bindings>(), host: "127.0.0.1", port: 0 });
      const connection = await rawConnection(`http://127.0.0.1:${port}`);
      await connection.send(bytes);
      expect((await connection.answer()).status).toBeGreaterThanOrEqual(400);
      const left = () => new Promise((resolve) => server.getConnections((_, count) => resolve(count)));
      await expect.poll(left, { timeout: 5_000 }).toBe(0);
      connection.leave();
      server.close();
      destroy();
    },
  );
});
