import { describe, expect, test } from "vitest";
import { keyRing } from "../testing/key-ring.ts";
import { handshake, model, realtimeScene } from "../testing/realtime-scene.ts";

async function guarded(options: Parameters<typeof realtimeScene>[0] = {}) {
  const keys = keyRing();
  keys.add("first");
  const stage = await realtimeScene({ ...options, admitting: { keys } });
  return { stage, keys };
}

describe("a session", () => {
  test.each([
    ["in a header", (key: string) => ({ headers: { authorization: `Bearer ${key}` } })],
    ["among the subprotocols", (key: string) => ({ protocols: ["realtime", `openai-insecure-api-key.${key}`] })],
  ])("is its key's, %s, and the key does not reach the backend", async (_, how) => {
    const { stage, keys } = await guarded({ keyless: true, backend: { passClientKey: true } });
    await using __ = stage;
    const client = await stage.connect(undefined, how(keys.add("k1", { user: "ada" })));
    client.socket.close();
    await client.closed;
    expect((await stage.onlyExchange()).caller).toMatchObject({ auth: "key", keyId: "k1", user: "ada" });
    expect(JSON.stringify(stage.asked[0]?.rawHeaders)).not.toContain("tg-");
  });

  test("hands a provider's token on, where no source of tokens is configured", async () => {
    const { stage, keys } = await guarded({ keyless: true, backend: { passClientKey: true } });
    await using _ = stage;
    const [token, offered] = ["eyJh.eyJz.c2ln", "openai-insecure-api-key.eyJh.eyJz.c2ln"];
    const headers = { authorization: `Bearer ${token}`, "x-api-key": keys.add("k1") };
    const client = await stage.connect(undefined, { headers, protocols: ["realtime", offered] });
    client.socket.close();
    await client.closed;
    const fields = stage.asked[0]?.headers;
    expect([fields?.authorization, fields?.["sec-websocket-protocol"]]).toEqual([
      `Bearer ${token}`,
      `realtime, ${offered}`,
    ]);
    expect(JSON.stringify(fields)).not.toContain("tg-");
  });

  test.each<[string, string | undefined, object, number, string]>([
    ["without a key", undefined, {}, 401, "missing_api_key"],
    ["with an unknown key", "tg-who", {}, 401, "invalid_api_key"],
    ["with a revoked key", "tg-k1", { revokedAt: 1 }, 401, "revoked_api_key"],
    ["of a model that the key may not use", "tg-k1", { models: ["else"] }, 403, "model_not_allowed"],
  ])("%s is refused before a backend is asked", async (_, key, more, status, code) => {
    const { stage, keys } = await guarded();
    await using __ = stage;
    keys.add("k1", more);
    const authorization = key === undefined ? [] : ([["Authorization", `Bearer ${key}`]] as const);
    const got = await stage.knock(undefined, [...handshake, ...authorization]);
    expect([got.status, got.json()]).toMatchObject([status, { error: { code } }]);
    const { outcome, caller } = await stage.onlyExchange();
    expect(outcome).toMatchObject({ kind: "refused", reason: "auth", status });
    expect(caller.keyLabel).toBe(key === "tg-k1" ? "label of k1" : undefined);
    expect(stage.asked).toHaveLength(0);
  });

  test("of no model is not for a key that may use certain models only, whatever it is for", async () => {
    const { stage, keys } = await guarded();
    await using _ = stage;
    const authorization = ["Authorization", `Bearer ${keys.add("k1", { models: ["gpt-*"] })}`] as const;
    const got = await stage.knock("?intent=transcription", [...handshake, authorization]);
    expect([got.status, got.json()]).toMatchObject([403, { error: { code: "model_not_allowed" } }]);
    expect(stage.asked).toHaveLength(0);
  });

  test("cannot join another's call", async () => {
    const { stage, keys } = await guarded();
    await using _ = stage;
    const authorization = ["Authorization", `Bearer ${keys.add("k1")}`] as const;
    const got = await stage.knock(`?model=${model}&call_id=rtc_1`, [...handshake, authorization]);
    expect(got.status).toBe(404);
    expect(stage.asked).toHaveLength(0);
  });

  test.each(["model=dear", "m%6fdel=dear", "call_id=rtc_1&call_id=rtc_2"])(
    "that names two things where the backend may take either is refused: %s",
    async (more) => {
      const { stage, keys } = await guarded();
      await using _ = stage;
      const authorization = ["Authorization", `Bearer ${keys.add("k1", { models: [model] })}`] as const;
      const got = await stage.knock(`?model=${model}&${more}`, [...handshake, authorization]);
      expect([got.status, got.json()]).toMatchObject([400, { error: { code: "invalid_query" } }]);
      expect(stage.asked).toHaveLength(0);
    },
  );

  test("brings no key of ours along that is oddly written, where the client's own crosses", async () => {
    const config = { allowClientKeys: true };
    const { stage, keys } = await guarded({ config, keyless: true, backend: { passClientKey: true } });
    await using _ = stage;
    const odd = `Basic ${keys.add("k1")}`;
    const client = await stage.connect(undefined, { headers: { authorization: "Bearer sk-mine", "x-api-key": odd } });
    client.socket.close();
    await client.closed;
    expect(stage.asked[0]?.headers.authorization).toBe("Bearer sk-mine");
    expect(JSON.stringify(stage.asked[0]?.rawHeaders)).not.toContain("tg-");
  });

  test("of a client's own key is known as that, where the key goes to the backend", async () => {
    await using stage = await realtimeScene({ keyless: true, backend: { passClientKey: true } });
    const client = await stage.connect(undefined, { headers: { authorization: "Bearer sk-mine" } });
    client.socket.close();
    await client.closed;
    expect((await stage.onlyExchange()).caller.auth).toBe("passthrough");
  });
});
