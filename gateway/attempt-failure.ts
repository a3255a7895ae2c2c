// What an attempt's error means: undici's and Node's codes → our kinds of failure, and the words for the record.
import { type FailureKind, GatewayError } from "./errors.ts";

/** The kind of failure that undici's or Node's error is. `answering`: the answer's head had come. */
export function attemptFailure(error: Error, answering: boolean): FailureKind {
  // Our own verdict on the request's body, which undici hands back.
  if (error instanceof GatewayError) return error.kind;
  const code = "code" in error ? error.code : undefined;
  switch (code) {
    case "UND_ERR_CONNECT_TIMEOUT":
      return "connect_timeout";
    case "UND_ERR_HEADERS_TIMEOUT":
      return "first_byte_timeout";
    case "UND_ERR_BODY_TIMEOUT":
      return "idle_timeout";
    case "UND_ERR_HEADERS_OVERFLOW":
      return "bad_answer";
    // undici asserts what a sane status is, and has checked the length before a byte was passed on.
    case "ERR_ASSERTION":
    case "UND_ERR_RES_CONTENT_LENGTH_MISMATCH":
      return answering ? "broken_answer" : "bad_answer";
    case "UND_ERR_INVALID_ARG":
    case "UND_ERR_NOT_SUPPORTED":
      return "internal";
    default:
      // `bad response` or `bad upgrade`: informational answers that nobody asked for.
      if (error.name === "HTTPParserError" || /^bad (response|upgrade)$/.test(error.message)) return "bad_answer";
      return answering ? "broken_answer" : "unreachable";
  }
}

/** The error's own words for the record; addresses and the like are redacted later, with everything else. */
export function inWords(error: Error): string {
  const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
  return error.message.includes(code) ? error.message : `${code}: ${error.message}`;
}
