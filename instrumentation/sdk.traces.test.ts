import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { afterEach, describe, expect, test, vi } from "vitest";
import { spans } from "./exporters/spans.ts";
import type { LossReason } from "./losses.ts";
import { otlpSettings } from "./otlp.ts";
import { traceSink } from "./sdk.ts";
import { failedExchange, sampleAttempt, sampleExchange } from "./testing/exchange.ts";

interface WireSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly status: { readonly code: number; readonly message?: string };
  readonly flags: number;
  readonly attributes: readonly { readonly key: string; readonly value: Record<string, unknown> }[];
}
interface Received {
  readonly url: string | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly resource: readonly { readonly key: string; readonly value: Record<string, unknown> }[];
  readonly scope: { readonly name: string; readonly version: string };
  readonly spans: readonly WireSpan[];
}

const open: Server[] = [];
afterEach(() => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** A collector on a real socket; `answer` decides what becomes of each batch. */
async function collector(answer: (response: ServerResponse) => void = (response) => response.end("{}")) {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const text = request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
    for (const { resource, scopeSpans } of JSON.parse(text.toString()).resourceSpans) {
      for (const { scope, spans } of scopeSpans) {
        received.push({ url: request.url, headers: request.headers, resource: resource.attributes, scope, spans });
      }
    }
    answer(response);
  });
  open.push(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const all = () => received.flatMap((batch) => batch.spans);
  return { received, all, url: `http://127.0.0.1:${port}` };
}

async function exporterTo(url: string, env: Record<string, string> = {}, shutdownMillis = 3_000) {
  const losses: Record<LossReason, number> = { buffer_full: 0, export_failed: 0, shutdown: 0 };
  const failures: unknown[] = [];
  const otlp = otlpSettings({ OTEL_EXPORTER_OTLP_ENDPOINT: url, ...env });
  if (otlp === undefined) throw new Error("traces are off");
  const report = {
    lost(count: number, reason: LossReason) {
      losses[reason] += count;
    },
    failed: (error: unknown) => void failures.push(error),
  };
  const sink = await traceSink({ otlp, version: "1.2.3", report, shutdownMillis });
  return {
    exporter: spans({ sink, settings: { sampleRatio: 1, slowSeconds: 10, maxPerSecond: 1_000_000 } }),
    sink,
    losses,
    failures,
  };
}

const none = { buffer_full: 0, export_failed: 0, shutdown: 0 };
const values = (attributes: WireSpan["attributes"]) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

