// What works but is worth a second look is told, and nothing else is.
import { describe, expect, it } from "vitest";
import { loaded } from "../testing/load-config.ts";
import type { Environment } from "./interpolate.ts";

describe("warnings", () => {
  const warned = (yaml: string, env: Environment = {}) => {
    const result = loaded(yaml, env);
    return "warnings" in result ? result.warnings : undefined;
  };

  it("tell of keys that stand in the file, without showing them", () => {
    const found = warned(
      `
adminToken: hunter2
backends:
  - { name: openai, key: hunter2 }
  - { name: deepseek, key: "\${KEY}", headers: { api-key: hunter2, x-team: blue } }`,
      { KEY: "k" },
    );
    expect(found).toEqual([
      "adminToken is written in the file itself; keep it out with { env: NAME } or { file: PATH }.",
      "backends[0].key is written in the file itself; keep it out with { env: NAME } or { file: PATH }.",
      "backends[1].headers.api-key is written in the file itself; keep it out with { env: NAME } or { file: PATH }.",
    ]);
  });

  it("tell of a pattern that an earlier backend takes away, and of none that still gets something", () => {
    const two = (first: string, second: string) =>
      warned(`
backends:
  - { name: one, baseUrl: "http://127.0.0.1:1/v1", models: [${first}] }
  - { name: two, baseUrl: "http://127.0.0.1:2/v1", models: [${second}] }`);
    expect(two('"gpt-*"', '"gpt-4*", other')).toEqual([
      "Backend two never gets gpt-4*: one stands before it and takes the same; change the order or the models.",
    ]);
    expect(two("gpt-4o", "gpt-4o")).toHaveLength(1);
    expect(two('"gpt-4*"', '"gpt-*"')).toEqual([]);
    expect(two('"gpt-*"', "gpt-4o")).toEqual([]);
  });

  it("tell of no pattern that a route brings to the backend", () => {
    const routed = (model: string) =>
      warned(`
backends:
  - { name: one, baseUrl: "http://127.0.0.1:1/v1", models: ["gpt-*"] }
  - { name: two, baseUrl: "http://127.0.0.1:2/v1", models: ["gpt-4*"] }
routes:
  - { model: "${model}", targets: [{ backend: one }, { backend: two }] }`);
    expect(routed("gpt-4*")).toEqual([]);
    expect(routed("gpt-4o")).toHaveLength(1);
  });

  it("tell of a key that would cross the network in the clear", () => {
    const to = (url: string) =>
      warned(`backends: [{ name: far, key: "\${K}", models: ["*"], baseUrl: "${url}" }]`, { K: "k" });
    expect(to("http://api.example.com/v1")).toEqual([
      "The key of backend far travels unencrypted; give it an https baseUrl.",
    ]);
    const without = 'backends: [{ name: far, models: ["*"], baseUrl: "http://api.example.com/v1" }]';
    expect(warned(without)).toEqual([]);
    for (const near of ["http://127.0.0.1:1", "http://vllm:8000/v1", "http://10.1.2.3", "https://api.example.com"]) {
      expect(to(near)).toEqual([]);
    }
  });
});
