// Tells of every change of a key once: what is done here by whoever does it, the rest when it is seen in the store.
import { type KeyActor, type KeyEvent, keyEvents } from "./key-event.ts";
import type { StoredKey } from "./key-store.ts";

export class KeyAudit {
  readonly #told: (event: KeyEvent) => void;
  /** Ids of keys that are being changed here. */
  readonly #own: string[] = [];

  constructor(told: (event: KeyEvent) => void) {
    this.#told = told;
  }

  /** Changes a key; what the store shows of it meanwhile is our own doing. `undefined` where there is no such key. */
  async ours(
    id: string,
    by: KeyActor | undefined,
    act: () => Promise<{ readonly before?: StoredKey | undefined; readonly after: StoredKey } | undefined>,
  ): Promise<StoredKey | undefined> {
    this.#own.push(id);
    try {
      const done = await act();
      if (done !== undefined) this.#tell(done.before, done.after, by);
      return done?.after;
    } finally {
      this.#own.splice(this.#own.indexOf(id), 1);
    }
  }

  /** A key as it was known, and as it stands in the store. */
  seen(before: StoredKey | undefined, after: StoredKey): void {
    if (!this.#own.includes(after.key.id)) this.#tell(before, after);
  }

  #tell(before: StoredKey | undefined, after: StoredKey, by?: KeyActor): void {
    for (const event of keyEvents(before, after, by)) this.#told(event);
  }
}
