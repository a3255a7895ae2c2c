// Images, as the official SDK sees them straight from the demo backend.
import { crc32, inflateSync } from "node:zlib";
import OpenAI, { toFile } from "openai";
import { afterAll, describe, expect, test } from "vitest";
import { collected } from "../testing/collected.ts";
import { demo } from "./demo.ts";

const backend = await demo({ pace: 0 });
afterAll(() => backend.close());
const openai = new OpenAI({ baseURL: `${backend.url}/v1`, apiKey: "any", maxRetries: 0 });

/** Reads a PNG as its specification says, with its checksums; throws where it is not one. */
function readPng(base64 = "") {
  const file = Buffer.from(base64, "base64");
  expect(file.subarray(0, 8).toString("latin1")).toBe("\x89PNG\r\n\x1a\n");
  const chunks = new Map<string, Buffer>();
  for (let at = 8; at < file.length; ) {
    const length = file.readUInt32BE(at);
    const type = file.toString("latin1", at + 4, at + 8);
    expect(file.readUInt32BE(at + 8 + length)).toBe(crc32(file.subarray(at + 4, at + 8 + length)));
    chunks.set(type, file.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  expect([...chunks.keys()]).toEqual(["IHDR", "PLTE", "IDAT", "IEND"]);
  const header = chunks.get("IHDR") ?? Buffer.alloc(13);
  const pixels = inflateSync(chunks.get("IDAT") ?? Buffer.alloc(0));
  return { width: header.readUInt32BE(0), height: header.readUInt32BE(4), bytes: file.length, pixels: pixels.length };
}

test("a picture is a valid PNG of the size asked for, and small", async () => {
  const made = await openai.images.generate({ model: "demo-image", prompt: "a fox", size: "1536x1024" });
  const { bytes, ...shape } = readPng(made.data?.[0]?.b64_json);
  expect(shape).toEqual({ width: 1536, height: 1024, pixels: 1537 * 1024 });
  expect(bytes).toBeLessThan(50_000);
  expect(made).toMatchObject({ size: "1536x1024", quality: "medium", output_format: "png" });
});

test("pictures cost tokens by number and quality", async () => {
  const asked = { model: "demo-image", prompt: "a fox", size: "1024x1024" as const };
  const { usage } = await openai.images.generate({ ...asked, n: 2, quality: "low" });
  expect(usage).toEqual({
    input_tokens: 2,
    input_tokens_details: { text_tokens: 2, image_tokens: 0 },
    output_tokens: 544,
    output_tokens_details: { image_tokens: 544, text_tokens: 0 },
    total_tokens: 546,
  });
});

test("a stream shows partial pictures before the whole one", async () => {
  const stream = await openai.images.generate({
    model: "demo-image",
    prompt: "a fox",
    size: "64x64",
    stream: true,
    partial_images: 2,
  });
  const events = await collected(stream);
  expect(events.map(({ type }) => type)).toEqual([
    "image_generation.partial_image",
    "image_generation.partial_image",
    "image_generation.completed",
  ]);
  for (const { b64_json } of events) expect(readPng(b64_json)).toMatchObject({ width: 64, height: 64 });
});

describe("with a picture given", () => {
  const picture = () => toFile(Buffer.from("not looked at"), "fox.png", { type: "image/png" });

  test("an edit charges for it", async () => {
    const image = [await picture(), await picture()];
    const made = await openai.images.edit({ model: "demo-image", image, prompt: "a red fox", n: 2, size: "256x256" });
    expect(made.data).toHaveLength(2);
    expect(made.usage?.input_tokens_details).toEqual({ text_tokens: 3, image_tokens: 388 });
  });

  test("a variation needs no words", async () => {
    const made = await openai.images.createVariation({ model: "demo-image", image: await picture(), size: "256x256" });
    expect(readPng(made.data?.[0]?.b64_json)).toMatchObject({ width: 256 });
  });

  test("an edit without one is refused", async () => {
    const body = new FormData();
    body.set("prompt", "a fox");
    const answer = await fetch(`${backend.url}/v1/images/edits`, { method: "POST", body });
    expect([answer.status, await answer.json()]).toMatchObject([400, { error: { param: "image" } }]);
  });
});

test.each([
  [{ prompt: undefined }, "prompt"],
  [{ size: "huge" }, "size"],
  [{ size: "9999x9999" }, "size"],
  [{ n: 11 }, "n"],
  [{ quality: "worst" }, "quality"],
])("%j is refused", async (wrong, param) => {
  const body = { model: "demo-image", prompt: "a fox", ...wrong } as OpenAI.ImageGenerateParamsNonStreaming;
  await expect(openai.images.generate(body)).rejects.toMatchObject({ status: 400, param });
});
