// Callers that have sent something, each with the rules that it has to keep now.
import { type Identity, tenantOf } from "../identity.ts";
import type { Rule } from "./rule.ts";

/** Rules of callers that are kept; whoever comes past them is left out. */
const kept = 10_000;

interface Met {
  readonly identity: Identity;
  readonly rules: readonly Rule[];
}

export class MetCallers {
  readonly #met = new Map<string, Met>();
  #size = 0;

  /** In place of the rules that the caller had before: a key that was changed may have lost some. */
  meet(identity: Identity, rules: readonly Rule[]): void {
    const name = nameOf(identity);
    const size = this.#size - (this.#met.get(name)?.rules.length ?? 0) + rules.length;
    if (rules.length === 0) this.#met.delete(name);
    else if (size > kept) return;
    else this.#met.set(name, { identity, rules });
    this.#size = size;
  }

  /** Those that callers share come more than once. */
  *rules(): Generator<Rule> {
    for (const { rules } of this.#met.values()) yield* rules;
  }

  identities(): readonly Identity[] {
    return Array.from(this.#met.values(), ({ identity }) => identity);
  }
}

/** A user without a key may come from several teams. */
const nameOf = (identity: Identity): string =>
  identity.key === undefined ? JSON.stringify([tenantOf(identity), identity.team]) : tenantOf(identity);
