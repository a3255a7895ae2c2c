import { exportSPKI, importJWK, UnsecuredJWT } from "jose";
import { describe, expect, test, vi } from "vitest";
import type { JwtSource } from "../config/config.ts";
import { issuer, secretToken, soon } from "../testing/issuer.ts";
import { looksLikeToken, tokens } from "./jwt.ts";

const secret = "a shared secret of more than 32 bytes";
const terms = { audience: [], clockTolerance: 30, claims: { user: "sub" }, grants: [] };
const hs256: JwtSource = { ...terms, secret, algorithms: ["HS256"] };
const byKeys = (jwksUrl: string, more: Partial<JwtSource> = {}): JwtSource => ({
  ...terms,
  issuer: "issuer",
  audience: ["tollgate", "another"],
  algorithms: ["RS256", "ES256"],
  ...more,
  jwksUrl,
});

/** A clock that a test moves. */
function clock() {
  let moved = 0;
  return {
    now: () => Date.now() + moved,
    move(millis: number) {
      moved += millis;
    },
  };
}

const verify = async (source: JwtSource, token: string, now: () => number = Date.now) =>
  tokens({ sources: [source], now }).verify(token);

describe("a token by secret", () => {
  test("names its user", async () => {
    expect(await verify(hs256, await secretToken(secret))).toEqual({
      auth: "jwt",
      user: "ada",
      grants: [],
      priority: 0,
    });
  });

  test("gives user, team and grants as the source says", async () => {
    const source = { ...hs256, claims: { user: "uid", team: "org" }, grants: ["files"] as const };
    const token = await secretToken(secret, { uid: 42, org: "blue", grants: ["other"] });
    expect(await verify(source, token)).toMatchObject({ user: "42", team: "blue", grants: ["files"] });
  });

  test.each([
    ["signed by another secret", () => secretToken(`${secret}!`)],
    ["with another algorithm than the source's", () => secretToken(secret, {}, "HS512")],
    ["that has expired", () => secretToken(secret, { exp: soon() - 3_700 })],
    ["that is not valid yet", () => secretToken(secret, { nbf: soon() })],
    ["that never ends", () => secretToken(secret, { exp: undefined })],
    ["without a user", () => secretToken(secret, { sub: undefined })],
    ["whose user is no name", () => secretToken(secret, { sub: { a: 1 } })],
    ["without a signature", async () => new UnsecuredJWT({ sub: "ada" }).setExpirationTime(soon()).encode()],
    ["whose signature was cut", async () => (await secretToken(secret)).replace(/[^.]+$/, "")],
    [
      "whose claims were changed",
      async () => {
        const [head, , signature] = (await secretToken(secret)).split(".");
        const claims = Buffer.from(JSON.stringify({ sub: "eve", exp: soon() })).toString("base64url");
        return `${head}.${claims}.${signature}`;
      },
    ],
    ["that is no token", async () => "eyJ.eyJ.x"],
  ])("%s is refused", async (_, make) => {
    await expect(verify(hs256, await make())).rejects.toMatchObject({ kind: "invalid_token" });
  });

  test("of endless length is refused unread", async () => {
    const token = await secretToken(secret, { more: "x".repeat(9_000) });
    const { verify } = tokens({ sources: [hs256], now: Date.now });
    expect(() => verify(token)).toThrow("too long");
  });

  test("may be as late as the tolerance, and no later", async () => {
    const past = (seconds: number) => secretToken(secret, { exp: Math.floor(Date.now() / 1000) - seconds });
    expect(await verify(hs256, await past(20))).toMatchObject({ user: "ada" });
    await expect(verify(hs256, await past(40))).rejects.toThrow("has expired");
  });
});

