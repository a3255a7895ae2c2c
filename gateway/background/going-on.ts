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
    const { attempts, requestedModel } = passage.draft;
    const attempt = attempts.at(-1);
    if (attempt === undefined) return;
    const entry: { -readonly [Key in keyof Entry]: Entry[Key] } = { begunBy: passage.id };
    if (requestedModel !== undefined) entry.model = requestedModel;
    if (attempt.model !== undefined) entry.sent = attempt.model;
    if (reserved?.provision !== undefined) entry.provision = reserved.provision;
    options.unfinished.began(attempt.backend, id, entry);
  }
}
