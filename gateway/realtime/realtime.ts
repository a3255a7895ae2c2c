// Realtime sessions: a WebSocket passed through message by message, metered from its events, one Exchange a session.
import { type IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { ExchangeDraft, type Outcome } from "../../instrumentation/index.ts";
import { callerOf, purposeOf } from "../caller.ts";
import { ClientLeft, GatewayError, outcomeOf } from "../errors.ts";
import { receiverFor } from "../receivers/index.ts";
import { replyError } from "../reply.ts";
import { type ForwardOptions, noRoute } from "../sending.ts";
import { target } from "../target.ts";
import { accept, dial } from "./handshake.ts";
import { relay } from "./relay.ts";
import { sessionMeter } from "./session-meter.ts";

export interface Realtime {
  wanted(req: IncomingMessage): boolean;
  /** Takes an upgrade request over. Never rejects. */
  take(req: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>;
  readonly open: number;
  /** Closes every session with 1001, `going away`. */
  cut(): void;
  /** Resolves when no session is open. */
  quiet(): Promise<void>;
}

/** Builds the passthrough. */
export function realtime(options: ForwardOptions): Realtime {
  const { pipeline, traces, surroundings } = options;
  const { now, wall } = surroundings.clock;
  const cuts = new Set<() => void>();
  let becameQuiet = () => {};

  const take: Realtime["take"] = async (req, socket, head) => {
    const { fleet, doors, clientAddress } = options.setting();
    const place = target(req.url);
    const { receiver } = receiverFor("GET", place?.path ?? "/v1/");
    const id = surroundings.uuid();
    const draft = new ExchangeDraft({
      id,
      openedAt: wall(),
      startedAt: now(),
      operation: receiver.operation,
      serviceType: receiver.serviceType,
      endpoint: receiver.path,
      method: req.method ?? "GET",
      trace: traces.begin(one(req.headers.traceparent), one(req.headers.tracestate)),
      caller: callerOf(req, clientAddress(req)),
      purpose: purposeOf(req),
    });
    const meter = sessionMeter(draft, now);
    const end = (outcome: Outcome) => draft.close(outcome, now());
    let cut = () => {
      end(outcomeOf("shutting_down"));
      socket.destroy();
    };
    const cutNow = () => cut();
    cuts.add(cutNow);
    socket.on("error", () => {});
    try {
      if (place === undefined) throw new GatewayError("invalid_path");
      if (options.draining()) throw new GatewayError("shutting_down");
      doors.admit(req);
      const model = new URLSearchParams(place.query).get("model") ?? undefined;
      draft.requestedModel = model;
      draft.streamed = true;
      draft.enter("overhead", now());
      const upstream = fleet.route(model);
      if (upstream === undefined) throw noRoute(model, fleet);
      const dialled = await dial({ req, socket, place, upstream, draft, options });
      const open = draft.attempts.at(-1);
      const client = await accept(req, socket, head, dialled, [
        `x-request-id: ${id}`,
        `x-tollgate-backend: ${upstream.backend.name}`,
      ]);
      draft.enter("stream", now());
      cut = () => {
        end(outcomeOf("shutting_down", undefined, 101));
        client.close(1001, "the gateway is shutting down");
        dialled.close(1001);
      };
      const outcome = await relay({ client, backend: dialled, meter, idleSeconds: upstream.backend.timeouts.idle });
      if (open) {
        open.endedAt = now();
        open.result = outcome.kind;
        if ("reason" in outcome) open.reason = outcome.reason;
      }
      end(outcome);
    } catch (error) {
      refuse(error, { req, socket, draft, end, id });
    }
    cuts.delete(cutNow);
    pipeline.record(() => draft.seal(meter.findings()));
    if (cuts.size === 0) becameQuiet();
  };

  return {
    wanted: ({ headers, url }) =>
      headers.upgrade?.toLowerCase() === "websocket" && /^\/v1\/realtime(?:[/?]|$)/.test(url ?? ""),
    take,
    get open() {
      return cuts.size;
    },
    cut() {
      for (const end of cuts) end();
    },
    quiet: () =>
      cuts.size === 0
        ? Promise.resolve()
        : new Promise((resolve) => {
            becameQuiet = resolve;
          }),
  };
}

interface Refusal {
  readonly req: IncomingMessage;
  readonly socket: Duplex;
  readonly draft: ExchangeDraft;
  readonly end: (outcome: Outcome) => boolean;
  readonly id: string;
}

/** Answers an upgrade request that comes to nothing, as plain HTTP. */
function refuse(error: unknown, { req, socket, draft, end, id }: Refusal): void {
  if (error instanceof ClientLeft || socket.destroyed) {
    end({ kind: "abandoned", status: 499 });
    return;
  }
  const known = error instanceof GatewayError ? error : undefined;
  const kind = known?.kind ?? "internal";
  end(outcomeOf(kind, known?.message ?? String(error)));
  const res = new ServerResponse(req);
  // A handshake that failed ends its connection: there is no parser on it any more.
  res.shouldKeepAlive = false;
  res.assignSocket(socket as Parameters<ServerResponse["assignSocket"]>[0]);
  res.once("finish", () => socket.end());
  const backend = draft.attempts.at(-1)?.backend;
  replyError(res, {
    kind,
    ...(known && { message: known.message }),
    headers: ["x-request-id", id, ...(backend === undefined ? [] : ["x-tollgate-backend", backend])],
  });
}

const one = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? undefined : value);
