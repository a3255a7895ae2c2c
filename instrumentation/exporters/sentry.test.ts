import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { Exchange } from "../exchange.ts";
import type { LossReason } from "../losses.ts";
import type { FailureReason } from "../outcome.ts";
import { failedExchange, sampleAttempt, sampleExchange } from "../testing/exchange.ts";
import { sentry } from "./sentry.ts";

const secret = "sk-proj-Zx81QpLm02VnRt57";
const none = { buffer_full: 0, export_failed: 0, shutdown: 0 };

const open: Server[] = [];
afterEach(() => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** Stands for Sentry's ingest endpoint, on a real socket. */
async function ingest(answer: (response: ServerResponse) => void = (response) => response.end("{}")) {
  const requests: { url: string | undefined; headers: IncomingMessage["headers"]; body: string }[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    requests.push({ url: request.url, headers: request.headers, body });
    answer(response);
  });
  open.push(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const events = () => requests.map(({ body }) => JSON.parse(body.split("\n")[2] ?? "null"));
  return { requests, events, dsn: `http://public@127.0.0.1:${port}/1` };
}

async function exporterTo(dsn: string) {
  const losses: Record<LossReason, number> = { ...none };
  const failures: unknown[] = [];
  const clock = { at: 1_000 };
  const report = {
    lost(count: number, reason: LossReason) {
      losses[reason] += count;
    },
    failed: (error: unknown) => void failures.push(error),
  };
  const settings = { dsn, environment: "test" };
  const exporter = await sentry({ settings, version: "1.2.3", now: () => clock.at, report, shutdownMillis: 200 });
  return { exporter, losses, failures, clock };
}

const failed = (reason: FailureReason, changes: Partial<Exchange> = {}) =>
  failedExchange({
    outcome: { kind: "failed", status: 502, reason, severity: "error", message: `it broke with ${secret}` },
    ...changes,
  });

describe("a failure", () => {
  test("arrives as one event with bounded tags, its trace and its group", async () => {
    const { requests, events, dsn } = await ingest();
    const { exporter, losses } = await exporterTo(dsn);
    exporter.export(failedExchange());
    await exporter.shutdown();
    expect(requests.map(({ url }) => url)).toEqual([
      expect.stringMatching(/^\/api\/1\/envelope\/\?.*sentry_key=public/),
    ]);
    expect(events()).toEqual([
      expect.objectContaining({
        level: "fatal",
        message: "unreachable (main): The backend is away.",
        release: "1.2.3",
        environment: "test",
        transaction: "POST /v1/chat/completions",
        fingerprint: ["tollgate", "unreachable", "main"],
        tags: {
          reason: "unreachable",
          severity: "critical",
          backend: "main",
          provider: "openai",
          operation: "chat",
          streamed: "true",
          status: "502",
          backend_status: "502",
        },
        contexts: { trace: { trace_id: "4bf92f3577b34da6a3ce929d0e0e4736", span_id: "1111111111111111" } },
        extra: { exchange: "x-1", duration_seconds: 0.412, attempts: 1, left_out_since_last: 0 },
      }),
    ]);
    expect(losses).toEqual(none);
  });

  test("holds no secret, no user, no address, and nothing of the machine", async () => {
    const { requests, dsn } = await ingest();
    const { exporter } = await exporterTo(dsn);
    const outcome = { kind: "failed", status: 502, reason: "internal", severity: "critical" } as const;
    exporter.export(
      failed("internal", {
        outcome: { ...outcome, message: `key ${secret} at 10.0.0.7:8000` },
        caller: {
          auth: "key",
          user: "canary-user",
          address: "203.0.113.77",
          userAgent: "canary-agent",
          keyLabel: "canary-key",
        },
        purpose: { session: "canary-session", metadata: { a: "canary-metadata" } },
        model: { requested: "canary-model" },
      }),
    );
    await exporter.shutdown();
    const sent = JSON.stringify(requests.map(({ body }) => body));
    expect(sent).toContain("internal (main): key [redacted] at [address]");
    for (const hidden of [secret, "canary", "203.0.113.77", "10.0.0.7", process.cwd(), "server_name", "user"]) {
      expect(sent).not.toContain(hidden);
    }
  });
});

test("what is refused, abandoned, completed or tracked is not told", async () => {
  const { requests, dsn } = await ingest();
  const { exporter } = await exporterTo(dsn);
  exporter.export(sampleExchange());
  exporter.export(sampleExchange({ outcome: { kind: "abandoned", status: 499 } }));
  exporter.export(sampleExchange({ outcome: { kind: "refused", status: 401, reason: "auth", severity: "warning" } }));
  exporter.export({ kind: "tracked", id: "t", openedAt: 1, service: "billing" });
  exporter.export(failed("internal"));
  await exporter.shutdown();
  expect(requests).toHaveLength(1);
});

describe("the rate is bounded", () => {
  test("one event a minute for each reason and backend, which tells how many were left out", async () => {
    const { events, dsn } = await ingest();
    const { exporter, clock } = await exporterTo(dsn);
    const other = { attempts: [{ ...sampleAttempt, backend: "other" }] };
    for (let index = 0; index < 100; index++) {
      exporter.export(failed("timeout"));
      exporter.export(failed("timeout", other));
      exporter.export(failed("upstream_status"));
    }
    clock.at += 60_000;
    exporter.export(failed("timeout"));
    await exporter.shutdown();
    const told = events().map(({ fingerprint, extra }) => [fingerprint[1], fingerprint[2], extra.left_out_since_last]);
    expect(told.toSorted()).toEqual([
      ["timeout", "main", 0],
      ["timeout", "main", 99],
      ["timeout", "other", 0],
      ["upstream_status", "main", 0],
    ]);
  });

  test("bugs of ours come each by itself, up to 60 events a minute", async () => {
    const { events, dsn } = await ingest();
    const { exporter, clock, losses } = await exporterTo(dsn);
    for (let index = 0; index < 100; index++) {
      exporter.export(failed("internal", { attempts: [] }));
      if (index % 20 === 19) await vi.waitFor(() => expect(events()).toHaveLength(Math.min(index + 1, 60)));
    }
    clock.at += 60_000;
    exporter.export(failed("internal", { attempts: [] }));
    await exporter.shutdown();
    expect(events()).toHaveLength(61);
    expect(events().at(-1)).toMatchObject({ tags: { backend: "gateway" }, extra: { left_out_since_last: 40 } });
    expect(losses).toEqual(none);
  });

  test("more than fit in the buffer are lost, counted", async () => {
    const { events, dsn } = await ingest();
    const { exporter, losses } = await exporterTo(dsn);
    for (let index = 0; index < 60; index++) exporter.export(failed("internal"));
    await vi.waitFor(() => expect(events().length + losses.buffer_full).toBe(60));
    expect(losses).toEqual({ ...none, buffer_full: 30 });
    await exporter.shutdown();
  });
});

describe("a Sentry that", () => {
  test("is away loses events, counted and told", async () => {
    const { exporter, losses, failures } = await exporterTo("http://public@127.0.0.1:1/1");
    exporter.export(failed("internal"));
    await vi.waitFor(() => expect(losses).toEqual({ ...none, export_failed: 1 }));
    expect(failures).toHaveLength(1);
    await exporter.shutdown();
  });

  test.each([400, 413, 500, 302])("answers %i loses the event, counted once", async (status) => {
    const { requests, dsn } = await ingest((response) => response.writeHead(status, { location: "/elsewhere" }).end());
    const { exporter, losses } = await exporterTo(dsn);
    exporter.export(failed("internal"));
    await vi.waitFor(() => expect(losses).toEqual({ ...none, export_failed: 1 }));
    await exporter.shutdown();
    expect(requests).toHaveLength(1);
  });

  test("asks for patience is left alone, and what it does not get is counted", async () => {
    const { requests, dsn } = await ingest((response) => response.writeHead(429, { "retry-after": "60" }).end());
    const { exporter, losses } = await exporterTo(dsn);
    exporter.export(failed("internal"));
    await vi.waitFor(() => expect(losses.export_failed).toBe(1));
    exporter.export(failed("internal"));
    await vi.waitFor(() => expect(losses.export_failed).toBe(2));
    await exporter.shutdown();
    expect(requests).toHaveLength(1);
  });

  test("hangs does not hold up the end, and what was on its way is counted", async () => {
    const { requests, dsn } = await ingest(() => undefined);
    const { exporter, losses } = await exporterTo(dsn);
    exporter.export(failed("internal"));
    await vi.waitFor(() => expect(requests).toHaveLength(1));
    const began = performance.now();
    await exporter.shutdown();
    expect(performance.now() - began).toBeLessThan(2_000);
    expect(losses).toEqual({ ...none, shutdown: 1 });
  });
});

test.each(["", "nonsense", "https://sentry.io/1", "ftp://public@host/1"])("%j is no DSN", async (dsn) => {
  await expect(exporterTo(dsn)).rejects.toThrow(/^SENTRY_DSN is not a DSN/);
});
