// What a good configuration file becomes, and where it is looked for.
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { config, disk, loaded, problems } from "../testing/load-config.ts";
import type { Environment } from "./interpolate.ts";
import { load } from "./load.ts";
import { sentence } from "./problem.ts";

describe("a file", () => {
  it("is the one of the flag, else of TOLLGATE_CONFIG, else the usual one, else none", () => {
    const read = disk({
      "/srv/a.yaml": "shutdownSeconds: 1",
      "/srv/b.yaml": "shutdownSeconds: 2",
      "/srv/gateway/config.yaml": "shutdownSeconds: 3",
    });
    const seconds = (file: string | undefined, env: Environment) => {
      const result = load({ file, env, cwd: "/srv", read });
      return "config" in result ? [result.config.shutdownSeconds, result.config.file] : undefined;
    };
    expect(seconds("a.yaml", { TOLLGATE_CONFIG: "b.yaml" })).toEqual([1, "/srv/a.yaml"]);
    expect(seconds(undefined, { TOLLGATE_CONFIG: "b.yaml" })).toEqual([2, "/srv/b.yaml"]);
    expect(seconds(undefined, {})).toEqual([3, "/srv/gateway/config.yaml"]);
    expect(problems(undefined, {})).toEqual([]);
  });

  it("that is named and missing is an error", () => {
    const result = load({ file: "gone.yaml", env: {}, cwd: "/srv", read: disk({}) });
    expect("problems" in result && result.problems.map(sentence)).toEqual([
      "gone.yaml: does not exist; create it, or mend --config.",
    ]);
  });

  it("of comments only means the defaults", () => {
    expect(config("# nothing yet\n").listen.port).toBe(8088);
  });

  it("may leave a group empty, all its keys commented out", () => {
    expect(config("log:\n  # level: debug\nbackends:\n").log.level).toBe("info");
  });

  it("may say sizes and durations with units", () => {
    const { limits, shutdownSeconds } = config(
      "limits: { jsonBytes: 1.5KiB, bodyBytes: 2GB, drainBytes: 7, receiveSeconds: 90s, drainSeconds: 500ms }\nshutdownSeconds: 2m",
    );
    expect(limits).toEqual({
      jsonBytes: 1536,
      bodyBytes: 2_000_000_000,
      multipartHeadBytes: 32 * 1024 ** 2,
      drainBytes: 7,
      receiveSeconds: 90,
      stallSeconds: 120,
      drainSeconds: 0.5,
    });
    expect(shutdownSeconds).toBe(120);
  });

  it("takes variables and defaults in any value, and $$ for a dollar sign", () => {
    const made = config(
      `
listen: { port: "\${API_PORT:-8090}" }
demo: \${DEMO:-false}
adminToken: a$$b$5$$\{X}
backends:
  - name: \${NAME}
    baseUrl: http://\${HOST_NAME:-127.0.0.1}:\${VLLM_PORT}/v1
    models: ["\${MODEL:-*}"]
    headers: { x-team: "\${TEAM:-}none" }`,
      { NAME: "local", VLLM_PORT: "8000", MODEL: "" },
    );
    expect(made.listen.port).toBe(8090);
    expect(made.demo).toBe(false);
    expect(made.adminToken).toBe("a$b$5$" + "{X}");
    expect(made.backends[0]).toMatchObject({
      name: "local",
      baseUrl: "http://127.0.0.1:8000/v1",
      models: ["*"],
      headers: { "x-team": "none" },
    });
  });

  it("may keep secrets elsewhere, and tells which files it read", () => {
    const result = loaded(
      "adminToken: { file: secrets/admin }\nmetricsToken: { env: M }\nsentry: { dsn: { value: 'https://k@s.example/1' } }",
      { M: "from-env" },
      { "/etc/tollgate/secrets/admin": "from-file\n" },
    );
    expect(result).toMatchObject({
      config: { adminToken: "from-file", metricsToken: "from-env", sentry: { dsn: "https://k@s.example/1" } },
      files: ["/etc/tollgate/config.yaml", "/etc/tollgate/secrets/admin"],
    });
  });

  it("orders prices: those of backends, those of the file, those of the demo", () => {
    const made = config(`
prices: [{ model: "a-*", inputPerMillion: 1 }, { model: b, backend: openai, free: true }]
backends: [{ name: openai, prices: [{ model: "*", perHour: 2 }] }]`);
    expect(made.prices.slice(0, 3)).toEqual([
      { model: "*", backend: "openai", perHour: 2, origin: "config: backends.openai.prices[0]" },
      { model: "a-*", inputPerMillion: 1, origin: "config: prices[0]" },
      { model: "b", backend: "openai", free: true, origin: "config: prices[1]" },
    ]);
    expect(made.prices[3]?.backend).toBe("demo");
    expect(config("demo: false\nbackends: [{ name: openai }]").prices).toEqual([]);
  });

  it("may open the gateway to a network only where anonymous callers are meant", () => {
    expect(problems(undefined, { HOST: "0.0.0.0" })).toEqual([
      expect.stringMatching(/^environment: HOST opens the gateway to other machines .*allowAnonymous: true/),
    ]);
    expect(config("allowAnonymous: true", { HOST: "0.0.0.0" }).listen.host).toBe("0.0.0.0");
    expect(config(undefined, { HOST: "::", TOLLGATE_ALLOW_ANONYMOUS: "1" }).listen.host).toBe("::");
  });
});

it("the example file loads, with a key in the environment and nothing to warn of", () => {
  const file = join(import.meta.dirname, "../config.example.yaml");
  const result = load({ file, env: { OPENAI_API_KEY: "sk-1" } });
  expect(result).toMatchObject({ warnings: [], config: { defaultBackend: "openai" } });
});

it("the example file states the defaults", () => {
  const file = join(import.meta.dirname, "../config.example.yaml");
  const result = load({ file, env: { OPENAI_API_KEY: "sk-1" } });
  const plain = config(undefined);
  if ("problems" in result) throw new Error("does not load");
  for (const key of ["listen", "limits", "labels", "traces", "log", "cors", "shutdownSeconds", "metrics"] as const) {
    expect(result.config[key]).toEqual(plain[key]);
  }
});
