// Audio: speech from text, and text from speech, transcribed or translated.
import type { Media } from "../../instrumentation/index.ts";
import { answerReader } from "./answer.ts";
import { base64Size } from "./base64.ts";
import type { Dialect, Reading } from "./dialect.ts";
import { errorIn } from "./failure.ts";
import { countIn, type JsonObject, objectIn, textIn } from "./json.ts";
import type { AnswerHead, AnswerReader, Receiver } from "./receiver.ts";
import { commonFacts } from "./request.ts";
import { tokensIn } from "./tokens.ts";

/** Seconds: a finite number from 0 up, which some answers write as text. */
function secondsIn(value: unknown): number | undefined {
  const seconds = typeof value === "string" && value !== "" ? Number(value) : value;
  return typeof seconds === "number" && Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined;
}

function mediaOf(said: JsonObject): Media {
  const usage = objectIn(said.usage);
  const audioSeconds = secondsIn(usage?.type === "duration" ? usage.seconds : undefined) ?? secondsIn(said.duration);
  const audioBytes = typeof said.audio === "string" ? base64Size(said.audio) : countIn(said.audio);
  return { ...(audioSeconds !== undefined && { audioSeconds }), ...(audioBytes !== undefined && { audioBytes }) };
}

function read(value: unknown): Reading {
  const said = objectIn(value);
  if (said === undefined) return {};
  const tokens = tokensIn(said.usage);
  const media = mediaOf(said);
  const model = textIn(said.model);
  const error = errorIn(said);
  return {
    ...(model !== undefined && { model }),
    ...(tokens !== undefined && { tokens }),
    ...(Object.keys(media).length > 0 && { media }),
    ...(error !== undefined && { error }),
    ...(textIn(said.type)?.endsWith(".done") && { over: true }),
  };
}

const dialect: Dialect = {
  read,
  isToken(value) {
    const said = objectIn(value);
    if (said === undefined || !textIn(said.type)?.endsWith(".delta")) return false;
    return textIn(said.delta) !== undefined || !!countIn(said.delta) || (mediaOf(said).audioBytes ?? 0) > 0;
  },
  wanted: {
    type: "value",
    model: "value",
    usage: "value",
    duration: "value",
    audio: "base64",
    delta: "length",
    error: "value",
    message: "value",
    code: "value",
  },
  everyEvent: true,
};

/** Counts the bytes of a sound file. */
class Sound implements AnswerReader {
  readonly sawToken = false;
  #bytes = 0;
  read(chunk: Buffer): void {
    this.#bytes += chunk.length;
  }
  finish() {
    return { media: { audioBytes: this.#bytes }, ended: true };
  }
}

const isText = ({ contentType }: AnswerHead) =>
  contentType === "application/json" || contentType === "text/event-stream" || contentType === "text/plain";

/** Unicode code points, by which speech is charged. */
function codePoints(text: string): number {
  let count = text.length;
  for (let at = 0; at < text.length - 1; at++) if ((text.codePointAt(at) ?? 0) > 0xffff) count--;
  return count;
}

const speech: Receiver = {
  operation: "speech",
  serviceType: "text_to_speech",
  path: "/v1/audio/speech",
  methods: ["POST"],
  upstreamMode: "other",
  body: "json",
  metered: true,
  readRequest(body) {
    const request = objectIn(body);
    const voice = textIn(request?.voice) ?? textIn(objectIn(request?.voice)?.id);
    return {
      ...commonFacts(body),
      // Speech has no `stream`: it comes as events where that format is asked for.
      streamed: request?.stream_format === "sse",
      media: {
        ...(typeof request?.input === "string" && { characters: codePoints(request.input) }),
        ...(voice !== undefined && { voice }),
      },
    };
  },
  readAnswer: (head, request) =>
    head.status < 300 && !isText(head) ? new Sound() : answerReader(dialect, head, request),
};

const spoken = (operation: "transcription" | "translation", path: string): Receiver => ({
  operation,
  serviceType: "speech_to_text",
  path,
  methods: ["POST"],
  upstreamMode: "other",
  body: "multipart",
  metered: true,
  readRequest: commonFacts,
  readAnswer: (head, request) => answerReader(dialect, head, request),
});

export const audio: readonly Receiver[] = [
  speech,
  spoken("transcription", "/v1/audio/transcriptions"),
  spoken("translation", "/v1/audio/translations"),
];
