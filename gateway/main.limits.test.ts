// Two gateways that share one Redis hold one limit and one budget, whatever 10,000 requests at once want.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Agent, request } from "undici";
import { expect, test } from "vitest";
import { secretToken } from "./testing/issuer.ts";
import { gatewayProcess } from "./testing/program.ts";
import { noRedis, redisServer } from "./testing/redis.ts";

const answer = JSON.stringify({
  id: "chatcmpl-1",
  object: "chat.completion",
  model: "m",
  choices: [{ index: 0, message: { role: "assistant", content: "x" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 500, completion_tokens: 500, total_tokens: 1000 },
});
const wanted = 10_000;
const secret = "a-shared-secret-of-more-than-32-bytes";
const reason = noRedis();
if (reason !== undefined) console.warn(`main.limits.test.ts is skipped: ${reason}`);

async function backend() {
  let asked = 0;
  const server = createServer((req, res) => {
    req.resume().on("end", () => {
      asked += 1;
      res.writeHead(200, { "content-type": "application/json" }).end(answer);
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    get asked() {
      return asked;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

/** Sends all requests at once, every other one to each gateway. */
async function race(limits: string) {
  await using redis = await redisServer();
  await using there = await backend();
  const config = `demo: false
backends: [{ name: fake, provider: openai, baseUrl: "${there.url}", models: ["*"] }]
prices: [{ model: "*", inputPerMillion: 1, outputPerMillion: 1 }]
${limits}
`;
  const env = { REDIS_URL: redis.url, LOG_LEVEL: "silent", JWT_ACCESS_SECRET: secret };
  const authorization = `Bearer ${await secretToken(secret)}`;
  await using one = await gatewayProcess({ config, env });
  await using other = await gatewayProcess({ config, env });
  const agent = new Agent({ connections: 250, pipelining: 1 });
  const counts: Record<string, number> = {};
  const body = JSON.stringify({ model: "m", max_tokens: 1000 });
  await Promise.all(
    Array.from({ length: wanted }, async (_, at) => {
      const { statusCode, body: got } = await request(`${(at % 2 ? one : other).url}/chat/completions`, {
        dispatcher: agent,
        method: "POST",
        headers: { "content-type": "application/json", authorization },
        body,
      });
      await got.dump();
      counts[statusCode] = (counts[statusCode] ?? 0) + 1;
    }),
  );
  await agent.close();
  const spent = (await one.metric("gateway_budget_spent_usd")).map(({ value }) => value);
  return { counts, asked: there.asked, spent };
}

test.skipIf(reason !== undefined)(
  "a limit of 1,000 requests lets 1,000 through, and no more",
  async () => {
    const { counts, asked } = await race("rateLimits: { perUser: { requestsPerMinute: 1000 } }");
    expect(counts).toEqual({ 200: 1_000, 429: wanted - 1_000 });
    expect(asked).toBe(1_000);
  },
  60_000,
);

test.skipIf(reason !== undefined)(
  "a budget of 1 USD is spent to what the last estimate leaves of it, and not overspent",
  async () => {
    // A request costs 0.001 USD, and is estimated at a little more.
    const { counts, asked, spent } = await race("budgets: [{ scope: user, period: day, usd: 1 }]");
    const through = counts[200] ?? 0;
    expect(counts).toEqual({ 200: through, 402: wanted - through });
    expect(asked).toBe(through);
    expect(spent).toHaveLength(1);
    expect(spent[0]).toBeCloseTo(through * 0.001, 9);
    expect(spent[0]).toBeLessThanOrEqual(1);
    expect(through).toBeGreaterThan(900);
  },
  60_000,
);
