// The circuit of one backend: closed while it does well, open while it is left alone, half-open while a few may try.
import type { BreakerSettings } from "../config/config.ts";
import type { BackendChange, Cause } from "./backend-change.ts";
import { Window } from "./window.ts";

export type BreakerState = "closed" | "open" | "half_open";

/** Longest time that a circuit stays open, unless `openFor` is longer, seconds. */
const longestOpen = 60;
/** Failures further apart than this are not in a row. Longer than a backend that hangs takes to fail. */
const inARowMillis = 900_000;

/** What a health check says of a backend that it found down. */
export interface Unhealthy {
  readonly cause: Cause;
  /** Checks that failed in a row. */
  readonly failures: number;
}

const noFailures: Unhealthy = { cause: {}, failures: 0 };

export class Circuit {
  readonly settings: BreakerSettings;
  readonly #told: (change: BackendChange) => void;
  readonly #window: Window;
  #failures = 0;
  #failedAt = 0;
  #isOpen = false;
  /** When trials may begin; `isOpen` stays until one has succeeded. */
  #openUntil = 0;
  /** Of the present or last opening, seconds. */
  #openFor = 0;
  /** When it opened first since it was closed. */
  #openedAt = 0;
  #closedAt = Number.NEGATIVE_INFINITY;
  #trials = 0;
  #lastTrialAt = 0;
  /** A trial was let through since it opened last. */
  #isTried = false;
  #isSick = false;
  #sickAt = 0;

  /** `told` hears of each change once, after it. */
  constructor(settings: BreakerSettings, told: (change: BackendChange) => void) {
    this.settings = settings;
    this.#told = told;
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
      if (!this.#isTried) {
        this.#isTried = true;
        this.#told({ kind: "half_open" });
      }
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

  /** `cause` is of a failure. */
  observe(ok: boolean, at: number, cause: Cause): void {
    if (this.#isOpen) {
      // What was under way when it opened says nothing new.
      if (at < this.#openUntil) return;
      if (ok) this.#close(at);
      else this.#open(at, cause, this.#failures + 1);
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
    if (failures > 0 && this.#failures >= failures) this.#open(at, cause, this.#failures);
    else if (ratio > 0) {
      const ofWindow = this.#window.failures(ratio, minRequests, at);
      if (ofWindow > 0) this.#open(at, cause, ofWindow);
    }
  }

  /** A sick backend is down whatever its traffic said; one that is well again may be tried at once. */
  checked(healthy: boolean, at: number, { cause, failures }: Unhealthy = noFailures): void {
    const isNew = this.#isSick === healthy;
    this.#isSick = !healthy;
    if (healthy && this.#isOpen) this.#openUntil = Math.min(this.#openUntil, at);
    if (!isNew) return;
    if (healthy) this.#told({ kind: "up", seconds: (at - this.#sickAt) / 1000 });
    else {
      this.#sickAt = at;
      this.#told({ kind: "down", cause, failures });
    }
  }

  /** Sick as the circuit before it was, of which it was told. */
  inherit(before: Circuit): void {
    this.#isSick = before.#isSick;
    this.#sickAt = before.#sickAt;
  }

  /** Its settings or its backend are others from now on: what it held against it is void. */
  retire(at: number): void {
    if (this.#isOpen) this.#close(at);
  }

  /** Milliseconds until a request may go there; 0 where one may, or where only a trial's end is waited for. */
  wait(at: number): number {
    return Math.max(0, this.#isOpen ? this.#openUntil - at : 0);
  }

  /** Opened again soon after it closed, it stays open for twice as long as before. */
  #open(at: number, cause: Cause, failures: number): void {
    const { openFor, window } = this.settings;
    const again = this.#isOpen || at - this.#closedAt < window * 1000;
    const longest = Math.max(longestOpen, openFor);
    this.#openFor = again && this.#openFor > 0 ? Math.min(this.#openFor * 2, longest) : openFor;
    if (!this.#isOpen) this.#openedAt = at;
    this.#isOpen = true;
    this.#openUntil = at + this.#openFor * 1000;
    this.#trials = 0;
    this.#isTried = false;
    this.#failures = failures;
    this.#told({ kind: "opened", cause, failures, seconds: this.#openFor });
  }

  #close(at: number): void {
    this.#isOpen = false;
    this.#closedAt = at;
    this.#failures = 0;
    this.#trials = 0;
    this.#window.clear();
    this.#told({ kind: "closed", seconds: (at - this.#openedAt) / 1000 });
  }
}
