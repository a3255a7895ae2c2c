// One realtime session, from its upgrade request to its one record.
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type Reservation, unlimited } from "../admission/allowance/allowance.ts";
import { heldBy } from "../admission/held-by.ts";
import { KeyRefused } from "../admission/identify.ts";
import { anonymous, type Identity } from "../admission/identity.ts";
import { nameCaller } from "../caller.ts";
import { ClientLeft, GatewayError, outcomeOf } from "../errors.ts";
import { headersToClient } from "../headers.ts";
import { openDraft } from "../opening.ts";
import { ownHeaders } from "../outgoing.ts";
import { receiverFor } from "../receivers/index.ts";
import { type ForwardOptions, noRoute } from "../sending.ts";
import { target } from "../target.ts";
import { close, outcomeOfFailure } from "./ending.ts";
import { accept, checkUpgrade } from "./handshake.ts";
import { type Reached, reach } from "./reach.ts";
import { answerPlainly } from "./refusal.ts";
import { relay } from "./relay.ts";
import { sessionMeter } from "./session-meter.ts";
import { lastWord, sessionAsk, spending } from "./spending.ts";
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
  let reservation: Reservation = unlimited;

  const connected = async (): Promise<Reached> => {
    if (place === undefined) throw new GatewayError("invalid_path");
    if (options.draining()) throw new GatewayError("shutting_down");
    doors.admit(req, admission.asks);
    checkUpgrade(req);
    identity = await admission.identify(req);
    nameCaller(draft, identity);
    leaving.signal.throwIfAborted();
    const query = new URLSearchParams(place.query);
    const model = loneIn(query, "model");
    draft.requestedModel = model;
    draft.enter("overhead", now());
    const call = loneIn(query, "call_id");
    const permitted = admission.permit(identity, { receiver, method: "GET", path: place.path, model, call });
    const holder = permitted instanceof Promise ? await permitted : permitted;
    leaving.signal.throwIfAborted();
    const own = holder === undefined ? fleet : heldBy(fleet, holder);
    const route = own.routeFor(model);
    const [first] = route?.targets ?? [];
    if (route === undefined || first === undefined) throw noRoute(model, fleet);
    const { wall } = surroundings.clock;
    const ask = sessionAsk(draft.opening.id, identity, query, route, setting, wall);
    reservation = (await options.allowance?.reserve(ask)) ?? unlimited;
    leaving.signal.throwIfAborted();
    const { timeouts } = first;
    if (timeouts.total > 0) total = setTimeout(() => stop(new GatewayError("total_timeout")), timeouts.total * 1000);
    const { withTokens } = admission;
    const { signal } = leaving;
    const reached = await reach({ req, place, route, fleet: own, draft, options, identity, withTokens, signal });
    if (identity.auth === "passthrough" && !reached.target.upstream.ownKey)
      draft.caller = { ...draft.caller, auth: "passthrough" };
    return reached;
  };

  const converse = async ({ target, dialled }: Reached) => {
    const { backend } = target.upstream;
    const { socket: there, subprotocol, rawHeaders } = dialled;
    leaving.signal.throwIfAborted();
    const { limits } = fleet.config;
    const headers = [...crossing(rawHeaders), ...ownHeaders({ draft, limitHeaders: reservation.headers })];
    const client = await accept({ req, socket, head, subprotocol, headers, maxBytes: limits.jsonBytes });
    draft.enter("stream", now());
    observers.streamOpened();
    const model = draft.requestedModel;
    const spent = (why: GatewayError) =>
      conversation.stop(outcomeOf(why.kind, why.message, 101), why.kind, lastWord(why, draft.opening.id));
    const { openedAt } = draft.opening;
    const metered = spending({ reservation, meter, model, target, setting, options, openedAt, spent });
    const conversation = relay({
      client,
      backend: there,
      idleSeconds: target.timeouts.idle,
      ended: (outcome) => close(draft, fleet, outcome, now()),
      ...watching({ draft, meter, backend, limits, metered, failed: observers.watchFailed }),
    });
    stop = ({ kind, message }) => conversation.stop(outcomeOf(kind, message, 101), message);
    await conversation.over;
    observers.streamClosed();
  };

  const run = async (): Promise<void> => {
    let reached: Reached | undefined;
    try {
      reached = await connected();
      await converse(reached);
    } catch (error) {
      reached?.dialled.socket.terminate();
      const gone = error instanceof ClientLeft || socket.destroyed;
      if (!(gone || error instanceof GatewayError)) observers.failed(error);
      if (error instanceof KeyRefused) nameCaller(draft, error.identity);
      close(draft, fleet, outcomeOfFailure(gone ? new ClientLeft() : error), now());
      if (gone) socket.destroy();
      else
        draft.responseBytes =
          answerPlainly(req, socket, error, ownHeaders({ draft, limitHeaders: reservation.headers })) ?? 0;
    }
    reached?.slot.release();
    clearTimeout(total);
    pipeline.record({ id: draft.opening.id, seal: () => draft.seal(meter.findings()) });
  };

  return { over: run(), stop: () => stop(new GatewayError("shutting_down")) };
}

/** A parameter that is judged: of two, nobody knows which one the backend takes. Throws `invalid_query`. */
function loneIn(query: URLSearchParams, name: string): string | undefined {
  const [value, ...others] = query.getAll(name);
  if (others.length > 0) throw new GatewayError("invalid_query", `The query names '${name}' more than once.`, name);
  return value || undefined;
}

/** What the backend said with its 101 and may cross; the handshake's own headers are each connection's own. */
const crossing = (rawHeaders: readonly string[]): string[] =>
  headersToClient(rawHeaders).filter((_, i, list) => !/^sec-websocket-/i.test(list[i - (i % 2)] ?? ""));
