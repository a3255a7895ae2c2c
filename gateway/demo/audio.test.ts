// Audio, as the official SDK sees it straight from the demo backend.
import OpenAI, { toFile } from "openai";
import { afterAll, describe, expect, test } from "vitest";
import { collected } from "../testing/collected.ts";
import { demo } from "./demo.ts";
import { bytesOf, secondsOf, tones, wavHeader } from "./wav.ts";

const backend = await demo({ pace: 0 });
afterAll(() => backend.close());
const openai = new OpenAI({ baseURL: `${backend.url}/v1`, apiKey: "any", maxRetries: 0 });

const wav = (seconds: number) => Buffer.concat([wavHeader(bytesOf(seconds)), ...tones(seconds, [220])]);
const upload = (seconds: number) => toFile(wav(seconds), "speech.wav", { type: "audio/wav" });

describe("speech", () => {
  const asked = { model: "demo-speech", voice: "alloy", input: "Hello there, this is one sentence." } as const;

  test("is a WAV that says its true length, whatever is asked for", async () => {
    for (const response_format of ["wav", "mp3", undefined] as const) {
      const answer = await openai.audio.speech.create({ ...asked, ...(response_format && { response_format }) });
      expect(answer.headers.get("content-type")).toBe("audio/wav");
      const file = Buffer.from(await answer.arrayBuffer());
      expect(file.toString("latin1", 0, 4)).toBe("RIFF");
      expect(file.readUInt32LE(4)).toBe(file.length - 8);
      expect(file.readUInt32LE(40)).toBe(file.length - 44);
      expect(secondsOf(file)).toBeCloseTo(asked.input.length / 15, 3);
      expect(new Int16Array(file.buffer.slice(44)).some((sample) => Math.abs(sample) > 5_000)).toBe(true);
    }
  });

  test("is shorter when it is faster, and bare samples as pcm", async () => {
    const answer = await openai.audio.speech.create({ ...asked, speed: 2, response_format: "pcm" });
    expect(answer.headers.get("content-type")).toBe("audio/pcm");
    expect((await answer.arrayBuffer()).byteLength).toBe(bytesOf(asked.input.length / 30));
  });

  test("comes as events with usage where that is wanted", async () => {
    const answer = await openai.audio.speech.create({ ...asked, stream_format: "sse" });
    const events = (await answer.text()).trim().split("\n\n");
    const last = JSON.parse(events.at(-1)?.replace("data: ", "") ?? "");
    expect(last).toMatchObject({ type: "speech.audio.done", usage: { input_tokens: 9 } });
    expect(events[0]).toMatch(/^data: \{"type":"speech.audio.delta","audio":"/);
  });

  test.each([
    [{ input: undefined }, "input"],
    [{ input: "" }, "input"],
    [{ input: "a".repeat(4097) }, "input"],
    [{ voice: undefined }, "voice"],
    [{ speed: 9 }, "speed"],
    [{ response_format: "midi" }, "response_format"],
  ])("is refused for %#", async (wrong, param) => {
    const body = { ...asked, ...wrong } as OpenAI.Audio.SpeechCreateParams;
    await expect(openai.audio.speech.create(body)).rejects.toMatchObject({ status: 400, param });
  });
});

describe("a transcription", () => {
  const asked = async (seconds = 11) => ({ model: "demo-transcription", file: await upload(seconds) });

  test("has text and the seconds to be charged", async () => {
    const made = await openai.audio.transcriptions.create(await asked());
    expect(made).toEqual({ text: expect.stringMatching(/\w{3}/), usage: { type: "duration", seconds: 11 } });
  });

  test("has segments that cover the sound, and words", async () => {
    const made = await openai.audio.transcriptions.create({
      ...(await asked()),
      response_format: "verbose_json",
      timestamp_granularities: ["word", "segment"],
    });
    expect(made.duration).toBe(11);
    expect(made.segments).toHaveLength(2);
    expect(made.segments?.at(-1)?.end).toBe(11);
    expect(made.words?.at(-1)?.end).toBeCloseTo(11, 6);
    expect(made.text.split(" ")).toEqual(made.words?.map(({ word }) => word));
  });

  test("comes as text and as subtitles", async () => {
    const as = async (response_format: "text" | "srt" | "vtt") =>
      await openai.audio.transcriptions.create({ ...(await asked()), response_format });
    expect(await as("text")).toMatch(/^\w.*\n$/);
    expect(await as("srt")).toMatch(
      /^1\n00:00:00,000 --> 00:00:05,500\n\w.*\n\n2\n00:00:05,500 --> 00:00:11,000\n\w.*\n$/,
    );
    expect(await as("vtt")).toMatch(/^WEBVTT\n\n00:00:00\.000 --> 00:00:05\.500\n/);
  });

  test("is streamed, with tokens at its end", async () => {
    const events = await collected(await openai.audio.transcriptions.create({ ...(await asked()), stream: true }));
    const last = events.at(-1);
    if (last?.type !== "transcript.text.done") throw new Error("not done");
    expect(events.map((event) => (event.type === "transcript.text.delta" ? event.delta : "")).join("")).toBe(last.text);
    expect(last.usage).toMatchObject({ input_tokens: 110, output_tokens: events.length - 1 });
  });

  test("is refused without a file, and for a format that it does not know", async () => {
    const form = new FormData();
    form.set("model", "demo-transcription");
    const answer = await fetch(`${backend.url}/v1/audio/transcriptions`, { method: "POST", body: form });
    expect([answer.status, await answer.json()]).toMatchObject([400, { error: { param: "file" } }]);
    const wrong = { ...(await asked()), response_format: "pdf" } as unknown as OpenAI.Audio.TranscriptionCreateParams;
    await expect(openai.audio.transcriptions.create(wrong)).rejects.toMatchObject({ param: "response_format" });
  });
});

test("a translation is text alone", async () => {
  const made = await openai.audio.translations.create({ model: "demo-transcription", file: await upload(3) });
  expect(made).toEqual({ text: expect.stringMatching(/\w{3}/) });
});
