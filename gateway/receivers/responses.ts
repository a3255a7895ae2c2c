// Responses that are made: created, compacted from older ones, or only counted.
import { answerReader, plainReader } from "./answer.ts";
import type { Dialect, Draft, Reading } from "./dialect.ts";
import { textsOf, tokensOfTexts } from "./estimate.ts";
import { errorIn } from "./failure.ts";
import { type JsonObject, listIn, objectIn, textIn } from "./json.ts";
import type { AnswerFacts, AnswerHead, AnswerReader, Receiver, RequestFacts } from "./receiver.ts";
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
    response: { id: "value", model: "value", status: "value", usage: "value", error: "value" },
    id: "value",
    model: "value",
    status: "value",
    usage: "value",
    error: "value",
  },
};

/** What is begun, and goes on in the background. */
const going = new Set(["queued", "in_progress"]);
const longestId = 256;

/** Of responses that are made whether anybody waits for them or not: it tells those that are not finished. */
const background: Dialect = {
  ...dialect,
  read(value) {
    const reading = read(value);
    const said = objectIn(value);
    const { id, status } = (said?.type === undefined ? said : objectIn(said.response)) ?? {};
    const named = textIn(id);
    const goesOn = named !== undefined && named.length <= longestId && going.has(textIn(status) ?? "");
    return goesOn ? { ...reading, unfinished: named } : reading;
  },
  unfinishedMark: '"status"',
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
    if (request?.background === true) facts.background = true;
    if (mcpServers.length > 0) facts.mcpServers = mcpServers;
    return facts;
  },
  readAnswer: (head, request) => answerReader(request.background === true ? background : dialect, head, request),
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

/**
 * Reads an answer that tells of a response which was made earlier: what it has used, where that is final. What became of
 * it is no news of this request.
 */
export const readLateUse: Receiver["readAnswer"] = (head, request) =>
  head.status < 400 ? new LateUse(head, request) : plainReader(head);

class LateUse implements AnswerReader {
  readonly sawToken = false;
  readonly #reader: AnswerReader;

  constructor(head: AnswerHead, request: RequestFacts) {
    this.#reader = answerReader(background, head, request);
  }

  read(chunk: Buffer): void {
    this.#reader.read(chunk);
  }

  finish(): AnswerFacts {
    const { model, tokens, unfinished } = this.#reader.finish();
    if (tokens === undefined || unfinished !== undefined) return { ended: true };
    return model === undefined ? { ended: true, tokens } : { ended: true, tokens, model };
  }
}

export const responses: readonly Receiver[] = [receiver("/v1/responses"), receiver("/v1/responses/compact"), counting];
