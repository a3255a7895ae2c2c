// Where log lines go: gathered for one write, bounded in memory, counted when lost.
import type { Writable } from "node:stream";
import { prettyFactory } from "pino-pretty";
import type { LossReport } from "./losses.ts";
import type { LogSettings } from "./settings.ts";

export interface LogOutputOptions {
  /** Usually the process's standard output. Only written to, never ended. */
  readonly destination: Writable & { readonly isTTY?: boolean };
  readonly settings: LogSettings;
  readonly report: LossReport;
  /** Text that may wait for a slow reader, characters; past it lines are dropped and counted. */
  readonly maxBuffered?: number;
  /** How long `flush` waits for the reader, milliseconds; lines unwritten by then are counted as lost. */
  readonly flushMillis?: number;
}

/** Takes whole lines of JSON. The one stream that the exchange lines and the gateway's own lines share. */
export interface LogOutput {
  /** Takes one line, line break included. Returns at once, never throws. */
  write(line: string): void;
  /** Resolves when every line is written, or the time is up. Never rejects. */
  flush(): Promise<void>;
  /** How many lines wait. */
  readonly buffered: number;
}

/** Details that a person at a terminal has no use for; the JSON lines have them all. */
const hiddenOnTerminal = [
  ..."id span_id operation endpoint method model served_model status outcome duration_seconds receive_seconds".split(
    " ",
  ),
  ..."queue_seconds backoff_seconds connect_seconds first_byte_seconds stream_seconds overhead_seconds".split(" "),
  ..."severity finish client_request_id user_agent cost_status cost_nano_usd cache_saved_nano_usd price request_bytes response_bytes client_address cache attempts streamed".split(
    " ",
  ),
];

/** Lines go out when they are this many characters together, or this long after the first of them, milliseconds. */
const gatherChars = 16 * 1024;
const gatherMillis = 25;

/**
 * Lines go out together: a write to a file blocks, and costs as much as several lines do to make (3.5 µs against 1).
 * A person at a terminal gets those of each turn of the event loop at its end. Lines that wait keep the process, and
 * go out when it exits all the same. A pipe or a socket takes them in its own time. Memory is bounded by `maxBuffered`,
 * so that a blocked reader costs lines and never traffic. A destination that fails loses lines too, counted, and does
 * not end the process.
 */
export function logOutput({
  destination,
  settings,
  report,
  maxBuffered = 4 * 1024 * 1024,
  flushMillis = 2_000,
}: LogOutputOptions): LogOutput {
  const pretty = settings.format === "pretty" || (settings.format === "auto" && destination.isTTY === true);
  const prompt = pretty || destination.isTTY === true;
  const print = pretty
    ? prettyFactory({
        colorize: destination.isTTY === true,
        singleLine: true,
        translateTime: "SYS:HH:MM:ss.l",
        ignore: hiddenOnTerminal.join(","),
        errorLikeObjectKeys: ["err"],
      })
    : undefined;
  let gathered = "";
  let gatheredLines = 0;
  /** Lines handed to the destination whose write is not done. */
  let writing = 0;
  let idle: (() => void)[] = [];
  /** Runs while lines wait for more to come; one timer for all, as a busy output needs it forty times a second. */
  let timer: NodeJS.Timeout | undefined;
  let timed = false;

  destination.on("error", (error: unknown) => report.failed(error));

  const send = () => {
    if (gatheredLines === 0) return;
    const lines = gatheredLines;
    const text = gathered;
    gathered = "";
    gatheredLines = 0;
    writing += lines;
    destination.write(text, (error) => {
      writing -= lines;
      if (error) report.lost(lines, "export_failed");
      if (writing + gatheredLines > 0) return;
      for (const resolve of idle.splice(0)) resolve();
    });
  };

  const wait = () => {
    if (timed) return;
    timed = true;
    process.on("exit", send);
    timer = timer?.refresh() ?? setTimeout(sendInTime, gatherMillis);
  };
  const waitNoMore = () => {
    timed = false;
    process.off("exit", send);
  };
  const sendInTime = () => {
    waitNoMore();
    send();
  };

  return {
    write(line) {
      if (gathered.length + destination.writableLength > maxBuffered) return report.lost(1, "buffer_full");
      gathered += print === undefined ? line : print(line);
      gatheredLines++;
      if (prompt) {
        if (gatheredLines === 1) setImmediate(send);
      } else if (gathered.length >= gatherChars) send();
      else wait();
    },
    async flush() {
      clearTimeout(timer);
      timer = undefined;
      sendInTime();
      if (writing === 0) return;
      let late: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        idle.push(resolve);
        late = setTimeout(() => {
          idle = idle.filter((waiting) => waiting !== resolve);
          report.lost(writing + gatheredLines, "shutdown");
          resolve();
        }, flushMillis);
      });
      clearTimeout(late);
    },
    get buffered() {
      return writing + gatheredLines;
    },
  };
}
