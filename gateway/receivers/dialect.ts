// The words in which one endpoint family answers: what the readers of JSON and of event streams have to know of it.
import type { Wanted } from "../skim.ts";
import type { AnswerFacts } from "./receiver.ts";

/** What one JSON answer, or one event of a stream, says. */
export interface Reading extends Omit<AnswerFacts, "ended" | "estimatedOutput"> {
  /** This is a stream's own end: nothing that matters comes after it. */
  readonly over?: boolean;
}

/** A reading that is being put together. */
export type Draft = { -readonly [Key in keyof Reading]: Reading[Key] };

/**
 * All functions are pure and take any JSON value; they read known members at their known places only, so that nothing a
 * user or a model has written can be taken for a fact.
 */
export interface Dialect {
  readonly read: (value: unknown) => Reading;
  /** Whether an event carries content, reasoning or part of a tool call. */
  readonly isToken: (value: unknown) => boolean;
  /** The text a model wrote in this answer or event, for estimates; `undefined` where it writes none. */
  readonly text?: (value: unknown) => string;
  /** What is kept of an answer or event that is too big to be parsed whole; `read` and `isToken` take the rest as absent. */
  readonly wanted: Wanted;
  /** Stands in each event that tells of something unfinished; none does when absent. */
  readonly unfinishedMark?: string;
  /** An event without these bytes carries no token: saves parsing it. */
  readonly tokenMark?: string;
  /** Every event counts (sizes are summed up); else only the last few are read, where usage and finish stand. */
  readonly everyEvent?: boolean;
}

/** The facts in a reading. An estimate of 0 is none. */
export function factsOf(reading: Reading, ended: boolean, estimatedOutput = 0): AnswerFacts {
  const { model, tokens, media, finish, unfinished, error } = reading;
  const facts: { -readonly [Key in keyof AnswerFacts]: AnswerFacts[Key] } = { ended };
  if (model !== undefined) facts.model = model;
  if (tokens !== undefined) facts.tokens = tokens;
  if (media !== undefined) facts.media = media;
  if (finish !== undefined) facts.finish = finish;
  if (unfinished !== undefined) facts.unfinished = unfinished;
  if (error !== undefined) facts.error = error;
  if (estimatedOutput > 0) facts.estimatedOutput = estimatedOutput;
  return facts;
}
