// Batches: chat completions from a file of requests, done by the time they are first looked at.
import type { Batch } from "openai/resources/batches";
import { complete } from "./chat.ts";
import { chatRequest } from "./chat-request.ts";
import { json, type Route, type Stage } from "./endpoint.ts";
import { type Fields, fieldsIn, metadataField, requiredText, wordField } from "./fields.ts";
import { storeFile } from "./files.ts";
import { missing, Refusal, wrongValue } from "./refusal.ts";
import { page, shelf } from "./shelf.ts";

const day = 86_400;
const mostLines = 1_000;

interface Line {
  readonly status: number;
  readonly row: string;
}

export function batchRoutes(stage: Stage): readonly Route[] {
  const batches = shelf<Batch>({ what: "batch", count: 100 });

  const create = (body: Fields): Batch => {
    const endpoint = wordField(body, "endpoint", ["/v1/chat/completions"]);
    if (endpoint === undefined) throw missing("endpoint");
    if (requiredText(body, "completion_window") !== "24h") throw wrongValue("completion_window", "24h");
    const input_file_id = requiredText(body, "input_file_id");
    stage.files.get(input_file_id);
    const now = stage.now();
    return batches.put({
      id: stage.dice.id("batch_"),
      object: "batch",
      endpoint,
      input_file_id,
      completion_window: "24h",
      status: "validating",
      created_at: now,
      expires_at: now + day,
      request_counts: { total: 0, completed: 0, failed: 0 },
      metadata: metadataField(body),
    });
  };

  /** Looked at the first time after its making, a batch is carried out. */
  const retrieve = (id: string): Batch => {
    const batch = batches.get(id);
    if (batch.status !== "validating") return batch;
    const lines = stage.files.get(batch.input_file_id).content.toString("utf8").split("\n");
    const done = lines
      .filter((line) => line.trim() !== "")
      .slice(0, mostLines)
      .map((line) => carryOut(line, stage));
    const failed = done.filter(({ status }) => status !== 200).length;
    const output = done.map(({ row }) => `${row}\n`).join("");
    const now = stage.now();
    return batches.put({
      ...batch,
      status: "completed",
      in_progress_at: now,
      finalizing_at: now,
      completed_at: now,
      output_file_id: storeFile(stage, `${id}_output.jsonl`, "batch_output", Buffer.from(output)).id,
      request_counts: { total: done.length, completed: done.length - failed, failed },
    });
  };

  const cancel = (id: string): Batch => {
    const batch = batches.get(id);
    if (batch.status !== "validating") throw new Refusal(`A ${batch.status} batch cannot be cancelled.`);
    const now = stage.now();
    return batches.put({ ...batch, status: "cancelled", cancelling_at: now, cancelled_at: now });
  };

  return [
    { method: "POST", path: "/batches", answer: ({ body }) => json(create(body)) },
    { method: "GET", path: "/batches", answer: ({ query }) => json(page(batches.all(), query)) },
    { method: "GET", path: "/batches/{}", answer: ({ ids: [id = ""] }) => json(retrieve(id)) },
    { method: "POST", path: "/batches/{}/cancel", answer: ({ ids: [id = ""] }) => json(cancel(id)) },
  ];
}

/** One line of the input file, answered as a line of the output file. */
function carryOut(line: string, stage: Stage): Line {
  let custom_id: unknown = null;
  let status = 200;
  let answer: unknown;
  try {
    const request = fieldsIn(JSON.parse(line));
    custom_id = request.custom_id ?? null;
    answer = complete(chatRequest(fieldsIn(request.body)), stage).completion;
  } catch (error) {
    const refusal = error instanceof Refusal ? error : new Refusal("This line is not a JSON object.");
    status = refusal.status;
    answer = refusal.body;
  }
  const response = { status_code: status, request_id: stage.dice.id("req_"), body: answer };
  return { status, row: JSON.stringify({ id: stage.dice.id("batch_req_"), custom_id, response, error: null }) };
}
