// The load generator of the benchmark, in a process of its own: keep-alive connections that ask again when answered.

import net from "node:net";
import { performance } from "node:perf_hooks";
import { AnswerEnd } from "./answer-end.ts";
import { type Kind, request, secrets } from "./payload.ts";

export type LoadOrder =
  /** Warm up, say "begun", measure, then report. */
  | {
      readonly order: "run";
      readonly kind: Kind;
      readonly port: number;
      /** Whether to bring a key of Tollgate's. */
      readonly withKey: boolean;
      readonly connections: number;
      readonly warmMillis: number;
      readonly millis: number;
    }
  /** Open streams and keep them; report when each has its first event. */
  | { readonly order: "open"; readonly port: number; readonly withKey: boolean; readonly streams: number }
  /** Let go of the open streams. */
  | { readonly order: "leave" };

export type LoadReport =
  | { readonly report: "begun" }
  | {
      readonly report: "ended";
      readonly answers: number;
      readonly millis: number;
      readonly bad: number;
      readonly p50: number;
      readonly p99: number;
    }
  | { readonly report: "opened"; readonly streams: number }
  | { readonly report: "left" };

const tell = (report: LoadReport) => process.send?.(report);
const requestsBy = (secret: string) => ({
  json: request("json", secret),
  sse: request("sse", secret),
  hold: request("hold", secret),
});
const plain = requestsBy(secrets.provider);
const keyed = requestsBy(secrets.tollgate);
/** All sockets read into this: their bytes are looked at once, and no read allocates. */
const room = Buffer.allocUnsafe(256 * 1024);

async function run({
  kind,
  port,
  withKey,
  connections,
  warmMillis,
  millis,
}: LoadOrder & { order: "run" }): Promise<void> {
  const bytes = (withKey ? keyed : plain)[kind];
  const latencies: number[] = [];
  let phase: "warm" | "measured" | "over" = "warm";
  let answers = 0;
  let bad = 0;
  const sockets = Array.from({ length: connections }, () => {
    const end = new AnswerEnd();
    let askedAt = 0;
    const ask = () => {
      askedAt = performance.now();
      socket.write(bytes);
    };
    const read = (length: number, chunk: Uint8Array): boolean => {
      const status = end.sees(chunk as Buffer, length);
      if (status === undefined) return true;
      if (phase === "measured") {
        answers++;
        latencies.push(performance.now() - askedAt);
      }
      if (status !== 200) bad++;
      if (phase !== "over") ask();
      return true;
    };
    const socket = net.connect(
      { port, host: "127.0.0.1", noDelay: true, onread: { buffer: room, callback: read } },
      ask,
    );
    const lost = () => {
      if (phase !== "over") bad++;
    };
    socket.on("error", lost);
    socket.on("close", lost);
    return socket;
  });
  await pause(warmMillis);
  phase = "measured";
  const begunAt = performance.now();
  tell({ report: "begun" });
  await pause(millis);
  phase = "over";
  const took = performance.now() - begunAt;
  latencies.sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? Number.NaN;
  tell({ report: "ended", answers, millis: took, bad, p50: at(0.5), p99: at(0.99) });
  for (const socket of sockets) socket.destroy();
}

/** How many streams are being opened at a time, so that no accept queue overflows. */
const opening = 64;
let streams: net.Socket[] = [];

async function open({ port, withKey, streams: wanted }: LoadOrder & { order: "open" }): Promise<void> {
  const { hold } = withKey ? keyed : plain;
  const one = () =>
    new Promise<void>((resolve) => {
      const socket = net.connect({ port, host: "127.0.0.1" }, () => socket.write(hold));
      socket.once("data", () => resolve());
      socket.on("data", () => {});
      socket.on("error", () => socket.destroy());
      socket.on("close", () => resolve());
      streams.push(socket);
    });
  let left = wanted;
  const row = async () => {
    while (left-- > 0) await one();
  };
  await Promise.all(Array.from({ length: opening }, row));
  tell({ report: "opened", streams: streams.filter((socket) => !socket.destroyed && socket.bytesRead > 0).length });
}

async function leave(): Promise<void> {
  const closed = streams.map(
    (socket) =>
      new Promise((resolve) => (socket.destroyed ? resolve(undefined) : socket.destroy().once("close", resolve))),
  );
  streams = [];
  await Promise.all(closed);
  tell({ report: "left" });
}

const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis));

process.on("message", (order: LoadOrder) => {
  if (order.order === "run") void run(order);
  else if (order.order === "open") void open(order);
  else void leave();
});
process.on("disconnect", () => process.exit());
process.send?.({ port: 0 });
