import { describe, expect, test } from "vitest";
import { otlpSettings } from "./otlp.ts";

const base = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" };

describe("traces are off", () => {
  test.each([
    ["with nothing set", {}],
    ["with an empty endpoint", { OTEL_EXPORTER_OTLP_ENDPOINT: " " }],
    ["when the SDK is disabled", { ...base, OTEL_SDK_DISABLED: "True" }],
    ["when the exporter is none", { ...base, OTEL_TRACES_EXPORTER: "none" }],
  ])("%s", (_, env) => {
    expect(otlpSettings(env)).toBeUndefined();
  });
});

describe("the endpoint", () => {
  test.each([
    ["a base gets the path of traces", base, "http://collector:4318/v1/traces"],
    ["a base may end with a slash", { OTEL_EXPORTER_OTLP_ENDPOINT: "https://c/otlp/" }, "https://c/otlp/v1/traces"],
    [
      "the traces endpoint stands as it is",
      { ...base, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://t:1/x" },
      "http://t:1/x",
    ],
    [
      "asking for otlp alone means the usual address",
      { OTEL_TRACES_EXPORTER: "otlp" },
      "http://localhost:4318/v1/traces",
    ],
  ])("%s", (_, env, url) => {
    expect(otlpSettings(env)?.url).toBe(url);
  });
});

test("the usual values", () => {
  expect(otlpSettings(base)).toEqual({
    url: "http://collector:4318/v1/traces",
    headers: {},
    timeoutMillis: 10_000,
    compression: "none",
    tls: {},
    batch: { delayMillis: 5_000, timeoutMillis: 30_000, queueSpans: 2048, batchSpans: 128 },
    resource: { "service.name": "tollgate" },
  });
});

test("every variable arrives, and those of traces win", () => {
  expect(
    otlpSettings({
      ...base,
      OTEL_EXPORTER_OTLP_HEADERS: "a=1,b=two%20words",
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: "b=3",
      OTEL_EXPORTER_OTLP_TIMEOUT: "1",
      OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: "2500",
      OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
      OTEL_BSP_SCHEDULE_DELAY: "0",
      OTEL_BSP_EXPORT_TIMEOUT: "7000",
      OTEL_BSP_MAX_QUEUE_SIZE: "100",
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "512",
      OTEL_SERVICE_NAME: "edge",
      OTEL_RESOURCE_ATTRIBUTES: "service.name=ignored,deployment.environment.name=prod%2Ceu",
    }),
  ).toMatchObject({
    headers: { a: "1", b: "3" },
    timeoutMillis: 2500,
    compression: "gzip",
    batch: { delayMillis: 0, timeoutMillis: 7000, queueSpans: 100, batchSpans: 100 },
    resource: { "service.name": "edge", "deployment.environment.name": "prod,eu" },
  });
});

describe("a mistake is told in one sentence that names the variable", () => {
  test.each([
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318" }, "OTEL_EXPORTER_OTLP_ENDPOINT: set it to a URL"],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "nonsense" }, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: set it"],
    [{ ...base, OTEL_TRACES_EXPORTER: "zipkin" }, "OTEL_TRACES_EXPORTER: set it to otlp or none"],
    [{ ...base, OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }, "OTEL_EXPORTER_OTLP_PROTOCOL: gRPC is not supported"],
    [{ ...base, OTEL_EXPORTER_OTLP_TIMEOUT: "10s" }, 'OTEL_EXPORTER_OTLP_TIMEOUT: "10s" is not'],
    [{ ...base, OTEL_BSP_MAX_QUEUE_SIZE: "0" }, 'OTEL_BSP_MAX_QUEUE_SIZE: "0" is not'],
    [{ ...base, OTEL_EXPORTER_OTLP_COMPRESSION: "brotli" }, "OTEL_EXPORTER_OTLP_COMPRESSION: set it"],
    [{ ...base, OTEL_EXPORTER_OTLP_CERTIFICATE: "/no/such.pem" }, "OTEL_EXPORTER_OTLP_CERTIFICATE: the file"],
    [{ ...base, OTEL_EXPORTER_OTLP_HEADERS: "a=1,hushhush" }, "OTEL_EXPORTER_OTLP_HEADERS: write it as"],
    [{ ...base, OTEL_RESOURCE_ATTRIBUTES: "a=%zz" }, "OTEL_RESOURCE_ATTRIBUTES: write it as"],
  ])("%j", (env, sentence) => {
    expect(() => otlpSettings(env)).toThrow(sentence);
    expect(() => otlpSettings(env)).not.toThrow(/hushhush|\n/);
  });
});
