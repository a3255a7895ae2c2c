// What a target is sent: the client's bytes, but for the model's name there, the operator's prompt and a wish for usage.
import { setImmediate } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { chunk, errorAnswer } from "../testing/answers.ts";
import { good, goodBody } from "../testing/good-backend.ts";
import type { Field } from "../testing/http-wire.ts";
import { keyRing } from "../testing/key-ring.ts";
import { chatRequest } from "../testing/payloads.ts";
import { rawConnection, rawRequest, requestBytes } from "../testing/raw-client.ts";
import { noRetries, type RouteInWords, routedScene } from "../testing/routed-scene.ts";
import { scene } from "../testing/scene.ts";

const model = "alias";
const one = (route: Partial<RouteInWords>) =>
  routedScene({ places: { a: { otherwise: good("a") } }, routes: [{ model, targets: ["a"], ...route }] });
const renamed = { targets: [{ backend: "a", model: "at-a" }] };

/** As no serialiser would write it. */
const odd =
  '{ "n":1.0, "model" : "alias","messages":[ {"role":"user","content":"\\u0041 \\/ é"} ] ,"big":12345678901234567890 }';

describe("every other byte stays as the client wrote it", () => {
  test.each<[string, Partial<RouteInWords>, string]>([
    ["nothing is to be changed", {}, odd],
    ["the target calls the model by the same name", { targets: [{ backend: "a", model }] }, odd],
    ["the model is renamed", renamed, odd.replace('"alias"', '"at-a"')],
    [
      "a prompt is put in",
      { systemPrompt: { mode: "prepend", text: 'Be "brief".' } },
      odd
        .replace('[ {"role":"user"', '[{"role":"system","content":"Be \\"brief\\"."},{"role":"user"')
        .replace("} ] ,", "}] ,"),
    ],
  ])("where %s", async (_, route, expected) => {
    await using stage = await one(route);
    expect((await stage.post("/chat/completions", odd)).text).toBe(goodBody("a", "json"));
    expect(stage.place("a").received[0]?.body.toString()).toBe(expected);
  });

  test("where usage is asked for, the model renamed and a prompt put in, all at once", async () => {
    await using stage = await one({ ...renamed, systemPrompt: { mode: "append", text: "Last word." } });
    const body = chatRequest(model, { stream: true, stream_options: { include_obfuscation: false } });
    expect((await stage.post("/chat/completions", body)).text).toBe(goodBody("a", "stream"));
    expect(stage.place("a").received[0]?.json()).toEqual({
      ...body,
      model: "at-a",
      messages: [{ role: "system", content: "Last word." }, ...body.messages],
      stream_options: { include_obfuscation: false, include_usage: true },
    });
  });
});

describe("the operator's prompt", () => {
  const own = { role: "system", content: "The client's." };
  const user = { role: "user", content: "Hello" };
  const ours = { role: "system", content: "Ours." };
  test.each([
    ["prepend", [ours, own, user]],
    ["append", [own, ours, user]],
    ["replace", [ours, user]],
  ] as const)("%s: goes to the fallback as to the first, once", async (mode, expected) => {
    await using stage = await routedScene({
      places: { a: { script: [errorAnswer(503, "no luck")] }, b: { otherwise: good("b") } },
      routes: [{ model, targets: ["a", "b"], systemPrompt: { mode, text: "Ours." } }],
    });
    const got = await stage.post("/chat/completions", { model, messages: [own, user] });
    for (const name of ["a", "b"]) expect(stage.place(name).received[0]?.json()).toEqual({ model, messages: expected });
    expect(await stage.exchangeOf(got)).toMatchObject({ systemPromptApplied: true, messageCount: 2 });
  });

  test("of a key goes in before the route's, which has the last word", async () => {
    const keys = keyRing();
    const secret = keys.add("k1", { systemPrompt: { mode: "replace", text: "The key's." } });
    const route = {
      model,
      strategy: "priority",
      targets: [{ backend: "fake", weight: 1, timeouts: {} }],
      retries: noRetries,
      systemPrompt: { mode: "prepend", text: "Ours." },
    } as const;
    await using stage = await scene({ script: [good("fake")], admitting: { keys }, config: { routes: [route] } });
    await stage.post("/chat/completions", { model, messages: [own, user] }, [["Authorization", `Bearer ${secret}`]]);
    expect(stage.backend.received[0]?.json()).toMatchObject({
      messages: [ours, { role: "system", content: "The key's." }, user],
    });
    expect((await stage.onlyExchange()).systemPromptApplied).toBe(true);
  });

  test("stands in the record only where it went out", async () => {
    await using stage = await one({ systemPrompt: { mode: "prepend", text: "Ours." } });
    const got = await stage.post("/embeddings", { model, input: "Hello" });
    expect(stage.place("a").received[0]?.json()).toEqual({ model, input: "Hello" });
    expect((await stage.exchangeOf(got)).systemPromptApplied).toBe(false);
  });
});

