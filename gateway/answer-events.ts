// Who hears of how an answer to a client ends.

export interface AnswerEvents {
  /** A withheld answer is over before the client had anything of it: true when it is none, and is not to be sent. */
  rejects(): boolean;
  /** The client was sent the event by which a stream says that it is over (`[DONE]`); the answer's end is still to come. */
  said(): void;
  /** The answer is whole, and its last byte is about to go out. */
  whole(): void;
  /** The answer cannot be sent on after all, by the backend's fault or ours; it is cut then. */
  broke(failure: "broken_answer" | "internal", error: unknown): void;
  /** More was read for nobody than was allowed. */
  tooMuch(): void;
}
