// What an answer's tokens cost: every token is counted once, at the rate of the kind it is.
import type { Tokens } from "../../exchange.ts";
import type { Rate, Sum } from "./money.ts";
import type { Priced } from "./priced.ts";

/** A price per token that may step with the input: the last step whose `above` the input exceeds holds for all of it. */
export interface TokenRate {
  readonly base: Rate;
  readonly steps: readonly { readonly above: number; readonly rate: Rate }[];
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
 * Adds what the tokens cost to the two sums. False, with nothing added, where neither count is known, or where a
 * completed answer leaves one side unknown that this price charges for: half a cost would be a wrong one.
 */
export function chargeTokens(
  rates: TokenRates,
  { tokens = {}, operation, outcome }: Pick<Priced, "tokens" | "operation" | "outcome">,
  sums: { readonly input: Sum; readonly output: Sum },
): boolean {
  const input = known(tokens.input);
  const output = known(tokens.output);
  if (input === undefined && output === undefined) return false;
  if (outcome.kind === "completed" && operation !== "embedding" && operation !== "moderation") {
    if ((input === undefined && rates.input) || (output === undefined && rates.output)) return false;
  }
  if (input !== undefined) chargeInput(rates, tokens, input, sums.input);
  if (output !== undefined) chargeOutput(rates, tokens, output, input ?? 0, operation, sums.output);
  return true;
}

/** So many tokens of one kind, in an exchange of so much input. */
function add(sum: Sum, count: number, rate: TokenRate | undefined, input: number): void {
  if (count === 0 || rate === undefined) return;
  let held = rate.base;
  for (const step of rate.steps) if (input > step.above) held = step.rate;
  sum.add(count, held);
}

/** Where a provider does not say which tokens were cached, text was first, then images, then audio. */
function chargeInput(rates: TokenRates, tokens: Tokens, input: number, sum: Sum): void {
  const audio = within(tokens.audioInput, input);
  const image = within(tokens.imageInput, input - audio);
  const text = input - audio - image;
  const cached = within(tokens.cachedInput, input);
  const cachedAudio = within(tokens.cachedAudioInput ?? Math.max(0, cached - text - image), Math.min(audio, cached));
  const cachedText = Math.min(cached - cachedAudio, text);
  const cachedImage = Math.min(cached - cachedAudio - cachedText, image);
  const written = within(tokens.cacheWrite, text - cachedText);
  const { cachedInput = rates.input, audioInput = rates.input, imageInput = rates.input } = rates;
  add(sum, text - cachedText - written, rates.input, input);
  add(sum, cachedText, cachedInput, input);
  add(sum, written, rates.cacheWrite ?? rates.input, input);
  add(sum, audio - cachedAudio, audioInput, input);
  add(sum, cachedAudio, rates.cachedAudio ?? rates.cachedInput ?? audioInput, input);
  add(sum, image - cachedImage, imageInput, input);
  add(sum, cachedImage, rates.cachedImage ?? rates.cachedInput ?? imageInput, input);
}

/** Reasoning is part of output. What an image endpoint puts out are image tokens unless it says otherwise. */
function chargeOutput(
  rates: TokenRates,
  tokens: Tokens,
  output: number,
  input: number,
  operation: string,
  sum: Sum,
): void {
  const audio = within(tokens.audioOutput, output);
  const image = within(tokens.imageOutput ?? (operation === "image" ? output : 0), output - audio);
  const reasoning = rates.reasoning === undefined ? 0 : within(tokens.reasoning, output - audio - image);
  add(sum, output - audio - image - reasoning, rates.output, input);
  add(sum, reasoning, rates.reasoning, input);
  add(sum, audio, rates.audioOutput ?? rates.output, input);
  add(sum, image, rates.imageOutput ?? rates.output, input);
}
