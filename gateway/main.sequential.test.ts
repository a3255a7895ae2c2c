// A client that asks for one thing after another is never two at a time, however soon it asks again.
import { afterAll, beforeAll, expect, test } from "vitest";
import { json } from "./testing/answers.ts";
import { type FakeBackend, fakeBackend } from "./testing/fake-backend.ts";
import { chatCompletion, chatRequest } from "./testing/payloads.ts";
import { type Gateway, gatewayProcess } from "./testing/program.ts";
import { rawConnection, requestBytes } from "./testing/raw-client.ts";
import { noRedis, redisServer } from "./testing/redis.ts";

const model = "any";
const secret = `tg-${"one0".repeat(8)}`;
const times = 500;

const config = (backend: FakeBackend) => `demo: false
backends:
  - { name: fake, provider: openai, baseUrl: "${backend.url}/v1", models: ["*"] }
keys: [{ label: one, key: { env: ONE }, limits: { concurrent: 1 } }]
`;

let backend: FakeBackend;
beforeAll(async () => {
  backend = await fakeBackend({ otherwise: json(chatCompletion(model, { input: 1, output: 1 })) });
});
afterAll(() => backend.close());

/** Asks through one connection, and gives every status but 200. */
async function others({ url: base }: Gateway, method: string, path: string, body?: string): Promise<number[]> {
  const url = `${base}${path}`;
  const headers = [["Authorization", `Bearer ${secret}`]] as const;
  const connection = await rawConnection(url);
  const statuses: number[] = [];
  for (let i = 0; i < times; i += 1) {
    await connection.send(requestBytes(url, { method, headers, ...(body !== undefined && { body }) }));
    statuses.push((await connection.answer()).status);
  }
  connection.leave();
  return statuses.filter((status) => status !== 200);
}

const missing = noRedis();
const shared = missing === undefined ? test : test.skip;

async function isNeverTwo(more: Record<string, string>): Promise<void> {
  await using gateway = await gatewayProcess({
    env: { LOG_LEVEL: "silent", ONE: secret, ...more },
    config: config(backend),
  });
  expect(await others(gateway, "GET", `/models/${model}`)).toEqual([]);
  expect(await others(gateway, "POST", "/chat/completions", JSON.stringify(chatRequest(model)))).toEqual([]);
}

test("counted in memory", () => isNeverTwo({}));

shared("counted in Redis", async () => {
  await using redis = await redisServer();
  await isNeverTwo({ REDIS_URL: redis.url });
});
