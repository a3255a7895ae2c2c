// Embeddings and moderations, as the official SDK sees them straight from the demo backend.
import OpenAI from "openai";
import { afterAll, describe, expect, test } from "vitest";
import { demo } from "./demo.ts";

const backend = await demo({ pace: 0 });
afterAll(() => backend.close());
const openai = new OpenAI({ baseURL: `${backend.url}/v1`, apiKey: "any", maxRetries: 0 });

const dot = (a: readonly number[] = [], b: readonly number[] = []) =>
  a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);

describe("embeddings", () => {
  test("have length 1, and are closer for texts with words in common", async () => {
    const input = ["the cat sat on the mat", "a cat on a mat", "quarterly revenue grew"];
    const { data, usage } = await openai.embeddings.create({ model: "demo-embedding", input });
    const [one, two, three] = data.map(({ embedding }) => embedding);
    expect(one).toHaveLength(1536);
    expect(dot(one, one)).toBeCloseTo(1, 5);
    expect(dot(one, two)).toBeGreaterThan(dot(one, three) + 0.2);
    expect(usage).toEqual({ prompt_tokens: 15, total_tokens: 15 });
  });

  test("are the same numbers as float and as base64", async () => {
    const asked = { model: "demo-embedding", input: "hello", dimensions: 8 };
    const float = await openai.embeddings.create({ ...asked, encoding_format: "float" });
    const base64 = await openai.embeddings.create({ ...asked, encoding_format: "base64" });
    const bytes = Buffer.from(base64.data[0]?.embedding ?? "", "base64");
    expect([...new Float32Array(bytes.buffer, bytes.byteOffset, 8)]).toEqual(float.data[0]?.embedding);
  });

  test("are made of token numbers, too", async () => {
    const made = await openai.embeddings.create({ model: "demo-embedding", input: [[1, 2], [3]], dimensions: 2 });
    expect([made.data.length, made.usage.prompt_tokens]).toEqual([2, 3]);
  });

  test.each([
    [{ input: undefined }, "input"],
    [{ input: "" }, "input"],
    [{ input: [] }, "input"],
    [{ input: [{}] }, "input"],
    [{ dimensions: 0 }, "dimensions"],
    [{ encoding_format: "hex" }, "encoding_format"],
  ])("are refused for %j", async (wrong, param) => {
    const body = { model: "demo-embedding", input: "hi", ...wrong } as OpenAI.EmbeddingCreateParams;
    await expect(openai.embeddings.create(body)).rejects.toMatchObject({ status: 400, param });
  });
});

describe("moderations", () => {
  test("flag what is violent and let the rest pass, one by one", async () => {
    const { results } = await openai.moderations.create({
      model: "demo-moderation",
      input: ["I will attack the castle.", "A lovely day."],
    });
    expect(results.map(({ flagged }) => flagged)).toEqual([true, false]);
    expect(results[0]?.categories.violence).toBe(true);
    expect(results[0]?.category_scores.violence).toBeGreaterThan(0.5);
    expect(results[1]?.category_scores.violence).toBeLessThan(0.05);
  });

  test("need no model, and take a picture along with text", async () => {
    const { model, results } = await openai.moderations.create({
      input: [
        { type: "text", text: "hello" },
        { type: "image_url", image_url: { url: "data:image/png;base64,AA==" } },
      ],
    });
    expect(model).toBe("demo-moderation");
    expect(results[0]?.category_applied_input_types).toMatchObject({ violence: ["text", "image"], hate: ["text"] });
  });
});
