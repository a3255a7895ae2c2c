// A request for a response that is made in the background: what is known of it is put by until its usage is stated.
import type { Background } from "../passage.ts";
import type { Sending } from "../sending.ts";
import type { Entry } from "./unfinished.ts";

export class GoingOn implements Background {
  readonly #sending: Sending;

  constructor(sending: Sending) {
    this.#sending = sending;
  }

  goesOn(id: string): void {
    const { options, passage, reserved } = this.#sending;
    const { draft } = passage;
    const backend = draft.attempts.at(-1)?.backend;
    if (backend === undefined) return;
    const entry: { -readonly [Key in keyof Entry]: Entry[Key] } = { backend };
    if (draft.requestedModel !== undefined) entry.model = draft.requestedModel;
    if (reserved?.provision !== undefined) entry.provision = reserved.provision;
    options.unfinished.began(id, entry);
  }
}
