// One realtime session: a conversation in text, event by event.
import type { ConversationItem, RealtimeSessionCreateRequest } from "openai/resources/realtime/realtime";
import type { WebSocket } from "ws";
import { compose, type Tool, tempoOf } from "./compose.ts";
import type { Stage } from "./endpoint.ts";
import { type Fields, fieldsIn, listIn } from "./fields.ts";
import { promptOf } from "./prompt.ts";
import { type RealtimeAnswer, type RealtimeEvent, realtimeAnswer } from "./realtime-events.ts";
import { Refusal, wrongValue } from "./refusal.ts";
import type { Trouble } from "./trouble.ts";
import { aborted } from "./waits.ts";

export interface SessionOptions {
  readonly client: WebSocket;
  readonly model: string;
  readonly stage: Stage;
  readonly trouble: Trouble | undefined;
}

const mostItems = 200;
const slowMillis = 10_000;

/** Greets the client and answers until it leaves. Text only: where audio is wanted, an error event says so. */
export function session({ client, model, stage, trouble }: SessionOptions): void {
  const { dice, pause } = stage;
  const gone = new AbortController();
  const items: Fields[] = [];
  let running: AbortController | undefined;
  let settings: RealtimeSessionCreateRequest & Fields = {
    type: "realtime",
    object: "realtime.session",
    id: dice.id("sess_"),
    model,
    output_modalities: ["text"],
    instructions: "",
    tools: [],
    tool_choice: "auto",
    max_output_tokens: "inf",
  };

  const tell = (event: RealtimeEvent) => client.send(JSON.stringify({ ...event, event_id: dice.id("event_") }));

  const add = (given: Fields) => {
    const before = items.at(-1)?.id;
    const item: Fields = { status: "completed", ...given, id: given.id ?? dice.id("item_"), object: "realtime.item" };
    remember(item);
    const told = { item: item as unknown as ConversationItem, previous_item_id: before ? String(before) : null };
    tell({ type: "conversation.item.added", ...told });
    tell({ type: "conversation.item.done", ...told });
  };
  const remember = (item: Fields) => {
    items.push(item);
    items.splice(0, items.length - mostItems);
  };

  const answerTo = (asked: Fields): RealtimeAnswer => {
    const prompt = promptOf(items, String(asked.instructions ?? settings.instructions ?? ""));
    const tool = items.at(-1)?.role === "user" ? firstTool(asked.tools ?? settings.tools) : undefined;
    const limit = asked.max_output_tokens ?? settings.max_output_tokens;
    const made = compose({
      prompt,
      dice,
      reasoning: 0,
      format: { kind: "text" },
      stops: [],
      ...(tool && { tool }),
      ...(typeof limit === "number" && { limit }),
    });
    return realtimeAnswer({ made, prompt, cached: stage.promptCache(prompt.text), tempo: tempoOf(dice), dice });
  };

  const respond = async (asked: Fields) => {
    if (running !== undefined) {
      throw new Refusal("An answer is on its way already.", { code: "conversation_already_has_active_response" });
    }
    const stop = new AbortController();
    running = stop;
    const answer = answerTo(asked);
    const signal = AbortSignal.any([stop.signal, gone.signal]);
    const broken = trouble === "cut" || trouble === "stall" ? answer.beats.length >> 1 : answer.beats.length;
    let said = 0;
    if (trouble === "slow") await pause(slowMillis, signal);
    for (const { wait, event } of answer.beats.slice(0, broken)) {
      if (wait > 0) await pause(wait, signal);
      if (signal.aborted) break;
      tell(event);
      if (event.type.endsWith(".delta")) said += 1;
    }
    // A stalled answer goes on until it is cancelled, or the client leaves.
    if (trouble === "stall") await aborted(signal);
    running = undefined;
    if (trouble === "cut") client.terminate();
    if (gone.signal.aborted || trouble === "cut") return;
    if (stop.signal.aborted) tell(answer.cancelled(said));
    else remember(fieldsIn(answer.item));
  };

  const take = async (event: Fields) => {
    if (event.type === "session.update") {
      refuseAudio(event.session);
      settings = { ...settings, ...fieldsIn(event.session), model, type: "realtime" };
      tell({ type: "session.updated", session: settings });
    } else if (event.type === "conversation.item.create") add(fieldsIn(event.item));
    else if (event.type === "response.create") {
      refuseAudio(event.response);
      await respond(fieldsIn(event.response));
    } else if (event.type === "response.cancel") running?.abort();
    else throw new Refusal(`The demo backend does not know the event '${String(event.type)}'.`, { param: "type" });
  };

  client.on("close", () => gone.abort());
  client.on("error", () => {});
  client.on("message", async (data) => {
    let event: Fields = {};
    try {
      event = fieldsIn(JSON.parse(String(data)));
      await take(event);
    } catch (error) {
      const refusal = error instanceof Refusal ? error : new Refusal("This event is not valid JSON.");
      const { type, code = null, param = null } = refusal.body.error;
      const event_id = typeof event.event_id === "string" ? event.event_id : null;
      tell({ type: "error", error: { type: String(type), code, message: refusal.message, param, event_id } });
    }
  });
  tell({ type: "session.created", session: settings });
}

function refuseAudio(wanted: unknown): void {
  const modalities = fieldsIn(wanted).output_modalities;
  if (modalities === undefined || listIn(modalities).join() === "text") return;
  throw wrongValue("output_modalities", '["text"], since the demo backend has no voice');
}

function firstTool(tools: unknown): Tool | undefined {
  const { type, name, parameters } = fieldsIn(listIn(tools)[0]);
  return type === "function" && typeof name === "string" ? { name, parameters, custom: false } : undefined;
}
