// One realtime session, from its upgrade request to its one record.
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { heldBy } from "../admission/held-by.ts";
import { KeyRefused } from "../admission/identify.ts";
import { anonymous, type Identity } from "../admission/identity.ts";
import { nameCaller } from "../caller.ts";
import { ClientLeft, GatewayError, outcomeOf } from "../errors.ts";
import type { Upstream } from "../fleet.ts";
import { headersToClient } from "../headers.ts";
import { openDraft } from "../opening.ts";
import { ownHeaders } from "../outgoing.ts";
import { receiverFor } from "../receivers/index.ts";
import { type ForwardOptions, noRoute } from "../sending.ts";
import { target } from "../target.ts";
import { type Dialled, dial } from "./dial.ts";
import { close, outcomeOfFailure } from "./ending.ts";
import { accept, checkUpgrade } from "./handshake.ts";
import { answerPlainly } from "./refusal.ts";
import { relay } from "./relay.ts";
import { sessionMeter } from "./session-meter.ts";
import { watching } from "./watching.ts";

export interface Session {
  /** Resolves when the record is made. Never rejects. */
  readonly over: Promise<void>;
  /** Ends it wherever it stands, as `shutting_down`. */
  stop(): void;
}

/** Takes an upgrade request over. */
export function session(options: ForwardOptions, req: IncomingMessage, socket: Duplex, head: Buffer): Session {
  const { pipeline, surroundings, observers } = options;
  const { now } = surroundings.clock;
  const setting = options.setting();
  const { fleet, doors, admission } = setting;
  const place = target(req.url);
  const { receiver } = receiverFor("GET", place?.path ?? "/v1/");
  const draft = openDraft(options, setting, req, receiver);
  draft.streamed = true;
  const meter = sessionMeter(draft, now);

  // Nobody reads the client's connection before its handshake is finished; it tells of its end all the same.
  const leaving = new AbortController();
  const left = () => leaving.abort(new ClientLeft());
  for (const event of ["error", "end", "close"]) socket.on(event, left);
  let stop = (why: GatewayError) => leaving.abort(why);
  let total: NodeJS.Timeout | undefined;
  let identity: Identity = anonymous;

  const connected = async (): Promise<{ readonly upstream: Upstream; readonly dialled: Dialled }> => {
    if (place === undefined) throw new GatewayError("invalid_path");
    if (options.draining()) throw new GatewayError("shutting_down");
    doors.admit(req);
    checkUpgrade(req);
    identity = await admission.identify(req);
    nameCaller(draft, identity);
    leaving.signal.throwIfAborted();
    const query = new URLSearchParams(place.query);
    const model = query.get("model") || undefined;
    draft.requestedModel = model;
    draft.enter("overhead", now());
    const call = query.get("call_id") || undefined;
    const permitted = admission.permit(identity, { receiver, method: "GET", path: place.path, model, call });
    const holder = permitted instanceof Promise ? await permitted : permitted;
    leaving.signal.throwIfAborted();
    const upstream = (holder === undefined ? fleet : heldBy(fleet, holder)).route(model);
    if (upstream === undefined) throw noRoute(model, fleet);
    const { timeouts } = upstream.backend;
    if (timeouts.total > 0) total = setTimeout(() => stop(new GatewayError("total_timeout")), timeouts.total * 1000);
    const dialled = await dial({ req, place, upstream, draft, options, identity, signal: leaving.signal });
    if (identity.auth === "passthrough" && !upstream.ownKey) draft.caller = { ...draft.caller, auth: "passthrough" };
    fleet.breaker.observe(upstream.backend.name, true);
    return { upstream, dialled };
  };

  const converse = async ({ backend }: Upstream, { socket: there, subprotocol, rawHeaders }: Dialled) => {
    leaving.signal.throwIfAborted();
    const { limits } = fleet.config;
    const headers = [...crossing(rawHeaders), ...ownHeaders({ draft })];
    const client = await accept({ req, socket, head, subprotocol, headers, maxBytes: limits.jsonBytes });
    draft.enter("stream", now());
    observers.streamOpened();
    const conversation = relay({
      client,
      backend: there,
      idleSeconds: backend.timeouts.idle,
      ended: (outcome) => close(draft, fleet, outcome, now()),
      ...watching({ draft, meter, backend, limits, failed: observers.watchFailed }),
    });
    stop = ({ kind, message }) => conversation.stop(outcomeOf(kind, message, 101), message);
    await conversation.over;
    observers.streamClosed();
  };

  const run = async (): Promise<void> => {
    let there: Dialled | undefined;
    try {
      const { upstream, dialled } = await connected();
      there = dialled;
      await converse(upstream, dialled);
    } catch (error) {
      there?.socket.terminate();
      const gone = error instanceof ClientLeft || socket.destroyed;
      if (!(gone || error instanceof GatewayError)) observers.failed(error);
      if (error instanceof KeyRefused) nameCaller(draft, error.identity);
      close(draft, fleet, outcomeOfFailure(gone ? new ClientLeft() : error), now());
      if (gone) socket.destroy();
      else draft.responseBytes = answerPlainly(req, socket, error, ownHeaders({ draft })) ?? 0;
    }
    clearTimeout(total);
    pipeline.record(() => draft.seal(meter.findings()));
  };

  return { over: run(), stop: () => stop(new GatewayError("shutting_down")) };
}

/** What the backend said with its 101 and may cross; the handshake's own headers are each connection's own. */
const crossing = (rawHeaders: readonly string[]): string[] =>
  headersToClient(rawHeaders).filter((_, i, list) => !/^sec-websocket-/i.test(list[i - (i % 2)] ?? ""));
