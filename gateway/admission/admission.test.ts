import OpenAI, { AuthenticationError, NotFoundError, PermissionDeniedError } from "openai";
import { describe, expect, test } from "vitest";
import { answer, eventStream, json } from "../testing/answers.ts";
import { fakeBackend } from "../testing/fake-backend.ts";
import { backendAt, startTollgate } from "../testing/harness.ts";
import { issuer, secretToken } from "../testing/issuer.ts";
import { keyRing } from "../testing/key-ring.ts";
import { chatCompletion, chatRequest } from "../testing/payloads.ts";
import { rawConnection, requestBytes } from "../testing/raw-client.ts";
import { scene } from "../testing/scene.ts";

const model = "gpt-4o-mini";
const completion = json(chatCompletion(model, { input: 1, output: 2 }));
const secret = "a shared secret of more than 32 bytes";
const terms = { audience: [], clockTolerance: 0, claims: { user: "sub" }, grants: [] };
const bySecret = [{ ...terms, secret, algorithms: ["HS256"] as const }];
const bearer = (word: string) => ["Authorization", `Bearer ${word}`] as const;
const code = (got: { json(): unknown }) => (got.json() as { error: { code: string } }).error.code;

async function guarded(options: Parameters<typeof scene>[0] = {}) {
  const keys = keyRing();
  keys.add("first");
  const stage = await scene({ ...options, admitting: { keys } });
  return { stage, keys };
}

describe("the record", () => {
  test("of a refused request says what it asked for", async () => {
    const { stage, keys } = await guarded();
    await using _ = stage;
    const key = bearer(keys.add("few", { models: ["gpt-9"] }));
    const got = await stage.post("/chat/completions", chatRequest(model, { stream: true, user: "eve" }), [key]);
    expect([got.status, code(got)]).toEqual([403, "model_not_allowed"]);
    const exchange = await stage.onlyExchange();
    expect(exchange).toMatchObject({ model: { requested: model }, streamed: true, caller: { user: "eve" } });
    expect(exchange.outcome).toMatchObject({ kind: "refused", reason: "auth" });
  });

  test("names the key and its user, whom the body does not override", async () => {
    const { stage, keys } = await guarded({ script: [completion] });
    await using _ = stage;
    const key = keys.add("k1", { user: "ada" });
    const got = await stage.post("/chat/completions", chatRequest(model, { user: "eve" }), [bearer(key)]);
    expect(got.status).toBe(200);
    expect((await stage.onlyExchange()).caller).toMatchObject({
      auth: "key",
      keyId: "k1",
      keyLabel: "label of k1",
      user: "ada",
    });
  });

  test("keeps what the body claims where the key names nobody", async () => {
    const { stage, keys } = await guarded({ script: [completion] });
    await using _ = stage;
    await stage.post("/chat/completions", chatRequest(model, { user: "bob" }), [bearer(keys.add("k1"))]);
    expect((await stage.onlyExchange()).caller).toMatchObject({ auth: "key", user: "bob" });
  });

  test("names a token's user, the first time and the next", async () => {
    await using stage = await scene({ config: { jwt: bySecret }, script: [completion, completion] });
    const token = bearer(await secretToken(secret));
    for (const _ of [1, 2])
      expect((await stage.post("/chat/completions", chatRequest(model), [token])).status).toBe(200);
    for (const { caller } of await stage.tollgate.settled(2))
      expect(caller).toMatchObject({ auth: "jwt", user: "ada" });
  });

  test.each([
    ["nothing", undefined, "missing_api_key", undefined],
    ["an unknown key", "tg-who", "invalid_api_key", undefined],
    ["a revoked key", "tg-gone", "revoked_api_key", "label of gone"],
    ["an expired key", "tg-late", "expired_api_key", "label of late"],
  ])("of a request with %s is one, refused, before its body is read", async (_, word, expected, label) => {
    const { stage, keys } = await guarded();
    await using __ = stage;
    keys.add("gone", { revokedAt: 1 });
    keys.add("late", { expiresAt: 1 });
    const headers = word === undefined ? [] : [bearer(word)];
    const got = await stage.post("/chat/completions", "no JSON", headers);
    expect([got.status, code(got)]).toEqual([401, expected]);
    const { outcome, caller, attempts } = await stage.onlyExchange();
    expect(outcome).toMatchObject({ kind: "refused", reason: "auth", status: 401 });
    expect([caller.keyLabel, attempts]).toEqual([label, []]);
  });

  test("shows in the metric of what was refused", async () => {
    const { stage, keys } = await guarded();
    await using _ = stage;
    await stage.post("/chat/completions", chatRequest("x"), [bearer(keys.add("few", { models: ["y"] }))]);
    await stage.post("/chat/completions", chatRequest(model));
    await stage.tollgate.settled(2);
    const text = await (await fetch(`${stage.tollgate.opsUrl}/metrics`)).text();
    expect(text).toMatch(/^gateway_rejections_total\{reason="auth",key="label of few"\} 1$/m);
    expect(text).toMatch(/^gateway_rejections_total\{reason="auth",key="anonymous"\} 1$/m);
  });

  test("says that a client's own key went to the backend, where it did", async () => {
    await using taking = await scene({ keyless: true, backend: { passClientKey: true }, script: [completion] });
    await taking.post("/chat/completions", chatRequest(model), [bearer("sk-mine")]);
    expect((await taking.onlyExchange()).caller.auth).toBe("passthrough");
    await using own = await scene({ script: [completion] });
    await own.post("/chat/completions", chatRequest(model), [bearer("sk-mine")]);
    expect((await own.onlyExchange()).caller.auth).toBe("none");
  });
});

