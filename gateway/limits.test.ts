import { once } from "node:events";
import { createServer } from "node:net";
import { describe, expect, test, vi } from "vitest";
import { errorAnswer, json } from "./testing/answers.ts";
import { keyRing } from "./testing/key-ring.ts";
import { chatCompletion, chatRequest } from "./testing/payloads.ts";
import { rawConnection, requestBytes } from "./testing/raw-client.ts";
import { scene } from "./testing/scene.ts";

const model = "gpt-4o-mini";
const completion = json(chatCompletion(model, { input: 10, output: 20 }), {
  headers: [
    ["x-ratelimit-remaining-requests", "9999"],
    ["x-served-by", "backend"],
  ],
});
const bearer = (secret: string) => ["Authorization", `Bearer ${secret}`] as const;
const code = (got: { json(): unknown }) => (got.json() as { error: { code: string } }).error.code;

async function stageWith(key: Parameters<ReturnType<typeof keyRing>["add"]>[1], script = [completion]) {
  const keys = keyRing();
  const secret = bearer(keys.add("k1", key));
  const stage = await scene({ script, admitting: { keys } });
  const ask = () => stage.post("/chat/completions", chatRequest(model), [secret]);
  return { stage, ask };
}

describe("a key with a limit of requests", () => {
  test("has as many, is told how many are left, and is then refused with a time to come back", async () => {
    const { stage, ask } = await stageWith({ limits: { requestsPerMinute: 2 } }, [completion, completion]);
    await using _ = stage;
    const first = await ask();
    expect([
      first.status,
      first.header("x-ratelimit-limit-requests"),
      first.header("x-ratelimit-remaining-requests"),
    ]).toEqual([200, "2", "1"]);
    expect(first.header("x-served-by")).toBe("backend");
    expect((await ask()).header("x-ratelimit-remaining-requests")).toBe("0");
    const refused = await ask();
    expect([refused.status, code(refused), refused.header("x-ratelimit-remaining-requests")]).toEqual([
      429,
      "rate_limit_exceeded",
      "0",
    ]);
    expect(Number(refused.header("retry-after"))).toBeGreaterThan(0);
    const exchanges = await stage.tollgate.settled(3);
    expect(exchanges[2]?.outcome).toMatchObject({ kind: "refused", reason: "rate_limited", status: 429 });
    expect(exchanges[2]?.attempts).toEqual([]);
  });
});

test("a caller without limits sees those of the backend", async () => {
  const { stage, ask } = await stageWith({});
  await using _ = stage;
  expect((await ask()).header("x-ratelimit-remaining-requests")).toBe("9999");
});

test("tokens count as the backend states them, not as they were estimated", async () => {
  // One request is estimated at far more than the 30 that it uses.
  const { stage, ask } = await stageWith({ limits: { tokensPerMinute: 10_000 } }, [completion, completion]);
  await using _ = stage;
  await ask();
  await stage.tollgate.settled(1);
  const second = await ask();
  const left = Number(second.header("x-ratelimit-remaining-tokens"));
  await stage.tollgate.settled(2);
  expect(second.header("x-ratelimit-limit-tokens")).toBe("10000");
  expect(left).toBeLessThan(10_000 - 30);
  expect(left).toBeGreaterThan(0);
});

test("a request that no backend got gives everything back", async () => {
  const { stage, ask } = await stageWith({ limits: { requestsPerMinute: 1 } }, [completion]);
  await using _ = stage;
  await stage.post("/chat/completions", "{", [bearer("tg-k1")]);
  expect((await ask()).status).toBe(200);
});

describe("a hard budget", () => {
  test("is refused with 402 when it is spent, and the backend is not asked", async () => {
    // 10 × 0.15 + 20 × 0.6 = 13.5 millionths of a USD a request
    const budgets = [{ period: "day", usd: 0.00001, softRatio: 0.8, hard: true }] as const;
    const { stage, ask } = await stageWith({ budgets }, []);
    await using _ = stage;
    const refused = await ask();
    expect([refused.status, code(refused)]).toEqual([402, "budget_exceeded"]);
    expect(await stage.onlyExchange()).toMatchObject({ outcome: { kind: "refused", reason: "budget" }, attempts: [] });
  });

  test("refuses a model without a price", async () => {
    const budgets = [{ period: "month", usd: 100, softRatio: 0.8, hard: true }] as const;
    const { stage } = await stageWith({ budgets }, []);
    await using _ = stage;
    const refused = await stage.post("/chat/completions", chatRequest("nobody-knows-it"), [bearer("tg-k1")]);
    expect([refused.status, code(refused)]).toEqual([402, "unpriced_model"]);
  });

  test("is not touched by a request that the backend refused", async () => {
    const budgets = [{ period: "day", usd: 0.01, softRatio: 0.8, hard: true }] as const;
    const { stage, ask } = await stageWith({ budgets }, [errorAnswer(400, "no"), completion]);
    await using _ = stage;
    expect((await ask()).status).toBe(400);
    await stage.tollgate.settled(1);
    expect((await ask()).status).toBe(200);
  });
});

