// The circuit of one backend: closed while it does well, open while it is left alone, half-open while a few may try.
import type { BreakerSettings } from "../config/config.ts";
import { Window } from "./window.ts";

export type BreakerState = "closed" | "open" | "half_open";

/** Longest time that a circuit stays open, unless `openFor` is longer, seconds. */
const longestOpen = 60;
/** Failures further apart than this are not in a row. Longer than a backend that hangs takes to fail. */
const inARowMillis = 900_000;

export class Circuit {
  readonly settings: BreakerSettings;
  readonly #window: Window;
  #failures = 0;
  #failedAt = 0;
  #isOpen = false;
  /** When trials may begin; `isOpen` stays until one has succeeded. */
  #openUntil = 0;
  /** Of the present or last opening, seconds. */
  #openFor = 0;
  #closedAt = Number.NEGATIVE_INFINITY;
  #trials = 0;
  #lastTrialAt = 0;
  #isSick = false;

  constructor(settings: BreakerSettings) {
    this.settings = settings;
    this.#window = new Window(settings.window);
  }

  state(at: number): BreakerState {
    if (this.#isSick) return "open";
    if (!this.#isOpen) return "closed";
    return at < this.#openUntil ? "open" : "half_open";
  }

  /** The health check's word. */
  get isSick(): boolean {
    return this.#isSick;
  }

  isUp(at: number): boolean {
    return this.state(at) !== "open";
  }

  /** Whether a request may go now. */
  mayAdmit(at: number): boolean {
    switch (this.state(at)) {
      case "closed":
        return true;
      case "open":
        return false;
      case "half_open":
        // A trial of which nothing is heard for as long as the circuit was open has lost its place.
        return this.#trials < this.settings.halfOpen || at - this.#lastTrialAt >= this.#openFor * 1000;
    }
  }

  /** The same, and takes a trial's place where the circuit is half-open. */
  admits(at: number): boolean {
    if (!this.mayAdmit(at)) return false;
    if (this.#isOpen) {
      this.#trials = Math.min(this.#trials + 1, this.settings.halfOpen);
      this.#lastTrialAt = at;
    }
    return true;
  }

  /** An admitted request ended without saying anything of the backend: its place is free. */
  forgo(): void {
    if (this.#trials > 0) this.#trials -= 1;
  }

  /** Its answer to a trial begins: that is all the trial was to show, however long the answer takes. */
  answers(at: number): void {
    if (this.#isOpen && at >= this.#openUntil) this.#close(at);
  }

  observe(ok: boolean, at: number): void {
    if (this.#isOpen) {
      // What was under way when it opened says nothing new.
      if (at < this.#openUntil) return;
      if (ok) this.#close(at);
      else this.#open(at);
      return;
    }
    this.#window.note(ok, at);
    if (ok) {
      this.#failures = 0;
      return;
    }
    this.#failures = at - this.#failedAt <= inARowMillis ? this.#failures + 1 : 1;
    this.#failedAt = at;
    const { failures, ratio, minRequests } = this.settings;
    const inARow = failures > 0 && this.#failures >= failures;
    if (inARow || (ratio > 0 && this.#window.exceeds(ratio, minRequests, at))) this.#open(at);
  }

  /** A sick backend is down whatever its traffic said; one that is well again may be tried at once. */
  checked(healthy: boolean, at: number): void {
    this.#isSick = !healthy;
    if (healthy && this.#isOpen) this.#openUntil = Math.min(this.#openUntil, at);
  }

  /** Milliseconds until a request may go there; 0 where one may, or where only a trial's end is waited for. */
  wait(at: number): number {
    return Math.max(0, this.#isOpen ? this.#openUntil - at : 0);
  }

  /** Opened again soon after it closed, it stays open for twice as long as before. */
  #open(at: number): void {
    const { openFor, window } = this.settings;
    const again = this.#isOpen || at - this.#closedAt < window * 1000;
    const longest = Math.max(longestOpen, openFor);
    this.#openFor = again && this.#openFor > 0 ? Math.min(this.#openFor * 2, longest) : openFor;
    this.#isOpen = true;
    this.#openUntil = at + this.#openFor * 1000;
    this.#trials = 0;
  }

  #close(at: number): void {
    this.#isOpen = false;
    this.#closedAt = at;
    this.#failures = 0;
    this.#trials = 0;
    this.#window.clear();
  }
}
