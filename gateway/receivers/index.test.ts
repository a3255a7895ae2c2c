import { describe, expect, it } from "vitest";
import { receiverFor, receivers } from "./index.ts";

const found = (route: string) => {
  const [method = "", path = ""] = route.split(" ");
  const { receiver } = receiverFor(method, path);
  return `${receiver.operation} ${receiver.path}`;
};

describe("finding a receiver", () => {
  it.each([
    ["POST /v1/chat/completions", "chat /v1/chat/completions"],
    ["GET /v1/chat/completions", "other /v1/chat/completions"],
    ["GET /v1/chat/completions/c1/messages", "other /v1/chat/completions/{id}/messages"],
    ["POST /v1/completions", "completion /v1/completions"],
    ["POST /v1/responses", "response /v1/responses"],
    ["POST /v1/responses/compact", "response /v1/responses/compact"],
    ["POST /v1/responses/input_tokens", "stored_response /v1/responses/input_tokens"],
    ["GET /v1/responses/r1", "stored_response /v1/responses/{id}"],
    ["DELETE /v1/responses/r1", "stored_response /v1/responses/{id}"],
    ["POST /v1/responses/r1/cancel", "stored_response /v1/responses/{id}/cancel"],
    ["GET /v1/responses/r1/input_items", "stored_response /v1/responses/{id}/input_items"],
    ["POST /v1/embeddings", "embedding /v1/embeddings"],
    ["POST /v1/moderations", "moderation /v1/moderations"],
    ["POST /v1/images/edits", "image /v1/images/edits"],
    ["POST /v1/audio/speech", "speech /v1/audio/speech"],
    ["POST /v1/audio/translations", "translation /v1/audio/translations"],
    ["GET /v1/files", "files /v1/files"],
    ["GET /v1/files/f-1/content", "files /v1/files/{id}/content"],
    ["GET /v1/files/f-1/x/y", "files /v1/files/*"],
    ["POST /v1/uploads/u/parts", "uploads /v1/uploads/{id}/parts"],
    ["POST /v1/batches/b/cancel", "batches /v1/batches/{id}/cancel"],
    ["GET /v1/vector_stores/v/files/f", "vector_stores /v1/vector_stores/{id}/files/{file_id}"],
    [
      "GET /v1/vector_stores/v/file_batches/b/files",
      "vector_stores /v1/vector_stores/{id}/file_batches/{batch_id}/files",
    ],
    ["GET /v1/fine_tuning/jobs/j/events", "fine_tuning /v1/fine_tuning/jobs/{id}/events"],
    ["GET /v1/fine_tuning/whatever", "fine_tuning /v1/fine_tuning/*"],
    ["GET /v1/models", "models /v1/models"],
    ["GET /v1/models/gpt-4o", "models /v1/models/{id}"],
    ["GET /v1/models/ft:gpt-4o:org::id", "models /v1/models/{id}"],
    ["GET /v1/models/org/model", "models /v1/models/{id}"],
    ["GET /v1/models/org%2Fsub%2Fmodel", "models /v1/models/{id}"],
    ["DELETE /v1/models/org/model", "models /v1/models/{id}"],
    ["GET /v1/realtime", "realtime /v1/realtime"],
    ["POST /v1/realtime/client_secrets", "realtime /v1/realtime/client_secrets"],
    ["POST /v1/realtime/calls/c/hangup", "realtime /v1/realtime/calls/{id}/hangup"],
    ["POST /v1/realtime/new/thing", "realtime /v1/realtime/*"],
    ["GET /v1/assistants", "other /v1/assistants"],
    ["GET /v1/assistants/asst_1", "other /v1/*"],
    ["POST /v1/audio/voices", "other /v1/*"],
    ["GET /v1/", "other /v1/*"],
    ["BREW /v1/constructor", "other /v1/*"],
    ["GET /v1/%E0%A4%A", "other /v1/*"],
  ])("%s goes to %s", (route, receiver) => expect(found(route)).toBe(receiver));

  it("takes no spelling of a metered path for another path", () => {
    for (const path of [
      "/v1/chat/completions/",
      "/v1//chat/completions",
      "/v1/chat/%63ompletions",
      "/v1/chat%2Fcompletions",
    ]) {
      expect(found(`POST ${path}`)).toBe("chat /v1/chat/completions");
    }
  });

  it("meters what is made, and not what is only looked up again", () => {
    const metered = new Set(receivers.filter((receiver) => receiver.metered).map(({ path }) => path));
    expect(metered).toEqual(
      new Set([
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/responses",
        "/v1/responses/compact",
        "/v1/embeddings",
        "/v1/images/generations",
        "/v1/images/edits",
        "/v1/images/variations",
        "/v1/audio/speech",
        "/v1/audio/transcriptions",
        "/v1/audio/translations",
      ]),
    );
  });

  it("gives a path's receiver to a method that it does not take, so that `methods` can tell", () => {
    const { receiver } = receiverFor("DELETE", "/v1/embeddings");
    expect(receiver.operation).toBe("embedding");
    expect(receiver.methods).not.toContain("DELETE");
  });
});

