// The API port, but for what is forwarded: what is answered here, and what stands behind the admin door.
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { Hono } from "hono";
import { keysApi } from "./admission/keys/api.ts";
import type { Keys } from "./admission/keys/keys.ts";
import type { ClientAddress } from "./caller.ts";
import { type CountedOptions, counted } from "./counted.ts";
import type { Doors } from "./doors.ts";
import { GatewayError } from "./errors.ts";
import type { HealthAnswer } from "./ops.ts";
import { replyError } from "./reply.ts";
import type { Bindings } from "./server.ts";

export interface AppOptions extends CountedOptions {
  readonly doors: () => Doors;
  readonly health: () => HealthAnswer;
  /** Managed by `/api/keys`, which is not there without. */
  readonly keys?: Keys | undefined;
  readonly clientAddress: ClientAddress;
  /** Unix milliseconds. */
  readonly wall: () => number;
  /** Told when a part of the gateway failed, by its name. */
  readonly troubled: (part: string, error: unknown) => void;
}

/** Builds the app of the API port. */
export function app({ doors, health, now, served, keys, clientAddress, wall, troubled }: AppOptions): Hono<Bindings> {
  const hono = new Hono<Bindings>();

  const count = counted({ now, served });

  const preflight = count("/v1/*", ({ env: { incoming, outgoing } }) => {
    outgoing.writeHead(204, [
      "allow",
      "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
      ...doors().preflightHeaders(incoming),
    ]);
    outgoing.end();
    return RESPONSE_ALREADY_SENT;
  });

  const notForwarded = count("other", ({ env: { incoming, outgoing } }) => {
    try {
      doors().admitAdmin(incoming);
      replyError(outgoing, { kind: "no_such_path" });
    } catch (error) {
      replyError(outgoing, { kind: error instanceof GatewayError ? error.kind : "internal" });
    }
    return RESPONSE_ALREADY_SENT;
  });

  hono.options("/v1/*", preflight);
  hono.get(
    "/health",
    count("/health", (context) => {
      const { status, body } = health();
      return context.json(body, status);
    }),
  );
  if (keys !== undefined) {
    const failed = (error: unknown) => troubled("keys", error);
    keysApi(hono, count, { keys, doors, clientAddress, wall, failed });
  }
  hono.all("*", notForwarded);
  return hono;
}
