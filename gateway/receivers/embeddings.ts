// Embeddings: text in, vectors out, and of tokens only input.
import { answerReader } from "./answer.ts";
import type { Dialect, Reading } from "./dialect.ts";
import { tokensOfPrompt } from "./estimate.ts";
import { errorIn } from "./failure.ts";
import { objectIn, textIn } from "./json.ts";
import type { Receiver } from "./receiver.ts";
import { commonFacts } from "./request.ts";
import { tokensIn } from "./tokens.ts";

function read(value: unknown): Reading {
  const answer = objectIn(value);
  const model = textIn(answer?.model);
  const tokens = tokensIn(answer?.usage);
  const error = errorIn(answer);
  return {
    ...(model !== undefined && { model }),
    ...(tokens !== undefined && { tokens }),
    ...(error !== undefined && { error }),
  };
}

/** Also the dialect of moderations, which state a model and no usage. */
export const vectors: Dialect = {
  read,
  isToken: () => false,
  wanted: { model: "value", usage: "value", error: "value" },
};

export const embeddings: Receiver = {
  operation: "embedding",
  serviceType: "embeddings",
  path: "/v1/embeddings",
  methods: ["POST"],
  upstreamMode: "other",
  body: "json",
  metered: true,
  readRequest: commonFacts,
  readAnswer: (head, request) => answerReader(vectors, head, request),
  estimateInput: (body) => tokensOfPrompt(objectIn(body)?.input),
};