const oddBodies: readonly unknown[] = [
  null,
  undefined,
  0,
  "text",
  true,
  [],
  [[[]]],
  {},
  { model: 1, stream: "yes", messages: {}, input: 5, metadata: [], tools: {}, stream_options: 7, user: {} },
  { messages: [null, 1, [], { content: [null, 1, { text: 2 }, [[]]], tool_calls: [null, { function: 1 }] }] },
  {
    input: [null, [1], {}, { content: { a: 1 } }],
    instructions: [1],
    tools: [null, { type: "mcp" }],
    prompt: { id: 1 },
  },
  {
    usage: [],
    choices: [null, 1, { delta: [], finish_reason: {} }],
    data: [null, 1],
    error: [],
    x_groq: 1,
    response: 1,
  },
  { type: "response.completed", response: { usage: { input_tokens: "1" }, status: 1, error: [] } },
  JSON.parse(`${'{"messages":['.repeat(2000)}1${"]}".repeat(2000)}`),
  JSON.parse('{"__proto__":{"model":"m"},"metadata":{"__proto__":"x","constructor":"y"}}'),
];

describe.each(receivers.map((receiver) => [`${receiver.methods[0]} ${receiver.path}`, receiver] as const))(
  "%s",
  (_, receiver) => {
    it("has a path under /v1/ that it is found by", () => {
      expect(receiver.path).toMatch(/^\/v1\/[a-z_/{}*]+$/);
      const path = receiver.path.replace(/\{[a-z_]+\}/g, "x1").replace("*", "x1/x2/x3/x4/x5/x6/x7");
      for (const method of receiver.methods) expect(receiverFor(method, path).receiver).toBe(receiver);
    });

    it("reads odd requests without a throw, and invents nothing", () => {
      for (const body of oddBodies) {
        const facts = receiver.readRequest(body);
        expect(facts.streamed).toBe(false);
        expect(facts.model).toBeUndefined();
        expect(facts.user).toBeUndefined();
        const estimate = receiver.estimateInput?.(body) ?? 0;
        expect(Number.isSafeInteger(estimate) && estimate >= 0).toBe(true);
      }
    });

    it("reads odd answers without a throw, as JSON and as events", () => {
      for (const body of oddBodies) {
        const text = JSON.stringify(body) ?? "";
        for (const [contentType, bytes] of [
          ["application/json", text],
          ["text/event-stream", `data: ${text}\n\nevent: error\n\n`],
          ["", text],
        ] as const) {
          for (const status of [200, 404, 500]) {
            const reader = receiver.readAnswer({ status, contentType, streamed: false }, { streamed: true });
            reader.read(Buffer.from(bytes));
            expect(reader.finish().tokens).toBeUndefined();
          }
        }
      }
    });

    it("reads the error of a refused request", () => {
      const head = { status: 429, contentType: "application/json", streamed: false };
      const reader = receiver.readAnswer(head, { streamed: false });
      const body = { error: { message: "slow down", type: "requests", param: null, code: "rate_limit_exceeded" } };
      reader.read(Buffer.from(JSON.stringify(body, null, 2)));
      expect(reader.finish()).toEqual({
        error: { message: "slow down", type: "requests", code: "rate_limit_exceeded" },
        ended: true,
      });
    });

    it("makes nothing of an empty answer", () => {
      const head = { status: 200, contentType: "application/json", streamed: false };
      const { tokens, error } = receiver.readAnswer(head, { streamed: false }).finish();
      expect({ tokens, error }).toEqual({});
    });
  },
);
