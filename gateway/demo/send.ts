// Sends an answer at its pace, with back-pressure, and with the trouble that was asked for.
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { Answer, Stage } from "./endpoint.ts";
import type { Trouble } from "./trouble.ts";
import { aborted } from "./waits.ts";

export interface Delivery {
  readonly res: ServerResponse;
  readonly pause: Stage["pause"];
  readonly trouble: Trouble | undefined;
  /** Aborts when the client leaves. */
  readonly signal: AbortSignal;
}

const slowMillis = 10_000;

/** Resolves when everything was handed over, or the client has left. */
export async function send(answer: Answer, delivery: Delivery): Promise<void> {
  const { pause, signal, trouble } = delivery;
  if (trouble === "slow") await pause(slowMillis, signal);
  if (answer.kind !== "events" && answer.wait) await pause(answer.wait, signal);
  if (signal.aborted) return;
  if (answer.kind === "json") await sendJson(answer.value, delivery);
  else if (answer.kind === "bytes") await sendBytes(answer.type, answer.pieces, delivery);
  else await sendEvents(answer, delivery);
}

async function sendJson(value: unknown, { res, trouble, signal }: Delivery): Promise<void> {
  const body = Buffer.from(JSON.stringify(value));
  if (trouble === "stall") return aborted(signal);
  res.writeHead(200, { "content-type": "application/json", "content-length": body.length });
  if (trouble === "cut") res.write(body.subarray(0, body.length >> 1), () => res.destroy());
  else res.end(body);
}

async function sendBytes(type: string, pieces: Iterable<Uint8Array>, delivery: Delivery): Promise<void> {
  const { res, trouble, signal } = delivery;
  res.writeHead(200, { "content-type": type });
  for (const piece of pieces) {
    if (signal.aborted) return;
    if (trouble === "cut" || trouble === "stall") {
      await write(delivery, piece.subarray(0, piece.length >> 1));
      return trouble === "cut" ? cut(res) : aborted(signal);
    }
    await write(delivery, piece);
  }
  res.end();
}

async function sendEvents(answer: Answer & { kind: "events" }, delivery: Delivery): Promise<void> {
  const { res, pause, trouble, signal } = delivery;
  const { beats, done } = answer;
  const head = { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" };
  const broken = trouble === "cut" || trouble === "stall" ? beats.length >> 1 : beats.length;
  for (const { wait, name, data } of beats.slice(0, broken)) {
    if (wait > 0) await pause(wait, signal);
    if (signal.aborted) return;
    // As at a provider, the head comes with the first event.
    if (!res.headersSent) res.writeHead(200, head);
    await write(delivery, `${name === undefined ? "" : `event: ${name}\n`}data: ${JSON.stringify(data)}\n\n`);
  }
  if (trouble === "cut") return cut(res);
  if (trouble === "stall") return aborted(signal);
  res.end(done ? "data: [DONE]\n\n" : undefined);
}

async function write({ res, signal }: Delivery, data: string | Uint8Array): Promise<void> {
  if (res.write(data) || signal.aborted) return;
  await Promise.race([once(res, "drain", { signal }).catch(() => {}), aborted(signal)]);
}

/** Breaks off where a reader can tell that more was to come, after what was written has gone. */
const cut = (res: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    res.write("", () => {
      res.destroy();
      resolve();
    });
  });
