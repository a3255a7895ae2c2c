// How the program ends: in order at the first signal, at once at the second, and never by being held open.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { describe, expect, test, vi } from "vitest";
import { eventStream } from "./testing/answers.ts";
import { type FakeBackend, fakeBackend } from "./testing/fake-backend.ts";
import { chatEvents, chatRequest } from "./testing/payloads.ts";
import { bin, type Gateway, gatewayProcess, program } from "./testing/program.ts";
import { rawConnection, rawRequest } from "./testing/raw-client.ts";
import { openEvents } from "./testing/sse-client.ts";
import type { Answer } from "./testing/turn.ts";

const model = "gpt-4o-mini";
const events = chatEvents({ model, usage: { input: 11, output: 7 } });
const streamed = chatRequest(model, { stream: true, stream_options: { include_usage: true } });
const stalled = eventStream(events.slice(0, 2), { end: "stall" });

/** A gateway before one backend, with a stream open that has begun. */
async function streaming(
  answer: Answer,
  more = "",
): Promise<{ gateway: Gateway; backend: FakeBackend; stream: Awaited<ReturnType<typeof openEvents>> }> {
  const backend = await fakeBackend({ otherwise: answer });
  const gateway = await gatewayProcess({
    config: `demo: false\nbackends:\n  - { name: fake, provider: openai, baseUrl: "${backend.url}", models: ["*"] }\n${more}`,
  });
  const stream = await openEvents(`${gateway.url}/chat/completions`, streamed);
  await stream.next();
  return { gateway, backend, stream };
}

const readiness = async ({ opsUrl }: Gateway) => (await rawRequest(`${opsUrl}/ready`, { method: "GET" })).status;

