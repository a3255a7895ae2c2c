// The ways in which a backend can fail a request, what a client sees of each where nothing else can be tried, and where it may be tried again.
import type { Timeouts } from "../config/config.ts";
import { type AnswerOptions, errorAnswer, eventStream, hangUp, json, raw, silence } from "./answers.ts";
import { chatCompletion, chatEvents, event, withoutUsageChunk } from "./payloads.ts";
import type { RawAnswer } from "./raw-client.ts";
import type { Answer } from "./turn.ts";

export type Kind = "json" | "stream";

/** What a client gets that is told of the fault. */
interface Seen {
  readonly status: number;
  /** The code of our own error; or else `body`, to the byte. */
  readonly code?: string;
  readonly body?: string;
  readonly ended?: RawAnswer["ended"];
}

export interface Fault {
  readonly name: string;
  /** Where not every answer can have it. */
  readonly only?: Kind;
  /** The backend's answer; absent where it never gets to one: `refused`, or behind a certificate that nobody vouches for. */
  readonly answer?: (kind: Kind) => Answer;
  readonly unreached?: "refused" | "tls";
  /** Of the faulty target; the others have the usual ones. */
  readonly timeouts?: Partial<Timeouts>;
  /** Of the attempt, in the record and in the metrics. */
  readonly result?: "refused";
  readonly reason: string;
  readonly seen: (kind: Kind) => Seen;
  /** Where the request may be tried again: also at the same backend, only at another one, or nowhere. */
  readonly again: "anywhere" | "elsewhere" | "nowhere";
  /** The backend did nothing with the request: even what must not be done twice may be tried again. */
  readonly harmless?: true;
  /** How long the backend wants to be left alone, milliseconds. */
  readonly asks?: number;
  /** Only who reads the answer can see it. */
  readonly within?: true;
}

export const usage = { input: 11, output: 7 };
const says = ["From ", "the faulty ", "one"];

/** The answer of a backend that works; it says who it is. */
export const good = (name: string): Answer => answerOf(["I am ", name]);

const answerOf =
  (words: readonly string[]): Answer =>
  async (turn) => {
    const body = (await turn.request.readBody()).toString();
    const isStream = body.includes('"stream":true');
    const isAsked = body.includes('"include_usage":true');
    const stream = chatEvents({ model: "served", words, ...(isAsked && { usage }) });
    await (isStream ? eventStream(stream) : json(chatCompletion("served", usage, words.join(""))))(turn);
  };

/** What a client that did not ask for usage sees of it. */
export const goodBody = (name: string, kind: Kind): string =>
  kind === "json"
    ? JSON.stringify(chatCompletion("served", usage, `I am ${name}`))
    : withoutUsageChunk(chatEvents({ model: "served", usage, words: ["I am ", name] })).join("");

const events = chatEvents({ model: "served", usage, words: says });
const whole = JSON.stringify(chatCompletion("served", usage, says.join("")));
const role = [": keep-alive\n\n", events[0] ?? "", ": keep-alive\n\n"];
const spoken = events.slice(0, 3);
const errorEvent = event({ error: { message: "overloaded", type: "server_error", code: null } });
/** Milliseconds that let what was sent arrive before a connection breaks. */
const moment = 20;

const ours = (status: number, code: string) => () => ({ status, code });
const theirs =
  (body: (kind: Kind) => string, ended: RawAnswer["ended"] = "fin") =>
  (kind: Kind): Seen => ({ status: 200, body: body(kind), ended });

/** The first part of an answer, then what `options` say. */
const part =
  (ofStream: readonly string[], ofJson: string, end: NonNullable<AnswerOptions["end"]>) =>
  (kind: Kind): Answer =>
    kind === "stream"
      ? eventStream([...ofStream, moment], { end })
      : json(undefined, { body: [ofJson, moment], framing: whole.length, end });
const partSeen = (ofStream: readonly string[], ofJson: string) =>
  theirs((kind) => (kind === "stream" ? ofStream.join("") : ofJson));

const errorText = (message: string) =>
  JSON.stringify({ error: { message, type: "server_error", param: null, code: null } });
const status = (
  code: number,
  reason: string,
  more: Partial<Fault> = {},
  headers: AnswerOptions["headers"] = [],
): Omit<Fault, "name"> => ({
  answer: () => errorAnswer(code, "no luck", { headers }),
  reason,
  seen: () => ({ status: code, body: errorText("no luck") }),
  again: "anywhere",
  ...more,
});

const firstByte = { firstByte: 0.2 };
const idle = { idle: 0.2 };
const half = whole.slice(0, 40);

