// A bounded sample of a stream's first tokens, from which the length of all its text can be guessed.
import { eachEvent, serverEvent } from "../sse.ts";
import { tokensOfSample } from "./estimate.ts";
import { jsonIn } from "./json.ts";

const sampleBytes = 1024;

export class Sample {
  /** How much memory it wants to be given. */
  static readonly bytes: number = sampleBytes;
  readonly #bytes: Buffer;
  #kept = 0;
  #seen = 0;

  constructor(memory: Buffer) {
    this.#bytes = memory;
  }

  /** Takes in a run of whole events. */
  add(events: Buffer): void {
    this.#seen += events.length;
    const room = sampleBytes - this.#kept;
    if (room === 0) return;
    // A copy, so that a short sample does not keep a long chunk in memory.
    const kept = events.length <= room ? events : events.subarray(0, room);
    this.#bytes.set(kept, this.#kept);
    this.#kept += kept.length;
  }

  /** Counts bytes that are not looked at. */
  skip(bytes: number): void {
    this.#seen += bytes;
  }

  /** The sampled events' bytes (the last event may be cut), and how many bytes there were in all. */
  get taken(): { readonly events: Buffer; readonly seen: number } {
    return { events: this.#bytes.subarray(0, this.#kept), seen: this.#seen };
  }
}

/** Output tokens of the whole stream: those of the sample, drawn out to all its bytes. */
export function estimatedTokens(sample: Sample, text: (value: unknown) => string): number {
  const { events, seen } = sample.taken;
  let written = "";
  let bytes = 0;
  eachEvent(events, (event) => {
    const { data } = serverEvent(event);
    const value = data === "" ? undefined : jsonIn(data);
    // What is no JSON is a comment, the end mark, or the event that the sample's end has cut.
    if (value === undefined) return;
    bytes += event.length;
    written += text(value);
  });
  return bytes === 0 || written === "" ? 0 : Math.ceil((tokensOfSample(written) * Math.max(seen, bytes)) / bytes);
}
