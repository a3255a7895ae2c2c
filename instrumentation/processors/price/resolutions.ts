// Remembers what each combination of names was resolved to, within bounds.
import { ownText } from "../../own-text.ts";
import { recent } from "../../recent.ts";

/** What decides about a price. `served` and `requested` are empty where they are unknown. */
export interface Names {
  readonly backend: string;
  readonly provider: string;
  readonly served: string;
  readonly requested: string;
  /** What the backend was asked for. */
  readonly sent: string;
}

/** Names of more characters than this together are not kept: the memory is bounded in bytes too. */
const longestNames = 1_000;
/** Combinations kept for one name; past it they are forgotten and resolved anew. */
const perName = 8;

/**
 * Keeps what `resolve` came to for the last `capacity` names of models. They are found by one name, and compared with
 * the others: a joined key would have to be built and hashed for each exchange, which takes three times as long.
 */
export function resolutions<T>(capacity: number, resolve: (names: Names) => T): (names: Names) => T {
  const byName = recent<(Names & { readonly resolved: T })[]>(capacity);
  return (names) => {
    const name = names.served || names.requested;
    const kept = byName.get(name);
    if (kept !== undefined) for (const one of kept) if (equal(one, names)) return one.resolved;
    const { backend, provider, served, requested, sent } = names;
    const resolved = resolve(names);
    if (served.length + requested.length + sent.length > longestNames) return resolved;
    const own = {
      backend,
      provider,
      served: ownText(served),
      requested: ownText(requested),
      sent: ownText(sent),
      resolved,
    };
    if (kept === undefined) byName.set(ownText(name), [own]);
    else {
      if (kept.length === perName) kept.length = 0;
      kept.push(own);
    }
    return resolved;
  };
}

const equal = (one: Names, other: Names): boolean =>
  one.backend === other.backend &&
  one.provider === other.provider &&
  one.served === other.served &&
  one.requested === other.requested &&
  one.sent === other.sent;
