// Facts about cost: right to the last digit, never charged twice, never invented.
import { calcPrice } from "@pydantic/genai-prices";
import { expect, test } from "vitest";
import type { Attempt, Cost, Exchange } from "../exchange.ts";
import type { PriceRule } from "../settings.ts";
import { sampleAttempt, sampleWithout } from "../testing/exchange.ts";
import { price } from "./price.ts";

type Told = Omit<Partial<Exchange>, "attempts"> & {
  readonly attempt?: { readonly [member in keyof Attempt]?: Attempt[member] | undefined };
};

/** An answered exchange that names no model and counts nothing but what the test tells. */
function exchangeOf({ attempt: told, ...changes }: Told): Exchange {
  const { model: _, ...sample } = sampleAttempt;
  const members = Object.entries({ ...sample, ...told }).filter(([, value]) => value !== undefined);
  const attempt = Object.fromEntries(members) as unknown as Attempt;
  return Object.freeze({
    ...sampleWithout("cost", "tokens", "usageSource"),
    model: {},
    attempts: [attempt],
    ...changes,
  });
}

const costs = (told: Told, rules: readonly PriceRule[] = []): Cost | undefined => {
  const record = price({ rules })(exchangeOf(told));
  return record.kind === "exchange" ? record.cost : undefined;
};
const rule = (told: Partial<PriceRule>, origin = "config: prices[0]"): PriceRule => ({ model: "*", origin, ...told });

/** The rates of the list itself, so that the test does not age with them. */
function listed(provider: string, model: string, at = new Date(0)): Record<string, number> {
  const found = calcPrice({}, model, { providerId: provider, timestamp: at });
  if (found === null) throw new Error(`the list has no ${provider}/${model}`);
  return Object.fromEntries(
    Object.entries(found.model_price).map(([key, rate]) => [key, typeof rate === "number" ? rate : (rate?.base ?? 0)]),
  );
}
/** Nano-USD of so many tokens at a rate of up to six decimals, in integers; half a nano-USD goes up. */
const nano = (...lines: [tokens: number, rate: number | undefined][]) => {
  const sum = lines.reduce((all, [tokens, rate = 0]) => all + BigInt(tokens) * BigInt(Math.round(rate * 1e6)), 0n);
  return Number((sum + 500n) / 1000n);
};

test("a known model costs what the list's own rates come to, to the last digit", () => {
  const { input_mtok, cache_read_mtok, output_mtok } = listed("openai", "gpt-4o-mini");
  const tokens = { input: 12_345, cachedInput: 10_240, output: 6_789, reasoning: 5_000 };
  const input = nano([12_345 - 10_240, input_mtok], [10_240, cache_read_mtok]);
  const output = nano([6_789, output_mtok]);
  expect(costs({ model: { requested: "gpt-4o-mini" }, tokens })).toEqual({
    status: "exact",
    nanoUsd: input + output,
    input,
    output,
    other: 0,
    price: "openai/gpt-4o-mini",
  });
});

test("the list itself comes to the same cost, for many models and usages", () => {
  const models = ["gpt-4o", "gpt-5.4", "gpt-6-sol", "o3", "gpt-audio", "gpt-image-1.5", "gpt-4o-mini-transcribe"];
  const at = Date.UTC(2026, 9, 1, 12);
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  for (let round = 0; round < 700; round += 1) {
    const served = models[round % models.length] ?? "";
    const input = random(600_000);
    const audioInput = served === "gpt-audio" || served.endsWith("transcribe") ? random(input + 1) : 0;
    const imageInput = served === "gpt-image-1.5" ? random(input + 1) : 0;
    const cachedInput = audioInput + imageInput > 0 ? 0 : random(input + 1);
    const output = random(100_000);
    const imageOutput = served === "gpt-image-1.5" ? random(output + 1) : 0;
    const tokens = { input, cachedInput, audioInput, imageInput, output, imageOutput };
    const usage = {
      input_tokens: input,
      cache_read_tokens: cachedInput,
      input_audio_tokens: audioInput,
      input_image_tokens: imageInput,
      cache_image_read_tokens: 0,
      output_tokens: output,
      output_image_tokens: imageOutput,
    };
    const theirs = calcPrice(usage, served, { providerId: "openai", timestamp: new Date(at) });
    const ours = costs({ model: { served }, tokens, openedAt: at });
    if (ours?.status !== "exact" || theirs === null) throw new Error(`${served} has no price`);
    // Theirs is binary floating point, so the last digit may differ by its error.
    expect(Math.abs(ours.input - theirs.input_price * 1e9), served).toBeLessThan(0.51);
    expect(Math.abs(ours.output - theirs.output_price * 1e9), served).toBeLessThan(0.51);
  }
});

