// What a fault of a backend is, what a client sees of it where nothing else can be tried, and where it may be tried again.
import type { Timeouts } from "../config/config.ts";
import { type AnswerOptions, errorAnswer, eventStream, json } from "./answers.ts";
import { type Kind, usage } from "./good-backend.ts";
import { chatCompletion, chatEvents, event } from "./payloads.ts";
import type { RawAnswer } from "./raw-client.ts";
import type { Answer } from "./turn.ts";

/** What a client gets that is told of the fault. */
export interface Seen {
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

const says = ["From ", "the faulty ", "one"];
const events = chatEvents({ model: "served", usage, words: says });
export const whole = JSON.stringify(chatCompletion("served", usage, says.join("")));
export const role = [": keep-alive\n\n", events[0] ?? "", ": keep-alive\n\n"];
export const spoken = events.slice(0, 3);
export const errorEvent = event({ error: { message: "overloaded", type: "server_error", code: null } });
/** Milliseconds that let what was sent arrive before a connection breaks. */
const moment = 20;

export const ours = (status: number, code: string) => () => ({ status, code });
export const theirs =
  (body: (kind: Kind) => string, ended: RawAnswer["ended"] = "fin") =>
  (kind: Kind): Seen => ({ status: 200, body: body(kind), ended });

/** The first part of an answer, then what `options` say. */
export const part =
  (ofStream: readonly string[], ofJson: string, end: NonNullable<AnswerOptions["end"]>) =>
  (kind: Kind): Answer =>
    kind === "stream"
      ? eventStream([...ofStream, moment], { end })
      : json(undefined, { body: [ofJson, moment], framing: whole.length, end });
export const partSeen = (ofStream: readonly string[], ofJson: string) =>
  theirs((kind) => (kind === "stream" ? ofStream.join("") : ofJson));

export const errorText = (message: string) =>
  JSON.stringify({ error: { message, type: "server_error", param: null, code: null } });
export const status = (
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
