// Sources of tokens: what stands in a file, what the environment says, and what neither says.
import { expect, it } from "vitest";
import { config, loaded, problems } from "../testing/load-config.ts";

const secret = "s".repeat(32);

it("are none unless they are set", () => {
  expect(config("{}").jwt).toEqual([]);
});

it("one by its keys takes RS256 and ES256, one by its secret HS256, and names users by `sub`", () => {
  const { jwt } = config(
    "jwt: [{ issuer: i, audience: a, jwksUrl: 'https://i.example/keys' }, { secret: { env: S } }]",
    { S: secret },
  );
  expect(jwt).toEqual([
    {
      issuer: "i",
      audience: ["a"],
      algorithms: ["RS256", "ES256"],
      clockTolerance: 30,
      claims: { user: "sub" },
      grants: [],
      jwksUrl: "https://i.example/keys",
    },
    { audience: [], algorithms: ["HS256"], clockTolerance: 30, claims: { user: "sub" }, grants: [], secret },
  ]);
});

it("JWT_ACCESS_SECRET is a source of its own, if it is long enough", () => {
  expect(config("{}", { JWT_ACCESS_SECRET: secret }).jwt).toMatchObject([{ secret, algorithms: ["HS256"] }]);
  expect(problems("{}", { JWT_ACCESS_SECRET: secret.slice(1) })).toEqual([
    "environment: JWT_ACCESS_SECRET is too short for HS256; it needs at least 32 bytes.",
  ]);
});

it("a source, or a key, opens the door to a network, and nothing less does", () => {
  const network = { HOST: "0.0.0.0" };
  expect(problems("{}", network)).toHaveLength(1);
  expect(problems("{}", { ...network, JWT_ACCESS_SECRET: secret })).toEqual([]);
});

it("keys that are not for this gateway alone, or travel unprotected, are warned of", () => {
  const of = (yaml: string) => {
    const result = loaded(yaml);
    return "warnings" in result ? result.warnings : [];
  };
  expect(of("jwt: [{ jwksUrl: 'https://i.example/keys' }]")).toEqual([
    "jwt[0] takes every token of its issuer, whoever it was made for; name its issuer and audience.",
  ]);
  expect(of("jwt: [{ issuer: i, audience: a, jwksUrl: 'http://i.example/keys' }]")).toEqual([
    "The keys of jwt[0] travel unprotected; give it an https jwksUrl.",
  ]);
  expect(of(`jwt: [{ secret: ${secret} }]`)).toEqual([
    "jwt[0].secret is written in the file itself; keep it out with { env: NAME } or { file: PATH }.",
  ]);
});
