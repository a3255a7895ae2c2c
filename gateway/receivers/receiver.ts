// The contract of a receiver: one OpenAI endpoint family, what its requests and answers say that is worth metering.
import type { Media, Operation, ServiceType, Tokens } from "../../instrumentation/index.ts";

/** What a request body says, without its content. */
export interface RequestFacts {
  readonly model?: string;
  /** The client asked for an event stream. */
  readonly streamed: boolean;
  /** `safety_identifier`, or else `user`: read, never invented. */
  readonly user?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly messageCount?: number;
  /** `server_label` of each MCP tool of a Responses request. */
  readonly mcpServers?: readonly string[];
  /** Known before the answer: characters to be spoken, voice, image size and quality. */
  readonly media?: Media;
  /** The most output tokens that the request allows, over all the choices that are made for it. */
  readonly maxOutputTokens?: number;
  /** How many choices are made for it, where that is more than one. */
  readonly choices?: number;
  /** The response is to be made whether anybody waits for it or not. */
  readonly background?: boolean;
  /** Whether a streamed request already asks for usage; `undefined` where asking makes no sense. */
  readonly asksForUsage?: boolean;
}

/** What an answer said, once it is over. */
export interface AnswerFacts {
  readonly model?: string;
  /** As the provider states them; absent when it states none. */
  readonly tokens?: Tokens;
  readonly media?: Media;
  /** `stop`, `length`, `tool_calls`… for chat; the response's status for Responses. */
  readonly finish?: string;
  /** Id of a response on which the backend works on after this answer: what it uses is stated in a later one. */
  readonly unfinished?: string;
  /** An error object in the answer: an HTTP error body, an SSE error event, a failed response. */
  readonly error?: { readonly message?: string; readonly type?: string; readonly code?: string };
  /** False for a stream that ended without its own end mark (`[DONE]`, a finish reason, `response.completed`…). */
  readonly ended: boolean;
  /** An estimate of output tokens from what was seen; only for `usageSource: "estimated"`. */
  readonly estimatedOutput?: number;
}

/** Watches one answer's body. Bytes are only looked at, never kept beyond a small bounded sample. */
export interface AnswerReader {
  /** Looks at the next decoded (uncompressed) bytes, in order. Chunks may be cut anywhere. */
  read(chunk: Buffer): void;
  /** True from the first content, reasoning or tool delta on (streams only). */
  readonly sawToken: boolean;
  /** What was learned. Called once, after the last byte, off the hot path. */
  finish(): AnswerFacts;
}

/** The answer's head as far as a reader needs it. */
export interface AnswerHead {
  readonly status: number;
  /** Lower-case media type without parameters, "" when absent. */
  readonly contentType: string;
  readonly streamed: boolean;
}

/** One endpoint: which requests it takes, and how to read them and their answers. */
export interface Receiver {
  readonly operation: Operation;
  readonly serviceType: ServiceType;
  /** Route template with `{…}` for variable segments, e.g. `/v1/files/{id}`; used as the `route` label. */
  readonly path: string;
  readonly methods: readonly string[];
  readonly upstreamMode: "chat" | "responses" | "other";
  /** How the request body is taken: parsed JSON, scanned multipart (model in a field), or passed through unread. */
  readonly body: "json" | "multipart" | "json-or-multipart" | "opaque";
  /** True where the answer has usage to meter; such backends are asked for `identity` encoding. */
  readonly metered: boolean;
  /** The answer is read as well, for the usage of a response that was made earlier; the request has none of its own. */
  readonly tellsOfEarlier?: true;
  /** Reads the parsed JSON body (any JSON value: never throws on odd shapes). */
  readRequest(body: unknown): RequestFacts;
  /** A reader for one answer. */
  readAnswer(head: AnswerHead, request: RequestFacts): AnswerReader;
  /** Input tokens estimated from the parsed request body, where no provider count came. */
  estimateInput?(body: unknown): number;
}