describe("a collector", () => {
  test("receives the spans with our ids, times, parents and attributes", async () => {
    const { received, all, url } = await collector();
    const { exporter, losses } = await exporterTo(url, {
      OTEL_EXPORTER_OTLP_HEADERS: "x-tenant=blue",
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test",
      OTEL_SERVICE_NAME: "edge",
    });
    exporter.export(sampleExchange());
    await exporter.shutdown();

    expect(received[0]).toMatchObject({
      url: "/v1/traces",
      headers: { "x-tenant": "blue", "content-type": "application/json" },
    });
    expect(values(received[0]?.resource ?? [])).toMatchObject({
      "service.name": "edge",
      "service.version": "1.2.3",
      "deployment.environment.name": "test",
      "telemetry.sdk.language": "nodejs",
    });
    expect(received[0]?.scope).toMatchObject({ name: "tollgate", version: "1.2.3" });
    const [server, client] = all();
    expect(server).toMatchObject({
      traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
      spanId: "1111111111111111",
      parentSpanId: "00f067aa0ba902b7",
      traceState: "congo=1",
      name: "POST /v1/chat/completions",
      kind: 2,
      status: { code: 0 },
      startTimeUnixNano: "1790000000000250000",
      flags: 0x301,
    });
    expect(Number(BigInt(server?.endTimeUnixNano ?? 0) - BigInt(server?.startTimeUnixNano ?? 0)) / 1e6).toBeCloseTo(
      412,
      2,
    );
    expect(client).toMatchObject({
      traceId: server?.traceId,
      spanId: sampleAttempt.spanId,
      parentSpanId: server?.spanId,
      name: "chat gpt-4o-mini",
      kind: 3,
      flags: 0x101,
    });
    expect(values(client?.attributes ?? [])).toMatchObject({
      "gen_ai.operation.name": "chat",
      "gen_ai.usage.input_tokens": 1000,
      "server.port": 443,
    });
    expect(losses).toEqual(none);
  });

  test("sees a failure as an error with its message", async () => {
    const { all, url } = await collector();
    const { exporter } = await exporterTo(url);
    exporter.export(failedExchange());
    await exporter.shutdown();
    expect(all()[0]?.status).toEqual({ code: 2, message: "The backend is away." });
    expect(all()[1]?.status).toEqual({ code: 2 });
  });

  test("gets gzip where it is asked for", async () => {
    const { received, url } = await collector();
    const { exporter } = await exporterTo(url, { OTEL_EXPORTER_OTLP_COMPRESSION: "gzip" });
    exporter.export(sampleExchange());
    await exporter.shutdown();
    expect(received[0]?.headers["content-encoding"]).toBe("gzip");
  });

  test("gets everything, in batches, and nothing stays behind", async () => {
    const { received, all, url } = await collector();
    const { exporter, sink, losses } = await exporterTo(url, { OTEL_BSP_SCHEDULE_DELAY: "1" });
    for (let index = 0; index < 500; index++) exporter.export(sampleExchange());
    await vi.waitFor(() => expect(all()).toHaveLength(1000));
    await vi.waitFor(() => expect(sink.buffered).toBe(0));
    expect(Math.max(...received.map((batch) => batch.spans.length))).toBeLessThanOrEqual(128);
    await exporter.shutdown();
    expect(losses).toEqual(none);
  });
});

describe("a collector that fails", () => {
  test("by refusing: every span is counted, the failure is told", async () => {
    const { url } = await collector((response) => response.writeHead(400).end());
    const { exporter, losses, failures } = await exporterTo(url);
    exporter.export(sampleExchange());
    await exporter.shutdown();
    expect(losses).toEqual({ ...none, export_failed: 2 });
    expect(failures).toHaveLength(1);
  });

  test("by being away: shutdown ends in time and counts what was not sent", async () => {
    const { exporter, losses } = await exporterTo("http://127.0.0.1:1", {}, 100);
    for (let index = 0; index < 10; index++) exporter.export(sampleExchange());
    const began = performance.now();
    await exporter.shutdown();
    expect(performance.now() - began).toBeLessThan(1_500);
    expect(losses.export_failed + losses.shutdown).toBe(20);
  });

  test("by hanging: the buffer stays bounded, drops are counted, export costs nothing, shutdown ends in time", async () => {
    const { received, url } = await collector(() => undefined);
    const { exporter, sink, losses } = await exporterTo(
      url,
      { OTEL_BSP_MAX_QUEUE_SIZE: "300", OTEL_BSP_SCHEDULE_DELAY: "1" },
      100,
    );
    exporter.export(sampleExchange());
    await vi.waitFor(() => expect(received).toHaveLength(1));
    let worst = 0;
    for (let index = 0; index < 5_000; index++) {
      const began = performance.now();
      exporter.export(sampleExchange());
      worst = Math.max(worst, performance.now() - began);
    }
    expect(worst).toBeLessThan(50);
    expect(sink.buffered).toBe(302);
    expect(losses).toEqual({ ...none, buffer_full: 10_000 - 300 });
    const began = performance.now();
    await exporter.shutdown();
    expect(performance.now() - began).toBeLessThan(1_500);
    expect(losses.shutdown).toBe(302);
    exporter.export(sampleExchange());
    expect(losses.shutdown).toBe(304);
  });
});
