// What the environment makes of the configuration, alone and beside a file.
import { describe, expect, it } from "vitest";
import { config, problems } from "../testing/load-config.ts";
import type { Config } from "./config.ts";

const backend = (name: string, from: Config) => from.backends.find((one) => one.name === name);

describe("with nothing configured", () => {
  it("the demo is served on this machine alone", () => {
    const { listen, demo, backends, defaultBackend, file, metrics, otel } = config(undefined);
    expect(listen).toEqual({ host: "127.0.0.1", port: 8088, opsHost: "127.0.0.1", opsPort: 9091 });
    expect({ demo, backends, defaultBackend, file, metrics, otel }).toEqual({
      demo: true,
      backends: [],
      defaultBackend: "demo",
      file: undefined,
      metrics: true,
      otel: {},
    });
  });

  it("the demo's answers have prices", () => {
    expect(config(undefined).prices.map(({ backend: name, model }) => [name, model])).toContainEqual(["demo", "demo*"]);
  });

  it("the configuration is frozen to its leaves", () => {
    const frozen = config("backends: [{ name: openai }]");
    expect(Object.isFrozen(frozen.backends[0]?.timeouts) && Object.isFrozen(frozen.listen)).toBe(true);
  });
});

describe("keys in the environment", () => {
  it("OPENAI_API_KEY brings OpenAI, which takes every model that nobody else claims", () => {
    const made = config(undefined, { OPENAI_API_KEY: "sk-1" });
    expect(backend("openai", made)).toMatchObject({
      provider: "openai",
      baseUrl: "https://api.openai.com/v1",
      key: "sk-1",
      passClientKey: false,
    });
    expect(backend("openai", made)?.models.at(-1)).toBe("*");
    expect(made.defaultBackend).toBe("openai");
  });

  it("OPENAI_BASE_URL alone brings OpenAI with the client's own key", () => {
    const openai = backend("openai", config(undefined, { OPENAI_BASE_URL: "http://127.0.0.1:9999/v1/" }));
    expect(openai).toMatchObject({ baseUrl: "http://127.0.0.1:9999/v1", passClientKey: true });
    expect(openai).not.toHaveProperty("key");
  });

  it("DeepSeek stands before OpenAI's catch-all, and OpenAI still takes what names no model", () => {
    const made = config(undefined, { OPENAI_API_KEY: "sk-1", DEEPSEEK_API_KEY: "sk-2" });
    expect(made.backends.map(({ name }) => name)).toEqual(["deepseek", "openai"]);
    expect(backend("deepseek", made)).toMatchObject({ key: "sk-2", baseUrl: "https://api.deepseek.com/v1" });
    expect(made.defaultBackend).toBe("openai");
  });

  it("beside backends of a file OpenAI takes OpenAI's models only", () => {
    const yaml = "backends: [{ name: local, baseUrl: 'http://127.0.0.1:1/v1', models: ['llama-*'] }]";
    const made = config(yaml, { OPENAI_API_KEY: "sk-1" });
    expect(made.backends.map(({ name }) => name)).toEqual(["local", "openai"]);
    expect(backend("openai", made)?.models).not.toContain("*");
    expect(made.defaultBackend).toBe("local");
  });

  it("a backend of the file replaces the built-in one of its name", () => {
    const yaml = `
backends:
  - { name: openai, baseUrl: "http://127.0.0.1:1/v1", models: [gpt-5] }
  - { name: demo, baseUrl: "http://127.0.0.1:2/v1", models: [demo] }`;
    const made = config(yaml, { OPENAI_API_KEY: "sk-1" });
    expect(made.backends.map(({ name, models }) => [name, models])).toEqual([
      ["openai", ["gpt-5"]],
      ["demo", ["demo"]],
    ]);
    expect(backend("openai", made)).not.toHaveProperty("key");
    expect(made.demo).toBe(false);
  });
});

