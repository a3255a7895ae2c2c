// The admin API of keys, `/api/keys`: for the holder of the admin token alone.
import type { IncomingMessage, ServerResponse } from "node:http";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { Hono } from "hono";
import type { ClientAddress } from "../../caller.ts";
import type { counted } from "../../counted.ts";
import type { Doors } from "../../doors.ts";
import { GatewayError } from "../../errors.ts";
import { reply, replyError } from "../../reply.ts";
import type { Bindings } from "../../server.ts";
import type { Key } from "../identity.ts";
import { described } from "./described.ts";
import { AlreadyRevoked, DeclaredInConfig } from "./immutable.ts";
import { readJson } from "./json-body.ts";
import type { KeyActor } from "./key-event.ts";
import { LabelTaken } from "./key-store.ts";
import type { Keys } from "./keys.ts";
import { type Fault, readChange, readNewKey, readRotation } from "./wanted.ts";

export interface KeysApiOptions {
  readonly keys: Keys;
  readonly doors: () => Pick<Doors, "admitKeeper">;
  readonly clientAddress: ClientAddress;
  /** Unix milliseconds. */
  readonly wall: () => number;
  /** Told why keys could not be written. */
  readonly failed: (error: unknown) => void;
}

interface Asked {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  /** Of the path; "" where it has none. */
  readonly id: string;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

type Handle = (asked: Asked) => Answer | Promise<Answer>;

/** Method → what it does, by path. */
type Table = Readonly<Record<string, Readonly<Record<string, Handle>>>>;

/** Adds the routes. Errors are in OpenAI's shape and name the member; nothing but `create` and `rotate` shows a secret. */
export function keysApi(hono: Hono<Bindings>, count: ReturnType<typeof counted>, options: KeysApiOptions): void {
  const { keys, doors, clientAddress, wall, failed } = options;
  const shown = (key: Key) => described(key, keys.isDeclared(key.id), wall());
  const by = (incoming: IncomingMessage): KeyActor => {
    const address = clientAddress(incoming);
    return { door: "admin_api", ...(address !== undefined && { address }) };
  };
  const found = <T>(one: T | undefined): T => {
    if (one === undefined) throw new GatewayError("unknown_id", "There is no key with this id.");
    return one;
  };
  const routes: Table = {
    "/api/keys": {
      GET: () => ({ status: 200, body: { object: "list", data: keys.list().map(shown) } }),
      async POST({ incoming }) {
        const read = readNewKey(await readJson(incoming), wall());
        if ("fault" in read) throw invalid(read.fault);
        const { key, secret } = await keys.create(read.wanted, by(incoming));
        return { status: 201, body: { ...shown(key), secret } };
      },
    },
    "/api/keys/{id}": {
      GET: ({ id }) => ({ status: 200, body: shown(found(keys.list().find((key) => key.id === id))) }),
      async PATCH({ incoming, id }) {
        const read = readChange(await readJson(incoming), wall());
        if ("fault" in read) throw invalid(read.fault);
        return { status: 200, body: shown(found(await keys.change(id, read.change, by(incoming)))) };
      },
    },
    "/api/keys/{id}/revoke": {
      POST: async ({ incoming, id }) => ({ status: 200, body: shown(found(await keys.revoke(id, by(incoming)))) }),
    },
    "/api/keys/{id}/rotate": {
      async POST({ incoming, id }) {
        const read = readRotation((await readJson(incoming, { mayBeEmpty: true })) ?? {});
        if ("fault" in read) throw invalid(read.fault);
        const { key, secret } = found(await keys.rotate(id, read.graceSeconds, by(incoming)));
        return { status: 200, body: { ...shown(key), secret } };
      },
    },
  };

  const answer = async (asked: Asked, handlers: Readonly<Record<string, Handle>>) => {
    const { incoming, outgoing } = asked;
    try {
      doors().admitKeeper(incoming);
      const method = incoming.method === "HEAD" ? "GET" : (incoming.method ?? "");
      const handle = Object.hasOwn(handlers, method) ? handlers[method] : undefined;
      if (handle === undefined) {
        const allow = Object.keys(handlers).join(", ");
        throw new GatewayError("method_not_allowed", undefined, undefined, { headers: ["allow", allow] });
      }
      const { status, body } = await handle(asked);
      // A secret may be in it: it stays in no cache on the way.
      const head = ["content-type", "application/json", "cache-control", "no-store"];
      reply(outgoing, status, Buffer.from(JSON.stringify(body)), head);
    } catch (error) {
      const { kind, message, param, headers } = told(error, failed);
      replyError(outgoing, { kind, message, headers, ...(param !== undefined && { param }) });
    }
  };

  for (const [route, handlers] of Object.entries(routes)) {
    hono.all(
      route.replace("{id}", ":id"),
      count(route, async (context) => {
        const { incoming, outgoing } = context.env;
        await answer({ incoming, outgoing, id: context.req.param("id") ?? "" }, handlers);
        return RESPONSE_ALREADY_SENT;
      }),
    );
  }
}

const invalid = ({ member, message }: Fault): GatewayError =>
  new GatewayError("invalid_member", `${member === "" ? "The body" : member} ${message}.`, member || undefined);

/** What a failure means to the client. What the disk says is for the operator's log. */
function told(error: unknown, failed: (error: unknown) => void): GatewayError {
  if (error instanceof GatewayError) return error;
  if (error instanceof LabelTaken) return new GatewayError("key_conflict", error.message, "label");
  if (error instanceof AlreadyRevoked || error instanceof DeclaredInConfig)
    return new GatewayError("key_conflict", error.message);
  failed(error);
  return new GatewayError("keys_away");
}
