// One of our spans in the shape that OpenTelemetry's exporters read.
import type { Attributes, HrTime, SpanContext, SpanKind, SpanStatus, TraceState } from "@opentelemetry/api";
import type { SpanData } from "./span.ts";

interface Scope {
  readonly name: string;
  readonly version: string;
  readonly schemaUrl: string;
}

const spanKinds = { server: 1, client: 2 } as const;

/** The SDK's ReadableSpan, made of ids and times that are ours; the SDK's own Span would make its own. */
export class FinishedSpan<Resource> {
  readonly name: string;
  readonly kind: SpanKind;
  readonly startTime: HrTime;
  readonly endTime: HrTime;
  readonly duration: HrTime;
  readonly status: SpanStatus;
  readonly attributes: Attributes;
  readonly resource: Resource;
  readonly instrumentationScope: Scope;
  readonly parentSpanContext?: SpanContext;
  readonly links = [];
  readonly events = [];
  readonly ended = true;
  readonly droppedAttributesCount = 0;
  readonly droppedEventsCount = 0;
  readonly droppedLinksCount = 0;
  readonly #context: SpanContext;

  constructor(span: SpanData, resource: Resource, instrumentationScope: Scope) {
    const { traceId, spanId, parentSpanId, parentIsRemote, tracestate, startedAt, endedAt, error } = span;
    this.name = span.name;
    this.kind = spanKinds[span.kind];
    this.startTime = hrTime(startedAt);
    this.endTime = hrTime(endedAt);
    this.duration = hrTime(endedAt - startedAt);
    this.status = error === undefined ? { code: 0 } : { code: 2, ...(error !== "" && { message: error }) };
    this.attributes = span.attributes;
    this.resource = resource;
    this.instrumentationScope = instrumentationScope;
    this.#context = {
      traceId,
      spanId,
      traceFlags: 1,
      ...(tracestate !== undefined && { traceState: opaqueState(tracestate) }),
    };
    if (parentSpanId !== undefined) {
      this.parentSpanContext = { traceId, spanId: parentSpanId, traceFlags: 1, isRemote: parentIsRemote };
    }
  }

  spanContext(): SpanContext {
    return this.#context;
  }
}

/** Milliseconds with fractions as seconds and nanoseconds. */
export function hrTime(millis: number): HrTime {
  const seconds = Math.floor(millis / 1000);
  return [seconds, Math.floor((millis - seconds * 1000) * 1e6)];
}

/** A tracestate that was checked when it came in, and is only handed on. */
function opaqueState(text: string): TraceState {
  const state: TraceState = { get: () => undefined, set: () => state, unset: () => state, serialize: () => text };
  return state;
}