test("the parts of 10,000 random usages add up to the whole, each the rounded exact amount", () => {
  const rules = [
    rule({
      inputPerMillion: 0.123457,
      cachedInputPerMillion: 0.012346,
      cacheWritePerMillion: 0.154321,
      outputPerMillion: 0.987653,
    }),
  ];
  const priced = price({ rules });
  let seed = 1;
  const random = (below: number) => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  for (let round = 0; round < 10_000; round += 1) {
    const input = random(2_000_000);
    const cachedInput = random(input + 1);
    const cacheWrite = random(input - cachedInput + 1);
    const output = random(200_000);
    const record = priced(exchangeOf({ tokens: { input, cachedInput, cacheWrite, output } }));
    const cost = record.kind === "exchange" ? record.cost : undefined;
    if (cost?.status !== "custom") throw new Error("unpriced");
    expect(cost.input + cost.output + cost.other).toBe(cost.nanoUsd);
    expect(cost.input).toBe(
      nano([input - cachedInput - cacheWrite, 0.123457], [cachedInput, 0.012346], [cacheWrite, 0.154321]),
    );
    expect(cost.output).toBe(nano([output, 0.987653]));
  }
});

test("half a nano-USD is rounded up, once per part and not per kind of token", () => {
  const half = rule({ inputPerMillion: 0.0005, cachedInputPerMillion: 0.0005, outputPerMillion: 0.0004 });
  // Half a nano-USD a token: rounded per kind, one plain and one cached token would come to 2.
  expect(costs({ tokens: { input: 2, cachedInput: 1, output: 1 } }, [half])).toMatchObject({ input: 1, output: 0 });
  expect(costs({ tokens: { input: 3, cachedInput: 2, output: 2 } }, [half])).toMatchObject({ input: 2, output: 1 });
});

test("a rate with more digits than a double can multiply is still exact", () => {
  const odd = rule({ inputPerMillion: 0.08333333333333334, outputPerMillion: 1e-7 });
  expect(costs({ tokens: { input: 3_000_000_000, output: 10_000 } }, [odd])).toMatchObject({
    input: 250_000_000_000,
    output: 1,
  });
});

test("past a step the whole input and the output cost the higher rate; up to it none does", () => {
  const found = calcPrice({}, "gpt-5.4", { providerId: "openai" });
  const { input_mtok: input, output_mtok: output } = found?.model_price ?? {};
  if (typeof input !== "object" || typeof output !== "object") throw new Error("gpt-5.4 has no steps any more");
  const [step] = input.tiers;
  const [outputStep] = output.tiers;
  if (!step || !outputStep) throw new Error("gpt-5.4 has no steps any more");
  const at = (tokens: number) => costs({ model: { served: "gpt-5.4" }, tokens: { input: tokens, output: 1_000 } });
  expect(at(step.start)).toMatchObject({ input: nano([step.start, input.base]), output: nano([1_000, output.base]) });
  expect(at(step.start + 1)).toMatchObject({
    input: nano([step.start + 1, step.price]),
    output: nano([1_000, outputStep.price]),
  });
});

