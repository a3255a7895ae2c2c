// The built-in demo backend: a small OpenAI-compatible server that makes its answers up, to try everything without a key.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { dice, seeded } from "./dice.ts";
import type { Stage, StoredFile } from "./endpoint.ts";
import { intake } from "./intake.ts";
import { promptCache } from "./prompt-cache.ts";
import { realtime } from "./realtime.ts";
import { Refusal } from "./refusal.ts";
import { router } from "./router.ts";
import { send } from "./send.ts";
import { shelf } from "./shelf.ts";
import { troublemaker } from "./trouble.ts";
import { pause } from "./waits.ts";

export interface DemoOptions {
  /** Numbers in [0, 1). Without it, every run is the same. */
  readonly random?: () => number;
  /** Unix milliseconds. Without it, time stands still, at the start of 2026. */
  readonly now?: () => number;
  /** How many times slower than a real model; 0 for no delays at all. */
  readonly pace?: number;
}

export interface Demo {
  /** E.g. `http://127.0.0.1:49152`; the API is below `/v1`. */
  readonly url: string;
  /** Cuts off what is open and stops listening. */
  close(): Promise<void>;
}

const startOf2026 = 1_767_225_600_000;

/** Starts it on a free port of the loopback interface. It keeps what it is given in bounded memory only. */
export async function demo({ random = seeded(1), now = () => startOf2026, pace = 1 }: DemoOptions = {}): Promise<Demo> {
  const stage: Stage = {
    dice: dice(random),
    now: () => Math.floor(now() / 1000),
    pause: (millis, signal) => pause(millis * pace, signal),
    promptCache: promptCache(),
    files: shelf<StoredFile>({ what: "file", count: 200, bytes: 256 * 1024 * 1024, bytesOf: ({ bytes }) => bytes }),
  };
  const routes = router(stage);
  const trouble = troublemaker();

  const answer = async (req: IncomingMessage, res: ServerResponse) => {
    const gone = new AbortController();
    res.on("close", () => gone.abort());
    res.setHeader("x-request-id", stage.dice.id("req_"));
    try {
      const { pathname, searchParams: query } = new URL(req.url ?? "/", "http://demo");
      const { route, ids } = routes(req.method ?? "GET", pathname);
      const { fields, files } = await intake(req);
      const asked = trouble(fields.model);
      const made = await route.answer({ method: route.method, ids, query, body: fields, files });
      const sound = made.kind === "json" && made.sound;
      await send(made, { res, pause: stage.pause, trouble: sound ? undefined : asked, signal: gone.signal });
    } catch (error) {
      refuse(res, error);
    }
  };

  const server = createServer((req, res) => void answer(req, res));
  const sessions = realtime(stage);
  server.on("upgrade", sessions.take);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        sessions.close();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function refuse(res: ServerResponse, error: unknown): void {
  if (res.headersSent || res.destroyed) {
    res.destroy();
    return;
  }
  const refusal =
    error instanceof Refusal
      ? error
      : new Refusal("The demo backend failed; this is a bug.", { status: 500, type: "server_error" });
  const body = Buffer.from(JSON.stringify(refusal.body));
  res.writeHead(refusal.status, {
    ...refusal.headers,
    "content-type": "application/json",
    "content-length": body.length,
  });
  res.end(body);
}
