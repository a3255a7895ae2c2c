// What the program serves and says, started as a user starts it, with nothing configured.
import { execFile, spawnSync } from "node:child_process";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Field } from "./testing/http-wire.ts";
import { metricSamples } from "./testing/metrics-text.ts";
import { chatRequest } from "./testing/payloads.ts";
import { type Gateway, gatewayProcess } from "./testing/program.ts";
import { rawRequest } from "./testing/raw-client.ts";
import { packageVersion } from "./version.ts";

const get = (url: string, headers: readonly Field[] = []) => rawRequest(url, { method: "GET", headers });

const suggestion = ({ err }: Gateway, name: "try" | "then") =>
  new RegExp(`^ {2}${name} +(.*)$`, "m").exec(err)?.[1] ?? "";

const noCurl = spawnSync("curl", ["--version"]).status !== 0;
if (noCurl) console.warn("skipped: no `curl` here to run the lines that the program suggests");
const shell = async (line: string) => (await promisify(execFile)("sh", ["-c", line])).stdout;

describe("with nothing configured", () => {
  let gateway: Gateway;
  beforeAll(async () => {
    gateway = await gatewayProcess();
  });
  afterAll(() => gateway[Symbol.asyncDispose]());

  test("five lines on standard error say what is served and what to try, and standard output is left to the log", () => {
    const { url, opsUrl } = gateway;
    expect(gateway.err.split("\n")).toEqual([
      expect.stringMatching(
        `^tollgate ${packageVersion()} is ready: .* ${url} \\(embedded defaults, no config file\\)$`,
      ),
      "  backends  demo (demo, demo-*; built in)",
      `  ops       ${opsUrl} with /metrics /health /ready`,
      expect.stringMatching(`^  try       curl .*${url}/chat/completions`),
      expect.stringMatching(`^  then      curl .*${opsUrl}/metrics`),
      "",
    ]);
    expect(gateway.out).toBe("");
  });

  test.skipIf(noCurl)("the line to try works as it stands, and the next one shows what it cost", async () => {
    const answer = await shell(suggestion(gateway, "try"));
    expect(answer).toMatch(/^data: \{.*"chat\.completion\.chunk"/);
    expect(answer).toMatch(/data: \[DONE\]\n\n$/);
    const shown = await shell(suggestion(gateway, "then"));
    expect(shown).toMatch(/^gateway_requests_total\{.*model="demo".*outcome="completed".*\} 1$/m);
    expect(shown).toMatch(/^token_spend_total\{.*type="output"\} [1-9]/m);
    expect(shown).toMatch(/^gateway_cost_usd_total\{.*type="output"\} 0\.0/m);
    expect(shown).not.toMatch(/ 0$/m);
  });

  test("one line of JSON for each exchange, with its trace id, and none for a probe", async () => {
    // Lines come a little after their answers: by one that this test waits for, those of earlier tests are there.
    await gateway.chat(chatRequest("the-line-before"));
    await gateway.line({ model: "the-line-before" });
    const before = gateway.lines().length;
    const traceId = "0af7651916cd43dd8448eb211c80319c";
    await get(`${gateway.url.replace("/v1", "")}/health`);
    const { header } = await gateway.chat(chatRequest("demo", { max_tokens: 1 }), [
      ["traceparent", `00-${traceId}-b7ad6b7169203331-01`],
    ]);
    await gateway.chat(chatRequest("nobody-serves-this"));
    await gateway.line({ model: "nobody-serves-this" });
    expect(gateway.lines().slice(before)).toMatchObject([
      {
        level: "info",
        id: header("x-request-id"),
        trace_id: traceId,
        model: "demo",
        outcome: "completed",
        status: 200,
      },
      { level: "warn", trace_id: expect.stringMatching(/^[0-9a-f]{32}$/), outcome: "refused", reason: "no_route" },
    ]);
  });

  test("health on both ports, readiness on the second", async () => {
    const api = gateway.url.replace("/v1", "");
    for (const url of [`${api}/health`, `${gateway.opsUrl}/health`, `${gateway.opsUrl}/ready`]) {
      const answer = await get(url);
      expect([answer.status, answer.json()]).toMatchObject([
        200,
        {
          status: "healthy",
          service: "tollgate",
          version: packageVersion(),
          database: "none",
          services: { demo: true },
        },
      ]);
    }
    expect((await get(`${api}/ready`)).status).toBe(404);
  });

  test("/metrics tells the build at once, process and machine soon after, and is valid as plain text and as gzip", async () => {
    const plain = await get(`${gateway.opsUrl}/metrics`);
    expect(plain.header("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(plain.header("content-encoding")).toBeUndefined();
    const build = metricSamples(plain.text).filter(({ name }) => name === "gateway_build_info");
    expect(build).toMatchObject([
      { value: 1, labels: { version: packageVersion(), node_version: process.versions.node } },
    ]);
    const packed = await get(`${gateway.opsUrl}/metrics`, [["accept-encoding", "gzip"]]);
    expect(packed.header("content-encoding")).toBe("gzip");
    expect(packed.body.length).toBeLessThan(plain.body.length / 4);
    expect(metricSamples(gunzipSync(packed.body).toString()).length).toBeGreaterThan(100);
    const families = [
      "process_resident_memory_bytes",
      "process_cpu_seconds_total",
      "process_open_fds",
      "process_start_time_seconds",
      "nodejs_heap_used_bytes",
      "nodejs_eventloop_lag_seconds",
      "system_cpu_utilization_ratio",
      "system_memory_usage_bytes",
      "system_memory_utilization_ratio",
      "system_disk_usage_bytes",
      "system_disk_utilization_ratio",
      "system_network_io_bytes_total",
      "system_uptime_seconds",
    ];
    await vi.waitFor(
      async () => {
        const names = new Set(metricSamples((await get(`${gateway.opsUrl}/metrics`)).text).map(({ name }) => name));
        expect(families.filter((name) => !names.has(name))).toEqual([]);
      },
      { timeout: 15_000, interval: 100 },
    );
  });

  test.each<[string, Field]>([
    ["another name for this machine, as a page may have given it", ["host", "evil.example"]],
    ["a page of another origin", ["origin", "https://evil.example"]],
  ])("/metrics does not open to %s", async (_, field) => {
    const { status, text } = await get(`${gateway.opsUrl}/metrics`, [field]);
    expect([status, text]).toEqual([expect.toBeOneOf([401, 403]), expect.not.stringContaining("gateway_")]);
  });
});