test("a price that depends on the date or the hour is the one that held when the request came", () => {
  const tokens = { input: 1_000_000, output: 0 };
  const at = (served: string, provider: string, openedAt: number) => {
    const cost = costs({ model: { served }, tokens, openedAt, attempt: { provider } });
    return cost?.status === "exact" ? cost.input : undefined;
  };
  for (const day of [Date.UTC(2025, 5, 9, 23, 59, 59), Date.UTC(2025, 5, 10)]) {
    expect(at("o3", "openai", day)).toBe(nano([1_000_000, listed("openai", "o3", new Date(day)).input_mtok]));
  }
  expect(at("o3", "openai", Date.UTC(2025, 5, 9))).not.toBe(at("o3", "openai", Date.UTC(2025, 5, 10)));
  for (const [hour, minute] of [
    [0, 29],
    [0, 30],
    [16, 29],
    [16, 30],
  ]) {
    const moment = Date.UTC(2026, 1, 3, hour, minute);
    const rates = listed("deepseek", "deepseek-chat", new Date(moment));
    expect(at("deepseek-chat", "deepseek", moment), `${hour}:${minute}`).toBe(nano([1_000_000, rates.input_mtok]));
  }
});

test("audio tokens have their own rates, and cached audio is counted once", () => {
  const rates = listed("openai", "gpt-realtime-mini");
  const { input_mtok, cache_read_mtok, input_audio_mtok, cache_audio_read_mtok, output_mtok, output_audio_mtok } =
    rates;
  const tokens = {
    input: 1_000,
    audioInput: 600,
    cachedInput: 500,
    cachedAudioInput: 300,
    output: 400,
    audioOutput: 250,
  };
  expect(costs({ operation: "realtime", model: { served: "gpt-realtime-mini" }, tokens })).toMatchObject({
    input: nano([200, input_mtok], [200, cache_read_mtok], [300, input_audio_mtok], [300, cache_audio_read_mtok]),
    output: nano([150, output_mtok], [250, output_audio_mtok]),
  });
  const { cachedAudioInput: _, ...unsaid } = tokens;
  // Not said which were cached: the 400 text tokens first, then 100 of audio.
  expect(costs({ operation: "realtime", model: { served: "gpt-realtime-mini" }, tokens: unsaid })).toMatchObject({
    input: nano([400, cache_read_mtok], [500, input_audio_mtok], [100, cache_audio_read_mtok]),
  });
});

test("parts that exceed their whole are cut, so no token is charged twice", () => {
  const { cache_read_mtok } = listed("openai", "gpt-4o");
  const tokens = { input: 100, cachedInput: 500, cacheWrite: 70, audioInput: 0, output: 0 };
  expect(costs({ model: { served: "gpt-4o" }, tokens })).toMatchObject({ input: nano([100, cache_read_mtok]) });
});

test("what an image endpoint puts out is charged as image tokens unless it says otherwise", () => {
  const { output_mtok, output_image_mtok } = listed("openai", "gpt-image-1.5");
  const image = { operation: "image", model: { served: "gpt-image-1.5" } } as const;
  expect(costs({ ...image, tokens: { input: 10, output: 4_000 } })).toMatchObject({
    output: nano([4_000, output_image_mtok]),
  });
  expect(costs({ ...image, tokens: { input: 10, output: 4_000, imageOutput: 3_000 } })).toMatchObject({
    output: nano([3_000, output_image_mtok], [1_000, output_mtok]),
  });
});

test("reasoning is part of output unless the list has a rate of its own for it", () => {
  const { output_mtok, output_reasoning_mtok } = listed("perplexity", "sonar-deep-research");
  const tokens = { input: 0, output: 900, reasoning: 600 };
  expect(
    costs({ model: { served: "sonar-deep-research" }, tokens, attempt: { provider: "perplexity" } }),
  ).toMatchObject({
    output: nano([300, output_mtok], [600, output_reasoning_mtok]),
  });
});

test("a fee per request stands under other, and comes on top", () => {
  const { requests_kcount = 0 } = listed("perplexity", "sonar");
  const sonar = { model: { served: "sonar" }, attempt: { provider: "perplexity" } };
  expect(costs({ ...sonar, tokens: { input: 1, output: 1 } })).toMatchObject({ other: requests_kcount * 1e6 });
  expect(costs({ ...sonar, usageSource: "missing" })).toBeUndefined();
});

test("transcribed audio costs its seconds, and at Groq ten of them at least", () => {
  const whisper = (provider: string, served: string, audioSeconds: number) =>
    costs({ operation: "transcription", model: { served }, media: { audioSeconds }, attempt: { provider } });
  const { input_audio_hours: openai = 0 } = listed("openai", "whisper-1");
  expect(whisper("openai", "whisper-1", 90)).toMatchObject({ input: (openai * 1e9) / 40, output: 0 });
  const { input_audio_hours: groq = 0 } = listed("groq", "whisper-large-v3");
  expect(whisper("groq", "whisper-large-v3", 2)).toMatchObject({ input: Math.round((groq * 1e10) / 3_600) });
});

