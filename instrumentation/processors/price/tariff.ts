// A tariff: everything that one model is charged for, and what an exchange comes to under it.
import { ExactSum, QuickSum, type Rate, type Sum } from "./money.ts";
import type { Priced, PricedAttempt } from "./priced.ts";
import { chargeTokens, type TokenRates } from "./tokens.ts";

/** What is charged for. Time and audio are counted in nanoseconds. An empty tariff states no price at all. */
export interface Tariff {
  readonly tokens?: TokenRates;
  readonly perCharacter?: Rate;
  readonly perImage?: Rate;
  /** Audio read or made. */
  readonly perAudio?: Rate;
  /** Shorter audio is charged as if it were this long. */
  readonly minimumAudioSeconds?: number;
  readonly perRequest?: Rate;
  /** The backend's time. */
  readonly perTime?: Rate;
}

/** Integer nano-USD: for what was read, for what was made, and for neither (machine time, request fees). */
export interface Charge {
  readonly input: number;
  readonly output: number;
  readonly other: number;
}

/**
 * What an exchange costs. The three parts are exact until each is rounded once, half a nano-USD up. `undefined` where
 * nothing that the tariff charges for was counted, or where a count is so absurd that the sum is no safe integer.
 */
export function charge(tariff: Tariff, exchange: Priced, attempt: PricedAttempt): Charge | undefined {
  const quick = chargeIn(QuickSum, tariff, exchange, attempt);
  if (quick === undefined || isSafe(quick)) return quick;
  const exact = chargeIn(ExactSum, tariff, exchange, attempt);
  return exact !== undefined && isSafe(exact) ? exact : undefined;
}

const isSafe = ({ input, output, other }: Charge): boolean => Number.isSafeInteger(input + output + other);

/** The same in one kind of sum: parts that it cannot tell are NaN, or no safe integer. */
export function chargeIn(
  Kind: new () => Sum,
  tariff: Tariff,
  exchange: Priced,
  attempt: PricedAttempt,
): Charge | undefined {
  const { minimumAudioSeconds = 0, perRequest } = tariff;
  const { media } = exchange;
  const sums = { input: new Kind(), output: new Kind(), other: new Kind() };
  let known = tariff.tokens !== undefined && chargeTokens(tariff.tokens, exchange, sums);
  if (media !== undefined) {
    const { audioSeconds = Number.NaN, characters, images } = media;
    const heard = audioSeconds > 0 ? Math.max(audioSeconds, minimumAudioSeconds) : audioSeconds;
    const ofAudio = exchange.operation === "speech" ? sums.output : sums.input;
    if (add(nanoseconds(heard), tariff.perAudio, ofAudio)) known = true;
    if (add(characters, tariff.perCharacter, sums.input)) known = true;
    if (add(images, tariff.perImage, sums.output)) known = true;
  }
  if (add(nanoseconds(attempt.seconds), tariff.perTime, sums.other)) known = true;
  // A fee per request comes on top of what was counted; alone it prices only what is charged by nothing else.
  if ((known || tariff.tokens === undefined) && add(1, perRequest, sums.other)) known = true;
  return known
    ? { input: sums.input.nanoUsd(), output: sums.output.nanoUsd(), other: sums.other.nanoUsd() }
    : undefined;
}

/** False where nothing was added: what is unknown or no count, which a backend's JSON may well hold, is charged for nowhere. */
function add(count: number | undefined, rate: Rate | undefined, to: Sum): boolean {
  if (rate === undefined || count === undefined || !Number.isSafeInteger(count) || count < 0) return false;
  to.add(count, rate);
  return true;
}

const nanoseconds = (seconds: number): number => Math.round(seconds * 1e9);
