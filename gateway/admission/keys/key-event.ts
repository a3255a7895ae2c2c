// What became of a key, for the audit: told from what it was before and what it is now, and never with a secret.
import { isDeepStrictEqual } from "node:util";
import type { StoredKey } from "./key-store.ts";

/** Who changed it, where that is known. */
export type KeyActor =
  | { readonly door: "admin_api"; readonly address?: string }
  /** Whoever wrote the configuration file that was read anew. */
  | { readonly door: "config" };

/** `removed`: the configuration declares it no longer. */
type KeyAction = "created" | "changed" | "rotated" | "revoked" | "removed";

export interface KeyEvent {
  readonly action: KeyAction;
  readonly id: string;
  /** As it is now. */
  readonly label: string;
  /** Which of its members changed; what they hold is not told. */
  readonly changed?: readonly string[];
  /** Absent where the change was seen in the store: another process made it. */
  readonly by?: KeyActor;
}

/** One for each thing that was done; none where nothing differs. */
export function keyEvents(before: StoredKey | undefined, after: StoredKey, by?: KeyActor): readonly KeyEvent[] {
  const { id, label, revokedAt } = after.key;
  const event = (action: KeyAction): KeyEvent => ({ action, id, label, ...(by !== undefined && { by }) });
  const events: KeyEvent[] = [];
  if (before === undefined) events.push(event("created"));
  else {
    const changed = changedMembers(before.key, after.key);
    if (changed.length > 0) events.push({ ...event("changed"), changed });
    if (before.secrets[0]?.hash !== after.secrets[0]?.hash) events.push(event("rotated"));
  }
  if (revokedAt !== undefined && before?.key.revokedAt === undefined) events.push(event("revoked"));
  return events;
}

/** What a configuration that was read anew has made of the keys that it declares. */
export function declaredEvents(before: readonly StoredKey[], after: readonly StoredKey[]): readonly KeyEvent[] {
  const by: KeyActor = { door: "config" };
  const idOf = ({ key }: StoredKey) => key.id;
  const then = new Map(before.map((stored) => [idOf(stored), stored]));
  const left = new Set(after.map(idOf));
  const gone = before.filter((stored) => !left.has(idOf(stored)));
  return [
    ...gone.map(({ key }): KeyEvent => ({ action: "removed", id: key.id, label: key.label, by })),
    ...after.flatMap((stored) => keyEvents(then.get(idOf(stored)), stored, by)),
  ];
}

function changedMembers(before: object, after: object): string[] {
  const [then, now] = [asWritten(before), asWritten(after)];
  const names = new Set([...Object.keys(then), ...Object.keys(now)]);
  names.delete("revokedAt");
  return [...names].filter((name) => !isDeepStrictEqual(then[name], now[name]));
}

/** In a store there is nothing that is there and `undefined`. */
const asWritten = (key: object): Readonly<Record<string, unknown>> => JSON.parse(JSON.stringify(key));
