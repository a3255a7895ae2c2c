// Chat completions.
import { answerReader } from "./answer.ts";
import { choices } from "./choices.ts";
import { textsOf, tokensOfTexts } from "./estimate.ts";
import { listIn, objectIn, textIn } from "./json.ts";
import type { Receiver } from "./receiver.ts";
import { streamFacts } from "./request.ts";

/** What a chat format adds to each message, and to the whole: 3 tokens each (OpenAI cookbook, "How to count tokens"). */
const tokensPerMessage = 3;

export const chat: Receiver = {
  operation: "chat",
  serviceType: "llm_chat",
  path: "/v1/chat/completions",
  methods: ["POST"],
  upstreamMode: "chat",
  body: "json",
  metered: true,
  readRequest(body) {
    const facts = streamFacts(body);
    const messages = objectIn(body)?.messages;
    if (Array.isArray(messages)) facts.messageCount = messages.length;
    return facts;
  },
  readAnswer: (head, request) => answerReader(choices, head, request),
  estimateInput(body) {
    const messages = listIn(objectIn(body)?.messages);
    const texts: string[] = [];
    for (const entry of messages) {
      const message = objectIn(entry);
      texts.push(...textsOf(message?.content));
      for (const call of listIn(message?.tool_calls)) {
        const asked = textIn(objectIn(objectIn(call)?.function)?.arguments);
        if (asked !== undefined) texts.push(asked);
      }
    }
    return tokensOfTexts(texts) + (messages.length + 1) * tokensPerMessage;
  },
};
