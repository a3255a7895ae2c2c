// Moderations: judged free of charge, so there is no usage to meter.
import { answerReader } from "./answer.ts";
import { vectors } from "./embeddings.ts";
import type { Receiver } from "./receiver.ts";
import { commonFacts } from "./request.ts";

export const moderations: Receiver = {
  operation: "moderation",
  serviceType: "moderation",
  path: "/v1/moderations",
  methods: ["POST"],
  upstreamMode: "other",
  body: "json",
  metered: false,
  readRequest: commonFacts,
  readAnswer: (head, request) => answerReader(vectors, head, request),
};
