// Sessions that name their model only once they are open, under a hard budget.
import { expect, test } from "vitest";
import type { PriceRule } from "../../instrumentation/index.ts";
import { testConfig } from "../testing/harness.ts";
import { keyRing } from "../testing/key-ring.ts";
import { realtimeScene } from "../testing/realtime-scene.ts";

const limits = testConfig().rateLimits;
const address = "?intent=transcription";

const named = (model: string) =>
  JSON.stringify({
    type: "session.updated",
    session: { type: "transcription", audio: { input: { transcription: { model } } } },
  });
const heard = (tokens: number) =>
  JSON.stringify({
    type: "conversation.item.input_audio_transcription.completed",
    usage: { type: "tokens", input_tokens: 0, output_tokens: tokens },
  });

const price = (model: string, outputPerMillion: number): PriceRule => ({
  model,
  inputPerMillion: outputPerMillion,
  outputPerMillion,
  origin: "config",
});

/** A backend of which no list knows a price, and a key whose hard budget is `usd`. */
async function priced(usd: number, prices: readonly PriceRule[]) {
  const keys = keyRing();
  const secret = keys.add("k1", { budgets: [{ period: "day", usd, hard: true, softRatio: 1 }] });
  const stage = await realtimeScene({
    admitting: { keys },
    backend: { provider: "own" },
    config: { rateLimits: { ...limits, outputTokens: 100 }, prices },
  });
  const open = (query = address) => stage.connect(query, { headers: { authorization: `Bearer ${secret}` } });
  const spent = async () => (await stage.tollgate.allowance.standing()).map(({ used }) => used);
  return { stage, open, spent };
}

test("a session is charged by the model that it names, and held for as gpt-4o-transcribe until then", async () => {
  const prices = [price("gpt-4o-transcribe", 10), price("whisper-own", 2)];
  const { stage, open, spent } = await priced(0.01, prices);
  await using _ = stage;
  const here = await open();
  const there = await stage.there();
  expect(await spent()).toEqual([100 * 10_000]);
  there.socket.send(named("whisper-own"));
  there.socket.send(heard(40));
  await here.got(2);
  expect(await spent()).toEqual([100 * 10_000 + 40 * 2_000]);
  there.socket.send(heard(10));
  await here.got(3);
  here.socket.close(1000);
  expect(await stage.onlyExchange()).toMatchObject({
    model: { served: "whisper-own" },
    tokens: { output: 50 },
    cost: { status: "custom", nanoUsd: 50 * 2_000 },
    outcome: { kind: "completed" },
  });
  expect(await spent()).toEqual([50 * 2_000]);
});

test("a session that names a model without a price ends there and then, and has spent nothing", async () => {
  const { stage, open, spent } = await priced(0.01, [price("gpt-4o-transcribe", 10)]);
  await using _ = stage;
  const here = await open();
  (await stage.there()).socket.send(named("who-knows"));
  expect(await here.closed).toEqual({ code: 1008, reason: "unpriced_model" });
  expect(JSON.parse(here.texts[1] ?? "")).toMatchObject({ type: "error", error: { code: "unpriced_model" } });
  expect((await stage.onlyExchange()).outcome).toMatchObject({ kind: "refused", reason: "budget", status: 101 });
  expect(await spent()).toEqual([0]);
});

test("a session that never says its model ends at what it uses first, which counts as it was held", async () => {
  const { stage, open, spent } = await priced(0.01, [price("gpt-4o-transcribe", 10)]);
  await using _ = stage;
  const here = await open();
  const there = await stage.there();
  there.socket.send(JSON.stringify({ type: "session.created", session: { type: "transcription" } }));
  there.socket.send(heard(40));
  expect(await here.closed).toEqual({ code: 1008, reason: "unpriced_model" });
  expect((await stage.onlyExchange()).outcome).toMatchObject({ reason: "budget" });
  expect(await spent()).toEqual([100 * 10_000]);
});

test("where nobody knows what transcribing costs a session is refused, and its backend is not asked", async () => {
  const { stage, open } = await priced(0.01, [price("gpt-realtime", 10)]);
  await using _ = stage;
  await expect(open()).rejects.toThrow("402");
  expect(stage.asked).toEqual([]);
  // One that is not for transcription is held for as gpt-realtime.
  await open("");
});

test("a budget that has no room for what is held refuses the session", async () => {
  const { stage, open } = await priced(0.0009, [price("gpt-4o-transcribe", 10)]);
  await using _ = stage;
  await expect(open()).rejects.toThrow("402");
  expect((await stage.onlyExchange()).outcome).toMatchObject({ reason: "budget", status: 402 });
});
