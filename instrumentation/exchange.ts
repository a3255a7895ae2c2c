// The Exchange: the one record that a proxied request becomes, and the union it shares with tracked events.
import type { CacheSaved } from "./cache-saved.ts";
import type { FailureReason, Outcome, RefusalReason } from "./outcome.ts";

/** What the client asked the gateway to do; one word per OpenAI endpoint family. */
export type Operation =
  | "chat"
  | "completion"
  | "response"
  | "stored_response"
  | "embedding"
  | "moderation"
  | "image"
  | "speech"
  | "transcription"
  | "translation"
  | "realtime"
  | "models"
  | "files"
  | "uploads"
  | "batches"
  | "vector_stores"
  | "fine_tuning"
  | "other";

/** The kind of AI service, in the words of the analytics API. */
export type ServiceType =
  | "llm_chat"
  | "text_to_image"
  | "text_to_speech"
  | "speech_to_text"
  | "embeddings"
  | "moderation"
  | "other";

/** Token counts as the provider states them. `input` includes cached, `output` includes reasoning. */
export interface Tokens {
  readonly input?: number;
  readonly output?: number;
  readonly cachedInput?: number;
  /** The part of `cachedInput` that is audio, where the provider says it. */
  readonly cachedAudioInput?: number;
  readonly cacheWrite?: number;
  readonly reasoning?: number;
  readonly audioInput?: number;
  readonly audioOutput?: number;
  readonly imageInput?: number;
  readonly imageOutput?: number;
}

/** What was made or read besides text. Seconds are of audio, characters of text to be spoken. */
export interface Media {
  readonly images?: number;
  readonly imageBytes?: number;
  readonly imageSize?: string;
  readonly imageQuality?: string;
  readonly characters?: number;
  readonly audioBytes?: number;
  readonly audioSeconds?: number;
  readonly voice?: string;
}

/** What an exchange cost, in integer nano-USD (1 USD = 1e9), or the plain statement that no price is known. */
export type Cost =
  | {
      readonly status: "exact" | "custom";
      readonly nanoUsd: number;
      readonly input: number;
      readonly output: number;
      readonly other: number;
      /** Which price was used, e.g. `openai/gpt-4o-mini`, or `config: backends.local`. */
      readonly price: string;
    }
  | { readonly status: "unpriced" };

/** W3C trace identity: lower-case hex, 32 and 16 digits. */
export interface Trace {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly tracestate?: string;
  /** The W3C trace-flags that came in, known bits only: 1 sampled, 2 random. 2 for a trace that begins here. */
  readonly flags?: number;
}

/** Who asked. `user` is what the client says and is never trusted for limits. */
export interface Caller {
  readonly auth: "none" | "key" | "jwt" | "passthrough";
  readonly keyId?: string;
  readonly keyLabel?: string;
  readonly user?: string;
  readonly address?: string;
  readonly userAgent?: string;
  /** The client's own x-request-id, kept beside ours. */
  readonly requestId?: string;
}

/** What the caller says the request is for. */
export interface Purpose {
  readonly feature?: string;
  readonly scenario?: string;
  readonly session?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Seconds spent in each phase; their sum is the exchange's total. */
export interface Phases {
  readonly receive: number;
  readonly queue: number;
  readonly backoff: number;
  readonly connect: number;
  readonly firstByte: number;
  readonly stream: number;
  readonly overhead: number;
}

export type AttemptResult = "completed" | "refused" | "failed" | "abandoned";

/** One try at one backend. `startedAfter` and `seconds` are relative to the exchange's opening. */
export interface Attempt {
  readonly backend: string;
  readonly provider: string;
  readonly model?: string;
  readonly spanId: string;
  readonly startedAfter: number;
  readonly seconds: number;
  readonly connectSeconds?: number;
  readonly firstByteSeconds?: number;
  readonly status?: number;
  readonly result: AttemptResult;
  readonly reason?: RefusalReason | FailureReason;
  /** The backend's own id for the request, from its x-request-id header. */
  readonly upstreamRequestId?: string;
  readonly address?: string;
  readonly port?: number;
  /** As stated of an answer that was discarded for another's; unknown is absent, and none of it is in the exchange's own. */
  readonly tokens?: Tokens;
  readonly served?: string;
  readonly cost?: Cost;
}

/** A proxied request, from its arrival to its one close. Frozen. Times are seconds, money nano-USD. */
export interface Exchange {
  readonly kind: "exchange";
  readonly id: string;
  /** Unix time in milliseconds, with fractions. */
  readonly openedAt: number;
  readonly operation: Operation;
  readonly serviceType: ServiceType;
  /** The route template, e.g. `/v1/files/{id}`; never the raw path. */
  readonly endpoint: string;
  readonly method: string;
  readonly caller: Caller;
  readonly purpose: Purpose;
  readonly model: { readonly requested?: string; readonly served?: string };
  readonly streamed: boolean;
  readonly messageCount?: number;
  readonly upstreamMode: "chat" | "responses" | "other";
  readonly mcpServers: readonly string[];
  readonly systemPromptApplied: boolean;
  readonly attempts: readonly Attempt[];
  readonly cache: "hit" | "miss" | "bypass";
  readonly phases: Phases;
  readonly totalSeconds: number;
  readonly firstTokenSeconds?: number;
  readonly bytes: { readonly request: number; readonly response: number };
  /** Of an answer from the cache, which used no tokens itself. */
  readonly cacheSaved?: CacheSaved;
  readonly tokens?: Tokens;
  /** `undefined` where the operation has no usage to report (files, models…). */
  readonly usageSource?: "provider" | "estimated" | "missing";
  readonly media?: Media;
  readonly cost?: Cost;
  /**
   * Of a response on which its backend worked on after this exchange, whose usage is then `missing`; and of the later
   * exchange in which that usage was stated, which has it.
   */
  readonly responseId?: string;
  readonly outcome: Outcome;
  readonly trace: Trace;
  /** Set by the `bound` processor: the caller-controlled values, safe as metric labels. */
  readonly labels?: Labels;
}

/** Bounded label values; each is a known name, one of a capped number, or `other`. */
export interface Labels {
  readonly model: string;
  readonly servedModel: string;
  readonly key: string;
  readonly feature?: string;
}

/** A usage event that another service reports, the other member of the union. @public */
export interface TrackedEvent {
  readonly kind: "tracked";
  readonly id: string;
  readonly openedAt: number;
  readonly service: string;
}

export type UsageRecord = Exchange | TrackedEvent;

/** An exchange while it is open: what live views need, without waiting for its end. */
export interface OpenExchange {
  readonly id: string;
  readonly operation: Operation;
  readonly openedAt: number;
}

/** The backend that gave the answer, i.e. that of the last attempt; `undefined` where none was asked. */
export const answeringAttempt = ({ attempts }: Exchange): Attempt | undefined => attempts[attempts.length - 1];
