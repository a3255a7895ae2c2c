// What keeps the program from starting: one sentence for each cause on standard error, and an exit code that says which kind.
import { createServer } from "node:net";
import { expect, test, vi } from "vitest";
import { type ProgramOptions, program } from "./testing/program.ts";

async function refusal(options: ProgramOptions) {
  await using started = program(options);
  await vi.waitFor(() => expect(started.err).toMatch(/\n$/), { timeout: 10_000, interval: 5 });
  const { code, signal, millis } = await started.ended();
  expect(signal).toBeNull();
  // By itself: what is still open would keep it for a second.
  expect(millis).toBeLessThan(900);
  expect(started.out).toBe("");
  return { code, told: started.err.slice(0, -1).split("\n") };
}

/** A port that somebody else listens on. */
async function takenPort() {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { port: String(address.port), [Symbol.asyncDispose]: async () => void server.close() };
}

test("a faulty file and a faulty environment: one sentence for each problem, in one go", async () => {
  const { code, told } = await refusal({
    config: "listen:\n  port: eighty\nbackend: []\nbackends:\n  - { name: a, baseUrl: nowhere, models: [m] }\n",
    env: { METRICS_PORT: "-1" },
  });
  expect(code).toBe(78);
  expect(told).toHaveLength(4);
  const sentences = [
    /^tollgate: environment: METRICS_PORT must be .*\.$/,
    /^tollgate: config\.yaml:2:\d+: listen\.port must be .*\.$/,
    /^tollgate: config\.yaml:3:\d+: backend .*"backends"\?$/,
    /^tollgate: config\.yaml:5:\d+: backends\[0\]\.baseUrl must be .*\.$/,
  ];
  for (const sentence of sentences) expect(told).toContainEqual(expect.stringMatching(sentence));
});

test.each([
  ["PORT", "PORT"],
  ["METRICS_PORT", "METRICS_PORT"],
])("a %s in use: exit code 1, and a sentence with the port and the fix", async (variable) => {
  await using other = await takenPort();
  const { code, told } = await refusal({ env: { [variable]: other.port } });
  expect(code).toBe(1);
  expect(told).toHaveLength(1);
  expect(told[0]).toMatch(
    new RegExp(`^tollgate: port ${other.port} on 127\\.0\\.0\\.1 is in use: .*\\b${variable}\\b.*\\.$`),
  );
});

test.each<[string, ProgramOptions, RegExp]>([
  [
    "an address that others can reach, while nobody has to say who calls",
    { env: { HOST: "0.0.0.0" } },
    /^tollgate: environment: HOST opens the gateway to other machines .*allowAnonymous: true \(TOLLGATE_ALLOW_ANONYMOUS=true\).*\.$/,
  ],
  [
    "a SENTRY_DSN that is none",
    { env: { SENTRY_DSN: "https://hush@sentry" } },
    /^tollgate: SENTRY_DSN is not a DSN; .*\.$/,
  ],
  [
    "a price like that of a model that nobody lists",
    { config: "prices:\n  - { model: mine, sameAs: openai/gpt-400 }\n" },
    /^tollgate: config: prices\[0\]: sameAs "openai\/gpt-400" is not in the price list; .*\.$/,
  ],
  [
    "an OTLP protocol that is not spoken",
    { env: { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4317", OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" } },
    /^tollgate: OTEL_EXPORTER_OTLP_PROTOCOL: gRPC is not supported; .*\.$/,
  ],
])("%s: exit code 78, and one sentence with the fix", async (_, options, sentence) => {
  const { code, told } = await refusal(options);
  expect(code).toBe(78);
  expect(told).toEqual([expect.stringMatching(sentence)]);
  expect(told[0]).not.toMatch(/hush/);
});
