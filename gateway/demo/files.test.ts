// Files and what is made of them, as the official SDK sees them straight from the demo backend.
import OpenAI, { toFile } from "openai";
import { afterAll, describe, expect, test } from "vitest";
import { collected } from "../testing/collected.ts";
import { demo } from "./demo.ts";

const backend = await demo({ pace: 0 });
afterAll(() => backend.close());
const openai = new OpenAI({ baseURL: `${backend.url}/v1`, apiKey: "any", maxRetries: 0 });

const put = async (text: string, purpose: OpenAI.FilePurpose = "user_data", name = "notes.txt") =>
  await openai.files.create({ file: await toFile(Buffer.from(text), name), purpose });

describe("a file", () => {
  test("is uploaded, read again byte by byte, listed and deleted", async () => {
    const text = "Grüße\r\n\0 binary";
    const file = await put(text);
    expect(file).toMatchObject({ object: "file", bytes: Buffer.byteLength(text), filename: "notes.txt" });
    expect(await openai.files.retrieve(file.id)).toEqual(file);
    expect(await (await openai.files.content(file.id)).text()).toBe(text);
    expect((await collected(openai.files.list({ purpose: "user_data" }))).map(({ id }) => id)).toContain(file.id);
    expect(await openai.files.delete(file.id)).toEqual({ id: file.id, object: "file", deleted: true });
    await expect(openai.files.retrieve(file.id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });

  test("is found over several pages", async () => {
    const made = await Promise.all(["a", "b", "c"].map((text) => put(text, "evals")));
    const listed = await collected(openai.files.list({ purpose: "evals", limit: 2 }));
    expect(new Set(listed.map(({ id }) => id))).toEqual(new Set(made.map(({ id }) => id)));
  });

  test("is refused when it is empty or for nothing known", async () => {
    await expect(put("")).rejects.toMatchObject({ status: 400, param: "file" });
    await expect(put("x", "fun" as OpenAI.FilePurpose)).rejects.toMatchObject({ status: 400, param: "purpose" });
  });

  test("is refused when it is too large", async () => {
    await expect(put("x".repeat(65 * 1024 * 1024))).rejects.toMatchObject({ status: 413 });
  });
});

describe("an upload", () => {
  const begin = (bytes: number) =>
    openai.uploads.create({ bytes, filename: "big.jsonl", mime_type: "text/jsonl", purpose: "batch" });
  const part = async (id: string, text: string) =>
    (await openai.uploads.parts.create(id, { data: await toFile(Buffer.from(text), "part") })).id;

  test("puts its parts together in the order asked for", async () => {
    const { id } = await begin(6);
    const [second, first] = [await part(id, "def"), await part(id, "abc")];
    const done = await openai.uploads.complete(id, { part_ids: [first, second] });
    expect(done).toMatchObject({ status: "completed", file: { bytes: 6, filename: "big.jsonl" } });
    expect(await (await openai.files.content(done.file?.id ?? "")).text()).toBe("abcdef");
  });

  test("must have as many bytes as it said, and ends when it is cancelled", async () => {
    const { id } = await begin(6);
    const only = await part(id, "abc");
    await expect(openai.uploads.complete(id, { part_ids: [only] })).rejects.toMatchObject({ status: 400 });
    await expect(part(id, "defg")).rejects.toMatchObject({ status: 400, param: "data" });
    expect((await openai.uploads.cancel(id)).status).toBe("cancelled");
    await expect(part(id, "def")).rejects.toMatchObject({ status: 400 });
  });
});

describe("a batch", () => {
  const line = (custom_id: string, model: string) =>
    JSON.stringify({
      custom_id,
      method: "POST",
      url: "/v1/chat/completions",
      body: { model, messages: [{ role: "user", content: "Hi" }] },
    });
  const create = async (text: string) =>
    await openai.batches.create({
      input_file_id: (await put(text, "batch")).id,
      endpoint: "/v1/chat/completions",
      completion_window: "24h",
    });

  test("answers every line, the wrong ones with their error", async () => {
    const made = await create([line("a", "demo"), line("b", "nothing"), "{"].join("\n"));
    expect(made.status).toBe("validating");
    const done = await openai.batches.retrieve(made.id);
    expect(done).toMatchObject({ status: "completed", request_counts: { total: 3, completed: 1, failed: 2 } });
    const output = await (await openai.files.content(done.output_file_id ?? "")).text();
    const rows = output
      .trim()
      .split("\n")
      .map((row) => JSON.parse(row));
    expect(rows.map((row) => [row.custom_id, row.response.status_code])).toEqual([
      ["a", 200],
      ["b", 404],
      [null, 400],
    ]);
    expect(rows[0].response.body.choices[0].message.content).toMatch(/\w/);
    expect((await collected(openai.batches.list())).map(({ id }) => id)).toContain(made.id);
  });

  test("can be cancelled before it began, and not after", async () => {
    const made = await create(line("a", "demo"));
    expect((await openai.batches.cancel(made.id)).status).toBe("cancelled");
    await expect(openai.batches.cancel(made.id)).rejects.toBeInstanceOf(OpenAI.BadRequestError);
  });
});

test("a vector store finds the file that has the words", async () => {
  const [fox, cow] = [await put("The quick brown fox"), await put("A cow on a meadow")];
  const store = await openai.vectorStores.create({ name: "animals", file_ids: [fox.id] });
  await openai.vectorStores.files.create(store.id, { file_id: cow.id });
  expect(await openai.vectorStores.retrieve(store.id)).toMatchObject({
    name: "animals",
    file_counts: { total: 2 },
    usage_bytes: fox.bytes + cow.bytes,
  });
  const found = await collected(openai.vectorStores.search(store.id, { query: "brown fox" }));
  expect(found).toMatchObject([{ file_id: fox.id, score: 1, content: [{ text: "The quick brown fox" }] }]);
  expect(await collected(openai.vectorStores.files.list(store.id))).toHaveLength(2);
  await openai.vectorStores.files.delete(cow.id, { vector_store_id: store.id });
  const left = await openai.vectorStores.update(store.id, { name: "foxes" });
  expect(left).toMatchObject({ name: "foxes", file_counts: { total: 1 } });
  await openai.vectorStores.delete(store.id);
  await expect(openai.vectorStores.retrieve(store.id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
});

test("a fine-tuning job waits until it is cancelled", async () => {
  const { id: training_file } = await put('{"messages":[]}', "fine-tune");
  const job = await openai.fineTuning.jobs.create({ model: "demo", training_file });
  expect(job).toMatchObject({ status: "queued", model: "demo", training_file });
  expect(await collected(openai.fineTuning.jobs.listEvents(job.id))).toHaveLength(1);
  expect((await openai.fineTuning.jobs.cancel(job.id)).status).toBe("cancelled");
  expect(await openai.fineTuning.jobs.retrieve(job.id)).toMatchObject({ status: "cancelled" });
  const asked = { model: "demo", training_file: "file-none" };
  await expect(openai.fineTuning.jobs.create(asked)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
});
