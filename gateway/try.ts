// One try at one target: what goes there, and what came of it where it gave no answer.
import type { HeldAnswer } from "./attempt.ts";
import type { FailureKind, GatewayError } from "./errors.ts";
import type { Sent } from "./intake.ts";
import type { Repeatable } from "./routing/repeat.ts";
import type { Target } from "./routing/route.ts";

export interface Try {
  readonly target: Target;
  /** What goes in place of the client's body; `undefined`: the client's own, or an answer is on its way. */
  rewritten: Sent | undefined;
  /** Usage is asked for where the client did not, and kept from the client. */
  readonly withUsage: boolean;
  /** On a new connection. */
  readonly fresh: boolean;
  /** When it fails, something else is tried: so that a failure is kept from the client, and an answer until it is one. */
  readonly spare: Repeatable;
}

/** Why a target gave no answer. */
export interface Setback {
  readonly failure: FailureKind;
  readonly error: GatewayError;
  /** What it answered all the same, where that may go to the client. */
  readonly held?: HeldAnswer;
  /** It may have acted on the request. */
  readonly sent: boolean;
}
