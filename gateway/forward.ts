// The forwarder: admit → identify → take in → permit → look up → reserve → send, for each request once; every way out ends in one record.
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import type { Reservation } from "./admission/allowance/allowance.ts";
import { heldBy } from "./admission/held-by.ts";
import type { Asked } from "./admission/holder.ts";
import { KeyRefused } from "./admission/identify.ts";
import { anonymous, type Identity } from "./admission/identity.ts";
import { catchUp } from "./background/catching-up.ts";
import { GoingOn } from "./background/going-on.ts";
import type { Entry } from "./cache/entry.ts";
import { lookUp } from "./cache/look-up.ts";
import { replay } from "./cache/replay.ts";
import { nameCaller } from "./caller.ts";
import { ClientLeft, GatewayError, outcomeOf } from "./errors.ts";
import { estimateOf, replayOf } from "./estimating.ts";
import { type Intake, intake, nothingTaken } from "./intake.ts";
import { describesAlias, listModels } from "./lists/models.ts";
import { listOwn } from "./lists/own.ts";
import { openDraft } from "./opening.ts";
import { Passage } from "./passage.ts";
import { receiverFor } from "./receivers/index.ts";
import { refuse } from "./refuse.ts";
import { hangUp } from "./reply.ts";
import { Roll } from "./roll.ts";
import { send } from "./send.ts";
import type { Forward, ForwardOptions, Sending } from "./sending.ts";
import { target } from "./target.ts";

