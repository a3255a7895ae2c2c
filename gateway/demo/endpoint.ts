// The contract of the demo backend's endpoints: what they are given, and the answer that they return as data.
import type { Dice } from "./dice.ts";
import type { Fields } from "./fields.ts";
import type { PromptCache } from "./prompt-cache.ts";
import type { Shelf } from "./shelf.ts";

export interface UploadedFile {
  readonly field: string;
  readonly name: string;
  readonly type: string;
  readonly content: Buffer;
}

/** One request, read whole. */
export interface Call {
  readonly method: string;
  /** The variable segments of the path, in order. */
  readonly ids: readonly string[];
  readonly query: URLSearchParams;
  /** The JSON object, or a form's fields. */
  readonly body: Fields;
  readonly files: readonly UploadedFile[];
}

/** One server-sent event. Waits are milliseconds before it, at the real pace. */
export interface Beat {
  readonly wait: number;
  /** The event's name; most have none. */
  readonly name?: string;
  readonly data: unknown;
}

/** What goes back. Nothing is sent or waited for by an endpoint itself, so that pace and failures live in one place. */
export type Answer =
  | {
      readonly kind: "json";
      readonly value: unknown;
      readonly wait?: number;
      /** True where the model's trouble comes later than this answer. */
      readonly sound?: true;
    }
  | { readonly kind: "bytes"; readonly type: string; readonly pieces: Iterable<Uint8Array>; readonly wait?: number }
  | {
      readonly kind: "events";
      readonly beats: readonly Beat[];
      /** Ends with OpenAI's `[DONE]`. */
      readonly done: boolean;
    };

/** Returns the answer or throws a Refusal. */
type Endpoint = (call: Call) => Answer | Promise<Answer>;

export interface Route {
  readonly method: "GET" | "POST" | "DELETE";
  /** Below `/v1`; `{}` stands for a variable segment. */
  readonly path: string;
  readonly answer: Endpoint;
}

export interface StoredFile {
  readonly id: string;
  readonly object: "file";
  readonly bytes: number;
  readonly created_at: number;
  readonly filename: string;
  readonly purpose: string;
  readonly content: Buffer;
}

/** What all endpoints of one demo backend share. */
export interface Stage {
  readonly dice: Dice;
  /** Whole Unix seconds. */
  readonly now: () => number;
  /** Resolves after so many milliseconds at the real pace, or at once when the signal aborts. */
  readonly pause: (millis: number, signal?: AbortSignal) => Promise<void>;
  readonly promptCache: PromptCache;
  readonly files: Shelf<StoredFile>;
}

export const json = (value: unknown, wait = 0): Answer => ({ kind: "json", value, wait });

export const text = (value: string, type: string, wait = 0): Answer => ({
  kind: "bytes",
  type,
  pieces: [Buffer.from(value)],
  wait,
});
