// One try at one target: what goes there, and what else is left if it fails.
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
