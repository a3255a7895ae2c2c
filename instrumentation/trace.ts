// W3C trace context, levels 1 and 2: what a client's headers mean, and what a backend is told.
import type { Trace } from "./exchange.ts";

/** Fills a buffer with random bytes, e.g. `randomFillSync` of node:crypto. */
export type FillRandom = (bytes: Uint8Array<ArrayBuffer>) => unknown;

/** Gives every exchange its trace, and every attempt its span id. */
export interface TraceSource {
  /**
   * The trace of a request, from the values of its two headers. A header that breaks the rules is ignored as the
   * specification says: a bad `traceparent` begins a new trace and takes `tracestate` with it, a bad `tracestate`
   * is lost alone.
   */
  begin(traceparent?: string, tracestate?: string): Trace;
  /** A fresh span id: 16 lower-case hex digits, never all zero. */
  spanId(): string;
}

interface Parent {
  readonly traceId: string;
  readonly spanId: string;
  readonly flags: number;
}

/** The headers that carry trace context to a backend. `baggage` is not among them: it never leaves the gateway. */
export interface TraceHeaders {
  readonly traceparent: string;
  readonly tracestate?: string;
}

const sampled = 1;
const random = 2;
const poolBytes = 8192;
const noTrace = "0".repeat(32);
const noSpan = "0".repeat(16);

/** Random bytes are drawn 8 KB at a time: one system call for 340 exchanges. */
export function traceSource(fillRandom: FillRandom): TraceSource {
  const pool = Buffer.alloc(poolBytes);
  let used = poolBytes;

  const hex = (bytes: number, none: string): string => {
    for (;;) {
      if (used + bytes > poolBytes) {
        fillRandom(pool);
        used = 0;
      }
      const id = pool.toString("hex", used, used + bytes);
      used += bytes;
      if (id !== none) return id;
    }
  };
  const spanId = () => hex(8, noSpan);

  return {
    begin(traceparent, tracestate) {
      const parent = traceparent === undefined ? undefined : parseTraceparent(traceparent);
      if (parent === undefined) return { traceId: hex(16, noTrace), spanId: spanId(), flags: random };
      const state = tracestate === undefined ? undefined : parseTracestate(tracestate);
      return {
        traceId: parent.traceId,
        spanId: spanId(),
        parentSpanId: parent.spanId,
        flags: parent.flags,
        ...(state !== undefined && { tracestate: state }),
      };
    },
    spanId,
  };
}

const traceparentShape = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/**
 * Reads a `traceparent` (W3C Trace Context level 2, §3.2), or `undefined` where it is not valid: version ff,
 * upper-case digits, an id of zeros, or anything after the flags in version 00. Of a later version the known
 * part is read. Two headers joined by a comma are not valid.
 */
export function parseTraceparent(value: string): Parent | undefined {
  const found = traceparentShape.exec(value.trim());
  if (found === null) return undefined;
  const [, version, traceId = noTrace, spanId = noSpan, flags = "00", rest] = found;
  if (version === "ff" || (version === "00" && rest !== undefined)) return undefined;
  if (traceId === noTrace || spanId === noSpan) return undefined;
  return { traceId, spanId, flags: Number.parseInt(flags, 16) & (sampled | random) };
}

const member = /^[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;
const maxMembers = 32;
const maxStateChars = 512;
const longMember = 128;

/**
 * Reads a `tracestate` (level 2, §3.3): at most 32 members, keys unique; one bad member spoils the whole. It comes
 * back without empty members and spaces, and within 512 characters: past that, members over 128 characters go
 * first, then the oldest (§3.3.1.5). `undefined` where nothing is left or it is not valid.
 */
export function parseTracestate(value: string): string | undefined {
  const members: string[] = [];
  const keys = new Set<string>();
  for (const part of value.split(",")) {
    const text = part.replace(/^[ \t]+|[ \t]+$/g, "");
    if (text === "") continue;
    if (members.length === maxMembers || !member.test(text)) return undefined;
    keys.add(text.slice(0, text.indexOf("=")));
    members.push(text);
    if (keys.size !== members.length) return undefined;
  }
  const tooLong = () => members.join(",").length > maxStateChars;
  for (let index = members.length - 1; index >= 0 && tooLong(); index--) {
    if ((members[index]?.length ?? 0) > longMember) members.splice(index, 1);
  }
  while (tooLong()) members.pop();
  return members.length === 0 ? undefined : members.join(",");
}

/**
 * The trace headers for one attempt at a backend, for a backend that takes them.
 *
 * While spans are exported, the parent is the attempt's span and the sampled bit is set. Whether an exchange is kept
 * is known only when it ends (failed and slow ones always are), so the honest head decision is "it may be":
 * with the bit off, the backends' part would be missing from the very traces that are kept for their trouble.
 * How much a backend keeps remains its own sampler's business.
 *
 * While they are not, no span of ours will exist: a client's own context passes through as if there were no gateway,
 * and a trace that begins here is sent unsampled, so that a backend's logs can still be matched with ours.
 */
export function traceHeaders(trace: Trace, attemptSpanId: string, exporting: boolean): TraceHeaders {
  const { traceId, parentSpanId, tracestate, flags = 0 } = trace;
  const through = !exporting && parentSpanId !== undefined;
  const bits = exporting ? sampled | (flags & random) : flags;
  return {
    traceparent: `00-${traceId}-${through ? parentSpanId : attemptSpanId}-0${bits}`,
    ...(tracestate !== undefined && { tracestate }),
  };
}
