// Finds a realtime event's type without parsing the event.

/** Event types have a dot in them, which the types of what is nested in an event have not. */
const dotted = /"type"\s*:\s*"([a-z_]+(?:\.[a-z_]+)+)"/;

/** The type stands near the start, or near the end where keys are sorted. */
const edgeBytes = 256;
/** Messages up to this size are searched whole. */
const searchedBytes = 16 * 1024;

/** The type of one event's JSON, e.g. `response.done`; `undefined` for `error` and for what is no such event. */
export function eventType(message: Buffer): string | undefined {
  const { length } = message;
  const head = dotted.exec(message.toString("latin1", 0, edgeBytes));
  if (head) return head[1];
  if (length <= edgeBytes) return undefined;
  const tail = dotted.exec(message.toString("latin1", length - edgeBytes));
  if (tail) return tail[1];
  return length <= searchedBytes ? dotted.exec(message.toString("latin1"))?.[1] : undefined;
}
