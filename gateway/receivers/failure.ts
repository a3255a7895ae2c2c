// Error objects as providers spell them.
import { type JsonObject, objectIn, textIn } from "./json.ts";
import type { AnswerFacts } from "./receiver.ts";

type Failure = NonNullable<AnswerFacts["error"]>;

/**
 * Reads the error that an answer or event carries: `{ "error": { "message": … } }`, `{ "error": "…" }`, or
 * `{ "type": "error", "message": … }`; an `error` of null is none.
 */
export function errorIn(value: unknown): Failure | undefined {
  const said = objectIn(value);
  if (said === undefined) return undefined;
  if (typeof said.error === "string" && said.error !== "") return { message: said.error };
  const told = objectIn(said.error);
  if (told !== undefined) return failure(told);
  return said.type === "error" ? failure({ ...said, type: undefined }) : undefined;
}

/** Reads an object that is an error itself: `{ "message": …, "type": …, "code": … }`. */
function failure(told: JsonObject): Failure {
  const message = textIn(told.message);
  const type = textIn(told.type);
  const code = typeof told.code === "number" ? String(told.code) : textIn(told.code);
  return {
    ...(message !== undefined && { message }),
    ...(type !== undefined && { type }),
    ...(code !== undefined && { code }),
  };
}

/**
 * Reads the body of an HTTP error, whatever its shape: OpenAI's, the same in an array (Google), a bare object (vLLM),
 * `{ "detail": … }` (FastAPI), or plain text.
 */
export function errorBody(value: unknown, text: string): Failure | undefined {
  if (Array.isArray(value)) return errorBody(value[0], "");
  const body = objectIn(value);
  if (body === undefined) return text === "" ? undefined : { message: text };
  const error = errorIn(body);
  if (error !== undefined) return error;
  const detail = textIn(body.detail);
  return detail === undefined ? failure(body) : { ...failure(body), message: detail };
}
