// The models that a request names elsewhere than where it is sent by: to be read, tuned, or spoken with later.
import { GatewayError } from "../errors.ts";
import type { Asked } from "./holder.ts";
import { grantFor } from "./permit.ts";

/** Begin a call, or make the secret for one: whoever says no model there speaks with one that the provider chooses. */
const beginnings = new Set([
  "/v1/realtime",
  "/v1/realtime/calls",
  "/v1/realtime/client_secrets",
  "/v1/realtime/sessions",
  "/v1/realtime/transcription_sessions",
  "/v1/realtime/translations/client_secrets",
]);

const unnamed = "This API key may use certain models only, and which one this call is for cannot be read here.";

/** Throws `model_not_allowed` where a call is for a model that it does not name, or not in a way that is read. */
export function otherModels({ receiver, method, path, json }: Asked): readonly string[] {
  if (receiver.path === "/v1/models/{id}") return [plain(path.slice("/v1/models/".length))];
  if (grantFor(receiver, method) === undefined) return [];
  const named = json === undefined ? [] : modelsIn(JSON.parse(json.toString("utf8")));
  if (named.length === 0 && method === "POST" && beginnings.has(receiver.path))
    throw new GatewayError("model_not_allowed", unnamed, "model");
  return named;
}

/** One that only transcribes has its model further down. */
function modelsIn(value: unknown): readonly string[] {
  const body = record(value);
  const session = record(body.session);
  const named = [body.model, session.model].filter((model) => typeof model === "string");
  if (named.length > 0) return named;
  const { transcription } = record(record(session.audio).input);
  return [record(transcription).model, record(body.input_audio_transcription).model].filter(
    (model) => typeof model === "string",
  );
}

const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};

function plain(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
