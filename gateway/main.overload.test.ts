// Ten times as much as a backend can take, for half a minute: who is let in is served in time, who is not is told at once.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { performance } from "node:perf_hooks";
import { setTimeout as after } from "node:timers/promises";
import { Agent, request } from "undici";
import { expect, test } from "vitest";
import { gatewayProcess } from "./testing/program.ts";

const slots = 10;
const serviceMillis = 50;
/** Requests a second that the backend can take. */
const capacity = (slots * 1000) / serviceMillis;
const overload = 10;
const seconds = 30;
const queue = { size: 20, timeout: 0.5 };

const body = JSON.stringify({ model: "m", messages: [{ role: "user", content: "Hello!" }] });
const answer = JSON.stringify({
  id: "chatcmpl-1",
  object: "chat.completion",
  model: "m",
  choices: [{ index: 0, message: { role: "assistant", content: "Hi" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 5, completion_tokens: 5, total_tokens: 10 },
});

/** Takes its time over each request, and notes how many it had at once. */
async function slowBackend() {
  let open = 0;
  let most = 0;
  let served = 0;
  const server = createServer((req, res) => {
    open += 1;
    most = Math.max(most, open);
    req.resume();
    setTimeout(() => {
      open -= 1;
      served += 1;
      res.writeHead(200, { "content-type": "application/json" }).end(answer);
    }, serviceMillis);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    figures: () => ({ most, served }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

interface Seen {
  readonly status: number;
  readonly code: string;
  readonly retryAfter: number;
}

test("an overloaded backend", { timeout: (seconds + 60) * 1000 }, async () => {
  await using backend = await slowBackend();
  await using gateway = await gatewayProcess({
    env: { LOG_LEVEL: "silent" },
    config: `demo: false
backends:
  - { name: slow, provider: openai, baseUrl: "${backend.url}", models: ["*"], maxConcurrent: ${slots}, queue: { size: ${queue.size}, timeout: ${queue.timeout} } }
`,
  });
  const agent = new Agent({ connections: 1_000, pipelining: 1 });
  const seen: Seen[] = [];
  const ask = async () => {
    const {
      statusCode,
      headers,
      body: got,
    } = await request(`${gateway.url}/chat/completions`, {
      dispatcher: agent,
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    const text = await got.text();
    const code = statusCode === 200 ? "" : (JSON.parse(text) as { error: { code: string } }).error.code;
    seen.push({ status: statusCode, code, retryAfter: Number(headers["retry-after"]) });
  };
  const resident = () => Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${gateway.pid}/status`, "utf8"))?.[1]);

  // An open loop: who comes does not wait for who came before.
  const asked: Promise<void>[] = [];
  const begunAt = performance.now();
  const rate = capacity * overload;
  let warm = 0;
  for (let elapsed = 0; elapsed < seconds; elapsed = (performance.now() - begunAt) / 1000) {
    while (asked.length < elapsed * rate) asked.push(ask());
    if (warm === 0 && elapsed > seconds / 3) warm = resident();
    await after(5);
  }
  await Promise.all(asked);
  const grownBy = resident() - warm;
  await agent.close();

  const admitted = seen.filter(({ status }) => status === 200);
  const refused = seen.filter(({ status }) => status !== 200);
  // It was overloaded, and kept busy all the same.
  expect(seen.length).toBeGreaterThan(rate * seconds * 0.9);
  expect(admitted.length).toBeGreaterThan(capacity * seconds * 0.7);
  expect(backend.figures()).toEqual({ most: slots, served: admitted.length });

  for (const { status, code, retryAfter } of refused) {
    expect([status, code]).toEqual([503, code === "queue_full" ? "queue_full" : "queue_timeout"]);
    expect(retryAfter).toBeGreaterThanOrEqual(1);
  }

  // Every refusal is counted under its reason.
  const full = refused.filter(({ code }) => code === "queue_full").length;
  const value = async (name: string, labels: Record<string, string>) =>
    (await gateway.metric(name))
      .filter((one) => Object.entries(labels).every(([label, wanted]) => one.labels[label] === wanted))
      .reduce((sum, one) => sum + one.value, 0);
  expect(await value("gateway_requests_total", { outcome: "refused", reason: "queue_full" })).toBe(full);
  expect(await value("gateway_requests_total", { outcome: "refused", reason: "queue_timeout" })).toBe(
    refused.length - full,
  );
  expect(await value("gateway_rejections_total", {})).toBe(refused.length);
  expect(await value("queue_failures_total", { queue_name: "backend:slow" })).toBe(refused.length);
  expect(await value("gateway_requests_total", { outcome: "completed" })).toBe(admitted.length);
  // By the gateway's own clock, since this process is busy, too: whoever is let in waits no longer than the queue
  // allows, and whoever is not is told at once.
  const within = { method: "POST", status_code: "200", le: "0.64" };
  expect(await value("http_request_duration_seconds_bucket", within)).toBeGreaterThan(admitted.length * 0.99);
  const quick = await value("http_request_duration_seconds_bucket", { status_code: "503", le: "0.01" });
  expect(quick / full).toBeGreaterThan(0.95);

  // Memory stays flat: what is refused leaves nothing behind.
  expect(grownBy).toBeLessThan(40_000);
  expect(await value("gateway_queue_depth", { queue_name: "backend:slow" })).toBe(0);
  expect(await value("active_jobs_total", { queue_name: "backend:slow" })).toBe(0);
});
