// Endpoints that manage what the provider keeps (files, batches, stores…): passed through unread, with bounded routes.
import type { Operation } from "../../instrumentation/index.ts";
import { plainReader } from "./answer.ts";
import type { Receiver } from "./receiver.ts";
import { readLateUse } from "./responses.ts";

const anyMethod = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] as const;
const nothing = { streamed: false } as const;

/** A receiver that reads no request and, of its answers, errors only. */
function passing(operation: Operation, path: string, methods: readonly string[]): Receiver {
  return {
    operation,
    serviceType: operation === "stored_response" ? "llm_chat" : "other",
    path,
    methods,
    upstreamMode: operation === "stored_response" ? "responses" : "other",
    body: "opaque",
    metered: false,
    readRequest: () => nothing,
    readAnswer: plainReader,
  };
}

/** Operation, then its routes: methods and path. `*` takes any rest of a path. */
const table: readonly [Operation, ...string[]][] = [
  ["files", "GET POST /v1/files", "GET DELETE /v1/files/{id}", "GET /v1/files/{id}/content", "/v1/files/*"],
  [
    "uploads",
    "POST /v1/uploads",
    "POST /v1/uploads/{id}/parts",
    "POST /v1/uploads/{id}/complete",
    "POST /v1/uploads/{id}/cancel",
    "/v1/uploads/*",
  ],
  ["batches", "GET POST /v1/batches", "GET /v1/batches/{id}", "POST /v1/batches/{id}/cancel", "/v1/batches/*"],
  [
    "vector_stores",
    "GET POST /v1/vector_stores",
    "GET POST DELETE /v1/vector_stores/{id}",
    "POST /v1/vector_stores/{id}/search",
    "GET POST /v1/vector_stores/{id}/files",
    "GET POST DELETE /v1/vector_stores/{id}/files/{file_id}",
    "GET /v1/vector_stores/{id}/files/{file_id}/content",
    "POST /v1/vector_stores/{id}/file_batches",
    "GET /v1/vector_stores/{id}/file_batches/{batch_id}",
    "POST /v1/vector_stores/{id}/file_batches/{batch_id}/cancel",
    "GET /v1/vector_stores/{id}/file_batches/{batch_id}/files",
    "/v1/vector_stores/*",
  ],
  [
    "fine_tuning",
    "GET POST /v1/fine_tuning/jobs",
    "GET /v1/fine_tuning/jobs/{id}",
    "POST /v1/fine_tuning/jobs/{id}/cancel",
    "POST /v1/fine_tuning/jobs/{id}/pause",
    "POST /v1/fine_tuning/jobs/{id}/resume",
    "GET /v1/fine_tuning/jobs/{id}/events",
    "GET /v1/fine_tuning/jobs/{id}/checkpoints",
    "GET POST /v1/fine_tuning/checkpoints/{checkpoint}/permissions",
    "DELETE /v1/fine_tuning/checkpoints/{checkpoint}/permissions/{id}",
    "POST /v1/fine_tuning/alpha/graders/run",
    "POST /v1/fine_tuning/alpha/graders/validate",
    "/v1/fine_tuning/*",
  ],
  [
    // What a stored response says of its usage was counted when it was made, unless it was made in the background.
    "stored_response",
    "DELETE /v1/responses/{id}",
    "GET /v1/responses/{id}/input_items",
    "/v1/responses/*",
  ],
  ["models", "GET /v1/models", "GET DELETE /v1/models/{id}"],
  [
    "realtime",
    "GET /v1/realtime",
    "POST /v1/realtime/client_secrets",
    "POST /v1/realtime/sessions",
    "POST /v1/realtime/transcription_sessions",
    "POST /v1/realtime/translations/client_secrets",
    "POST /v1/realtime/calls",
    "POST /v1/realtime/calls/{id}/accept",
    "POST /v1/realtime/calls/{id}/hangup",
    "POST /v1/realtime/calls/{id}/refer",
    "POST /v1/realtime/calls/{id}/reject",
    "/v1/realtime/*",
  ],
  [
    "other",
    "GET /v1/chat/completions",
    "GET POST DELETE /v1/chat/completions/{id}",
    "GET /v1/chat/completions/{id}/messages",
    // Kinds that have lists, of which each caller is shown its own.
    "GET POST /v1/assistants",
    "GET POST /v1/containers",
    "GET POST /v1/evals",
    "GET POST /v1/skills",
    "GET POST /v1/videos",
  ],
];

/** The answer is a response, with what it has used. */
const telling = (path: string, method: string): Receiver => ({
  ...passing("stored_response", path, [method]),
  tellsOfEarlier: true,
  readAnswer: readLateUse,
});

const listed: readonly Receiver[] = table.flatMap(([operation, ...routes]) =>
  routes.map((route) => {
    const words = route.split(" ");
    const path = words.at(-1) ?? "";
    return passing(operation, path, words.length === 1 ? anyMethod : words.slice(0, -1));
  }),
);

export const management: readonly Receiver[] = [
  telling("/v1/responses/{id}", "GET"),
  telling("/v1/responses/{id}/cancel", "POST"),
  ...listed,
];

/** Takes whatever nothing else takes. */
export const other: Receiver = passing("other", "/v1/*", anyMethod);