describe("other variables", () => {
  it("go before the file", () => {
    const yaml = `
listen: { host: 127.0.0.2, port: 1, metricsHost: 127.0.0.3, metricsPort: 2 }
log: { level: error }
metrics: true
adminToken: from-file`;
    const made = config(yaml, {
      HOST: "127.0.0.4",
      PORT: "3",
      METRICS_HOST: "127.0.0.5",
      METRICS_PORT: "4",
      LOG_LEVEL: "WARNING",
      ENABLE_METRICS: "False",
      TOLLGATE_ADMIN_TOKEN: "from-env",
    });
    expect(made.listen).toEqual({ host: "127.0.0.4", port: 3, opsHost: "127.0.0.5", opsPort: 4 });
    expect([made.log.level, made.metrics, made.adminToken]).toEqual(["warn", false, "from-env"]);
  });

  it.each([
    ["INFO", "info"],
    ["info", "info"],
    ["DEBUG", "debug"],
    ["CRITICAL", "fatal"],
  ])("LOG_LEVEL=%s means %s", (written, meant) => {
    expect(config(undefined, { LOG_LEVEL: written }).log.level).toBe(meant);
  });

  it("OTEL_* are handed on, and a standard sampler sets the share", () => {
    const made = config(undefined, {
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318",
      OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
      OTEL_TRACES_SAMPLER_ARG: "0.25",
      PATH: "/bin",
    });
    expect(made.otel).toEqual({
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318",
      OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
      OTEL_TRACES_SAMPLER_ARG: "0.25",
    });
    expect(made.traces.sampleRatio).toBe(0.25);
  });

  it("Sentry is on by its DSN, and off by SENTRY_ENABLED=false", () => {
    const env = { SENTRY_DSN: "https://k@sentry.example/1", SENTRY_ENVIRONMENT: "test" };
    expect(config(undefined, env).sentry).toEqual({ dsn: "https://k@sentry.example/1", environment: "test" });
    expect(config(undefined, { ...env, SENTRY_ENABLED: "false" })).not.toHaveProperty("sentry");
  });

  it("that are empty count as not set", () => {
    const made = config(undefined, { OPENAI_API_KEY: "", PORT: "", LOG_LEVEL: " ", TOLLGATE_CONFIG: "" });
    expect([made.backends.length, made.listen.port, made.log.level]).toEqual([0, 8088, "info"]);
  });

  it.each([
    [{ PORT: "80a" }, "environment: PORT must be a whole number from 0 to 65535."],
    [{ METRICS_PORT: "70000" }, "environment: METRICS_PORT must be a whole number from 0 to 65535."],
    [{ LOG_LEVEL: "loud" }, "environment: LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, silent."],
    [
      { OPENAI_BASE_URL: "api.openai.com" },
      "environment: OPENAI_BASE_URL must be an absolute http or https URL, such as https://api.openai.com/v1.",
    ],
    [
      { OPENAI_API_KEY: "sk-1\nsk-2" },
      "environment: OPENAI_API_KEY must be one line of plain ASCII characters without spaces.",
    ],
    [{ ENABLE_METRICS: "perhaps" }, "environment: ENABLE_METRICS must be true or false."],
    [
      { OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "5" },
      "environment: OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1.",
    ],
    [{ PORT: "9091" }, "environment: PORT is 9091 for both listeners; give each a port of its own."],
    [{ TOLLGATE_CONFIG: "none.yaml" }, "none.yaml: does not exist; create it, or mend TOLLGATE_CONFIG."],
  ])("%j is refused in one sentence", (env, expected) => {
    expect(problems(undefined, env)).toEqual([expected]);
  });

  it("and files are complained about together", () => {
    expect(problems("demo: 5", { PORT: "x" })).toEqual([
      "environment: PORT must be a whole number from 0 to 65535.",
      "config.yaml:1:1: demo must be true or false.",
    ]);
  });
});
