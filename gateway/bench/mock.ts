// The backend of the benchmark, in a process of its own: a raw socket server that answers from ready-made bytes.
import net from "node:net";
import { jsonAnswer, modelOf, sseAnswer, sseDelta, sseEnd, sseStart } from "./payload.ts";

/** What the bench asks for: one more event on every held stream, the end of them all, or the counts so far. */
export type MockOrder = "tick" | "release" | "count";
export interface MockCounts {
  /** Requests other than chat ones, i.e. batches of spans. */
  readonly telemetry: number;
  readonly telemetryBytes: number;
}

const answers = {
  json: jsonAnswer(),
  sse: sseAnswer(false),
  sseWithUsage: sseAnswer(true),
  start: sseStart(),
  delta: sseDelta(),
};
const ends = { plain: sseEnd(false), withUsage: sseEnd(true) };
const accepted = Buffer.from("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}");
const marks = { json: `"${modelOf("json")}"`, sse: `"${modelOf("sse")}"`, usage: '"include_usage":true' };

/** Held streams, and how each is to end. */
const held = new Map<net.Socket, Buffer>();
let telemetry = 0;
let telemetryBytes = 0;

function answer(socket: net.Socket, whole: Buffer): void {
  if (!whole.subarray(0, 64).includes("/chat/completions ")) {
    telemetry++;
    telemetryBytes += whole.length;
    socket.write(accepted);
  } else if (whole.includes(marks.json)) socket.write(answers.json);
  else if (whole.includes(marks.sse)) socket.write(whole.includes(marks.usage) ? answers.sseWithUsage : answers.sse);
  else {
    held.set(socket, whole.includes(marks.usage) ? ends.withUsage : ends.plain);
    socket.write(answers.start);
  }
}

/** The length of a whole request at the start of `bytes`; `undefined` while there is more to come. */
function requestLength(bytes: Buffer): number | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const head = bytes.toString("latin1", 0, end);
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) {
    const last = bytes.indexOf("\r\n0\r\n\r\n", end + 2);
    return last < 0 ? undefined : last + 7;
  }
  const length = end + 4 + Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
  return bytes.length < length ? undefined : length;
}

const server = net.createServer({ noDelay: true }, (socket) => {
  let waiting: Buffer | undefined;
  socket.on("data", (chunk) => {
    waiting = waiting === undefined ? chunk : Buffer.concat([waiting, chunk]);
    while (waiting !== undefined) {
      const length = requestLength(waiting);
      if (length === undefined) return;
      answer(socket, waiting.subarray(0, length));
      waiting = waiting.length > length ? waiting.subarray(length) : undefined;
    }
  });
  socket.on("close", () => held.delete(socket));
  socket.on("error", () => socket.destroy());
});

process.on("message", (order: MockOrder) => {
  if (order === "tick") for (const socket of held.keys()) socket.write(answers.delta);
  else if (order === "release") {
    for (const [socket, end] of held) socket.write(end);
    held.clear();
  } else process.send?.({ telemetry, telemetryBytes } satisfies MockCounts);
});
process.on("disconnect", () => process.exit());

server.listen({ host: "127.0.0.1", port: 0, backlog: 8192 }, () => {
  const address = server.address();
  if (address !== null && typeof address === "object") process.send?.({ port: address.port });
});
