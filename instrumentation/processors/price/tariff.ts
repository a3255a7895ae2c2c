// A tariff: everything that one model is charged for, and what an exchange comes to under it.
import type { Attempt, Exchange } from "../../exchange.ts";
import { type Grains, nanoUsd } from "./money.ts";
import { type TokenRates, tokenCharge } from "./tokens.ts";

/** What is charged for. Time and audio are counted in nanoseconds. An empty tariff states no price at all. */
export interface Tariff {
  readonly tokens?: TokenRates;
  readonly perCharacter?: Grains;
  readonly perImage?: Grains;
  /** Audio read or made. */
  readonly perAudio?: Grains;
  /** Shorter audio is charged as if it were this long. */
  readonly minimumAudioSeconds?: number;
  readonly perRequest?: Grains;
  /** The backend's time. */
  readonly perTime?: Grains;
}

/** Integer nano-USD: for what was read, for what was made, and for neither (machine time, request fees). */
export interface Charge {
  readonly input: number;
  readonly output: number;
  readonly other: number;
}

/** So many at a rate; `undefined` where the count is unknown or no count, which a backend's JSON may well hold. */
const amountOf = (count: number | undefined, rate: Grains | undefined): Grains | undefined =>
  rate !== undefined && count !== undefined && Number.isSafeInteger(count) && count >= 0
    ? BigInt(count) * rate
    : undefined;

const nanoseconds = (seconds: number): number => Math.round(seconds * 1e9);

/**
 * What an exchange costs. The three parts are exact until each is rounded once, half a nano-USD up. `undefined` where
 * nothing that the tariff charges for was counted, or where a count is so absurd that the sum is no safe integer.
 */
export function charge(tariff: Tariff, exchange: Exchange, attempt: Attempt): Charge | undefined {
  const { minimumAudioSeconds = 0, perRequest } = tariff;
  const { audioSeconds = Number.NaN, characters, images } = exchange.media ?? {};
  const heard = audioSeconds > 0 ? Math.max(audioSeconds, minimumAudioSeconds) : audioSeconds;
  const tokens = tariff.tokens && tokenCharge(tariff.tokens, exchange);
  const audio = amountOf(nanoseconds(heard), tariff.perAudio);
  const text = amountOf(characters, tariff.perCharacter);
  const pictures = amountOf(images, tariff.perImage);
  const time = amountOf(nanoseconds(attempt.seconds), tariff.perTime);

  let known = tokens !== undefined;
  let { input, output } = tokens ?? { input: 0n, output: 0n };
  let other = 0n;
  const add = (amount: Grains | undefined, to: "input" | "output" | "other") => {
    if (amount === undefined) return;
    known = true;
    if (to === "input") input += amount;
    else if (to === "output") output += amount;
    else other += amount;
  };
  add(audio, exchange.operation === "speech" ? "output" : "input");
  add(text, "input");
  add(pictures, "output");
  add(time, "other");
  // A fee per request comes on top of what was counted; alone it prices only what is charged by nothing else.
  if (known || tariff.tokens === undefined) add(perRequest, "other");
  if (!known) return undefined;
  const sum = { input: nanoUsd(input), output: nanoUsd(output), other: nanoUsd(other) };
  return Number.isSafeInteger(sum.input + sum.output + sum.other) ? sum : undefined;
}