export function forward(options: ForwardOptions): Forward {
  const { pipeline } = options;
  const { now } = options.surroundings.clock;
  const open = new Roll<Passage>();
  let becameQuiet = () => {};

  const recorded = (passage: Passage): void => {
    open.delete(passage);
    if (open.size === 0) becameQuiet();
  };

  const opened = (req: IncomingMessage, res: ServerResponse): Sending => {
    const setting = options.setting();
    const place = target(req.url);
    const { receiver } = receiverFor(req.method ?? "GET", place?.path ?? "/v1/");
    const draft = openDraft(options, setting, req, receiver);
    const passage = new Passage({ req, res, draft, receiver, now, pipeline, recorded });
    open.add(passage);
    return {
      options,
      setting,
      fleet: setting.fleet,
      passage,
      path: place?.path ?? "",
      query: place?.query ?? "",
      corsHeaders: setting.doors.corsHeaders(req.headers.origin),
      identity: anonymous,
      taken: nothingTaken,
      reserved: undefined,
    };
  };

  /** Judges the head. Throws where the request goes no further. */
  const admit = ({ setting, passage: { req }, path }: Sending): void => {
    // What follows `/v1` goes on as it is written, so that has to stand there as it is written, too.
    if (!path.startsWith("/v1/")) throw new GatewayError("invalid_path");
    if (options.draining()) throw new GatewayError("shutting_down");
    // A backend would send back the request's head, our key included (RFC 9110 §9.3.8).
    if (req.method === "TRACE") throw new GatewayError("method_not_allowed");
    setting.doors.admit(req, setting.admission.asks);
  };

  /** Finds out who sends it. A Promise only where a token has to be checked. */
  const identify = (sending: Sending): void | Promise<void> => {
    const { setting, passage } = sending;
    const identity = setting.admission.identify(passage.req);
    if (identity instanceof Promise) return late(sending, identity);
    sending.identity = identity;
    nameCaller(passage.draft, identity);
  };

  const late = async (sending: Sending, identity: Promise<Identity>): Promise<void> => {
    const { passage } = sending;
    sending.identity = await identity;
    nameCaller(passage.draft, sending.identity);
    passage.goOn();
  };

  /**
   * Throws where the caller may not do what the request wants; binds what it names, and what comes of it. A Promise
   * only where another machine has to be asked whose something is.
   */
  const permit = (sending: Sending): void | Promise<void> => {
    const { setting, identity, passage, taken, path } = sending;
    const { admission } = setting;
    if (!admission.asks) return;
    const { req, receiver } = passage;
    const method = req.method ?? "GET";
    const asked = { receiver, method, path, model: taken.facts().model, json: taken.json };
    const holder = admission.permit(identity, asked);
    if (holder instanceof Promise) return latePermit(sending, asked, holder);
    permitted(sending, asked, holder);
  };

  const latePermit = async (sending: Sending, asked: Asked, holder: Promise<string | undefined>): Promise<void> => {
    const found = await holder;
    sending.passage.goOn();
    permitted(sending, asked, found);
  };

  const permitted = (sending: Sending, asked: Asked, holder: string | undefined): void => {
    const { setting, identity, passage } = sending;
    const { admission } = setting;
    const { draft } = passage;
    if (holder !== undefined) sending.fleet = heldBy(sending.fleet, holder);
    const backend = () => draft.attempts.at(-1)?.backend;
    const witness = admission.watch(identity, asked, backend, options.observers.failed);
    if (witness) passage.showTo(witness);
  };

  const takeIn = ({ setting, passage, fleet }: Sending): Intake | Promise<Intake> =>
    intake({
      req: passage.req,
      res: passage.res,
      receiver: setting.admission.bodyOf(passage.receiver, passage.req),
      limits: fleet.config.limits,
      draft: passage.draft,
      now,
      watchFailed: options.observers.watchFailed,
      passage,
    });

  /** Takes from the caller's limits and budgets what the request may use. A Promise only where these are shared. */
  const reserve = (sending: Sending, hit: Entry | undefined): void | Promise<void> => {
    const { allowance } = options;
    if (allowance === undefined) return;
    const reserved = allowance.reserve(hit === undefined ? estimateOf(sending, options) : replayOf(sending));
    if (reserved instanceof Promise) return lateReserve(sending, reserved);
    hold(sending, reserved);
  };

  const lateReserve = async (sending: Sending, reserved: Promise<Reservation>): Promise<void> => {
    hold(sending, await reserved);
    sending.passage.goOn();
  };

  const hold = (sending: Sending, reserved: Reservation): void => {
    sending.reserved = reserved;
    sending.passage.limitHeaders = reserved.headers;
  };

  const lateHit = async ({ passage }: Sending, found: Promise<Entry | undefined>): Promise<Entry | undefined> => {
    const hit = await found;
    passage.goOn();
    return hit;
  };

  const answer = (sending: Sending): Promise<void> => {
    const { passage, taken, setting, identity } = sending;
    passage.json = taken.json;
    const { receiver, req } = passage;
    if (taken.facts().background === true) passage.background = new GoingOn(sending);
    if (setting.admission.listsKept(identity, receiver, req.method ?? "GET")) return listOwn(sending);
    if (receiver.operation !== "models" || req.method !== "GET") return send(sending);
    if (receiver.path === "/v1/models") return listModels(sending);
    return describesAlias(sending) ? Promise.resolve() : send(sending);
  };

  const fail = ({ passage, corsHeaders }: Sending, error: unknown): void => {
    if (!(error instanceof GatewayError || error instanceof ClientLeft)) options.observers.failed(error);
    if (error instanceof KeyRefused) nameCaller(passage.draft, error.identity);
    refuse(passage, error, corsHeaders);
  };

  // The stages are functions of their own: an async function's locals are kept on the heap while it waits.
  const take = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const sending = opened(req, res);
    try {
      admit(sending);
      const identified = identify(sending);
      if (identified !== undefined) await identified;
      sending.taken = await takeIn(sending);
      // Whatever becomes of it, its record says what it asked for.
      sending.passage.facts = sending.taken.facts;
      const permitting = permit(sending);
      if (permitting !== undefined) await permitting;
      const found = lookUp(sending);
      const hit = found instanceof Promise ? await lateHit(sending, found) : found;
      const reserved = reserve(sending, hit);
      if (reserved !== undefined) await reserved;
      if (hit === undefined) await answer(sending);
      else replay(sending, hit);
    } catch (error) {
      fail(sending, error);
    }
    await sending.passage.over;
    // Before anything else is read: a client may ask again at once, and its record waits for the turn's end.
    sending.reserved?.vacate();
    // Of an upload there may be more to come, and nobody takes it any more.
    if (sending.taken.body instanceof Readable) sending.taken.body.destroy();
    if (sending.passage.receiver.tellsOfEarlier) await catchUp(sending).catch(options.observers.watchFailed);
    if (sending.identity.auth === "passthrough") tellWhetherPassed(sending);
    sending.passage.record();
  };

  return {
    take,
    get open() {
      return open.size;
    },
    quiet: () =>
      open.size === 0
        ? Promise.resolve()
        : new Promise((resolve) => {
            becameQuiet = resolve;
          }),
    cut() {
      for (const passage of open.members()) {
        passage.running?.stop();
        if (passage.res.headersSent) {
          passage.close(outcomeOf("shutting_down", "Cut off at the end of the grace period.", passage.res.statusCode));
          hangUp(passage.res);
        } else refuse(passage, new GatewayError("shutting_down"), []);
      }
    },
  };
}

/** Says in the record that the client's own credential went to a backend, where it did. */
function tellWhetherPassed({ fleet, passage: { draft } }: Sending): void {
  const passed = draft.attempts.some(
    ({ backend }) => fleet.upstreams.find((upstream) => upstream.backend.name === backend)?.ownKey === false,
  );
  if (passed) draft.caller = { ...draft.caller, auth: "passthrough" };
}
