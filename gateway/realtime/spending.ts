// What a session spends: asked for when it opens, charged after each response, and its end when there is no more.
import type { Ask, Reservation } from "../admission/allowance/allowance.ts";
import type { Identity } from "../admission/identity.ts";
import { errorBody, type FailureKind, failures, GatewayError } from "../errors.ts";
import type { Route, Target } from "../routing/route.ts";
import type { ForwardOptions, Setting } from "../sending.ts";
import type { SessionMeter } from "./session-meter.ts";

/** What a session is taken to use that names its model only once it is open; it is charged by the one that it names. */
const unnamed = { conversation: "gpt-realtime", transcription: "gpt-4o-transcribe" };

/**
 * What the session and its first response may use: as much as any response that sets no maximum. `query` is the
 * address' own; `wall` gives Unix milliseconds.
 */
export function sessionAsk(
  id: string,
  identity: Identity,
  query: URLSearchParams,
  route: Route,
  { quotes, fleet }: Setting,
  wall: () => number,
): Ask {
  const model = query.get("model") || undefined;
  const { outputTokens } = fleet.config.rateLimits;
  return {
    id,
    identity,
    model,
    lasting: true,
    estimatedTokens: outputTokens,
    get estimatedNanoUsd() {
      const named = model ?? unnamed[query.get("intent") === "transcription" ? "transcription" : "conversation"];
      const { targets } = route;
      return quotes({ operation: "realtime", model: named, targets, input: 0, output: outputTokens }, wall());
    },
  };
}

export interface SpendingOptions {
  readonly reservation: Reservation;
  readonly meter: SessionMeter;
  readonly model: string | undefined;
  readonly target: Target;
  readonly setting: Setting;
  readonly options: ForwardOptions;
  /** Unix milliseconds; the record is priced as of then. */
  readonly openedAt: number;
  /** There is no more for another response; told between two of them. */
  readonly spent: (why: GatewayError) => void;
}

/** Gives what is to be called after each message of the backend. */
export function spending({
  reservation,
  meter,
  model,
  target,
  setting,
  options,
  openedAt,
  spent,
}: SpendingOptions): () => void {
  let answered = 0;
  let served: string | undefined;
  let why: GatewayError | undefined;
  const refuse = (error: unknown) => {
    if (!(error instanceof GatewayError)) options.observers.failed(error);
    // Responses that overlap for ever do not keep a session open.
    const isLast = why !== undefined || !meter.answering;
    why ??= error instanceof GatewayError ? error : new GatewayError("internal");
    if (isLast) spent(why);
  };
  return () => {
    // A model without a price is found out when it is named, before anything is used.
    if (meter.answered === answered && meter.served === served) return;
    answered = meter.answered;
    served = meter.served;
    const { tokens, media } = meter.findings();
    const [input, output] = [tokens?.input ?? 0, tokens?.output ?? 0];
    const targets = [target];
    try {
      const nanoUsd = setting.quotes(
        { operation: "realtime", model: model ?? "", served, targets, input, output, media, tokens },
        openedAt,
      );
      const charged = reservation.charge({ tokens: input + output, nanoUsd });
      if (charged instanceof Promise) charged.then(() => why && !meter.answering && spent(why), refuse);
      else if (why && !meter.answering) spent(why);
    } catch (error) {
      refuse(error);
    }
  };
}

/** What the client is told before the close, as the realtime API tells of errors. */
export function lastWord({ kind }: GatewayError, id: string): { readonly event: string; readonly code: number } {
  const { error } = JSON.parse(errorBody(kind, words[kind] ?? failures[kind].message));
  return {
    event: JSON.stringify({ type: "error", event_id: `event_${id}`, error: { ...error, event_id: null } }),
    // Policy violation, or try again later (RFC 6455 §7.4.1, and the codes that IANA keeps).
    code: failures[kind].reason === "budget" ? 1008 : 1013,
  };
}

/** Where what is said of a request says nothing of a session. */
const words: Partial<Record<FailureKind, string>> = {
  budget_exceeded: "The budget has no room for another response.",
  token_limit: "The limit has no room for another response.",
};
