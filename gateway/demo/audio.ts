// Audio: text to speech, as tones, and speech to text, as made-up text of a fitting length.
import type { SpeechCreateParams } from "openai/resources/audio/speech";
import type { Answer, Beat, Route, Stage } from "./endpoint.ts";
import { type Fields, numberField, requiredText, wordField } from "./fields.ts";
import { modelFor } from "./models.ts";
import { tokensOf } from "./pieces.ts";
import { missing, wrongValue } from "./refusal.ts";
import { transcript } from "./transcript.ts";
import { bytesOf, tones, wavHeader } from "./wav.ts";

export const audioRoutes = (stage: Stage): readonly Route[] => [
  { method: "POST", path: "/audio/speech", answer: ({ body }) => speech(body, stage) },
  { method: "POST", path: "/audio/transcriptions", answer: (call) => transcript("transcribe", call, stage) },
  { method: "POST", path: "/audio/translations", answer: (call) => transcript("translate", call, stage) },
];

const longestInput = 4096;
const charactersPerSecond = 15;
const formats = ["mp3", "opus", "aac", "flac", "wav", "pcm"] as const satisfies SpeechCreateParams["response_format"][];

/** Whatever format is asked for, it is a WAV (or bare samples for `pcm`), and the content type says so. */
function speech(body: Fields, stage: Stage): Answer {
  modelFor("speech", body);
  const input = requiredText(body, "input");
  if (input === "") throw wrongValue("input", "text that is not empty");
  if (input.length > longestInput) throw wrongValue("input", `of ${longestInput} characters or fewer`);
  if (body.voice === undefined || body.voice === null) throw missing("voice");
  const bare = wordField(body, "response_format", formats) === "pcm";
  const speed = numberField(body, "speed", 0.25, 4) ?? 1;
  const streamed = wordField(body, "stream_format", ["sse", "audio"]) === "sse";

  const seconds = Math.max(0.5, input.length / charactersPerSecond / speed);
  const pitches = Array.from({ length: 8 }, () => 110 * 2 ** (stage.dice.whole(0, 14) / 12));
  const wait = stage.dice.between(200, 500);
  if (!streamed) {
    const pieces = sound(seconds, pitches, bare);
    return { kind: "bytes", type: bare ? "audio/pcm" : "audio/wav", pieces, wait };
  }
  const beats: Beat[] = [];
  for (const piece of sound(seconds, pitches, bare)) {
    const data = { type: "speech.audio.delta", audio: piece.toString("base64") };
    beats.push({ wait: beats.length === 0 ? wait : 20, data });
  }
  const [read, made] = [tokensOf(input), Math.ceil(seconds * 20)];
  const usage = { input_tokens: read, output_tokens: made, total_tokens: read + made };
  beats.push({ wait: 0, data: { type: "speech.audio.done", usage } });
  return { kind: "events", beats, done: false };
}

function* sound(seconds: number, pitches: readonly number[], bare: boolean): Generator<Buffer> {
  if (!bare) yield wavHeader(bytesOf(seconds));
  yield* tones(seconds, pitches);
}
