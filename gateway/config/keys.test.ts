// What a file says of keys and of the data folder, as the gateway uses it.
import { expect, it } from "vitest";
import { secretHash } from "../admission/keys/secret.ts";
import { config, loaded } from "../testing/load-config.ts";

const secret = `tg-${"0123456789abcdef".repeat(2)}`;

it("a declared key has all that the file says, and of its secret only the hash", () => {
  const made = config(
    `
keys:
  - label: Build 7
    key: { env: CI_KEY }
    user: ada@example.com
    team: research
    expiresAt: 2027-01-31
    models: [gpt-4o, "llama-*"]
    grants: [files]
    limits: { requestsPerMinute: 60 }
    budgets: [{ period: month, usd: 50 }]
    priority: -5
  - { label: plain, key: { file: plain-key } }
`,
    { CI_KEY: secret },
    { "/etc/tollgate/plain-key": `${secret}2\n` },
  );
  expect(made.keys).toEqual([
    {
      hash: secretHash(secret),
      key: {
        id: expect.stringMatching(/^key_[0-9a-f]{24}$/),
        label: "Build 7",
        user: "ada@example.com",
        team: "research",
        createdAt: 0,
        expiresAt: Date.parse("2027-01-31"),
        models: ["gpt-4o", "llama-*"],
        grants: ["files"],
        limits: { requestsPerMinute: 60 },
        budgets: [{ period: "month", usd: 50, softRatio: 0.8, hard: true }],
        priority: -5,
      },
    },
    {
      hash: secretHash(`${secret}2`),
      key: { id: expect.any(String), label: "plain", createdAt: 0, grants: [], limits: {}, budgets: [], priority: 0 },
    },
  ]);
  expect(JSON.stringify(made)).not.toContain(secret);
});

it("a declared key lets the gateway listen to other machines", () => {
  const keys = `keys: [{ label: ci, key: { env: K } }]\nlisten: { host: 0.0.0.0 }`;
  expect(config(keys, { K: secret }).listen.host).toBe("0.0.0.0");
  expect("problems" in loaded("listen: { host: 0.0.0.0 }")).toBe(true);
});

it("a key in the file itself is warned of", () => {
  const result = loaded(`keys: [{ label: ci, key: ${secret} }]`);
  expect("warnings" in result && result.warnings).toEqual([expect.stringMatching(/^keys\[0\]\.key is written in/)]);
});

it("the data folder is the variable's, from where one stands; else the file's, from its folder; else .tollgate", () => {
  const given = (yaml: string | undefined, env = {}) => config(yaml, env).dataDir;
  expect([
    given(undefined),
    given("dataDir: data"),
    given("dataDir: /var/lib/tollgate"),
    given("dataDir: data", { TOLLGATE_DATA_DIR: "../here" }),
    given("dataDir: data", { TOLLGATE_DATA_DIR: "" }),
  ]).toEqual(["/etc/tollgate/.tollgate", "/etc/tollgate/data", "/var/lib/tollgate", "/etc/here", "/etc/tollgate/data"]);
});
