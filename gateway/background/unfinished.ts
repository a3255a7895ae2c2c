// Responses on which a backend still works after their answer: what they will have used is counted once it is stated.
import type { Provision } from "../admission/allowance/provision.ts";

/** What is remembered of one from its beginning. */
export interface Entry {
  /** The id of the exchange that it began with: tells it from another one of the same name. */
  readonly begunBy: string;
  /** As the client named it. */
  readonly model?: string;
  /** As the backend was asked for it, where that is another name. */
  readonly sent?: string;
  /** What was counted for it meanwhile; absent where its caller has no limits. */
  readonly provision?: Provision;
}

/** Where they outlive the gateway, or are shared with others. Each step may throw, or reject. */
export interface UnfinishedStore {
  /** In the place of what has the key already; not of itself, where it was taken. */
  write(key: string, begunBy: string, entry: string): void | Promise<void>;
  /**
   * The entry, for one taker alone; `taken` for others, `undefined` for what was never written. `here`: one whose write
   * was begun, and not seen to end: it is the taker's where it is not there, and may then not come any more.
   */
  take(key: string, here: string | undefined): string | "taken" | undefined | Promise<string | "taken" | undefined>;
}

export interface UnfinishedOptions {
  /** In memory alone when absent. */
  readonly store?: UnfinishedStore;
  /** Told of every failure of the store. */
  readonly failed: (error: unknown) => void;
}

/** Kept here while the store does not take them; the oldest give way. */
const maxHere = 10_000;
const retryMillis = 1_000;

interface Here {
  readonly entry: Entry;
  /** Resolves when the last try to write it is over. */
  written: Promise<void>;
}

export class Unfinished {
  readonly #store: UnfinishedStore | undefined;
  readonly #failed: (error: unknown) => void;
  /** Those that the store has not taken, as far as is known. */
  readonly #here = new Map<string, Here>();
  #retry: NodeJS.Timeout | undefined = undefined;

  constructor({ store, failed }: UnfinishedOptions) {
    this.#store = store;
    this.#failed = failed;
  }

  /** Never fails: what the store does not take is known here, and offered to it again. */
  began(backend: string, id: string, entry: Entry): void {
    const key = keyOf(backend, id);
    const here: Here = { entry, written: Promise.resolve() };
    this.#here.delete(key);
    this.#here.set(key, here);
    const [oldest] = this.#here.keys();
    if (this.#here.size > maxHere && oldest !== undefined) this.#here.delete(oldest);
    here.written = this.#write(key, here);
  }

  async #write(key: string, here: Here): Promise<void> {
    if (this.#store === undefined) return;
    try {
      await this.#store.write(key, here.entry.begunBy, JSON.stringify(here.entry));
      if (this.#here.get(key) === here) this.#here.delete(key);
    } catch (error) {
      this.#failed(error);
      this.#retry ??= setTimeout(() => void this.#writeAgain(), retryMillis).unref();
    }
  }

  /** One after the other; the first that fails puts off the rest. */
  async #writeAgain(): Promise<void> {
    this.#retry = undefined;
    for (const [key, here] of this.#here) {
      here.written = this.#write(key, here);
      await here.written;
      if (this.#retry !== undefined) return;
    }
  }

  /** At the end, when nothing more begins: offers the store once more what it has not taken. */
  async flush(): Promise<void> {
    clearTimeout(this.#retry);
    await this.#writeAgain();
    clearTimeout(this.#retry);
  }

  /**
   * The entry for one caller alone, whoever else asks, here or elsewhere. Nothing where the store cannot tell who was
   * first: whoever asks next may learn of it. Never rejects.
   */
  async claim(backend: string, id: string): Promise<Entry | undefined> {
    const key = keyOf(backend, id);
    const here = this.#here.get(key);
    await here?.written;
    try {
      const found = await this.#store?.take(key, here?.entry.begunBy);
      const isMine = here !== undefined && this.#here.get(key) === here;
      if (isMine) this.#here.delete(key);
      if (found === undefined) return isMine ? here.entry : undefined;
      return found === "taken" ? undefined : entryIn(found);
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }
}

/** Some engines number what they make, each from the beginning. */
const keyOf = (backend: string, id: string): string => `${backend}/${id}`;

/** Throws where it is none. */
function entryIn(text: string): Entry {
  const entry = JSON.parse(text) as Entry | null;
  if (typeof entry?.begunBy !== "string" || !(entry.provision === undefined || isProvision(entry.provision)))
    throw new TypeError("what is kept of an unfinished response is not as it was written");
  return entry;
}

const isProvision = ({ rules, amounts, at }: Provision): boolean =>
  Array.isArray(rules) && Number.isFinite(amounts?.tokens) && Number.isFinite(amounts.nanoUsd) && Number.isFinite(at);

/** Knows what began since the gateway did. */
export const forgetfulUnfinished = (): Unfinished => new Unfinished({ failed() {} });
