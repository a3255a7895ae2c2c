// Responses that are made: created, compacted from older ones, or only counted.
import { answerReader, plainReader } from "./answer.ts";
import type { Dialect, Draft, Reading } from "./dialect.ts";
import { textsOf, tokensOfTexts } from "./estimate.ts";
import { errorIn } from "./failure.ts";
import { type JsonObject, listIn, objectIn, textIn } from "./json.ts";
import type { Receiver } from "./receiver.ts";
import { commonFacts, mcpServersIn } from "./request.ts";
import { tokensIn } from "./tokens.ts";

/** Events that end a stream; each carries the whole response. */
const endings = new Set(["response.completed", "response.incomplete", "response.failed", "response.cancelled"]);

function readResponse(response: JsonObject, over: boolean): Reading {
  const model = textIn(response.model);
  const tokens = tokensIn(response.usage);
  const finish = over ? textIn(response.status) : undefined;
  const error = errorIn(response);
  const reading: Draft = {};
  if (model !== undefined) reading.model = model;
  if (tokens !== undefined) reading.tokens = tokens;
  if (finish !== undefined) reading.finish = finish;
  if (error !== undefined) reading.error = error;
  if (over) reading.over = over;
  return reading;
}

function read(value: unknown): Reading {
  const said = objectIn(value);
  if (said === undefined) return {};
  // A JSON answer has an `object`, an event has a `type`.
  const type = textIn(said.type);
  if (type === undefined) return readResponse(said, true);
  const response = objectIn(said.response);
  if (response !== undefined) {
    const reading = readResponse(response, endings.has(type));
    return type === "response.failed" && reading.error === undefined ? { ...reading, error: {} } : reading;
  }
  const error = errorIn(said);
  return error === undefined ? {} : { error };
}

const isDelta = (said: JsonObject) => textIn(said.type)?.endsWith(".delta") === true;

function text(value: unknown): string {
  const said = objectIn(value);
  if (said === undefined) return "";
  if (said.type !== undefined) return isDelta(said) ? (textIn(said.delta) ?? "") : "";
  return listIn(said.output)
    .flatMap((item) => [...textsOf(objectIn(item)?.content), textIn(objectIn(item)?.arguments) ?? ""])
    .join("");
}

const dialect: Dialect = {
  read,
  isToken(value) {
    const said = objectIn(value);
    return said !== undefined && isDelta(said) && said.delta !== "" && said.delta !== undefined && said.delta !== 0;
  },
  text,
  tokenMark: '.delta"',
  wanted: {
    type: "value",
    delta: "length",
    message: "value",
    code: "value",
    response: { model: "value", status: "value", usage: "value", error: "value" },
    model: "value",
    status: "value",
    usage: "value",
    error: "value",
  },
};

const receiver = (path: string): Receiver => ({
  operation: "response",
  serviceType: "llm_chat",
  path,
  methods: ["POST"],
  upstreamMode: "responses",
  body: "json",
  metered: true,
  readRequest(body) {
    const facts = commonFacts(body);
    const request = objectIn(body);
    const input = request?.input;
    if (Array.isArray(input)) facts.messageCount = input.length;
    else if (typeof input === "string") facts.messageCount = 1;
    const mcpServers = mcpServersIn(request?.tools);
    if (mcpServers.length > 0) facts.mcpServers = mcpServers;
    return facts;
  },
  readAnswer: (head, request) => answerReader(dialect, head, request),
  estimateInput(body) {
    const request = objectIn(body);
    const texts = textsOf(request?.instructions);
    if (typeof request?.input === "string") texts.push(request.input);
    for (const item of listIn(request?.input)) {
      const { content, arguments: asked, output } = objectIn(item) ?? {};
      texts.push(...textsOf(content), ...textsOf(asked), ...textsOf(output));
    }
    return tokensOfTexts(texts);
  },
});

/** Counts tokens without making anything. */
const counting: Receiver = {
  ...receiver("/v1/responses/input_tokens"),
  operation: "stored_response",
  metered: false,
  readAnswer: plainReader,
};

export const responses: readonly Receiver[] = [receiver("/v1/responses"), receiver("/v1/responses/compact"), counting];