export const faults: readonly Fault[] = [
  {
    name: "refused",
    unreached: "refused",
    reason: "unreachable",
    seen: ours(502, "backend_unreachable"),
    again: "anywhere",
    harmless: true,
  },
  {
    name: "TLS error",
    unreached: "tls",
    reason: "unreachable",
    seen: ours(502, "backend_unreachable"),
    again: "anywhere",
    harmless: true,
  },
  {
    name: "reset before headers",
    answer: () => hangUp("reset"),
    reason: "unreachable",
    seen: ours(502, "backend_unreachable"),
    again: "anywhere",
  },
  {
    name: "closed before headers",
    answer: () => hangUp("close"),
    reason: "unreachable",
    seen: ours(502, "backend_unreachable"),
    again: "anywhere",
  },
  {
    name: "no HTTP",
    answer: () => raw("garbage\r\n\r\n"),
    reason: "broken_stream",
    seen: ours(502, "backend_bad_answer"),
    again: "anywhere",
  },
  {
    name: "reset after headers",
    answer: part([], "", "reset"),
    reason: "broken_stream",
    seen: partSeen([], ""),
    again: "anywhere",
  },
  {
    name: "reset after a role and comments",
    only: "stream",
    answer: part(role, "", "reset"),
    reason: "broken_stream",
    seen: partSeen(role, ""),
    again: "anywhere",
  },
  {
    name: "ended in order after a role and comments",
    only: "stream",
    answer: () => eventStream(role),
    reason: "broken_stream",
    seen: theirs(() => role.join(""), "complete"),
    again: "anywhere",
  },
  {
    name: "reset in the middle of JSON",
    only: "json",
    answer: part([], half, "reset"),
    reason: "broken_stream",
    seen: partSeen([], half),
    again: "anywhere",
  },
  {
    name: "closed in the middle of JSON",
    only: "json",
    answer: part([], half, "unterminated"),
    reason: "broken_stream",
    seen: partSeen([], half),
    again: "anywhere",
  },
  {
    name: "reset in mid-stream",
    only: "stream",
    answer: part(spoken, "", "reset"),
    reason: "broken_stream",
    seen: partSeen(spoken, ""),
    again: "nowhere",
  },
  {
    name: "closed in mid-stream",
    only: "stream",
    answer: part(spoken, "", "unterminated"),
    reason: "broken_stream",
    seen: partSeen(spoken, ""),
    again: "nowhere",
  },
  {
    name: "error event before content",
    only: "stream",
    answer: () => eventStream([...role, errorEvent]),
    reason: "upstream_status",
    seen: theirs(() => [...role, errorEvent].join(""), "complete"),
    again: "anywhere",
  },
  {
    name: "error event after content",
    only: "stream",
    answer: () => eventStream([...spoken, errorEvent]),
    reason: "upstream_status",
    seen: theirs(() => [...spoken, errorEvent].join(""), "complete"),
    again: "nowhere",
  },
  {
    name: "error in a 200",
    only: "json",
    answer: () => json(undefined, { body: errorText("no luck") }),
    reason: "upstream_status",
    seen: theirs(() => errorText("no luck"), "complete"),
    again: "anywhere",
    within: true,
  },
  {
    name: "bad JSON",
    only: "json",
    answer: () => json(undefined, { body: half }),
    reason: "broken_stream",
    seen: theirs(() => half, "complete"),
    again: "anywhere",
    within: true,
  },
  {
    name: "slow headers",
    answer: () => silence,
    timeouts: firstByte,
    reason: "timeout",
    seen: ours(504, "backend_timeout"),
    again: "anywhere",
  },
  {
    name: "slow in all",
    answer: () => silence,
    timeouts: { total: 0.2 },
    reason: "timeout",
    seen: ours(504, "backend_total_timeout"),
    again: "anywhere",
  },
  {
    name: "stalled before content",
    answer: part(role, half, "stall"),
    timeouts: idle,
    reason: "timeout",
    seen: partSeen(role, half),
    again: "anywhere",
  },
  {
    name: "stalled after content",
    only: "stream",
    answer: part(spoken, "", "stall"),
    timeouts: idle,
    reason: "timeout",
    seen: partSeen(spoken, ""),
    again: "nowhere",
  },
  { name: "429", ...status(429, "upstream_limited", { harmless: true }) },
  {
    name: "429 with Retry-After in milliseconds",
    ...status(429, "upstream_limited", { harmless: true, asks: 150 }, [
      ["Retry-After-Ms", "150"],
      ["Retry-After", "60"],
    ]),
  },
  {
    name: "429 with a long Retry-After",
    ...status(429, "upstream_limited", { harmless: true, asks: 60_000 }, [["Retry-After", "60"]]),
  },
  { name: "500", ...status(500, "upstream_status") },
  { name: "503", ...status(503, "upstream_status") },
  { name: "503 with a long Retry-After", ...status(503, "upstream_status", { asks: 60_000 }, [["Retry-After", "60"]]) },
  { name: "408", ...status(408, "timeout") },
  {
    name: "our key refused",
    ...status(401, "upstream_auth", { again: "elsewhere", seen: ours(502, "backend_auth_failed") }),
  },
  { name: "request refused", ...status(400, "upstream_rejected", { result: "refused", again: "nowhere" }) },
];
