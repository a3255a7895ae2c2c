// What a session spends: asked for when it opens, charged after each response, and its end when there is no more.
import type { Ask, Reservation } from "../admission/allowance/allowance.ts";
import type { Identity } from "../admission/identity.ts";
import { errorBody, GatewayError } from "../errors.ts";
import type { Route, Target } from "../routing/route.ts";
import type { ForwardOptions, Setting } from "../sending.ts";
import type { SessionMeter } from "./session-meter.ts";

/** What the session and its first response may use: as much as any response that sets no maximum. */
export function sessionAsk(
  id: string,
  identity: Identity,
  model: string | undefined,
  route: Route,
  { quotes, fleet }: Setting,
  wall: () => number,
): Ask {
  const { outputTokens } = fleet.config.rateLimits;
  return {
    id,
    identity,
    model,
    lasting: true,
    estimatedTokens: outputTokens,
    get estimatedNanoUsd() {
      const targets = route.targets.map((target) => pricedAt(target, model));
      return quotes({ operation: "realtime", model: model ?? "", targets, input: 0, output: outputTokens }, wall());
    },
  };
}

const pricedAt = ({ upstream: { backend }, model }: Target, named = "") => ({
  backend: backend.name,
  provider: backend.provider,
  model: model ?? named,
});

export interface SpendingOptions {
  readonly reservation: Reservation;
  readonly meter: SessionMeter;
  readonly model: string | undefined;
  readonly target: Target;
  readonly setting: Setting;
  readonly options: ForwardOptions;
  /** There is no more for another response; told between two of them. */
  readonly spent: (why: GatewayError) => void;
}

/** Gives what is to be called after each message of the backend. */
export function spending({ reservation, meter, model, target, setting, options, spent }: SpendingOptions): () => void {
  let answered = 0;
  let why: GatewayError | undefined;
  const refuse = (error: unknown) => {
    if (!(error instanceof GatewayError)) options.observers.failed(error);
    // Responses that overlap for ever do not keep a session open.
    const isLast = why !== undefined || !meter.answering;
    why ??= error instanceof GatewayError ? error : new GatewayError("internal");
    if (isLast) spent(why);
  };
  return () => {
    if (meter.answered === answered) {
      return;
    }
    answered = meter.answered;
    const { tokens, media } = meter.findings();
    const [input, output] = [tokens?.input ?? 0, tokens?.output ?? 0];
    const targets = [pricedAt(target, model)];
    try {
      const nanoUsd = setting.quotes(
        { operation: "realtime", model: model ?? "", targets, input, output, media, tokens },
        options.surroundings.clock.wall(),
      );
      const charged = reservation.charge({ tokens: input + output, nanoUsd: Math.ceil(nanoUsd ?? 0) });
      if (charged instanceof Promise) charged.then(() => why && !meter.answering && spent(why), refuse);
      else if (why && !meter.answering) spent(why);
    } catch (error) {
      refuse(error);
    }
  };
}

/** What the client is told before the close, as the realtime API tells of errors. */
export function lastWord({ kind }: GatewayError, id: string): { readonly event: string; readonly code: number } {
  const message =
    kind === "budget_exceeded"
      ? "The budget has no room for another response."
      : "The limit has no room for another response.";
  const { error } = JSON.parse(errorBody(kind, message));
  return {
    event: JSON.stringify({ type: "error", event_id: `event_${id}`, error: { ...error, event_id: null } }),
    // Policy violation, or try again later (RFC 6455 §7.4.1, and the codes that IANA keeps).
    code: kind === "budget_exceeded" ? 1008 : 1013,
  };
}
