// Takes a request's body in: read whole where it must be understood, passed on as it comes where it need not be.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import zlib from "node:zlib";
import type { ExchangeDraft } from "../instrumentation/index.ts";
import type { Limits } from "./config/config.ts";
import { GatewayError } from "./errors.ts";
import type { Running } from "./passage.ts";
import { type MultipartFacts, multipartFacts } from "./receivers/multipart.ts";
import type { Receiver, RequestFacts } from "./receivers/receiver.ts";
import { replaced } from "./rewrite/form.ts";
import { upload } from "./upload.ts";
import { tooLarge, WholeBody } from "./whole-body.ts";

/** What goes to the backend. */
export interface Sent {
  /** Whole, streamed, or nothing. */
  readonly body: Buffer | Readable | null;
  /** Length of a streamed body, where the client announced it. */
  readonly length?: string;
}

/** What came in. `facts` of an upload grow while its bytes pass. */
export interface Intake extends Sent {
  readonly facts: () => RequestFacts;
  /** The JSON body as plain bytes, where it was read; for rewriting and estimating. */
  readonly json?: Buffer;
  /** Takes the body of a form with another model's name in it, once. Throws a GatewayError where it names several. */
  readonly renamed?: (model: string) => Sent;
}

export interface IntakeOptions {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly receiver: Receiver;
  readonly limits: Limits;
  readonly draft: ExchangeDraft;
  readonly now: () => number;
  /** Told of a watch over the body that threw. */
  readonly watchFailed: (error: unknown) => void;
  /** Is told of what is under way. */
  readonly passage: { running: Running | undefined };
}

const noFacts: RequestFacts = { streamed: false };
/** Of a request without a body. */
export const nothingTaken: Intake = { body: null, facts: () => noFacts };

/**
 * Gives what came in once enough is known to choose a backend. Throws, or rejects with, a GatewayError that says what is
 * wrong with the body, or ClientLeft.
 */
export function intake(options: IntakeOptions): Intake | Promise<Intake> {
  const { req, res, receiver, limits } = options;
  const announced = req.headers["content-length"];
  const coding = req.headers["transfer-encoding"];
  if (announced === "0" || (announced === undefined && coding === undefined)) return nothingTaken;
  // Another coding would be lost on the way, and with it what the bytes mean (RFC 9112 §6.1).
  if (coding !== undefined && coding !== "chunked" && !/^chunked$/i.test(coding)) {
    throw new GatewayError("invalid_encoding", "The only transfer-encoding known here is chunked.");
  }

  const type = req.headers["content-type"] ?? "";
  const multipart = receiver.body !== "json" && /^\s*multipart\/form-data\b/i.test(type);
  const readWhole = !multipart && (receiver.body === "json" || receiver.body === "json-or-multipart");
  const limit = readWhole ? limits.jsonBytes : limits.bodyBytes;
  if (announced !== undefined && Number(announced) > limit) throw tooLarge(limit);
  // A client of HTTP/1.0 knows no 100 (RFC 9110 §10.1.1).
  if (req.headers.expect !== undefined && req.httpVersion !== "1.0") res.writeContinue();

  if (!readWhole) return passedOn(options, limit, multipart && receiver.body !== "opaque" ? type : undefined);
  const { draft, now } = options;
  const whole = new WholeBody({ req, draft, limit, seconds: limits.receiveSeconds, now });
  options.passage.running = whole;
  return whole.bytes.then((body) => {
    const json = decoded(body, req.headers["content-encoding"], limit);
    const facts = receiver.readRequest(parse(json));
    return { body, facts: () => facts, json };
  });
}

/** `form`: the content type of an upload whose fields are to be read. */
async function passedOn(options: IntakeOptions, limit: number, form: string | undefined): Promise<Intake> {
  const { req, receiver, limits } = options;
  const announced = req.headers["content-length"];
  const fields = form === undefined ? undefined : multipartFacts(form);
  const stream = upload({ ...options, limit, ...(fields && { watch: fields }) });
  if (fields) {
    await stream.until(() => fields.done || fields.bad || fields.fields.model !== undefined, limits.multipartHeadBytes);
  }
  const sent = { body: stream.body, ...(announced !== undefined && { length: announced }) };
  if (fields === undefined) return { ...sent, facts: () => noFacts };
  return {
    ...sent,
    facts: () => receiver.readRequest(fields.fields),
    renamed: (model) => renamed(sent, fields, model),
  };
}

function renamed({ body, length }: Sent & { readonly body: Readable }, form: MultipartFacts, model: string): Sent {
  const { modelAt } = form;
  form.pin();
  if (modelAt === undefined || form.contradicts) throw new GatewayError("ambiguous_form");
  const more = Buffer.byteLength(model) - (modelAt.end - modelAt.start);
  return {
    body: replaced(body, modelAt, model),
    ...(length !== undefined && { length: String(Number(length) + more) }),
  };
}

function parse(json: Buffer): unknown {
  try {
    return JSON.parse(json.toString("utf8"));
  } catch (error) {
    throw new GatewayError("invalid_json", `The request body is not valid JSON${position(error)}.`);
  }
}

/** The place of a syntax error, without the text around it, which may be anybody's. */
const position = (error: unknown): string => {
  const found = error instanceof Error ? /at position \d+/.exec(error.message) : null;
  return found ? ` (${found[0]})` : "";
};

function decoded(body: Buffer, encoding: string | undefined, maxOutputLength: number): Buffer {
  if (encoding === undefined) return body;
  const name = encoding.trim().toLowerCase();
  try {
    if (name === "identity" || name === "") return body;
    if (name === "gzip" || name === "x-gzip") return zlib.gunzipSync(body, { maxOutputLength });
    if (name === "deflate") return zlib.inflateSync(body, { maxOutputLength });
    if (name === "br") return zlib.brotliDecompressSync(body, { maxOutputLength });
    if (name === "zstd") return zlib.zstdDecompressSync(body, { maxOutputLength });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(maxOutputLength);
    throw new GatewayError("invalid_encoding");
  }
  throw new GatewayError(
    "invalid_encoding",
    "The request's content-encoding is not known here; use gzip, deflate, br, zstd or none.",
  );
}
