// A span as plain data, and the sink that takes it: the seam between our records and OpenTelemetry.
import type { Attributes } from "@opentelemetry/api";

/** One finished span. Times are Unix milliseconds with fractions. */
export interface SpanData {
  readonly name: string;
  readonly kind: "server" | "client";
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  /** True where the parent is a span of the caller's. */
  readonly parentIsRemote: boolean;
  readonly tracestate?: string;
  readonly startedAt: number;
  readonly endedAt: number;
  /** Set where the span's status is Error; its message may be empty. */
  readonly error?: string;
  readonly attributes: Attributes;
}

/** Takes finished spans and sends them on in its own time. */
export interface SpanSink {
  /** Takes all spans of one exchange, or none of them where its buffer is full. Returns at once, never throws. */
  accept(spans: readonly SpanData[]): void;
  /** Sends what waits, within a bounded time, and counts what could not be sent. Never rejects. */
  shutdown(): Promise<void>;
  /** How many spans wait or are on their way. */
  readonly buffered: number;
}