describe("a token by published keys", () => {
  test.each(["RS256", "ES256"] as const)("of %s names its user", async (alg) => {
    await using from = await issuer(alg);
    expect(await verify(byKeys(from.url), await from.token())).toMatchObject({ auth: "jwt", user: "ada" });
  });

  test.each([
    ["of another issuer", { iss: "another" }],
    ["without an issuer", { iss: undefined }],
    ["for another audience", { aud: "else" }],
    ["without an audience", { aud: undefined }],
  ])("%s is refused", async (_, claims) => {
    await using from = await issuer();
    await expect(verify(byKeys(from.url), await from.token(claims))).rejects.toMatchObject({ kind: "invalid_token" });
  });

  test("with one of several audiences is good", async () => {
    await using from = await issuer();
    const token = await from.token({ aud: ["else", "another"] });
    expect(await verify(byKeys(from.url), token)).toMatchObject({ user: "ada" });
  });

  test("with an algorithm that the source does not take is refused", async () => {
    await using from = await issuer("ES256");
    const source = byKeys(from.url, { algorithms: ["RS256"] });
    await expect(verify(source, await from.token())).rejects.toMatchObject({ kind: "invalid_token" });
  });

  test("signed with the public key as a secret is refused, even where another source takes secrets", async () => {
    await using from = await issuer("RS256");
    const key = await importJWK(from.publicKey, "RS256", { extractable: true });
    if (key instanceof Uint8Array) throw new Error("a key pair has no bytes");
    const forged = await secretToken(await exportSPKI(key), { iss: "issuer", aud: "tollgate" });
    const { verify } = tokens({ sources: [byKeys(from.url), hs256], now: Date.now });
    await expect(verify(forged)).rejects.toMatchObject({ kind: "invalid_token" });
  });

  test("of a key that the issuer does not have is refused", async () => {
    await using from = await issuer();
    await using other = await issuer();
    await expect(verify(byKeys(from.url), await other.token())).rejects.toMatchObject({ kind: "invalid_token" });
  });

  test("is checked by the source whose issuer it names", async () => {
    await using one = await issuer();
    await using two = await issuer();
    const sources = [byKeys(one.url), byKeys(two.url, { issuer: "two", claims: { user: "email" } }), hs256];
    const { verify } = tokens({ sources, now: Date.now });
    expect(await verify(await two.token({ iss: "two", email: "bob" }))).toMatchObject({ user: "bob" });
    expect(one.fetches).toBe(0);
  });
});

