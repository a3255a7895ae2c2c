// Meters a realtime session from the backend's events as they pass: tokens of all responses, model, first token.
import type { ExchangeDraft, Findings, Media, Tokens } from "../../instrumentation/index.ts";
import { countIn, type JsonObject, jsonIn, objectIn, textIn } from "../receivers/json.ts";
import { tokensIn } from "../receivers/tokens.ts";
import { eventType } from "./event-type.ts";

/** Watches the backend's messages. */
export interface SessionMeter {
  /** Looks at one text message. Its cost is bounded whatever the message is. */
  see(message: Buffer): void;
  /** A response has begun whose usage is still to come. */
  readonly answering: boolean;
  /** Responses that are done. */
  readonly answered: number;
  /** The model, as the session names it. */
  readonly served: string | undefined;
  findings(): Findings;
}

/** Larger events are not parsed: it would hold up everyone else, and no model says so much in one response. Bytes. */
const parsedBytes = 1024 * 1024;

/** A meter that writes the time of the first token into the draft. `now` is monotonic milliseconds. */
export function sessionMeter(draft: ExchangeDraft, now: () => number): SessionMeter {
  let served: string | undefined;
  let tokens: Tokens | undefined;
  let audioSeconds: number | undefined;
  let begun = 0;
  let done = 0;
  let transcribes = false;

  const learnSession = (session: JsonObject, type: string) => {
    transcribes = type.startsWith("transcription_session.") || session.type === "transcription";
    const input = objectIn(objectIn(session.audio)?.input);
    const transcription = objectIn(input?.transcription) ?? objectIn(session.input_audio_transcription);
    served = textIn(transcribes ? transcription?.model : session.model) ?? served;
  };
  const spend = (usage: unknown) => {
    done += 1;
    tokens = sum(tokens, tokensIn(usage));
    const { type, seconds } = objectIn(usage) ?? {};
    if (type === "duration" && typeof seconds === "number" && Number.isFinite(seconds) && seconds > 0)
      audioSeconds = (audioSeconds ?? 0) + seconds;
  };

  return {
    see(message) {
      const type = eventType(message);
      if (type === undefined) return;
      if (type.endsWith(".delta")) {
        const said = type.startsWith("response.") || transcribes;
        if (said && draft.firstTokenAt === undefined && !draft.closed) draft.firstTokenAt = now();
      } else if (type === "response.created") begun += 1;
      else if (type === "response.done") spend(objectIn(content(message)?.response)?.usage);
      else if (/^(?:transcription_)?session\.(?:created|updated)$/.test(type)) {
        const session = objectIn(content(message)?.session);
        if (session) learnSession(session, type);
      } else if (transcribes && type === "conversation.item.input_audio_transcription.completed") {
        // In a conversation this is another model's work, whose tokens are not to be priced as this one's.
        begun += 1;
        spend(content(message)?.usage);
      }
    },
    get answering() {
      return begun > done;
    },
    get answered() {
      return done;
    },
    get served() {
      return served;
    },
    findings() {
      const media: Media | undefined = audioSeconds === undefined ? undefined : { audioSeconds };
      const source = tokens || media ? "provider" : begun + done > 0 ? "missing" : undefined;
      return {
        ...(served !== undefined && { served }),
        ...(tokens && { tokens }),
        ...(media && { media }),
        ...(source && { usageSource: source }),
      };
    },
  };
}

const content = (message: Buffer): JsonObject | undefined =>
  message.length <= parsedBytes ? objectIn(jsonIn(message.toString("utf8"))) : undefined;

/** Part by part; a sum past what can be counted is unknown. */
function sum(before: Tokens | undefined, more: Tokens | undefined): Tokens | undefined {
  if (before === undefined || more === undefined) return before ?? more;
  const both: { -readonly [Part in keyof Tokens]: Tokens[Part] } = { ...before };
  for (const part of Object.keys(more) as (keyof Tokens)[]) {
    const added = countIn((before[part] ?? 0) + (more[part] ?? 0));
    if (added === undefined) delete both[part];
    else both[part] = added;
  }
  return both;
}
