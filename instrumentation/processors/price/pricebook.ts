// The published price list (@pydantic/genai-prices), read into tariffs: one look-up per model, none per exchange.
import {
  type ConditionalPrice,
  calcPrice,
  findProvider,
  type ModelInfo,
  type ModelPrice,
} from "@pydantic/genai-prices";
import { genAiProvider } from "../../genai.ts";
import { per, rate } from "./money.ts";
import type { Tariff } from "./tariff.ts";
import type { TokenRate, TokenRates } from "./tokens.ts";

/** A model of the list. Its tariff may depend on the date and the hour of the request (Unix milliseconds). */
export interface ListedPrice {
  /** `provider/model`, as the list names them. */
  readonly name: string;
  at(unixMillis: number): Tariff;
}

/** The list's names for providers that the GenAI semantic conventions call otherwise. */
const listNames: Readonly<Record<string, string>> = {
  "aws.bedrock": "aws",
  "azure.ai.inference": "azure",
  "azure.ai.openai": "azure",
  "gcp.gemini": "google",
  "gcp.gen_ai": "google",
  "gcp.vertex_ai": "google",
  mistral_ai: "mistral",
  moonshot_ai: "moonshotai",
  x_ai: "x-ai",
};

/** The longest name worth looking for; what is longer is nobody's model. */
const longestName = 200;

/**
 * Looks a model up, dated snapshots and all. Takes about 20 µs: keep what it returns. `undefined` where the list does
 * not know the provider by exactly that name (so `vllm-openai` is not OpenAI, whatever its models are called), does
 * not know the model, or holds a price that makes no sense.
 */
export function listedPrice(provider: string, model: string): ListedPrice | undefined {
  const asked = genAiProvider(provider.toLowerCase());
  const id = Object.hasOwn(listNames, asked) ? (listNames[asked] ?? asked) : asked;
  if (model === "" || model.length > longestName) return undefined;
  if (findProvider({ providerId: id })?.id !== id) return undefined;
  try {
    const found = calcPrice({}, model, { providerId: id, timestamp: new Date(0) });
    return found === null ? undefined : listed(id, found.model);
  } catch {
    return undefined;
  }
}

function listed(provider: string, { id, prices }: ModelInfo): ListedPrice {
  const name = `${provider}/${id}`;
  const minimumAudioSeconds = minimumAudio.get(name);
  const read = (price: ModelPrice): Tariff => {
    const tariff = tariffOf(price);
    const free = Object.keys(tariff).length === 0 && id.endsWith(":free");
    return {
      ...tariff,
      ...(free && { perRequest: rate(0, per.one) }),
      ...(minimumAudioSeconds !== undefined && { minimumAudioSeconds }),
    };
  };
  if (!Array.isArray(prices)) {
    const tariff = read(prices);
    return { name, at: () => tariff };
  }
  const usual = prices[0] === undefined ? {} : read(prices[0].prices);
  // The list puts what overrides last.
  const terms = prices.map((price) => ({ holds: condition(price.constraint), tariff: read(price.prices) })).reverse();
  return { name, at: (unixMillis) => terms.find(({ holds }) => holds(unixMillis))?.tariff ?? usual };
}

/** Groq bills at least ten seconds of audio a request; the list keeps that in its code, not in its data. */
const minimumAudio = new Map([
  ["groq/whisper-large-v3", 10],
  ["groq/whisper-large-v3-turbo", 10],
]);

/** Empty where the list names no price for anything that we count. Searches, pages and video are not counted. */
function tariffOf(price: ModelPrice): Tariff {
  const tokens: { -readonly [kind in keyof TokenRates]: TokenRate } = {};
  for (const [kind, key] of tokenKeys) {
    const stated = price[key];
    if (stated === undefined) continue;
    const { base, tiers } = typeof stated === "number" ? { base: stated, tiers: [] } : stated;
    const steps = [...tiers].sort((a, b) => a.start - b.start);
    tokens[kind] = {
      base: rate(base, per.million),
      steps: steps.map((tier) => ({ above: tier.start, rate: rate(tier.price, per.million) })),
    };
  }
  const flat = (key: string, unit: bigint) => {
    const stated = price[key];
    return typeof stated === "number" ? rate(stated, unit) : undefined;
  };
  const perAudio = flat("input_audio_hours", per.hour) ?? flat("audio_hours", per.hour);
  const perCharacter = flat("input_mchars", per.million);
  const perRequest = flat("requests_kcount", per.thousand);
  return {
    ...(Object.keys(tokens).length > 0 && { tokens }),
    ...(perAudio !== undefined && { perAudio }),
    ...(perCharacter !== undefined && { perCharacter }),
    ...(perRequest !== undefined && { perRequest }),
  };
}

const tokenKeys: readonly (readonly [keyof TokenRates, string])[] = [
  ["input", "input_mtok"],
  ["cachedInput", "cache_read_mtok"],
  ["cacheWrite", "cache_write_mtok"],
  ["audioInput", "input_audio_mtok"],
  ["cachedAudio", "cache_audio_read_mtok"],
  ["imageInput", "input_image_mtok"],
  ["cachedImage", "cache_image_read_mtok"],
  ["output", "output_mtok"],
  ["reasoning", "output_reasoning_mtok"],
  ["audioOutput", "output_audio_mtok"],
  ["imageOutput", "output_image_mtok"],
];

const dayMillis = 86_400_000;

/** When a price holds: from a date on (UTC midnight), or between two times of the day, which may span midnight. */
function condition(constraint: ConditionalPrice["constraint"]): (unixMillis: number) => boolean {
  if (constraint === undefined) return () => true;
  if (constraint.type === "start_date") {
    const from = Date.parse(constraint.start_date);
    return (unixMillis) => unixMillis >= from;
  }
  const timeOfDay = (time: string) => (Date.parse(`1970-01-02T${time}`) + dayMillis) % dayMillis;
  const start = timeOfDay(constraint.start_time);
  const end = timeOfDay(constraint.end_time);
  return (unixMillis) => {
    const now = unixMillis % dayMillis;
    return end < start ? now >= start || now < end : now >= start && now < end;
  };
}