test("moderation is free at OpenAI, and says so", () => {
  expect(costs({ operation: "moderation", model: { served: "omni-moderation-latest" } })).toEqual({
    status: "exact",
    nanoUsd: 0,
    input: 0,
    output: 0,
    other: 0,
    price: "openai/moderation",
  });
});

test("the model that served is priced, not the one that was asked for; where nobody lists it, the other way round", () => {
  const tokens = { input: 1_000, output: 1_000 };
  const named = (served: string, requested: string) => {
    const cost = costs({ model: { served, requested }, tokens });
    return cost?.status === "exact" ? cost.price : cost?.status;
  };
  expect(named("gpt-4o-2024-05-13", "gpt-4o")).toBe("openai/gpt-4o-2024-05-13");
  expect(named("snapshot-of-the-day", "gpt-4o")).toBe("openai/gpt-4o");
  expect(named("a", "b")).toBe("unpriced");
});

test("a provider that the list does not know is unpriced, however familiar its models sound", () => {
  const tokens = { input: 1_000, output: 1_000 };
  for (const provider of ["vllm", "custom", "demo", "litellm", "vllm-openai", "openai-compatible", "__proto__"]) {
    expect(costs({ model: { served: "gpt-4o" }, tokens, attempt: { provider } }), provider).toEqual({
      status: "unpriced",
    });
  }
  expect(costs({ model: { served: "gpt-4o" }, tokens, attempt: { provider: "azure-openai" } })).toMatchObject({
    price: "azure/gpt-4o",
  });
});

test("a model that the list names without any amount is unpriced; a free one costs nothing", () => {
  const tokens = { input: 1_000, output: 1_000 };
  const at = (provider: string, served: string) => costs({ model: { served }, tokens, attempt: { provider } });
  expect(at("cerebras", "qwen-3-coder-480b")).toEqual({ status: "unpriced" });
  expect(at("openrouter", "deepseek/deepseek-r1:free")).toMatchObject({ status: "exact", nanoUsd: 0 });
});

test("the first rule that matches backend and model wins over later ones and the list", () => {
  const rules = [
    rule({ model: "gpt-4o", backend: "other", inputPerMillion: 9 }, "r0"),
    rule({ model: "gpt-*-mini", inputPerMillion: 7 }, "r1"),
    rule({ model: "gpt-4o*", inputPerMillion: 5, backend: "main" }, "r2"),
    rule({ model: "*", free: true }, "r3"),
  ];
  const by = (served: string) => {
    const cost = costs({ model: { served }, tokens: { input: 1_000_000, output: 0 } }, rules);
    return cost?.status === "custom" ? [cost.price, cost.nanoUsd] : cost;
  };
  expect(by("gpt-4o")).toEqual(["r2", 5e9]);
  expect(by("gpt-4o-mini")).toEqual(["r1", 7e9]);
  expect(by("gpt-4o-minimal")).toEqual(["r2", 5e9]);
  expect(by("gpt-mini")).toEqual(["r3", 0]);
  const overlap = rule({ model: "gpt-*-x*-x", free: true });
  expect(costs({ model: { requested: "gpt-a-x" }, tokens: {} }, [overlap])).toEqual({ status: "unpriced" });
  expect(costs({ model: { requested: "gpt-a-x-x" }, tokens: {} }, [overlap])).toMatchObject({ status: "custom" });
  const asked = costs(
    { model: { served: "/m/x.gguf", requested: "gpt-x-mini" }, tokens: { input: 1, output: 0 } },
    rules,
  );
  expect(asked).toMatchObject({ price: "r1" });
});

test("a cached token costs the input rate where a rule has no rate for it", () => {
  const tokens = { input: 1_000, cachedInput: 600, cacheWrite: 300, output: 10 };
  expect(costs({ tokens }, [rule({ inputPerMillion: 2, outputPerMillion: 8 })])).toMatchObject({
    nanoUsd: 2_080_000,
    input: 2_000_000,
    output: 80_000,
  });
});

