import { createHash, randomBytes } from "node:crypto";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { chunk, json } from "./testing/answers.ts";
import type { Field } from "./testing/http-wire.ts";
import { chatCompletion, chatRequest } from "./testing/payloads.ts";
import { rawConnection, requestBytes } from "./testing/raw-client.ts";
import { scene } from "./testing/scene.ts";

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

/** A multipart body: each part's header line and content. */
function multipart(
  parts: readonly (readonly [disposition: string, content: Buffer | string])[],
  boundary = "xYzZy'()+_,-./:=?",
) {
  const pieces = parts.flatMap(([disposition, content]) => [
    `--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n`,
    content,
    "\r\n",
  ]);
  const body = Buffer.concat([...pieces, `--${boundary}--\r\n`].map((piece) => Buffer.from(piece)));
  return { body, type: ["Content-Type", `multipart/form-data; boundary="${boundary}"`] satisfies Field };
}

describe("an upload arrives byte for byte", () => {
  const audio = randomBytes(300_000);
  const before = multipart([
    ['name="model"', "whisper-1"],
    ['name="file"; filename="ü.mp3"', audio],
  ]);
  const after = multipart([
    ['name="file"; filename="a.mp3"', audio],
    ['name="model"', "whisper-1"],
  ]);
  const inHead = multipart([
    ['name="file"; filename="a.mp3"', audio.subarray(0, 9_000)],
    ['name="model"', "whisper-1"],
  ]);
  const purpose = multipart([
    ['name="purpose"', "batch"],
    ['name="file"; filename="a.jsonl"', audio],
  ]);
  test.each([
    ["multipart, the model first", "/audio/transcriptions", before, "whisper-1"],
    ["multipart, the model after 9 KB", "/audio/transcriptions", inHead, "whisper-1"],
    ["multipart, the model after 300 KB", "/audio/transcriptions", after, "whisper-1"],
    ["a file", "/files", purpose, undefined],
    [
      "an image edit",
      "/images/edits",
      multipart([
        ['name="model"', "gpt-image-1"],
        ['name="image"; filename="a.png"', audio],
      ]),
      "gpt-image-1",
    ],
    [
      "binary on a path nobody knows",
      "/something/new",
      { body: audio, type: ["Content-Type", "application/octet-stream"] as const },
      undefined,
    ],
  ])("%s", async (_, path, { body, type }, model) => {
    for (const chunked of [false, true]) {
      await using stage = await scene({ script: [json({ text: "hi" })] });
      const url = stage.at(path);
      const connection = await rawConnection(url);
      const framing: Field[] = chunked ? [["Transfer-Encoding", "chunked"]] : [["Content-Length", String(body.length)]];
      await connection.send(requestBytes(url, { headers: [type, ...framing] }));
      for (let at = 0; at < body.length; at += 50_001) {
        const piece = body.subarray(at, at + 50_001);
        await connection.send(chunked ? chunk(piece) : piece);
      }
      if (chunked) await connection.send("0\r\n\r\n");
      const got = await connection.answer();
      connection.leave();
      expect([got.status, got.json()]).toEqual([200, { text: "hi" }]);
      const [request] = stage.backend.received;
      expect([request?.bodyBytes, request?.bodyHash()]).toEqual([body.length, sha256(body)]);
      expect(request?.header("content-type")).toBe(type[1]);
      if (!chunked) expect(request?.header("content-length")).toBe(String(body.length));
      const exchange = await stage.onlyExchange();
      expect(exchange).toMatchObject({ outcome: { kind: "completed" }, bytes: { request: body.length } });
      expect(exchange.model.requested).toBe(model);
    }
  });

  test.each([
    ["gzip", gzipSync],
    ["br", brotliCompressSync],
  ] as const)("JSON compressed by %s is understood, and goes on compressed", async (coding, pack) => {
    const packed = pack(JSON.stringify(chatRequest("gpt-4o-mini")));
    await using stage = await scene({ script: [json(chatCompletion("gpt-4o-mini"))] });
    const headers: Field[] = [
      ["Content-Type", "application/json"],
      ["Content-Encoding", coding],
    ];
    expect((await stage.ask("/chat/completions", { headers, body: packed })).status).toBe(200);
    const [request] = stage.backend.received;
    expect([request?.body.equals(packed), request?.header("content-encoding")]).toEqual([true, coding]);
    expect((await stage.onlyExchange()).model.requested).toBe("gpt-4o-mini");
  });
});

test("how long the backend thinks over an upload that came whole is its time, not the client's", async () => {
  const { body, type } = multipart([['name="model"', "whisper-1"]]);
  await using stage = await scene({ script: [json({ text: "hi" }, { delay: 200 })] });
  expect((await stage.ask("/audio/transcriptions", { headers: [type], body })).status).toBe(200);
  const { phases } = await stage.onlyExchange();
  expect(phases.firstByte).toBeGreaterThan(0.19);
  expect(phases.receive).toBeLessThan(0.15);
});