describe.each(["SIGTERM", "SIGINT"] as const)("%s in mid-stream", (signal) => {
  test("not ready, nothing new, the stream to its last byte, its line in the log, exit code 0", async () => {
    const { promise: later, resolve } = Promise.withResolvers<void>();
    const { gateway, backend, stream } = await streaming(
      eventStream([...events.slice(0, 2), later, ...events.slice(2)]),
    );
    await using _ = gateway;
    expect(await readiness(gateway)).toBe(200);
    gateway.signal(signal);
    await vi.waitFor(async () => expect(await readiness(gateway)).toBe(503));
    expect((await rawRequest(`${gateway.opsUrl}/health`, { method: "GET" })).status).toBe(200);
    await expect(rawConnection(gateway.url)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    resolve();
    expect(await stream.rest()).toBe("complete");
    expect(stream.bytes.toString()).toBe(events.join(""));
    const { code, millis } = await gateway.ended();
    expect(code).toBe(0);
    expect(millis).toBeLessThan(900);
    expect(gateway.lines()).toMatchObject([{ outcome: "completed", status: 200, input_tokens: 11, output_tokens: 7 }]);
    await backend.close();
  });
});

test("a second signal ends it at once with exit code 1, and what it cut off is in the log", async () => {
  const { gateway, backend, stream } = await streaming(stalled);
  await using _ = gateway;
  gateway.signal("SIGINT");
  // So soon after the first it is no second one: Ctrl-C under npm comes from the terminal and from npm.
  gateway.signal("SIGTERM");
  await vi.waitFor(async () => expect(await readiness(gateway)).toBe(503));
  const ended = gateway.ended();
  const again = setInterval(() => gateway.signal("SIGTERM"), 100);
  const end = await stream.rest();
  clearInterval(again);
  const { code, millis } = await ended;
  expect(code).toBe(1);
  expect(millis).toBeLessThan(900);
  expect(["fin", "reset"]).toContain(end);
  expect(gateway.lines()).toMatchObject([{ outcome: "refused", reason: "shutting_down" }]);
  await backend.close();
});

test("a signal that comes before it serves is not lost: it begins, and ends in order", async () => {
  const signalled = `
    import dns from "node:dns";
    const { lookup } = dns;
    dns.lookup = (...asked) => {
      if (asked[0] !== "localhost") return lookup(...asked);
      const held = setInterval(() => {}, 1000);
      process.once("SIGTERM", () => {
        clearInterval(held);
        lookup(...asked);
      });
      process.kill(process.pid, "SIGTERM");
    };`;
  await using started = program({
    files: { "signalled.mjs": signalled },
    // A name has to be looked up, and is found when the signal has been heard.
    env: { NODE_OPTIONS: "--import ./signalled.mjs", HOST: "localhost" },
  });
  expect(await started.ended()).toMatchObject({ code: 0, signal: null });
  expect(started.err).toContain(" is ready: ");
});

test("after the grace period what is still open is cut off, said to be so, and the exit code is 0", async () => {
  const { gateway, backend, stream } = await streaming(stalled, "shutdownSeconds: 300ms\n");
  await using _ = gateway;
  gateway.signal("SIGTERM");
  const [{ code, millis }, end] = await Promise.all([gateway.ended(), stream.rest()]);
  expect(code).toBe(0);
  expect(millis).toBeGreaterThan(290);
  expect(millis).toBeLessThan(1_500);
  expect(["fin", "reset"]).toContain(end);
  expect(await backend.received[0]?.ended).toBe("left");
  expect(gateway.lines()).toMatchObject([
    {
      level: "warn",
      outcome: "refused",
      reason: "shutting_down",
      status: 200,
      trace_id: expect.stringMatching(/^[0-9a-f]{32}$/),
    },
  ]);
  await backend.close();
});

test("idle, it is gone within a second, whatever connections idle or dawdle on either port", async () => {
  await using gateway = await gatewayProcess();
  const half = "GET /health HTTP/1.1\r\nhost: localhost\r\n";
  const open = () => Promise.all([gateway.url, gateway.opsUrl].map((url) => rawConnection(url)));
  const [idle, slow] = await Promise.all([open(), open()]);
  for (const connection of slow) await connection.send(half);
  for (const connection of idle) {
    await connection.send(`${half}\r\n`);
    await connection.answer("GET");
  }
  gateway.signal("SIGTERM");
  const { code, millis } = await gateway.ended();
  expect(code).toBe(0);
  // By itself: what kept it open would keep it for a second.
  expect(millis).toBeLessThan(900);
  for (const connection of [...idle, ...slow]) connection.leave();
});

const noTerminal = spawnSync("sh", ["-c", "command -v script"]).status !== 0;
if (noTerminal)
  console.warn("skipped: no `script` (util-linux) here to give the program a terminal that can be closed");

test.skipIf(noTerminal)("a terminal that is closed takes the gateway that was started on it along", async () => {
  const command = `echo "pid $$"; PORT=0 METRICS_PORT=0 exec ${process.execPath} ${bin} serve`;
  const terminal = spawn("sh", ["-c", 'exec script -qfc "$0" /dev/null', command], {
    env: { SHELL: "/bin/sh" },
    cwd: tmpdir(),
  });
  let shown = "";
  terminal.stdout.setEncoding("utf8").on("data", (text: string) => {
    shown += text;
  });
  await vi.waitFor(() => expect(shown).toContain("  then "), { timeout: 10_000 });
  const pid = Number(/pid (\d+)/.exec(shown)?.[1]);
  const url = /ops +(http:\S+)/.exec(shown)?.[1] ?? "";
  expect((await rawRequest(`${url}/ready`, { method: "GET" })).status).toBe(200);
  terminal.kill("SIGKILL");
  await once(terminal, "exit");
  try {
    await vi.waitFor(() => expect(rawConnection(url)).rejects.toMatchObject({ code: "ECONNREFUSED" }), {
      timeout: 5_000,
    });
  } catch (error) {
    process.kill(pid, "SIGKILL");
    throw error;
  }
});