describe("a credential of ours", () => {
  const passing = { keyless: true, backend: { passClientKey: true } } as const;

  test("never reaches a backend, not even one that takes clients' own keys", async () => {
    const { stage, keys } = await guarded({ ...passing, script: [completion] });
    await using _ = stage;
    const key = keys.add("k1");
    const all = [bearer(key), bearer("sk-mine"), ["X-Api-Key", key], ["api-key", key]] as const;
    const got = await stage.post("/chat/completions", chatRequest(model), all);
    expect(got.status).toBe(200);
    const [received] = stage.backend.received;
    expect(JSON.stringify(received?.fields)).not.toContain("tg-");
    // What is the client's own goes where it is meant to go.
    expect(received?.header("authorization")).toBe("Bearer sk-mine");
  });

  test.each<readonly [string, string]>([
    ["X-Api-Key", "Bearer tg-k1"],
    ["Authorization", "Bearer\ttg-k1"],
    ["Authorization", "Basic tg-k1"],
    ["api-key", '"tg-k1"'],
  ])("nor does it where it is oddly written, as %s: %s", async (name, value) => {
    const config = { allowClientKeys: true };
    const { stage, keys } = await guarded({ ...passing, config, script: [completion, completion] });
    await using _ = stage;
    const key = keys.add("k1");
    for (const others of [[], [["Authorization", `Bearer ${key}`]]] as const)
      await stage.post("/chat/completions", chatRequest(model), [[name, value], ...others]);
    expect(stage.backend.received).toHaveLength(2);
    expect(JSON.stringify(stage.backend.received.map(({ fields }) => fields))).not.toContain("tg-");
  });

  test("nor does a token", async () => {
    await using stage = await scene({ ...passing, config: { jwt: bySecret }, script: [completion] });
    const token = await secretToken(secret);
    await stage.post("/chat/completions", chatRequest(model), [bearer(token), ["x-api-key", token]]);
    expect(stage.backend.received).toHaveLength(1);
    expect(JSON.stringify(stage.backend.received[0]?.fields)).not.toContain("eyJ");
  });

  test("nor does a backend's key reach a client", async () => {
    const { stage, keys } = await guarded({
      script: [
        json(chatCompletion(model, { input: 1, output: 1 }), { headers: [["Authorization", "Bearer sk-backend-key"]] }),
      ],
    });
    await using _ = stage;
    const got = await stage.post("/chat/completions", chatRequest(model), [bearer(keys.add("k1"))]);
    expect(JSON.stringify(got.fields) + got.text).not.toContain("sk-backend-key");
    expect(stage.backend.received[0]?.header("authorization")).toBe("Bearer sk-backend-key");
  });

  test("a provider's token is none of ours where no source of tokens is configured", async () => {
    const { stage, keys } = await guarded({ ...passing, script: [completion] });
    await using _ = stage;
    const theirs = bearer(await secretToken(secret));
    const got = await stage.post("/chat/completions", chatRequest(model), [theirs, ["X-Api-Key", keys.add("k1")]]);
    expect(got.status).toBe(200);
    const [received] = stage.backend.received;
    expect(received?.header("authorization")).toBe(theirs[1]);
    expect(JSON.stringify(received?.fields)).not.toContain("tg-");
  });
});

