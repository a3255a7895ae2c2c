// Responses: made, kept for a while, read again, cancelled, deleted.
import { chanceFor, compose, reasoningSentences, tempoOf } from "./compose.ts";
import { type Answer, json, type Route, type Stage } from "./endpoint.ts";
import { type Fields, fieldsIn, textField } from "./fields.ts";
import { reasons } from "./models.ts";
import { promptOf } from "./prompt.ts";
import { Refusal } from "./refusal.ts";
import { responseBeats } from "./response-events.ts";
import { begun, responseObject, type WireResponse } from "./response-object.ts";
import { inputItems, type ResponseRequest, responseRequest } from "./response-request.ts";
import { page, shelf } from "./shelf.ts";
import { troubleOf } from "./trouble.ts";

interface Kept {
  readonly id: string;
  readonly response: WireResponse;
  /** All items that led to it, each with an id. */
  readonly input: readonly (Fields & { readonly id: string })[];
}

export function responseRoutes(stage: Stage): readonly Route[] {
  const kept = shelf<Kept>({ what: "response", count: 500 });

  const earlier = (id: string): readonly Fields[] => {
    const before = kept.find(id);
    if (before === undefined) {
      throw new Refusal(`There is no response with the id '${id}' to go on from.`, {
        param: "previous_response_id",
        code: "previous_response_not_found",
      });
    }
    return [...before.input, ...before.response.output.map(fieldsIn)];
  };

  const keep = (response: WireResponse, request: ResponseRequest) =>
    kept.put({
      id: response.id,
      response,
      input: [...(request.previous === undefined ? [] : earlier(request.previous)), ...request.input].map((item) =>
        identified(item, stage),
      ),
    });

  const create = (body: Fields): Answer => {
    const request = responseRequest(body, earlier);
    const { model, prompt, effort } = request;
    const dice = chanceFor(stage.dice, undefined, prompt);
    const reasoning = reasons(model) ? reasoningSentences(effort, dice) : 0;
    const made = compose({ ...request, dice, reasoning, stops: [] });
    const response = responseObject(request, made, stage);
    const tempo = tempoOf(stage.dice);
    const wait = tempo.first + tempo.each * made.tokens;
    if (request.background && !request.streamed) {
      const queued = begun(response, "queued");
      keep(queued, request);
      void finishLater(response, wait);
      return { kind: "json", value: queued, sound: true };
    }
    if (request.stored) keep(response, request);
    if (request.streamed) return { kind: "events", beats: responseBeats(response, made, tempo), done: false };
    return json(response, wait);
  };

  /** Puts the finished response in the place of the queued one, unless that was cancelled or deleted. */
  const finishLater = async (response: WireResponse, wait: number) => {
    // A stalled model never comes to an end; what it was asked for in the background can only be cancelled.
    if (troubleOf(response.model) === "stall") return;
    await stage.pause(wait);
    const now = kept.find(response.id);
    if (now?.response.status === "queued") kept.put({ ...now, response });
  };

  const cancel = (id: string): Answer => {
    const item = kept.get(id);
    const { response } = item;
    if (response.background !== true)
      throw new Refusal("Only a background response can be cancelled.", { param: "id" });
    if (response.status !== "queued" && response.status !== "in_progress") return json(response);
    return json(kept.put({ ...item, response: { ...response, status: "cancelled" } }).response);
  };

  return [
    { method: "POST", path: "/responses", answer: ({ body }) => create(body) },
    {
      method: "POST",
      path: "/responses/input_tokens",
      answer({ body }) {
        const { tokens } = promptOf(inputItems(body), textField(body, "instructions"));
        return json({ object: "response.input_tokens", input_tokens: tokens });
      },
    },
    { method: "GET", path: "/responses/{}", answer: ({ ids: [id = ""] }) => json(kept.get(id).response) },
    {
      method: "DELETE",
      path: "/responses/{}",
      answer: ({ ids: [id = ""] }) => json({ id: kept.remove(id).id, object: "response", deleted: true }),
    },
    { method: "POST", path: "/responses/{}/cancel", answer: ({ ids: [id = ""] }) => cancel(id) },
    {
      method: "GET",
      path: "/responses/{}/input_items",
      answer: ({ ids: [id = ""], query }) => json(page(kept.get(id).input, query)),
    },
  ];
}

/** An input item as it is read back: with an id, and its text as a part. */
function identified(item: Fields, { dice }: Stage): Fields & { readonly id: string } {
  const { content, role, type = "message", id = dice.id(`${type === "message" ? "msg" : "item"}_`) } = item;
  if (typeof content !== "string") return { ...item, type, id: String(id) };
  const text = { type: role === "assistant" ? "output_text" : "input_text", text: content };
  return { ...item, type, id: String(id), status: "completed", content: [text] };
}
