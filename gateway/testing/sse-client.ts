// A client for event streams that counts: events as the HTML standard reads them, and the exact bytes.
import { CutOff } from "./byte-reader.ts";
import type { Field } from "./http-wire.ts";
import { type AnswerHead, type RawConnection, rawConnection, requestBytes } from "./raw-client.ts";

export interface ServerEvent {
  /** `message` where the stream gives none. */
  readonly type: string;
  readonly data: string;
}

export interface EventSource {
  readonly head: AnswerHead;
  /** Events dispatched so far. */
  readonly events: readonly ServerEvent[];
  readonly bytes: Buffer;
  /** Comment lines seen. */
  readonly comments: number;
  /** The next event; `undefined` when the stream has ended. */
  next(): Promise<ServerEvent | undefined>;
  /** Reads to the end and says how it came. */
  rest(): Promise<"complete" | "fin" | "reset">;
  readonly connection: RawConnection;
}

/** POSTs `body` as JSON and reads the answer as an event stream, whatever its content type. */
export async function openEvents(url: string, body: unknown, headers: readonly Field[] = []): Promise<EventSource> {
  const connection = await rawConnection(url);
  const fields: Field[] = [["Content-Type", "application/json"], ...headers];
  await connection.send(requestBytes(url, { headers: fields, body: JSON.stringify(body) }));
  const head = await connection.head("POST");
  const events: ServerEvent[] = [];
  const parts: Buffer[] = [];
  const parser = eventParser((event) => events.push(event));
  let read = 0;
  let ended: "complete" | "fin" | "reset" | undefined;

  async function pull(): Promise<void> {
    try {
      const piece = await connection.piece();
      if (piece === undefined) ended = "complete";
      else {
        parts.push(piece);
        parser.write(piece.toString("latin1"));
      }
    } catch (error) {
      if (!(error instanceof CutOff)) throw error;
      ended = error.how;
    }
  }

  return {
    head,
    events,
    get bytes() {
      return Buffer.concat(parts);
    },
    get comments() {
      return parser.comments;
    },
    async next() {
      while (read >= events.length && ended === undefined) await pull();
      read += 1;
      return events[read - 1];
    },
    async rest() {
      while (ended === undefined) await pull();
      connection.leave();
      return ended;
    },
    connection,
  };
}

/**
 * The event stream parser of https://html.spec.whatwg.org/multipage/server-sent-events.html, on latin1 text so that
 * a character cut in two does not matter; `data` is given as UTF-8 again. LF, CR and CRLF end a line.
 */
export function eventParser(dispatch: (event: ServerEvent) => void) {
  let line = "";
  let afterReturn = false;
  let type = "";
  let data: string[] = [];
  let comments = 0;

  const take = () => {
    if (line === "") {
      if (data.length > 0)
        dispatch({ type: type || "message", data: Buffer.from(data.join("\n"), "latin1").toString() });
      [type, data] = ["", []];
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) comments += 1;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") data.push(value);
    if (name === "event") type = value;
  };

  return {
    write(text: string) {
      for (const part of text.split(/(\r|\n)/)) {
        if (part === "\n" && afterReturn) afterReturn = false;
        else if (part === "\n" || part === "\r") {
          take();
          line = "";
          afterReturn = part === "\r";
        } else if (part !== "") {
          line += part;
          afterReturn = false;
        }
      }
    },
    get comments() {
      return comments;
    },
  };
}
