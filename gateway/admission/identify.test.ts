import { describe, expect, test } from "vitest";
import { secretToken } from "../testing/issuer.ts";
import { keyRing } from "../testing/key-ring.ts";
import { credentialOf, isOurSubprotocol, withoutOurs } from "./credential.ts";
import { identify } from "./identify.ts";
import { tokens } from "./jwt.ts";

const secret = "a shared secret of more than 32 bytes";
const source = {
  audience: [],
  clockTolerance: 0,
  claims: { user: "sub" },
  grants: [],
  secret,
  algorithms: ["HS256"],
} as const;

interface World {
  readonly keys?: boolean;
  readonly jwt?: boolean;
  readonly allowAnonymous?: boolean;
  readonly allowClientKeys?: boolean;
}

/** What comes of a request with these headers: whom it is taken for, or the kind of its refusal. */
async function outcome(world: World, ...rawHeaders: string[]): Promise<unknown> {
  const { keys: hasKeys = false, jwt = false, allowAnonymous = false, allowClientKeys = false } = world;
  const keys = keyRing();
  if (hasKeys) {
    keys.add("good", { user: "ada", team: "blue", priority: 3 });
    keys.add("late", { expiresAt: 1_000 });
    keys.add("gone", { revokedAt: 500 });
  }
  const checks = tokens({ sources: jwt ? [source] : [], now: Date.now });
  const find = identify({ keys, tokens: checks, allowAnonymous, allowClientKeys, now: () => 1_000 });
  try {
    const { auth, key, user } = await find({ rawHeaders });
    return [auth, key?.id, user];
  } catch (error) {
    return error instanceof Error && "kind" in error ? error.kind : error;
  }
}

const asked: World = { keys: true };
const open: World = { keys: true, allowAnonymous: true };
const nobody = ["none", undefined, undefined];
const stranger = ["passthrough", undefined, undefined];
const bearer = (word: string) => ["Authorization", `Bearer ${word}`];

describe("who a request is from", () => {
  test.each<[string, World, string[], unknown]>([
    ["nothing, where nobody has keys", {}, [], nobody],
    ["nothing, where keys exist", asked, [], "missing_key"],
    ["nothing, where tokens are taken", { jwt: true }, [], "missing_key"],
    ["nothing, where keys exist and anyone may", open, [], nobody],
    ["a known key", asked, bearer("tg-good"), ["key", "good", "ada"]],
    ["a known key where anyone may", open, bearer("tg-good"), ["key", "good", "ada"]],
    ["an expired key", asked, bearer("tg-late"), "expired_key"],
    ["an expired key where anyone may", open, bearer("tg-late"), "expired_key"],
    ["a revoked key", asked, bearer("tg-gone"), "revoked_key"],
    ["a revoked key where anyone may", open, bearer("tg-gone"), "revoked_key"],
    ["an unknown key", asked, bearer("tg-other"), "invalid_key"],
    ["an unknown key where anyone may", open, bearer("tg-other"), "invalid_key"],
    ["an unknown key, where nobody has keys", {}, bearer("tg-other"), "invalid_key"],
    ["a provider's key, where nobody has keys", {}, bearer("sk-mine"), stranger],
    ["a provider's key, where keys exist", asked, bearer("sk-mine"), "invalid_key"],
    ["a provider's key, where tokens are taken", { jwt: true }, bearer("sk-mine"), "invalid_key"],
    ["a provider's key where anyone may", open, bearer("sk-mine"), stranger],
    ["a provider's key where it may be", { ...asked, allowClientKeys: true }, bearer("sk-mine"), stranger],
    ["nothing where a provider's key may be", { ...asked, allowClientKeys: true }, [], "missing_key"],
    ["another scheme", asked, ["Authorization", "Basic dXNlcjpwYXNz"], "invalid_key"],
    ["an empty credential", asked, ["Authorization", "Bearer ", "X-Api-Key", ""], "missing_key"],
  ])("%s", async (_, world, headers, expected) => {
    expect(await outcome(world, ...headers)).toEqual(expected);
  });

  test.each<[string, World, unknown]>([
    ["where tokens are taken", { jwt: true }, ["jwt", undefined, "ada"]],
    ["where tokens are taken, beside keys", { jwt: true, keys: true }, ["jwt", undefined, "ada"]],
    ["where no tokens are taken, but keys", asked, "invalid_key"],
    ["where nobody is asked", {}, stranger],
  ])("a good token %s", async (_, world, expected) => {
    expect(await outcome(world, ...bearer(await secretToken(secret)))).toEqual(expected);
  });

  test("a bad token is refused even where anyone may", async () => {
    const bad = await secretToken(`another ${secret}`);
    expect(await outcome({ jwt: true, allowAnonymous: true }, ...bearer(bad))).toBe("invalid_token");
  });
});

describe("where a credential stands", () => {
  test.each([
    ["Authorization", "Bearer tg-good"],
    ["authorization", "bearer   tg-good "],
    ["AUTHORIZATION", "tg-good"],
    ["X-Api-Key", "tg-good"],
    ["api-key", " tg-good"],
    ["Sec-WebSocket-Protocol", "realtime, openai-insecure-api-key.tg-good, openai-beta.realtime-v1"],
  ])("%s: %s", (name, value) => {
    expect(credentialOf({ rawHeaders: ["Host", "x", name, value] }, false)).toEqual({ kind: "key", secret: "tg-good" });
  });

  test.each([
    ["X-Api-Keys", "tg-good"],
    ["Cookie", "authorization=tg-good"],
    ["Sec-WebSocket-Protocol", "realtime"],
    ["Proxy-Authorization", "Bearer tg-good"],
  ])("not in %s: %s", (name, value) => {
    expect(credentialOf({ rawHeaders: [name, value] }, false)).toBeUndefined();
  });

  test("ours goes before a token, a token before any other, and the first before its likes", async () => {
    const token = await secretToken(secret);
    const all = ["api-key", "sk-1", ...bearer(token), "x-api-key", "tg-1", "api-key", "tg-2"];
    expect(credentialOf({ rawHeaders: all }, true)).toEqual({ kind: "key", secret: "tg-1" });
    expect(credentialOf({ rawHeaders: all.slice(0, 4) }, true)).toEqual({ kind: "token", token });
    expect(credentialOf({ rawHeaders: all.slice(0, 4) }, false)).toEqual({ kind: "foreign" });
    const twice = [...bearer(token), "x-api-key", await secretToken(secret, { sub: "bob" })];
    expect(credentialOf({ rawHeaders: twice }, true)).toEqual({ kind: "token", token });
  });
});

test("what crosses to a backend that takes clients' own keys has nothing of ours", async () => {
  const token = await secretToken(secret);
  const theirs = ["Authorization", "Bearer sk-mine", "OpenAI-Organization", "org", "X-Other", "tg-not a credential"];
  expect(withoutOurs([...theirs, "x-api-key", "tg-1", ...bearer(token), ...bearer("tg-2")], true)).toEqual(theirs);
  expect(withoutOurs(bearer(token), false)).toEqual(bearer(token));
  const offered = ["tg-1", token, "sk-1"].map((word) => `openai-insecure-api-key.${word}`);
  const ours = (withTokens: boolean) => [...offered, "realtime"].map((name) => isOurSubprotocol(name, withTokens));
  expect(ours(true)).toEqual([true, true, false, false]);
  expect(ours(false)).toEqual([true, false, false, false]);
});
