// A process of the benchmark: started on given cores, spoken to, paused while others are measured, ended.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import net from "node:net";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";

export interface Child {
  readonly pid: number;
  readonly port: number;
  /** Its clients bring a key of Tollgate's. */
  readonly asksForKey: boolean;
  send(message: object | string): void;
  /** The next message that is of this shape. Rejects when the process ends first. */
  next<Message>(is: (message: unknown) => message is Message): Promise<Message>;
  /** Stops the process in its tracks, so that its background work costs nobody else. */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

export interface ChildOptions {
  /** A file of this folder for Node, or a command. */
  readonly script?: string;
  readonly command?: readonly string[];
  readonly nodeFlags?: readonly string[];
  readonly args?: readonly string[];
  /** As taskset names them, e.g. `0` or `1-3`; anywhere when absent. */
  readonly cores?: string;
  /** Where its standard output goes; nowhere when absent. */
  readonly output?: string;
  /** Known beforehand where the process cannot tell. */
  readonly port?: number;
}

const canPin = spawnSync("taskset", ["-V"]).status === 0;

/** What a process says when it serves. */
export interface Announcement {
  readonly port: number;
  readonly asksForKey?: boolean;
}

const isAnnouncement = (message: unknown): message is Announcement =>
  typeof message === "object" && message !== null && "port" in message;

/** Starts a process and waits until it serves. */
export async function child(options: ChildOptions): Promise<Child> {
  const { script, command, nodeFlags = [], args = [], cores, output, port } = options;
  const program = command ?? [
    process.execPath,
    ...nodeFlags,
    fileURLToPath(new URL(script ?? "", import.meta.url)),
    ...args,
  ];
  const [file = "", ...rest] = cores !== undefined && canPin ? ["taskset", "-c", cores, ...program] : program;
  const stdout = output === undefined ? "ignore" : openSync(output, "a");
  const running = spawn(file, rest, {
    stdio: command ? ["ignore", stdout, "inherit"] : ["ignore", stdout, "inherit", "ipc"],
  });
  const name = script ?? command?.[0] ?? "";
  const next = messages(running, name);
  const pid = running.pid;
  if (pid === undefined) throw new Error(`${name} did not start`);
  if (port !== undefined) await accepting(port);
  const announced = port === undefined ? await next(isAnnouncement) : { port };
  return {
    pid,
    port: announced.port,
    asksForKey: announced.asksForKey === true,
    send: (message) => running.send?.(message),
    next,
    pause: () => running.kill("SIGSTOP"),
    resume: () => running.kill("SIGCONT"),
    async stop() {
      if (running.exitCode !== null || running.signalCode !== null) return;
      const ended = once(running, "exit");
      running.kill("SIGCONT");
      running.kill("SIGKILL");
      await ended;
    },
  };
}

/** Waits, at most 10 seconds, until something takes connections at this port. */
async function accepting(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const socket = net.connect(port, "127.0.0.1");
    const connected = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (connected) return;
    await setTimeout(50);
  }
  throw new Error(`nothing took connections on port ${port}`);
}

function messages(running: ChildProcess, name: string): Child["next"] {
  return <Message>(is: (message: unknown) => message is Message) =>
    new Promise<Message>((resolve, reject) => {
      const done = () => {
        running.off("message", look);
        running.off("exit", gone);
      };
      const look = (message: unknown) => {
        if (!is(message)) return;
        done();
        resolve(message);
      };
      const gone = (code: number | null) => {
        done();
        reject(new Error(`${name} ended (${code ?? "by a signal"}) while it was needed`));
      };
      running.on("message", look);
      running.on("exit", gone);
    });
}
