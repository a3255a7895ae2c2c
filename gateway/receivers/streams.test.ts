// Random streams, cut anywhere, mean the same to the readers as to a plain reading of all their events.
import { expect, it } from "vitest";
import { cuts, type Dice, dice } from "../testing/dice.ts";
import { usageFilter } from "../usage-filter.ts";
import { choices } from "./choices.ts";
import type { Reading } from "./dialect.ts";
import { EventAnswer } from "./event-answer.ts";
import { errorBody } from "./failure.ts";
import { jsonIn, objectIn } from "./json.ts";
import type { AnswerFacts } from "./receiver.ts";

const said = [
  "hi",
  '{"usage":{"prompt_tokens":7}}',
  "[] [ ]\n",
  "é😀 \\",
  'data: {"error":{"message":"no"}}\n\n',
  "[DONE]",
];
const usage = { prompt_tokens: 9, completion_tokens: 4 };
const written = (data: unknown, more = "") => `${more}data: ${JSON.stringify(data)}`;
const choice = (delta: object, finish_reason: string | null = null) => [{ index: 0, delta, finish_reason }];

/** What may stand anywhere in a stream. */
function ordinary(die: Dice): string {
  const content = die.pick(said).repeat(die.pick([1, 1, 1, 3, 40]));
  const data = { model: "m", choices: choice({ content }) };
  return die.pick([
    () => written(data),
    () => written({ ...data, usage: null }),
    () => written(data, "event: message\nid: 5\n"),
    () => written(data).replace('"model"', '\ndata: "model"'),
    () => JSON.stringify(data, null, 1).replace(/^/gm, "data: "),
    () => written({ model: "m", choices: [], prompt_filter_results: [] }),
    () => written({ model: "m", choices: choice({ role: "assistant", content: "" }) }),
    () => `data:${JSON.stringify(data)}`,
    () => ": keep-alive",
    () => "data: no JSON",
    () => "id: 4",
  ])();
}

/** Errors that are noticed wherever they stand. */
const failures = [
  written({ error: { message: "first" } }),
  'data:{ "error" : {"message":"second","code":5}}',
  'event: error\ndata: {"message":"third"}',
  "id: 1\nevent:error\ndata: fourth",
];

/** What ends a stream; noticed only there. */
const endings = [
  written({ model: "last", choices: [], usage }),
  written({ choices: [], usage, error: null }),
  `data: {"usage": ${JSON.stringify(usage)},\ndata: "choices": [\ndata: ] }`,
  written({ model: "m", choices: choice({}, "stop"), usage: null }),
  written({ model: "m", choices: choice({}, "length"), usage }),
  written({ choices: [], usage, error: { message: "beside" } }),
  written({ type: "error", message: "typed" }),
  written({ model: "m", choices: choice({}, "stop"), x_groq: { usage } }),
  "data: [DONE]",
  ": bye",
];

function stream(die: Dice): string[] {
  const events: string[] = [];
  for (let left = die.pick([0, 2, 10, 60]); left > 0; left--) {
    events.push(die.below(60) === 0 ? die.pick(failures) : ordinary(die));
  }
  for (let left = die.below(5); left > 0; left--) events.push(die.pick(endings));
  return events;
}

/** An event as the standard reads it. */
function saidIn(event: string): { readonly name: string; readonly data: string } {
  const field = (name: string) =>
    event
      .split("\n")
      .filter((line) => line.startsWith(`${name}:`))
      .map((line) => line.slice(name.length + 1).replace(/^ /, ""));
  return { name: field("event").at(-1) ?? "", data: field("data").join("\n") };
}

function readingOf(event: string): Reading {
  const { name, data } = saidIn(event);
  if (data === "[DONE]") return { over: true };
  const value = jsonIn(data);
  const reading = value === undefined ? {} : choices.read(value);
  if (name !== "error" || reading.error !== undefined) return reading;
  return { ...reading, error: errorBody(value, data) ?? {} };
}

const isNoticed = (event: string) => /^(event: ?error|data: *\{ *"er)/m.test(event);

/** Errors on the way, then from the last event backwards until tokens and finish are known. */
function factsOf(events: readonly string[]): AnswerFacts {
  let found: Reading = {};
  for (const event of events) {
    const { error } = isNoticed(event) ? readingOf(event) : {};
    if (error !== undefined) found = { error };
  }
  for (const event of events.toReversed()) {
    if (found.tokens !== undefined && found.finish !== undefined) break;
    found = { ...readingOf(event), ...found };
  }
  const { over, ...facts } = found;
  return { ...facts, ended: over === true || facts.error !== undefined };
}

function isHidden(event: string): boolean {
  const data = objectIn(jsonIn(saidIn(event).data));
  return Array.isArray(data?.choices) && data.choices.length === 0 && !!objectIn(data.usage) && !data.error;
}

const isToken = (event: string) => choices.isToken(jsonIn(saidIn(event).data));

it("a stream means the same however it is cut, and loses nothing but its usage event", () => {
  const die = dice(77);
  for (let round = 0; round < 4000; round++) {
    const end = die.pick(["\n", "\n", "\r\n", "\r"]);
    const events = stream(die);
    const bytesOf = (some: readonly string[]) => some.map((event) => event.replaceAll("\n", end) + end + end).join("");
    const whole = Buffer.from(bytesOf(events));
    const byEvent = events.map((event) => Buffer.from(bytesOf([event])));
    const chunks = die.pick([() => byEvent, () => cuts(die, whole), () => [whole]])();

    const reader = new EventAnswer(choices);
    const filter = usageFilter();
    const out: Buffer[] = [];
    for (const chunk of chunks) {
      reader.read(chunk);
      out.push(filter.push(chunk));
    }
    out.push(filter.end());
    const { estimatedOutput, ...facts } = reader.finish();

    const spoke = events.some(isToken);
    expect(reader.sawToken).toBe(spoke);
    expect(facts).toEqual(factsOf(events));
    expect(estimatedOutput === undefined || (spoke && facts.tokens === undefined)).toBe(true);
    expect(Buffer.concat(out).toString()).toBe(bytesOf(events.filter((event) => !isHidden(event))));
  }
});
