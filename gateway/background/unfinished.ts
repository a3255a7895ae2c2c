// Responses on which a backend still works after their answer: what they will have used is counted once it is stated.
import type { Provision } from "../admission/allowance/provision.ts";

/** What is remembered of one from its beginning. */
export interface Entry {
  /** Who works on it, by name. */
  readonly backend: string;
  /** As the client named it. */
  readonly model?: string;
  /** What was counted for it meanwhile; absent where its caller has no limits. */
  readonly provision?: Provision;
}

/** Where they outlive the gateway, or are shared with others. Each step may throw, or reject. */
export interface UnfinishedStore {
  write(id: string, entry: string): void | Promise<void>;
  read(id: string): string | undefined | Promise<string | undefined>;
  /** True for the one that it was removed for. */
  remove(id: string): boolean | Promise<boolean>;
}

export interface UnfinishedOptions {
  /** In memory alone when absent. */
  readonly store?: UnfinishedStore;
  /** Told of every failure of the store. */
  readonly failed: (error: unknown) => void;
}

/** Providers keep responses for 30 days; what nobody has asked for in twice that time, nobody will. */
export const keptMillis = 60 * 24 * 3_600_000;
/** Kept here while the store does not take them; the oldest give way. */
const maxHere = 10_000;
/** Longer ids are no ids. */
const longestId = 256;

interface Here {
  readonly entry: Entry;
  /** Whether the store has it too. */
  readonly written: Promise<boolean>;
}

export class Unfinished {
  readonly #store: UnfinishedStore | undefined;
  readonly #failed: (error: unknown) => void;
  readonly #here = new Map<string, Here>();

  constructor({ store, failed }: UnfinishedOptions) {
    this.#store = store;
    this.#failed = failed;
  }

  /** Never fails: what the store does not take is known here. */
  began(id: string, entry: Entry): void {
    if (id.length > longestId) return;
    this.#here.delete(id);
    this.#here.set(id, { entry, written: this.#write(id, entry) });
    const [oldest] = this.#here.keys();
    if (this.#here.size > maxHere && oldest !== undefined) this.#here.delete(oldest);
  }

  async #write(id: string, entry: Entry): Promise<boolean> {
    if (this.#store === undefined) return false;
    try {
      await this.#store.write(id, JSON.stringify(entry));
      this.#here.delete(id);
      return true;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }

  /** Nothing where the store cannot be read: whoever asks next may learn of it. */
  async find(id: string): Promise<Entry | undefined> {
    const here = this.#here.get(id);
    if (here !== undefined) return here.entry;
    try {
      const text = await this.#store?.read(id);
      return text === undefined ? undefined : (JSON.parse(text) as Entry);
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }

  /** True for one caller alone, whoever else asks, here or elsewhere: theirs is what it has used. */
  async ended(id: string): Promise<boolean> {
    const here = this.#here.get(id);
    this.#here.delete(id);
    if (here !== undefined && !(await here.written)) return true;
    try {
      return (await this.#store?.remove(id)) === true;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }
}

/** Knows what began since the gateway did. */
export const forgetfulUnfinished = (): Unfinished => new Unfinished({ failed() {} });
