// What an attempt's error means: a connection's and Node's codes → our kinds of failure, and the words for the record.
import { type FailureKind, GatewayError } from "./errors.ts";

/** The kind of failure that an error is, by undici's names and Node's. `answering`: the answer's head had come. */
export function attemptFailure(error: Error, answering: boolean): FailureKind {
  // Our own verdict on the request's body, which comes back.
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
    // Never sent: it could not be written as it is.
    case "UND_ERR_INVALID_ARG":
    case "UND_ERR_REQ_CONTENT_LENGTH_MISMATCH":
      return "internal";
    default:
      if (error.name === "HTTPParserError") return "bad_answer";
      return answering ? "broken_answer" : "unreachable";
  }
}

/** The error's own words for the record; addresses and the like are redacted later, with everything else. */
export function inWords(error: Error): string {
  const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
  return error.message.includes(code) ? error.message : `${code}: ${error.message}`;
}
