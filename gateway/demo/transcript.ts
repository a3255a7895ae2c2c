// Speech to text: made-up text as long as the sound, in all the formats that it can be asked for.
import type {
  Transcription,
  TranscriptionSegment,
  TranscriptionStreamEvent,
  TranscriptionVerbose,
} from "openai/resources/audio/transcriptions";
import { type Answer, type Call, json, type Stage, text } from "./endpoint.ts";
import { flagField, listIn, numberField, textField, wordField } from "./fields.ts";
import { modelFor } from "./models.ts";
import { piecesOf } from "./pieces.ts";
import { missing } from "./refusal.ts";
import { general, topics } from "./topics.ts";
import { secondsOf } from "./wav.ts";

const formats = ["json", "text", "srt", "verbose_json", "vtt"] as const;
const secondsPerSentence = 5;
const audioTokensPerSecond = 10;

interface Said {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

export function transcript(task: "transcribe" | "translate", { body, files }: Call, stage: Stage): Answer {
  modelFor("transcription", body);
  const file = files.find(({ field }) => field === "file");
  if (file === undefined) throw missing("file");
  const format = wordField(body, "response_format", formats) ?? "json";
  numberField(body, "temperature", 0, 1);
  const seconds = secondsOf(file.content);
  const segments = speak(seconds, stage);
  const whole = segments.map((said) => said.text).join(" ");
  const usage = { type: "duration", seconds: Math.ceil(seconds) } as const;
  const wait = Math.min(200 + seconds * 30, 5_000);

  if (task === "transcribe" && flagField(body, "stream")) return streamed(whole, seconds, wait);
  if (format === "text") return text(`${whole}\n`, "text/plain; charset=utf-8", wait);
  if (format === "srt") return text(srt(segments), "text/plain; charset=utf-8", wait);
  if (format === "vtt") return text(`WEBVTT\n\n${cues(segments, ".")}`, "text/vtt; charset=utf-8", wait);
  if (format === "json") {
    const answer: Transcription = { text: whole, ...(task === "transcribe" && { usage }) };
    return json(answer, wait);
  }
  const wanted = listIn(body.timestamp_granularities);
  const verbose: TranscriptionVerbose = {
    language: task === "translate" ? "english" : (textField(body, "language") ?? "english"),
    duration: seconds,
    text: whole,
    segments: segments.map(segment),
    ...(wanted.includes("word") && { words: segments.flatMap(words) }),
    ...(task === "transcribe" && { usage }),
  };
  return json({ task, ...verbose }, wait);
}

/** Sentences for so many seconds; at least one. */
function speak(seconds: number, { dice }: Stage): readonly Said[] {
  const sentences = dice.pick([general, ...topics]).sentences;
  const count = Math.max(1, Math.min(200, Math.round(seconds / secondsPerSentence)));
  const each = seconds / count;
  return Array.from({ length: count }, (_, at) => ({
    start: at * each,
    end: (at + 1) * each,
    text: sentences[at % sentences.length] ?? "",
  }));
}

function streamed(whole: string, seconds: number, wait: number): Answer {
  const pieces = piecesOf(whole);
  const audio = Math.ceil(seconds * audioTokensPerSecond);
  const events: TranscriptionStreamEvent[] = [
    ...pieces.map((delta) => ({ type: "transcript.text.delta" as const, delta })),
    {
      type: "transcript.text.done",
      text: whole,
      usage: {
        type: "tokens",
        input_tokens: audio,
        input_token_details: { text_tokens: 0, audio_tokens: audio },
        output_tokens: pieces.length,
        total_tokens: audio + pieces.length,
      },
    },
  ];
  return { kind: "events", beats: events.map((data, at) => ({ wait: at === 0 ? wait : 10, data })), done: false };
}

function segment({ start, end, text: said }: Said, id: number): TranscriptionSegment {
  return {
    id,
    seek: 0,
    start,
    end,
    text: ` ${said}`,
    tokens: piecesOf(said).map((_, at) => 50_364 + at),
    temperature: 0,
    avg_logprob: -0.28,
    compression_ratio: 1.2,
    no_speech_prob: 0.01,
  };
}

function words({ start, end, text: said }: Said) {
  const list = said.split(" ");
  const each = (end - start) / list.length;
  return list.map((word, at) => ({ word, start: start + at * each, end: start + (at + 1) * each }));
}

/** Hours, minutes, seconds and milliseconds; SRT has a comma before the last, WebVTT a dot. */
function clock(seconds: number, mark: "," | "."): string {
  const millis = Math.round(seconds * 1000);
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  const rest = String(millis % 1000).padStart(3, "0");
  return `${two(millis / 3_600_000)}:${two((millis / 60_000) % 60)}:${two((millis / 1000) % 60)}${mark}${rest}`;
}

const cue = ({ start, end, text: said }: Said, mark: "," | ".") =>
  `${clock(start, mark)} --> ${clock(end, mark)}\n${said}\n`;
const cues = (said: readonly Said[], mark: "," | ".") => said.map((one) => cue(one, mark)).join("\n");
const srt = (said: readonly Said[]) => said.map((one, at) => `${at + 1}\n${cue(one, ",")}`).join("\n");
