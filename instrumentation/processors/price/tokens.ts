// What an answer's tokens cost: every token is counted once, at the rate of the kind it is.
import type { Exchange, Tokens } from "../../exchange.ts";
import type { Grains } from "./money.ts";

/** A price per token that may step with the input: the last step whose `above` the input exceeds holds for all of it. */
export interface TokenRate {
  readonly base: Grains;
  readonly steps: readonly { readonly above: number; readonly rate: Grains }[];
}

/** The rates that a price names. A kind that it does not name has the rate of the kind it is part of. */
export interface TokenRates {
  readonly input?: TokenRate;
  readonly cachedInput?: TokenRate;
  readonly cacheWrite?: TokenRate;
  readonly audioInput?: TokenRate;
  readonly cachedAudio?: TokenRate;
  readonly imageInput?: TokenRate;
  readonly cachedImage?: TokenRate;
  readonly output?: TokenRate;
  readonly reasoning?: TokenRate;
  readonly audioOutput?: TokenRate;
  readonly imageOutput?: TokenRate;
}

/** A count as a provider may state it: a whole number that is not negative, or else unknown. */
const known = (count: number | undefined): number | undefined =>
  count !== undefined && Number.isSafeInteger(count) && count >= 0 ? count : undefined;

/** As much of a part as its whole has room for, so that a provider's odd sums never charge a token twice. */
const within = (part: number | undefined, room: number): number => Math.min(known(part) ?? 0, room);

/**
 * Exact amounts for input and output. `undefined` where neither is known, or where a completed answer leaves one side
 * unknown that this price charges for: half a cost would be a wrong one.
 */
export function tokenCharge(
  rates: TokenRates,
  { tokens = {}, operation, outcome }: Exchange,
): { readonly input: Grains; readonly output: Grains } | undefined {
  const input = known(tokens.input);
  const output = known(tokens.output);
  if (input === undefined && output === undefined) return undefined;
  if (outcome.kind === "completed" && operation !== "embedding" && operation !== "moderation") {
    if ((input === undefined && rates.input) || (output === undefined && rates.output)) return undefined;
  }
  const at = (count: number, rate: TokenRate | undefined): Grains => {
    if (count === 0 || rate === undefined) return 0n;
    let held = rate.base;
    for (const step of rate.steps) if ((input ?? 0) > step.above) held = step.rate;
    return BigInt(count) * held;
  };
  return {
    input: inputCharge(rates, tokens, input ?? 0, at),
    output: outputCharge(rates, tokens, output ?? 0, operation, at),
  };
}

type At = (count: number, rate: TokenRate | undefined) => Grains;

/** Where a provider does not say which tokens were cached, text was first, then images, then audio. */
function inputCharge(rates: TokenRates, tokens: Tokens, input: number, at: At): Grains {
  const audio = within(tokens.audioInput, input);
  const image = within(tokens.imageInput, input - audio);
  const text = input - audio - image;
  const cached = within(tokens.cachedInput, input);
  const cachedAudio = within(tokens.cachedAudioInput ?? Math.max(0, cached - text - image), Math.min(audio, cached));
  const cachedText = Math.min(cached - cachedAudio, text);
  const cachedImage = Math.min(cached - cachedAudio - cachedText, image);
  const written = within(tokens.cacheWrite, text - cachedText);
  const { cachedInput = rates.input, audioInput = rates.input, imageInput = rates.input } = rates;
  let sum = at(text - cachedText - written, rates.input) + at(cachedText, cachedInput);
  if (written > 0) sum += at(written, rates.cacheWrite ?? rates.input);
  if (audio > 0) {
    sum += at(audio - cachedAudio, audioInput) + at(cachedAudio, rates.cachedAudio ?? rates.cachedInput ?? audioInput);
  }
  if (image > 0) {
    sum += at(image - cachedImage, imageInput) + at(cachedImage, rates.cachedImage ?? rates.cachedInput ?? imageInput);
  }
  return sum;
}

/** Reasoning is part of output. What an image endpoint puts out are image tokens unless it says otherwise. */
function outputCharge(rates: TokenRates, tokens: Tokens, output: number, operation: string, at: At): Grains {
  const audio = within(tokens.audioOutput, output);
  const image = within(tokens.imageOutput ?? (operation === "image" ? output : 0), output - audio);
  const reasoning = rates.reasoning === undefined ? 0 : within(tokens.reasoning, output - audio - image);
  let sum = at(output - audio - image - reasoning, rates.output);
  if (reasoning > 0) sum += at(reasoning, rates.reasoning);
  if (audio > 0) sum += at(audio, rates.audioOutput ?? rates.output);
  if (image > 0) sum += at(image, rates.imageOutput ?? rates.output);
  return sum;
}