test("a rule may price by the hour, the image, the minute of audio and the million characters", () => {
  const hour = rule({ perHour: 3.6 });
  expect(costs({ usageSource: "missing", attempt: { seconds: 1.000_000_5 } }, [hour])).toMatchObject({
    other: 1_000_001,
    nanoUsd: 1_000_001,
  });
  expect(costs({ operation: "image", media: { images: 3 } }, [rule({ perImage: 0.04 })])).toMatchObject({
    output: 120_000_000,
  });
  const minute = [rule({ perAudioMinute: 0.006 })];
  expect(costs({ operation: "transcription", media: { audioSeconds: 90.5 } }, minute)).toMatchObject({
    input: 9_050_000,
  });
  expect(costs({ operation: "speech", media: { audioSeconds: 60 } }, minute)).toMatchObject({ output: 6_000_000 });
  const characters = [rule({ perMillionCharacters: 15 })];
  expect(costs({ operation: "speech", media: { characters: 1_234 } }, characters)).toMatchObject({ input: 18_510_000 });
});

test("sameAs prices a model like one of the list, and what the rule sets itself goes before it", () => {
  const { input_mtok, cache_read_mtok, output_mtok } = listed("openai", "gpt-4o-mini");
  const told = {
    model: { served: "mine" },
    attempt: { provider: "vllm" },
    tokens: { input: 900, cachedInput: 100, output: 50 },
  };
  const sameAs = "openai/gpt-4o-mini";
  expect(costs(told, [rule({ sameAs })])).toMatchObject({
    status: "custom",
    price: "config: prices[0]",
    input: nano([800, input_mtok], [100, cache_read_mtok]),
    output: nano([50, output_mtok]),
  });
  expect(costs(told, [rule({ sameAs, outputPerMillion: 4 })])).toMatchObject({
    input: nano([800, input_mtok], [100, cache_read_mtok]),
    output: 200_000,
  });
});

test("a rule that makes no sense is refused at once, by its name", () => {
  const built = (told: Partial<PriceRule>) => () => price({ rules: [rule(told, "config: prices[3]")] });
  expect(built({})).toThrow("config: prices[3] sets no price");
  expect(built({ sameAs: "openai/no-such-model" })).toThrow('config: prices[3]: sameAs "openai/no-such-model"');
  expect(built({ sameAs: "gpt-4o" })).toThrow("config: prices[3]: sameAs");
  expect(built({ inputPerMillion: -1 })).toThrow("config: prices[3]: -1 is no price");
  expect(built({ perHour: Number.NaN })).toThrow("config: prices[3]: NaN is no price");
});

test("estimated tokens are priced like stated ones", () => {
  const tokens = { input: 100, output: 100 };
  const told = { model: { served: "gpt-4o" }, tokens };
  expect(costs({ ...told, usageSource: "estimated" })).toEqual(costs({ ...told, usageSource: "provider" }));
});

test("no cost is told where there is nothing to price by", () => {
  const model = { served: "gpt-4o" };
  expect(costs({ model, usageSource: "missing" })).toBeUndefined();
  // Half a cost would be a wrong one.
  expect(costs({ model, tokens: { input: 10 } })).toBeUndefined();
  expect(costs({ model, tokens: { input: Number.NaN, output: -5 } })).toBeUndefined();
  expect(costs({ model, tokens: { input: 2 ** 53, output: 1 } })).toBeUndefined();
  expect(costs({ model, tokens: { input: Number.MAX_SAFE_INTEGER, output: 1 } })).toBeUndefined();
  const perMinute = [rule({ perAudioMinute: 1 })];
  for (const audioSeconds of [Number.NaN, Number.POSITIVE_INFINITY, -1, 1e300]) {
    expect(costs({ operation: "transcription", media: { audioSeconds } }, perMinute)).toBeUndefined();
  }
});

