// The connection to a Redis that several gateways share: refuses at once while it is away, and comes back by itself.
import { hash } from "node:crypto";
import { createClient, RESP_TYPES, type RedisArgument } from "@redis/client";
import { within } from "../within.ts";

export interface RedisOptions {
  /** `redis://` or `rediss://`, with user, password and database where they are needed. May hold a secret: never print it. */
  readonly url: string;
  /** Told of each connection that broke or could not be made, and of each command that Redis refused. */
  readonly failed?: (error: unknown) => void;
  /** A connection that owes an answer for so long is given up, milliseconds. */
  readonly stalledMillis?: number;
}

/** Lua, run atomically. */
export interface RedisScript {
  readonly text: string;
}

export interface Redis {
  /** Commands are taken now. */
  readonly up: boolean;
  /** Sends a command. Rejects when Redis is away, refuses it, or goes away before it has answered. */
  call(command: readonly RedisArgument[]): Promise<unknown>;
  /** The same, with binary answers as they are. */
  callBinary(command: readonly RedisArgument[]): Promise<unknown>;
  /** Runs a script; its text goes over only where Redis does not know it yet. */
  run(script: RedisScript, keys: readonly string[], args: readonly string[]): Promise<unknown>;
  /** Told of every connection, before any other command goes over it; at once where there is one. */
  onConnected(told: () => void): void;
  /** Resolves once there is a connection, or after so many milliseconds without one. */
  ready(millis: number): Promise<boolean>;
  /** Waits for the answers that are due, as long as for any, and ends. */
  close(): Promise<void>;
}

class RedisAway extends Error {
  constructor(message = "Redis is away.") {
    super(message);
    this.name = "RedisAway";
  }
}

type Client = ReturnType<typeof connection>;

// RESP 2: what a script returns comes as it is in every version of the server.
const connection = (url: string) =>
  createClient({
    url,
    RESP: 2,
    disableOfflineQueue: true,
    socket: { reconnectStrategy: false, connectTimeout: 2_000 },
  });

const binary = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } };
const firstWaitMillis = 50;
const longestWaitMillis = 1_000;
/** How often a connection is looked at before it is given up. */
const looks = 4;

export function redis({ url, failed = () => {}, stalledMillis = 1_000 }: RedisOptions): Redis {
  const listeners: (() => void)[] = [];
  /** Scripts that were sent whole, and what Redis knows them by. */
  const shas = new Map<RedisScript, string>();
  let client: Client | undefined;
  let open = false;
  let closing = false;
  let wait = firstWaitMillis;
  let retry: NodeJS.Timeout | undefined;
  let becameReady = () => {};
  let due = 0;
  /** Looks in a row that found an answer due and none arrived; a loop that was busy itself counts for one. */
  let silent = 0;

  const lose = (lost: Client, error: unknown) => {
    if (lost !== client) return;
    client = undefined;
    open = false;
    shas.clear();
    if (lost.isOpen) lost.destroy();
    failed(error);
    if (closing) return;
    retry = setTimeout(connect, wait);
    retry.unref();
    wait = Math.min(wait * 2, longestWaitMillis);
  };

  const connect = () => {
    const made = connection(url);
    client = made;
    made.on("error", (error: unknown) => lose(made, error));
    made.on("end", () => lose(made, new RedisAway("Redis closed the connection.")));
    // Its greeting is an answer that is due.
    let owed = 0;
    const met = () => {
      due -= owed;
      silent = 0;
    };
    made.on("connect", () => {
      if (made !== client) return made.destroy();
      owed = 1;
      due += 1;
    });
    made.connect().then(
      () => {
        met();
        if (made !== client) return;
        open = true;
        wait = firstWaitMillis;
        for (const told of listeners) told();
        becameReady();
      },
      (error: unknown) => {
        met();
        lose(made, error);
      },
    );
  };

  const look = setInterval(() => {
    silent = due > 0 ? silent + 1 : 0;
    if (client && silent > looks) {
      lose(client, new RedisAway(`Redis gave no answer for ${stalledMillis} ms.`));
    }
  }, stalledMillis / looks);
  look.unref();

  const send = async (command: readonly RedisArgument[], asBinary: boolean): Promise<unknown> => {
    const through = client;
    if (through === undefined || !open) throw new RedisAway();
    due += 1;
    try {
      return await through.sendCommand(command, asBinary ? binary : undefined);
    } finally {
      due -= 1;
      silent = 0;
    }
  };

  connect();

  return {
    get up() {
      return open;
    },
    call: (command) => send(command, false),
    callBinary: (command) => send(command, true),
    async run(script, keys, args) {
      const tail = [String(keys.length), ...keys, ...args];
      const sha = shas.get(script);
      if (sha === undefined) {
        // Whole at first, and sent at once, so that what is sent behind it is done behind it.
        shas.set(script, hash("sha1", script.text));
        return send(["EVAL", script.text, ...tail], false);
      }
      try {
        return await send(["EVALSHA", sha, ...tail], false);
      } catch (error) {
        // Someone flushed the scripts, or it is another Redis.
        if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
        return send(["EVAL", script.text, ...tail], false);
      }
    },
    onConnected(told) {
      listeners.push(told);
      if (open) told();
    },
    async ready(millis) {
      if (open) return true;
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        becameReady = resolve;
        timer = setTimeout(resolve, millis);
      });
      clearTimeout(timer);
      return open;
    },
    async close() {
      closing = true;
      clearTimeout(retry);
      clearInterval(look);
      const last = client;
      const wasOpen = open;
      client = undefined;
      open = false;
      if (last === undefined) return;
      if (wasOpen) await within(stalledMillis / 1_000, last.close()).catch(() => {});
      last.destroy();
    },
  };
}
