// The older completions: a prompt in, text out.
import { answerReader } from "./answer.ts";
import { choices } from "./choices.ts";
import { tokensOfPrompt } from "./estimate.ts";
import { objectIn } from "./json.ts";
import type { Receiver } from "./receiver.ts";
import { streamFacts } from "./request.ts";

export const completions: Receiver = {
  operation: "completion",
  serviceType: "llm_chat",
  path: "/v1/completions",
  methods: ["POST"],
  upstreamMode: "chat",
  body: "json",
  metered: true,
  readRequest: streamFacts,
  readAnswer: (head, request) => answerReader(choices, head, request),
  estimateInput: (body) => tokensOfPrompt(objectIn(body)?.prompt),
};