describe("the record says what was asked for, each try what it was sent", () => {
  test("an alias in metrics and record, the target's name in the attempt", async () => {
    await using stage = await one(renamed);
    const exchange = await stage.exchangeOf(await stage.post("/chat/completions", chatRequest(model)));
    expect(exchange.model).toEqual({ requested: model, served: "served" });
    expect(exchange.attempts[0]?.model).toBe("at-a");
  });

  test("a doubled member is changed everywhere, for not every parser takes the last one", async () => {
    await using stage = await one(renamed);
    await stage.post("/chat/completions", `{"model":"cheap","messages":[],"model":"alias"}`);
    expect(stage.place("a").received[0]?.body.toString()).toBe('{"model":"at-a","messages":[],"model":"at-a"}');
  });
});

describe("what is no JSON", () => {
  const form = [
    "--x",
    'Content-Disposition: form-data; name="model"',
    "",
    "alias",
    "--x",
    'Content-Disposition: form-data; name="file"; filename="a.mp3"',
    "",
    "sound",
    "--x--",
    "",
  ].join("\r\n");
  const headers: Field[] = [["Content-Type", "multipart/form-data; boundary=x"]];

  test("passes as it is where the model keeps its name", async () => {
    await using stage = await one({});
    const got = await rawRequest(`${stage.tollgate.url}/audio/transcriptions`, { headers, body: form });
    expect(got.status).toBe(200);
    expect(stage.place("a").received[0]?.body.toString()).toBe(form);
  });

  test("is sent with the target's name for an alias, all other bytes as they came", async () => {
    await using stage = await one(renamed);
    const got = await rawRequest(`${stage.tollgate.url}/audio/transcriptions`, { headers, body: form });
    expect(got.status).toBe(200);
    const [received] = stage.place("a").received;
    expect(received?.body.toString()).toBe(form.replace("alias", "at-a"));
    expect(received?.header("content-length")).toBe(String(form.length - 1));
    const exchange = await stage.exchangeOf(got);
    expect([exchange.model.requested, exchange.attempts[0]?.model]).toEqual(["alias", "at-a"]);
  });

  test("is sent in chunks where it came so, and however its pieces are cut", async () => {
    await using stage = await one(renamed);
    for (let cut = 1; cut < form.length; cut += 7) {
      const url = `${stage.tollgate.url}/audio/transcriptions`;
      const connection = await rawConnection(url);
      const chunked: Field[] = [...headers, ["Transfer-Encoding", "chunked"]];
      await connection.send(requestBytes(url, { headers: chunked }));
      for (const piece of [form.slice(0, cut), form.slice(cut)]) {
        await connection.send(chunk(piece));
        await setImmediate();
      }
      await connection.send("0\r\n\r\n");
      expect((await connection.head()).status).toBe(200);
      connection.leave();
    }
    for (const received of stage.place("a").received)
      expect(received.body.toString()).toBe(form.replace("alias", "at-a"));
  });

  test("is refused where it names the model twice, for not every parser takes the same", async () => {
    await using stage = await one(renamed);
    const twice = form.replace("--x--", `${form.slice(0, form.indexOf("--x", 3))}--x--`);
    const got = await rawRequest(`${stage.tollgate.url}/audio/transcriptions`, { headers, body: twice });
    expect([got.status, got.json()]).toMatchObject([400, { error: { code: "ambiguous_form" } }]);
    const exchange = await stage.exchangeOf(got);
    expect(exchange.outcome).toMatchObject({ kind: "refused", reason: "invalid" });
  });

  test("whose client leaves in the middle is abandoned, and its backend let go", async () => {
    await using stage = await one(renamed);
    const url = `${stage.tollgate.url}/audio/transcriptions`;
    const connection = await rawConnection(url);
    await connection.send(
      requestBytes(url, { headers: [...headers, ["Content-Length", "9999"]], body: form.slice(0, 120) }),
    );
    const request = await stage.place("a").request(0);
    connection.leave();
    expect(await request.ended).toBe("left");
    expect((await stage.onlyExchange()).outcome).toMatchObject({ kind: "abandoned" });
  });
});