describe("images with a price of their own", () => {
  const budgets = [{ period: "day", usd: 0.1, softRatio: 0.8, hard: true }] as const;
  const config = { prices: [{ model: "brush", perImage: 0.04, origin: "config: brush" }] };
  const two = { model: "brush", n: 2, prompt: "A cat." };
  const form = ["model", "n", "prompt"].map(
    (name) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${two[name as keyof typeof two]}\r\n`,
  );
  const file = '--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\nx\r\n--b--\r\n';

  test.each([
    ["generated", "/images/generations", "application/json", JSON.stringify(two)],
    ["edited, in a form", "/images/edits", "multipart/form-data; boundary=b", form.join("") + file],
  ])("are reserved, all that are asked for, before they are %s", async (_, path, type, body) => {
    const goOn = Promise.withResolvers<void>();
    const keys = keyRing();
    const secret = bearer(keys.add("k1", { budgets }));
    const made = json({ created: 1, data: [{ url: "a" }, { url: "b" }] }, { delay: goOn.promise });
    await using stage = await scene({ config, admitting: { keys }, script: [made] });
    const ask = () => stage.ask(path, { method: "POST", headers: [["Content-Type", type], secret], body });
    const first = ask();
    await vi.waitFor(() => expect(stage.tollgate.allowance.open).toBe(1));
    const second = await ask();
    goOn.resolve();
    expect([second.status, code(second)]).toEqual([402, "budget_exceeded"]);
    expect((await first).status).toBe(200);
    const [, exchange] = await stage.tollgate.settled(2);
    expect(exchange).toMatchObject({ media: { images: 2 }, cost: { nanoUsd: 80_000_000 } });
    expect((await stage.tollgate.allowance.standing()).map(({ used }) => used)).toEqual([80_000_000]);
  });
});

describe("a backend that is never reached", () => {
  const limits = { tokensPerDay: 1_000_000 };
  const budgets = [{ period: "day", usd: 1, softRatio: 0.8, hard: true }] as const;

  /** Before a backend that takes connections, and never says a word of TLS. */
  async function unreached(connect: number) {
    const mute = createServer((socket) => socket.on("error", () => undefined).resume()).listen(0, "127.0.0.1");
    const tried = once(mute, "connection");
    await once(mute, "listening");
    const address = mute.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const keys = keyRing();
    const secret = bearer(keys.add("k1", { limits, budgets }));
    const stage = await scene({
      admitting: { keys },
      backend: { baseUrl: `https://127.0.0.1:${port}/v1`, timeouts: { connect, firstByte: 5, idle: 5, total: 0 } },
      config: { prices: [{ model: "voice", perMillionCharacters: 10, origin: "config: voice" }] },
    });
    const used = async () => (await stage.tollgate.allowance.standing()).map(({ rule, used }) => [rule.counted, used]);
    return { stage, secret, tried, used, close: () => mute.close() };
  }

  test("in time used nothing: neither tokens nor money are counted", async () => {
    const { stage, secret, used, close } = await unreached(0.1);
    await using _ = stage;
    expect((await stage.post("/chat/completions", chatRequest(model), [secret])).status).toBe(504);
    await stage.tollgate.settled(1);
    expect(await used()).toEqual([
      ["tokens", 0],
      ["money", 0],
    ]);
    close();
  });

  test("before its client leaves used nothing, and costs nothing", async () => {
    const { stage, secret, tried, used, close } = await unreached(5);
    await using _ = stage;
    const url = stage.at("/audio/speech");
    const connection = await rawConnection(url);
    const body = JSON.stringify({ model: "voice", input: "Hello there.", voice: "alloy" });
    await connection.send(requestBytes(url, { headers: [["Content-Type", "application/json"], secret], body }));
    await tried;
    connection.leave();
    const [exchange] = await stage.tollgate.settled(1);
    expect(exchange?.outcome.kind).toBe("abandoned");
    expect(exchange).not.toHaveProperty("cost");
    expect(await used()).toEqual([
      ["tokens", 0],
      ["money", 0],
    ]);
    close();
  });
});