test("an embedding has no output to wait for", () => {
  const both = rule({ inputPerMillion: 1, outputPerMillion: 1 });
  expect(costs({ operation: "embedding", tokens: { input: 50 } }, [both])).toMatchObject({ nanoUsd: 50_000 });
  expect(costs({ model: { served: "text-embedding-3-small" }, operation: "embedding", tokens: { input: 50 } })).toEqual(
    {
      status: "exact",
      nanoUsd: 1_000,
      input: 1_000,
      output: 0,
      other: 0,
      price: "openai/text-embedding-3-small",
    },
  );
});

test("a request that nobody answered costs nothing; one that was left is paid for as far as it got", () => {
  const free = [rule({ free: true, perHour: 1 })];
  const failed = { kind: "failed", status: 502, reason: "unreachable", severity: "critical" } as const;
  const refused = { kind: "refused", status: 400, reason: "upstream_rejected", severity: "warning" } as const;
  const hourly = [rule({ perHour: 1, perMillionCharacters: 1 })];
  const media = { characters: 1_000 };
  for (const rules of [free, hourly, []]) {
    expect(costs({ outcome: failed, media, attempt: { status: undefined, result: "failed" } }, rules)).toBeUndefined();
    expect(costs({ outcome: refused, media, attempt: { status: 400, result: "refused" } }, rules)).toBeUndefined();
  }
  const nobody = price({ rules: free })(Object.freeze({ ...exchangeOf({}), attempts: [] }));
  expect(nobody).not.toHaveProperty("cost");
  const left = {
    outcome: { kind: "abandoned", status: 499 },
    attempt: { status: undefined, result: "abandoned" },
  } as const;
  const tokens = { input: 1_000_000 };
  expect(costs({ ...left, model: { served: "gpt-4o" }, tokens, usageSource: "estimated" })).toMatchObject({
    status: "exact",
    input: nano([1_000_000, listed("openai", "gpt-4o").input_mtok]),
  });
  const broken = { ...failed, reason: "broken_stream" } as const;
  expect(costs({ outcome: broken, model: { served: "gpt-4o" }, tokens: { input: 2, output: 1 } })).toMatchObject({
    status: "exact",
  });
});

test("an answer from the cache costs nothing, exactly", () => {
  const told = { cache: "hit", model: { served: "gpt-4o" }, tokens: { input: 5, output: 5 } } as const;
  expect(costs(told)).toMatchObject({ status: "exact", nanoUsd: 0, price: "cache" });
});

test("hostile model names are priced like any other and are not kept past the bound", () => {
  const rules = [rule({ model: `${"*".repeat(20)}a`, inputPerMillion: 1 })];
  const priced = price({ rules, remembered: 4 });
  for (const requested of ["__proto__", "constructor", "toString", "", "\n\n", "a".repeat(1_000_000), "gpt-4o\u0000"]) {
    const record = priced(exchangeOf({ model: { requested }, tokens: { input: 1_000, output: 0 } }));
    const status = record.kind === "exchange" ? record.cost?.status : undefined;
    expect(status, requested.slice(0, 20)).toBe(requested.endsWith("a") ? "custom" : "unpriced");
  }
});

test("what is no model call, and what is no exchange, passes as it is", () => {
  const { tokens: _, ...stored } = exchangeOf({ operation: "stored_response" });
  const tracked = { kind: "tracked", id: "t", openedAt: 0, service: "bot" } as const;
  const priced = price({ rules: [rule({ free: true })] });
  expect(priced(stored)).toBe(stored);
  expect(priced(tracked)).toBe(tracked);
});

test("a stored response costs what it has used where it is read with its usage, i.e. for the first time", () => {
  const stored = exchangeOf({ operation: "stored_response", tokens: { input: 5, output: 5 } });
  const priced = price({ rules: [rule({ inputPerMillion: 1, outputPerMillion: 2 })] });
  expect(priced(stored)).toMatchObject({ cost: { nanoUsd: 15_000 } });
});

test("the record given is not changed, and the one returned is frozen", () => {
  const record = exchangeOf({ model: { served: "gpt-4o" }, tokens: { input: 1, output: 1 } });
  const priced = price({ rules: [] })(record);
  expect(record).not.toHaveProperty("cost");
  expect(Object.isFrozen(priced) && priced.kind === "exchange" && Object.isFrozen(priced.cost)).toBe(true);
  expect(price.name).toBe("price");
  expect(price({ rules: [] }).name).toBe("price");
});