describe("models", () => {
  test("that a key may not use are refused before a backend is asked, and are not on its list", async () => {
    const { stage, keys } = await guarded({
      backend: { models: ["gpt-4o", "gpt-4o-mini", "llama"] },
      script: [json({ object: "list", data: [{ id: "gpt-4o" }, { id: "llama" }] })],
    });
    await using _ = stage;
    const key = bearer(keys.add("few", { models: ["gpt-*"] }));
    const refused = await stage.post("/chat/completions", chatRequest("llama"), [key]);
    expect([refused.status, code(refused)]).toEqual([403, "model_not_allowed"]);
    const one = await stage.ask("/models/llama", { method: "GET", headers: [key] });
    expect(one.status).toBe(403);
    expect(stage.backend.received).toHaveLength(0);
    const list = await stage.ask("/models", { method: "GET", headers: [key] });
    expect((list.json() as { data: { id: string }[] }).data.map(({ id }) => id)).toEqual(["gpt-4o", "gpt-4o-mini"]);
  });

  test.each([
    '{"model":"gpt-4o","Model":"llama","messages":[]}',
    '{"model":"llama","messages":[],"model":"gpt-4o"}',
    '{"\\u004dODEL":"llama","model":"gpt-4o","messages":[]}',
  ])("of which a body names two are refused to a key of certain models: %s", async (body) => {
    const { stage, keys } = await guarded({ script: [completion, completion] });
    await using _ = stage;
    const key = bearer(keys.add("few", { models: ["gpt-*"] }));
    const refused = await stage.post("/chat/completions", body, [key]);
    expect([refused.status, code(refused)]).toEqual([400, "invalid_value"]);
    expect(stage.backend.received).toHaveLength(0);
    const deep = {
      ...chatRequest(model),
      tools: [{ type: "function", function: { name: "f", parameters: { model } } }],
    };
    expect((await stage.post("/chat/completions", deep, [key])).status).toBe(200);
    expect((await stage.post("/chat/completions", body, [bearer(keys.add("all"))])).status).toBe(200);
  });

  test("that an upload names too late, or nowhere, are refused to a key of certain models", async () => {
    const { stage, keys } = await guarded();
    await using _ = stage;
    const key = bearer(keys.add("few", { models: ["whisper-1"] }));
    const form = new FormData();
    form.append("file", new Blob(["sound"]), "a.mp3");
    const request = new Request("http://x", { method: "POST", body: form });
    const type = ["Content-Type", request.headers.get("content-type") ?? ""] as const;
    const got = await stage.ask("/audio/transcriptions", {
      method: "POST",
      headers: [key, type],
      body: Buffer.from(await request.arrayBuffer()),
    });
    expect([got.status, code(got)]).toEqual([403, "model_not_allowed"]);
  });

  test.each([
    ["at once", 0],
    ["when the backend has the first part already", 200_000],
  ])("that a form names beside another one never reach the backend: %s", async (_, bytes) => {
    const { stage, keys } = await guarded({ script: [completion] });
    await using __ = stage;
    const part = (name: string, value: string) =>
      `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
    const file = `--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n${"x".repeat(bytes)}\r\n`;
    const connection = await rawConnection(stage.at(""));
    const body = `${part("model", "whisper-1")}${file}`;
    const rest = `${part("model", "dear")}--b--\r\n`;
    const head = [
      "POST /v1/audio/transcriptions HTTP/1.1",
      `Host: ${new URL(stage.tollgate.url).host}`,
      `Authorization: Bearer ${keys.add("few", { models: ["whisper-1"] })}`,
      "Content-Type: multipart/form-data; boundary=b",
      `Content-Length: ${body.length + rest.length}`,
    ];
    await connection.send(`${head.join("\r\n")}\r\n\r\n${body}`);
    if (bytes > 0) await stage.backend.request(0);
    await connection.send(rest);
    const got = await connection.answer("POST");
    expect([got.status, code(got)]).toEqual([400, "ambiguous_form"]);
    for (const { body: sent } of stage.backend.received) expect(sent.toString()).not.toContain("dear");
    expect((await stage.onlyExchange()).outcome).toMatchObject({ kind: "refused", reason: "invalid" });
    connection.leave();
  });

  test("that an upload names at once are refused while it still comes, and the connection serves the next", async () => {
    const { stage, keys } = await guarded({ script: [completion] });
    await using __ = stage;
    const key = keys.add("few", { models: ["whisper-1", model] });
    const url = stage.at("/audio/transcriptions");
    const body = `--b\r\nContent-Disposition: form-data; name="model"\r\n\r\ndear\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n${"x".repeat(7_000_000)}\r\n--b--\r\n`;
    const connection = await rawConnection(url);
    const head = [bearer(key), ["Content-Length", String(body.length)]] as const;
    const type = ["Content-Type", "multipart/form-data; boundary=b"] as const;
    // It writes all that it has before it reads anything.
    await connection.send(requestBytes(url, { headers: [...head, type], body }));
    expect((await connection.answer("POST")).status).toBe(403);
    const json = JSON.stringify(chatRequest(model));
    const next = stage.at("/chat/completions");
    const more = [bearer(key), ["Content-Length", String(json.length)], ["Content-Type", "application/json"]] as const;
    await connection.send(requestBytes(next, { headers: more, body: json }));
    expect((await connection.answer("POST")).status).toBe(200);
    connection.leave();
  });

  test.each<[string, string, string, string, number]>([
    ["a form", "/realtime/calls", "multipart/form-data; boundary=b", "--b--", 403],
    ["an offer, as calls were begun at first", "/realtime?model=gpt-4o", "application/sdp", "v=0", 403],
    ["a secret for a model that nobody names", "/realtime/client_secrets", "application/json", '{"session":{}}', 403],
    ["a secret for another", "/realtime/client_secrets", "application/json", '{"session":{"model":"llama"}}', 403],
    ["a secret for its own", "/realtime/client_secrets", "application/json", '{"session":{"model":"gpt-4o"}}', 200],
    [
      "one that transcribes",
      "/realtime/sessions",
      "application/json",
      '{"input_audio_transcription":{"model":"gpt-4o"}}',
      200,
    ],
  ])("of a call count for a key of certain models, begun by %s", async (_, path, type, body, status) => {
    const { stage, keys } = await guarded({ script: [completion, completion] });
    await using __ = stage;
    const ask = (key: string) => stage.ask(path, { headers: [bearer(key), ["Content-Type", type]], body });
    expect((await ask(keys.add("few", { models: ["gpt-*"], grants: ["realtime"] }))).status).toBe(status);
    expect((await ask(keys.add("all", { grants: ["realtime"] }))).status).toBe(200);
  });

  test("that a tuning job is to begin with count, too", async () => {
    const { stage, keys } = await guarded();
    await using _ = stage;
    const key = bearer(keys.add("few", { models: ["gpt-*"], grants: ["fine_tuning"] }));
    const got = await stage.post("/fine_tuning/jobs", { model: "llama" }, [key]);
    expect(code(got)).toBe("model_not_allowed");
  });
});

test("strangers reach the backends that take their own keys, and no other", async () => {
  const theirs = await fakeBackend({ otherwise: completion });
  const ours = await fakeBackend();
  const { key: _, ...keyless } = backendAt(theirs.origin, { name: "theirs", models: [model], passClientKey: true });
  const keys = keyRing();
  keys.add("first");
  const tollgate = await startTollgate(
    { backends: [backendAt(ours.origin, { models: ["ours"] }), keyless], allowClientKeys: true },
    { keys },
  );
  const ask = (name: string) =>
    fetch(`${tollgate.url}/chat/completions`, {
      method: "POST",
      headers: { authorization: "Bearer sk-mine" },
      body: JSON.stringify(chatRequest(name)),
    });
  expect([(await ask(model)).status, (await ask("ours")).status]).toEqual([200, 401]);
  expect(theirs.received[0]?.header("authorization")).toBe("Bearer sk-mine");
  const list = await fetch(`${tollgate.url}/models`, { headers: { authorization: "Bearer sk-mine" } });
  expect(await list.json()).toMatchObject({ data: [{ id: model }] });
  await tollgate.close();
  await Promise.all([theirs.close(), ours.close()]);
});

describe("an issuer that is away", () => {
  test("fails the requests that wait for it, as no fault of theirs, and no others", async () => {
    await using from = await issuer();
    const hung = Promise.withResolvers<void>();
    from.answers((_, res) => void hung.promise.then(() => res.writeHead(500).end()));
    const jwt = [{ ...terms, jwksUrl: from.url, algorithms: ["ES256"] as const }];
    const { stage, keys } = await guarded({ config: { jwt }, script: [completion] });
    await using _ = stage;
    const waits = stage.post("/chat/completions", chatRequest(model), [bearer(await from.token())]);
    await expect.poll(() => from.fetches).toBe(1);
    expect((await stage.post("/chat/completions", chatRequest(model), [bearer(keys.add("k"))])).status).toBe(200);
    hung.resolve();
    const got = await waits;
    expect([got.status, code(got), got.header("retry-after")]).toEqual([503, "token_issuer_unavailable", "2"]);
    const failed = (await stage.tollgate.settled(2)).find(({ outcome }) => outcome.kind === "failed");
    expect(failed).toMatchObject({ outcome: { status: 503, reason: "internal" }, attempts: [] });
  });

  test("keeps no request whose client has left meanwhile", async () => {
    await using from = await issuer();
    const hung = Promise.withResolvers<void>();
    from.answers((_, res) => void hung.promise.then(() => res.end(JSON.stringify({ keys: [from.publicKey] }))));
    const jwt = [{ ...terms, jwksUrl: from.url, algorithms: ["ES256"] as const }];
    await using stage = await scene({ config: { jwt } });
    const leaving = new AbortController();
    const left = fetch(stage.at("/chat/completions"), {
      method: "POST",
      headers: { authorization: `Bearer ${await from.token()}` },
      body: JSON.stringify(chatRequest(model)),
      signal: leaving.signal,
    });
    await expect.poll(() => from.fetches).toBe(1);
    leaving.abort();
    await expect(left).rejects.toThrow();
    hung.resolve();
    expect((await stage.onlyExchange()).outcome).toEqual({ kind: "abandoned", status: 499 });
  });
});

describe("what a key has made", () => {
  const file = (id: string) => json({ id, object: "file" });
  const gone = { status: 404, error: { code: "not_found" } };

  test("is its own: another key gets the same answer as for what does not exist", async () => {
    const { stage, keys } = await guarded({ script: [file("file-a"), file("file-a"), answer({ body: "content" })] });
    await using _ = stage;
    const one = bearer(keys.add("one", { grants: ["files"] }));
    const two = bearer(keys.add("two", { grants: ["files"] }));
    const get = (path: string, key: typeof one) => stage.ask(path, { method: "GET", headers: [key] });
    expect((await stage.post("/files", { purpose: "x" }, [one])).status).toBe(200);
    const [others, nobodys] = [await get("/files/file-a", two), await get("/files/file-b", two)];
    expect([others.status, others.text]).toEqual([404, nobodys.text]);
    expect((await get("/files/file-a/content", two)).status).toBe(404);
    expect((await stage.ask("/files/file-a", { method: "DELETE", headers: [two] })).status).toBe(404);
    expect((await get("/files/file%2Da", two)).status).toBe(404);
    expect(stage.backend.received).toHaveLength(1);
    expect((await get("/files/file-a", one)).status).toBe(200);
    expect((await get("/files/file-a/content", one)).text).toBe("content");
  });

  test("cannot be named in a body by another, however it is spelled", async () => {
    const { stage, keys } = await guarded({
      script: [file("file-a"), json({ id: "resp_1", object: "response", status: "completed" })],
    });
    await using _ = stage;
    const one = bearer(keys.add("one", { grants: ["files", "batches", "vector_stores"] }));
    const two = bearer(keys.add("two", { grants: ["files", "batches", "vector_stores"] }));
    await stage.post("/files", { purpose: "x" }, [one]);
    await stage.post("/responses", { model, input: "hi" }, [one]);
    const bodies: [string, unknown][] = [
      ["/batches", { input_file_id: "file-a", endpoint: "/v1/chat/completions" }],
      ["/batches", '{"input_f\\u0069le_id":"file-a"}'],
      ["/vector_stores", { file_ids: ["file-a"] }],
      ["/responses", { model, input: "and?", previous_response_id: "resp_1" }],
      ["/responses", `{"model":"${model}","input":"and?","previous_respons\\u0065_id":"resp_1"}`],
      ["/responses", { model, input: [{ content: [{ type: "input_file", file_id: "file-a" }] }] }],
      ["/responses", { model, input: "x", tools: [{ type: "file_search", vector_store_ids: ["vs_nobody"] }] }],
      ["/responses", { model, input: "x", conversation: { id: "conv_nobody" } }],
      ["/responses", { model, input: "x", tools: [{ type: "code_interpreter", container: "cntr_nobody" }] }],
      [
        "/chat/completions",
        chatRequest(model, { messages: [{ role: "user", content: [{ file: { file_id: "file-a" } }] }] }),
      ],
    ];
    for (const [path, body] of bodies) {
      const got = await stage.post(path, body, [two]);
      expect([path, body, got.status, code(got)]).toEqual([path, body, gone.status, gone.error.code]);
    }
    // As a text that no JSON reader here was told of.
    const plain = await stage.ask("/batches", {
      method: "POST",
      headers: [two, ["Content-Type", "text/plain"]],
      body: '{"input_file_id":"file-a"}',
    });
    expect(plain.status).toBe(404);
    expect(stage.backend.received).toHaveLength(2);
  });

  test("what only looks like it passes: the client's own metadata, the texts of a conversation", async () => {
    const { stage, keys } = await guarded({ script: [completion, completion] });
    await using _ = stage;
    const key = bearer(keys.add("one"));
    const body = chatRequest(model, {
      metadata: { file_id: "mine" },
      messages: [{ role: "user", content: 'the "file_id" of "conversation"' }],
      tools: [{ type: "function", function: { parameters: { properties: { file_id: { type: "string" } } } } }],
    });
    expect((await stage.post("/chat/completions", body, [key])).status).toBe(200);
  });

  test("a response can be built upon by its own key, streamed or not", async () => {
    const created = { type: "response.created", response: { id: "resp_s", object: "response" } };
    const over = { type: "response.completed", response: { id: "resp_s", object: "response", status: "completed" } };
    const events = [created, over].map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join("");
    const next = json({ id: "resp_n", object: "response", status: "completed" });
    const { stage, keys } = await guarded({ script: [eventStream(events), next, next] });
    await using _ = stage;
    const key = bearer(keys.add("one"));
    await stage.post("/responses", { model, input: "hi", stream: true }, [key]);
    const built = (id: string) => stage.post("/responses", { model, input: "and?", previous_response_id: id }, [key]);
    expect([(await built("resp_s")).status, (await built("resp_n")).status, (await built("resp_x")).status]).toEqual([
      200, 200, 404,
    ]);
  });

  describe("includes a response's items", () => {
    const item = (id: string) => ({ type: "message", id, role: "assistant", content: [] });
    const whole = { id: "resp_1", object: "response", status: "completed", output: [item("rs_1"), item("msg_1")] };
    const spoken = [
      { type: "response.created", response: { ...whole, output: [] } },
      { type: "response.output_item.added", item: item("rs_1") },
      {
        type: "response.output_text.delta",
        item_id: "rs_1",
        delta: 'of "response.output_item." and {"id":"msg_text"}',
      },
      { type: "response.output_item.done", item: item("msg_1") },
      { type: "response.completed", response: whole },
    ];
    const stream = (eol: string) =>
      spoken.map((event) => `event: ${event.type}${eol}data: ${JSON.stringify(event)}${eol}${eol}`).join("");
    const small = (bytes: string) => bytes.match(/[\s\S]{1,7}/g) ?? [];
    const reference = (id: string) => ({ type: "item_reference", id });

    test.each([
      ["as JSON", json(whole), false],
      ["as a stream", eventStream(stream("\n")), true],
      ["as a stream in crumbs", eventStream(small(stream("\r\n"))), true],
    ])("that came %s", async (_, made, streamed) => {
      const after = json({ id: "resp_2", object: "response", status: "completed", output: [] });
      const { stage, keys } = await guarded({ script: [made, after, after, after, after] });
      await using _stage = stage;
      const [one, two] = [bearer(keys.add("one")), bearer(keys.add("two"))];
      await stage.post("/responses", { model, input: "hi", stream: streamed }, [one]);
      const told = async (entry: unknown, key: typeof one) =>
        (await stage.post("/responses", { model, input: [{ role: "user", content: "and?" }, entry] }, [key])).status;
      expect(await told(reference("rs_1"), one)).toBe(200);
      expect(await told(reference("msg_1"), one)).toBe(200);
      expect(await told({ id: "msg_1" }, one)).toBe(200);
      for (const entry of [
        reference("rs_1"),
        reference("msg_1"),
        { id: "msg_1" },
        { type: null, id: "msg_1" },
        // It brings no words of its own along, so that the backend would look them up.
        { type: "reasoning", id: "rs_1", summary: [] },
        reference("msg_text"),
        reference("msg_nobody"),
      ]) {
        expect([entry, await told(entry, two)]).toEqual([entry, 404]);
      }
      const counted = { model, input: [reference("msg_1")] };
      expect((await stage.post("/responses/input_tokens", counted, [two])).status).toBe(404);
      expect(stage.backend.received).toHaveLength(4);
      // What a client brings along under an id that is nobody's is its own affair.
      expect(await told({ type: "message", id: "msg_own", role: "user", content: "x" }, two)).toBe(200);
    });

    test("and those that come compressed, when it is asked for later", async () => {
      const { gzipSync } = await import("node:zlib");
      const later = answer({
        body: gzipSync(JSON.stringify(whole)),
        headers: [
          ["Content-Type", "application/json"],
          ["Content-Encoding", "gzip"],
        ],
      });
      const { stage, keys } = await guarded({ script: [json({ ...whole, output: [] }), later, json(whole)] });
      await using _ = stage;
      const one = bearer(keys.add("one", { grants: ["stored_responses"] }));
      const two = bearer(keys.add("two"));
      await stage.post("/responses", { model, input: "hi", background: true }, [one]);
      await stage.ask("/responses/resp_1", { method: "GET", headers: [one, ["Accept-Encoding", "gzip"]] });
      const told = async (key: typeof one, input: unknown) =>
        (await stage.post("/responses", { model, input }, [key])).status;
      expect(await told(two, [reference("rs_1")])).toBe(404);
      expect(await told(two, reference("rs_1"))).toBe(404);
      expect(await told(one, [reference("rs_1")])).toBe(200);
    });

    test("but what says itself what it is goes anywhere, under whatever id", async () => {
      const cloud = await fakeBackend({ otherwise: json(whole) });
      const local = await fakeBackend({ otherwise: json({ ...whole, id: "resp_l", output: [item("msg_l")] }) });
      const backends = [
        backendAt(cloud.origin, { name: "cloud", models: ["gpt-*"] }),
        backendAt(local.origin, { name: "local", models: ["llama*"] }),
      ];
      const keys = keyRing();
      const [one, two] = [keys.add("one"), keys.add("two")];
      const tollgate = await startTollgate({ backends }, { keys });
      const ask = async (key: string, model: string, ...input: readonly object[]) => {
        const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
        const body = JSON.stringify({ model, input: [...input, { role: "user", content: "and?" }] });
        return (await fetch(`${tollgate.url}/responses`, { method: "POST", headers, body })).status;
      };
      const said = (id: string) => ({ ...item(id), content: [{ type: "output_text", text: "so" }] });
      const thought = { type: "reasoning", id: "rs_1", summary: [] };
      await ask(one, "gpt-4o-mini");
      await ask(one, "llama3");
      expect(await ask(one, "llama3", said("msg_1"), thought, said("msg_l"))).toBe(200);
      expect([cloud.received.length, local.received.length]).toEqual([1, 2]);
      // Some engines number what they make, so that others have the same id.
      expect(await ask(two, "llama3", said("msg_l"))).toBe(200);
      expect(await ask(two, "llama3", thought)).toBe(404);
      await tollgate.close();
      await Promise.all([cloud.close(), local.close()]);
    });

    test.each([
      { type: "reasoning", summary: [], arguments: "x" },
      { type: "reasoning", summary: [], content: [{}] },
      { type: "image_generation_call", result: "x" },
      { type: "message", role: "assistant", content: [{ type: "output_text", text: "" }] },
    ])("another's cannot be had by words that say nothing: %j", async (dressed) => {
      const { stage, keys } = await guarded({ script: [json(whole)] });
      await using _ = stage;
      const [one, two] = [bearer(keys.add("one")), bearer(keys.add("two"))];
      await stage.post("/responses", { model, input: "hi" }, [one]);
      const got = await stage.post("/responses", { model, input: [{ ...dressed, id: "rs_1" }] }, [two]);
      expect([got.status, stage.backend.received.length]).toEqual([404, 1]);
    });

    test("and none that its owner only speaks of", async () => {
      const echo = json({ ...whole, metadata: { id: "msg_other" }, output: [] });
      const { stage, keys } = await guarded({ script: [echo] });
      await using _ = stage;
      const one = bearer(keys.add("one"));
      await stage.post("/responses", { model, input: "x", metadata: { id: "msg_other" } }, [one]);
      const got = await stage.post("/responses", { model, input: [reference("msg_other")] }, [one]);
      expect(got.status).toBe(404);
    });
  });

  test.each(["gzip", "identity"])("is not had by an answer with the same id that comes as %s", async (encoding) => {
    const { gzipSync } = await import("node:zlib");
    const text = JSON.stringify({ id: "resp_1", object: "response", status: "completed", output: [] });
    const packed = answer({
      body: encoding === "gzip" ? gzipSync(text) : text,
      headers: [
        ["Content-Type", "application/json"],
        ["Content-Encoding", encoding],
      ],
    });
    const { stage, keys } = await guarded({ script: [json(JSON.parse(text)), packed, json(JSON.parse(text))] });
    await using _ = stage;
    const grants = ["stored_responses"] as const;
    const [one, two] = [bearer(keys.add("one", { grants })), bearer(keys.add("two", { grants }))];
    for (const key of [one, two]) await stage.post("/responses", { model, input: "hi" }, [key]);
    const get = async (key: typeof one) =>
      (await stage.ask("/responses/resp_1", { method: "GET", headers: [key] })).status;
    expect([await get(two), await get(one)]).toEqual([404, 200]);
  });

  test("is bound although its stream says that it is encoded as nothing", async () => {
    const events = `data: ${JSON.stringify({ type: "response.created", response: { id: "resp_i" } })}\n\n`;
    const stream = eventStream(events, { headers: [["Content-Encoding", "identity"]] });
    const { stage, keys } = await guarded({ script: [stream, json({ id: "resp_i" })] });
    await using _ = stage;
    const key = bearer(keys.add("one", { grants: ["stored_responses"] }));
    await stage.post("/responses", { model, input: "hi", stream: true }, [key]);
    expect((await stage.ask("/responses/resp_i", { method: "GET", headers: [key] })).status).toBe(200);
  });

  test("is bound although the answer comes compressed", async () => {
    const { gzipSync } = await import("node:zlib");
    const packed = answer({
      body: gzipSync('{"id":"file-z"}'),
      headers: [
        ["Content-Type", "application/json"],
        ["Content-Encoding", "gzip"],
      ],
    });
    const { stage, keys } = await guarded({ script: [packed, file("file-z")] });
    await using _ = stage;
    const key = bearer(keys.add("one", { grants: ["files"] }));
    await stage.post("/files", { purpose: "x" }, [key, ["Accept-Encoding", "gzip"]]);
    expect((await stage.ask("/files/file-z", { method: "GET", headers: [key] })).status).toBe(200);
  });

  test("includes what comes of it: a batch's output", async () => {
    const batch = (more: object) => json({ id: "batch_1", object: "batch", ...more });
    const { stage, keys } = await guarded({
      script: [file("file-in"), batch({}), batch({ output_file_id: "file-out" }), answer({ body: "lines" })],
    });
    await using _ = stage;
    const grants = { grants: ["files", "batches"] } as const;
    const [one, two] = [bearer(keys.add("one", grants)), bearer(keys.add("two", grants))];
    await stage.post("/files", { purpose: "batch" }, [one]);
    await stage.post("/batches", { input_file_id: "file-in" }, [one]);
    await stage.ask("/batches/batch_1", { method: "GET", headers: [one] });
    const content = (key: typeof one) => stage.ask("/files/file-out/content", { method: "GET", headers: [key] });
    expect([(await content(two)).status, (await content(one)).text]).toEqual([404, "lines"]);
  });

  test("includes what comes of it: a tuned model", async () => {
    const job = (more: object) => json({ id: "ftjob-1", object: "fine_tuning.job", ...more });
    const tuned = "ft:gpt-4o-mini:org::1";
    const { stage, keys } = await guarded({
      script: [file("file-in"), job({}), job({ fine_tuned_model: tuned }), json({ id: tuned, deleted: true })],
    });
    await using _ = stage;
    const grants = { grants: ["files", "fine_tuning"] } as const;
    const [one, two] = [bearer(keys.add("one", grants)), bearer(keys.add("two", grants))];
    await stage.post("/files", { purpose: "fine-tune" }, [one]);
    await stage.post("/fine_tuning/jobs", { model, training_file: "file-in" }, [one]);
    await stage.ask("/fine_tuning/jobs/ftjob-1", { method: "GET", headers: [one] });
    const remove = (key: typeof one) => stage.ask(`/models/${tuned}`, { method: "DELETE", headers: [key] });
    expect([(await remove(two)).status, (await remove(one)).status]).toEqual([404, 200]);
  });

  test("is nothing where the backend has refused to make it, whatever its answer holds", async () => {
    const { stage, keys } = await guarded({ script: [json({ id: "file-a" }, { status: 409, reason: "Conflict" })] });
    await using _ = stage;
    const key = bearer(keys.add("one", { grants: ["files"] }));
    await stage.post("/files", { purpose: "x" }, [key]);
    expect((await stage.ask("/files/file-a", { method: "GET", headers: [key] })).status).toBe(404);
  });

  test("cannot be had by a file that speaks of it", async () => {
    const { stage, keys } = await guarded({
      script: [file("file-mine"), json({ id: "file-out", output_file_id: "file-out" })],
    });
    await using _ = stage;
    const key = bearer(keys.add("one", { grants: ["files"] }));
    await stage.post("/files", { purpose: "x" }, [key]);
    await stage.ask("/files/file-mine/content", { method: "GET", headers: [key] });
    expect((await stage.ask("/files/file-out", { method: "GET", headers: [key] })).status).toBe(404);
  });

  test("alone is on its lists", async () => {
    const { stage, keys } = await guarded({
      fake: { otherwise: json({ data: [{ id: "file-a" }, { id: "file-b" }] }) },
    });
    await using _ = stage;
    const grants = ["files", "batches", "vector_stores", "fine_tuning", "stored_responses", "other"] as const;
    const key = bearer(keys.add("one", { grants }));
    for (const path of [
      "/files",
      "/files?limit=1",
      "/batches",
      "/vector_stores",
      "/fine_tuning/jobs",
      "/chat/completions",
      "/assistants",
      "/containers",
      "/evals",
      "/skills",
      "/videos",
    ]) {
      const got = await stage.ask(path, { method: "GET", headers: [key] });
      expect([path, got.status, got.json()]).toMatchObject([path, 200, { data: [], has_more: false }]);
    }
  });

  test("is not told of by the head of a list either", async () => {
    const { stage, keys } = await guarded();
    await using _ = stage;
    const ask = async (key: string) => {
      const got = await stage.ask("/chat/completions", { method: "HEAD", headers: [bearer(key)] });
      return got.status;
    };
    expect(await ask(keys.add("none"))).toBe(403);
    expect(await ask(keys.add("some", { grants: ["stored_responses"] }))).toBe(405);
  });

  test("is a matter of nobody where nobody has keys", async () => {
    await using stage = await scene({ script: [json({ data: [] }), file("file-x"), completion] });
    expect((await stage.ask("/files", { method: "GET" })).status).toBe(200);
    expect((await stage.ask("/files/file-x", { method: "GET" })).status).toBe(200);
    expect((await stage.post("/responses", { model, input: "x", previous_response_id: "resp_x" })).status).toBe(200);
  });

  test("stays at its backend, whatever the default is and wherever a model is served first", async () => {
    const first = await fakeBackend();
    const second = await fakeBackend();
    const backends = [backendAt(first.origin, { name: "first" }), backendAt(second.origin, { name: "second" })];
    const keys = keyRing();
    const key = keys.add("one", { grants: ["files"] });
    const tollgate = await startTollgate({ backends, defaultBackend: "second" }, { keys });
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    second.next(file("file-a"), file("file-a"), json({ id: "resp_1", object: "response", status: "completed" }));
    await fetch(`${tollgate.url}/files`, { method: "POST", headers, body: "{}" });
    tollgate.gateway.reload({
      ...(await import("../testing/harness.ts")).testConfig({ backends, defaultBackend: "first" }),
    });
    expect((await fetch(`${tollgate.url}/files/file-a`, { headers })).status).toBe(200);
    const input = [{ role: "user", content: [{ type: "input_file", file_id: "file-a" }] }];
    const body = JSON.stringify({ model, input });
    expect((await fetch(`${tollgate.url}/responses`, { method: "POST", headers, body })).status).toBe(200);
    expect([first.received.length, second.received.length]).toEqual([0, 3]);
    await tollgate.close();
    await Promise.all([first.close(), second.close()]);
  });
});

test("OpenAI's own client sees each refusal as what it is", async () => {
  const { stage, keys } = await guarded();
  await using _ = stage;
  const client = (apiKey: string) => new OpenAI({ baseURL: stage.tollgate.url, apiKey, maxRetries: 0 });
  const body = { model: "x", messages: [{ role: "user" as const, content: "hi" }] };
  await expect(client("tg-who").chat.completions.create(body)).rejects.toThrow(AuthenticationError);
  const few = client(keys.add("few", { models: ["y"], grants: ["files"] }));
  await expect(few.chat.completions.create(body)).rejects.toThrow(PermissionDeniedError);
  await expect(few.files.retrieve("file-x")).rejects.toThrow(NotFoundError);
});
