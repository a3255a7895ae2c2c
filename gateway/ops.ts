// The ops port: metrics for Prometheus, health and readiness for whoever keeps the process running.
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { Hono } from "hono";
import { scrapeContentType } from "../instrumentation/index.ts";
import { type CountedOptions, counted } from "./counted.ts";
import type { Doors } from "./doors.ts";
import { GatewayError } from "./errors.ts";
import type { Health } from "./health.ts";
import { replyError } from "./reply.ts";
import type { Bindings } from "./server.ts";

export interface HealthAnswer {
  readonly status: 200 | 503;
  readonly body: Health;
}

export interface OpsOptions extends CountedOptions {
  readonly doors: () => Doors;
  readonly health: () => HealthAnswer;
  /** Whether new requests are welcome; a draining gateway is healthy but not ready. */
  readonly ready: () => HealthAnswer;
  /** `undefined` where metrics are switched off. */
  readonly scrape: (() => Promise<string>) | undefined;
}

const compress = promisify(gzip);

/** Builds the app of the ops port. */
export function ops({ doors, health, ready, scrape, now, served }: OpsOptions): Hono<Bindings> {
  const hono = new Hono<Bindings>();

  const count = counted({ now, served });

  if (scrape)
    hono.get(
      "/metrics",
      count("/metrics", async (context) => {
        try {
          doors().admitScrape(context.env.incoming);
        } catch (error) {
          replyError(context.env.outgoing, { kind: error instanceof GatewayError ? error.kind : "internal" });
          return RESPONSE_ALREADY_SENT;
        }
        const text = await scrape();
        if (!/\bgzip\b/i.test(context.req.header("accept-encoding") ?? ""))
          return context.body(text, 200, { "content-type": scrapeContentType });
        const packed = await compress(text);
        return context.body(new Uint8Array(packed), 200, {
          "content-type": scrapeContentType,
          "content-encoding": "gzip",
          vary: "accept-encoding",
        });
      }),
    );
  hono.get(
    "/health",
    count("/health", (context) => context.json(health().body, health().status)),
  );
  hono.get(
    "/ready",
    count("/ready", (context) => context.json(ready().body, ready().status)),
  );
  hono.all(
    "*",
    count("other", ({ env: { outgoing } }) => {
      replyError(outgoing, {
        kind: "no_such_path",
        message: `There is nothing here; try ${scrape ? "/metrics, " : ""}/health or /ready.`,
      });
      return RESPONSE_ALREADY_SENT;
    }),
  );
  return hono;
}