describe("an issuer's keys", () => {
  test("are fetched once for all who wait, and kept", async () => {
    await using from = await issuer();
    const { verify } = tokens({ sources: [byKeys(from.url)], now: Date.now });
    const many = await Promise.all(Array.from({ length: 20 }, (_, i) => from.token({ sub: `user ${i}` })));
    await Promise.all(many.map((token) => verify(token)));
    await verify(await from.token({ sub: "later" }));
    expect(from.fetches).toBe(1);
  });

  test("are fetched again for a new one, but not at the bidding of strangers", async () => {
    await using from = await issuer();
    const time = clock();
    const { verify } = tokens({ sources: [byKeys(from.url)], now: time.now });
    await verify(await from.token());
    await expect(verify(await from.token({}, { kid: "made up" }))).rejects.toMatchObject({ kind: "invalid_token" });
    expect(from.fetches).toBe(1);
    await from.rotate("second", true);
    time.move(31_000);
    expect(await verify(await from.token({ sub: "bob" }))).toMatchObject({ user: "bob" });
    expect(from.fetches).toBe(2);
  });

  test("are tried in turn for a token that names none of them", async () => {
    await using from = await issuer();
    const { verify } = tokens({ sources: [byKeys(from.url)], now: Date.now });
    const first = await from.token({ sub: "ada" }, "no kid");
    const ended = await from.token({ sub: "old", exp: 1 }, "no kid");
    await from.rotate("second");
    expect(await verify(first)).toMatchObject({ user: "ada" });
    expect(await verify(await from.token({ sub: "bob" }, "no kid"))).toMatchObject({ user: "bob" });
    await expect(verify(ended)).rejects.toMatchObject({ message: expect.stringContaining("expired") });
    await using other = await issuer();
    await expect(verify(await other.token({}, "no kid"))).rejects.toMatchObject({ kind: "invalid_token" });
    expect(from.fetches).toBe(1);
  });

  test("that grow old are fetched beside the requests, and a withdrawn one is good no more", async () => {
    await using from = await issuer();
    const time = clock();
    const { verify } = tokens({ sources: [byKeys(from.url)], now: time.now });
    await verify(await from.token());
    const before = await from.token({ sub: "bob" });
    // A new one for each look: one that was found good is believed for a while.
    const late = await Promise.all(Array.from({ length: 40 }, (_, i) => from.token({ sub: `eve-${i}` })));
    await from.rotate("second", true);
    time.move(11 * 60_000);
    // Good still: nobody waits for the fetch.
    expect(await verify(before)).toMatchObject({ user: "bob" });
    await vi.waitFor(() => expect(from.fetches).toBe(2));
    await vi.waitFor(async () => {
      const look = async () => verify(late.pop() ?? "");
      await expect(look()).rejects.toMatchObject({ kind: "invalid_token" });
    });
  });

  const troubles = [
    ["a failure", (from: Awaited<ReturnType<typeof issuer>>) => from.answers((_, res) => res.writeHead(500).end())],
    ["no JSON", (from) => from.answers((_, res) => res.end("<html>"))],
    ["no keys", (from) => from.answers((_, res) => res.end("{}"))],
    ["too much", (from) => from.answers((_, res) => res.end(`{"keys":[],"x":"${"x".repeat(600_000)}"}`))],
    [
      "a redirect",
      (from) =>
        from.answers((req, res) => {
          if (req.url === "/keys") res.writeHead(302, { location: "/elsewhere" }).end();
          else res.end(JSON.stringify({ keys: [from.publicKey] }));
        }),
    ],
  ] as const satisfies readonly (readonly [string, (from: Awaited<ReturnType<typeof issuer>>) => void])[];

  test.each(troubles)("that answer with %s make no token bad: it cannot be checked for now", async (_, go) => {
    await using from = await issuer();
    const time = clock();
    const { verify } = tokens({ sources: [byKeys(from.url)], now: time.now });
    const token = await from.token();
    go(from);
    await expect(verify(token)).rejects.toMatchObject({ kind: "issuer_away" });
    const asked = from.fetches;
    await expect(verify(token)).rejects.toMatchObject({ kind: "issuer_away" });
    expect(from.fetches).toBe(asked);
    from.answers(undefined);
    time.move(2_100);
    expect(await verify(token)).toMatchObject({ user: "ada" });
  });

  test("that were had once are good while the issuer is away, for a day", async () => {
    await using from = await issuer();
    const time = clock();
    const { verify } = tokens({ sources: [byKeys(from.url)], now: time.now });
    await verify(await from.token());
    from.answers((_, res) => res.writeHead(503).end());
    time.move(3_600_000);
    const late = { exp: soon() + 100 * 3_600 };
    expect(await verify(await from.token({ ...late, sub: "bob" }))).toMatchObject({ user: "bob" });
    time.move(24 * 3_600_000);
    await expect(verify(await from.token({ ...late, sub: "eve" }))).rejects.toMatchObject({ kind: "issuer_away" });
  });
});

describe("a token that was good", () => {
  test("is not checked again for a while, nor past its end", async () => {
    const time = clock();
    const { verify } = tokens({ sources: [hs256], now: time.now });
    const token = await secretToken(secret, { exp: Math.floor(Date.now() / 1000) + 70 });
    const first = verify(token);
    expect(first).toBeInstanceOf(Promise);
    const identity = await first;
    expect(verify(token)).toBe(identity);
    time.move(61_000);
    expect(await verify(token)).toEqual(identity);
    time.move(10_000);
    // Within the tolerance it is still good, but it is looked at each time.
    expect(verify(token)).toBeInstanceOf(Promise);
    time.move(60_000);
    await expect(verify(token)).rejects.toThrow("has expired");
  });

  test("leaves room for others: memory is bounded", async () => {
    const { verify } = tokens({ sources: [hs256], now: Date.now });
    const first = await secretToken(secret, { sub: "first" });
    await verify(first);
    for (let i = 0; i < 10_000; i += 1) await verify(await secretToken(secret, { sub: `user ${i}` }));
    expect(verify(first)).toBeInstanceOf(Promise);
  });
});

test("a token is told from a key by its form", () => {
  expect(["eyJh.eyJz.c2ln", "ey.x.", "eyJh.eyJz", "sk-a.b.c", "eyJa.b.c.d"].map(looksLikeToken)).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
});
