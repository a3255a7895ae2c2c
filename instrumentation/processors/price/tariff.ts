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

/** The price of so many seconds, in whole nanoseconds. */
const timed = (seconds: number, rate: Grains): Grains =>
  Number.isFinite(seconds) && seconds > 0 ? BigInt(Math.round(seconds * 1e9)) * rate : 0n;

const counted = (count: number, rate: Grains): Grains =>
  Number.isSafeInteger(count) && count > 0 ? BigInt(count) * rate : 0n;

/**
 * What an exchange costs. The three parts are exact until each is rounded once, half a nano-USD up. `undefined` where
 * nothing that the tariff charges for was counted, or where a count is so absurd that the sum is no safe integer.
 */
export function charge(tariff: Tariff, exchange: Exchange, attempt: Attempt): Charge | undefined {
  const { perAudio, perCharacter, perImage, perRequest, perTime, minimumAudioSeconds = 0 } = tariff;
  const { audioSeconds, characters, images } = exchange.media ?? {};
  const forTokens = tariff.tokens && tokenCharge(tariff.tokens, exchange);
  let { input, output } = forTokens ?? { input: 0n, output: 0n };
  let other = 0n;
  let known = forTokens !== undefined;

  if (perAudio !== undefined && audioSeconds !== undefined) {
    const amount = timed(audioSeconds > 0 ? Math.max(audioSeconds, minimumAudioSeconds) : 0, perAudio);
    if (exchange.operation === "speech") output += amount;
    else input += amount;
    known = true;
  }
  if (perCharacter !== undefined && characters !== undefined) {
    input += counted(characters, perCharacter);
    known = true;
  }
  if (perImage !== undefined && images !== undefined) {
    output += counted(images, perImage);
    known = true;
  }
  if (perTime !== undefined) {
    other += timed(attempt.seconds, perTime);
    known = true;
  }
  // A fee per request comes on top of what was counted; alone it prices only what is charged by nothing else.
  if (perRequest !== undefined && (known || tariff.tokens === undefined)) {
    other += perRequest;
    known = true;
  }
  if (!known) return undefined;
  const sum = { input: nanoUsd(input), output: nanoUsd(output), other: nanoUsd(other) };
  return Number.isSafeInteger(sum.input + sum.output + sum.other) ? sum : undefined;
}
