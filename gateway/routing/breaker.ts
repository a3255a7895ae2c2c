// Which backends may be asked now, judged from the attempts that go to them anyway and from their health checks.
import type { Backend } from "../config/config.ts";
import type { BackendChange, Cause } from "./backend-change.ts";
import { type BreakerState, Circuit, type Unhealthy } from "./circuit.ts";

export type { BreakerState };

/** What a circuit depends on. */
type Guarded = Pick<Backend, "name" | "baseUrl" | "key" | "breaker" | "healthCheck">;

/** A backend that is not configured is open, down, and never admitted. */
export interface Breaker {
  state(backend: string): BreakerState;
  /**
   * May a request go there now? Half-open, it takes one of the few places for trials; the place is free again with
   * `observe` or `forgo`, or after a time without either.
   */
  admits(backend: string): boolean;
  /** The same without taking a place. */
  mayAdmit(backend: string): boolean;
  /**
   * May a request go there that was admitted and has waited since? `isTrial`: it holds a trial's place, and none any more
   * where it may not go. A backend that was taken out of the configuration still serves those who wait for it.
   */
  stillAdmits(backend: string, isTrial: boolean): boolean;
  /** An admitted request ended without saying anything of the backend: its client left, or it was never sent. */
  forgo(backend: string): void;
  /** An answer of success begins. */
  answers(backend: string): void;
  /**
   * Tells how an attempt went. Not ok: unreachable, timed out, a 5xx, or our own key refused. Ok: any other answer,
   * a 4xx for a bad request included, for it is the caller's fault. Say nothing of an attempt that the client ended.
   * `cause` is why it is not ok.
   */
  observe(backend: string, ok: boolean, cause?: Cause): void;
  /** The verdict of its health check, when that changes. */
  checked(backend: string, healthy: boolean, unhealthy?: Unhealthy): void;
  /** Usable: closed or half-open. */
  up(backend: string): boolean;
  /** When the first of these may be asked, for a client's Retry-After: whole seconds, 1 to 60. */
  retryAfterSeconds(backends: readonly string[]): number;
  /** The backends of a new configuration: what is known of those that stay is kept, unless their address, key or breaker changed. */
  follow(backends: readonly Guarded[]): void;
}

export interface BreakerOptions {
  readonly backends: readonly Guarded[];
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Told of each change once, right after it. */
  readonly changed?: (backend: string, change: BackendChange) => void;
  /** Told where that threw, in the middle of a request which it does not touch. */
  readonly troubled?: (error: unknown) => void;
}

interface Entry {
  readonly guarded: Guarded;
  readonly circuit: Circuit;
}

const unknown: Cause = {};

export function breaker({ backends, now, changed = () => {}, troubled = () => {} }: BreakerOptions): Breaker {
  let entries = new Map<string, Entry>();
  const tell = (backend: string, change: BackendChange): void => {
    try {
      changed(backend, change);
    } catch (error) {
      troubled(error);
    }
  };
  const circuitOf = (backend: string): Circuit | undefined => entries.get(backend)?.circuit;

  const follow = (next: readonly Guarded[]): void => {
    const before = entries;
    entries = new Map();
    for (const guarded of next) {
      const known = before.get(guarded.name);
      const isKept = known !== undefined && isSame(known.guarded, guarded);
      const circuit = isKept ? known.circuit : new Circuit(guarded.breaker, (change) => tell(guarded.name, change));
      if (known !== undefined && !isKept) {
        // Its health check goes on, and says only what is new.
        if (isThere(known.guarded, guarded)) circuit.inherit(known.circuit);
        else known.circuit.checked(true, now());
        known.circuit.retire(now());
      }
      // Nobody would ever say that it is well again.
      if (known?.guarded.healthCheck && !guarded.healthCheck) circuit.checked(true, now());
      entries.set(guarded.name, { guarded, circuit });
    }
  };
  follow(backends);

  return {
    follow,
    state: (backend) => circuitOf(backend)?.state(now()) ?? "open",
    admits: (backend) => circuitOf(backend)?.admits(now()) ?? false,
    mayAdmit: (backend) => circuitOf(backend)?.mayAdmit(now()) ?? false,
    stillAdmits(backend, isTrial) {
      const circuit = circuitOf(backend);
      if (circuit === undefined) return true;
      return isTrial ? circuit.isUp(now()) : circuit.admits(now());
    },
    forgo: (backend) => circuitOf(backend)?.forgo(),
    answers: (backend) => circuitOf(backend)?.answers(now()),
    observe: (backend, ok, cause = unknown) => circuitOf(backend)?.observe(ok, now(), cause),
    checked: (backend, healthy, unhealthy) => circuitOf(backend)?.checked(healthy, now(), unhealthy),
    up: (backend) => circuitOf(backend)?.isUp(now()) ?? false,
    retryAfterSeconds(names) {
      const at = now();
      let soonest = 60_000;
      for (const name of names) soonest = Math.min(soonest, circuitOf(name)?.wait(at) ?? soonest);
      return Math.max(1, Math.ceil(soonest / 1000));
    },
  };
}

const isThere = (a: Guarded, b: Guarded): boolean => a.baseUrl === b.baseUrl && a.key === b.key;

const isSame = (a: Guarded, b: Guarded): boolean =>
  isThere(a, b) && JSON.stringify(a.breaker) === JSON.stringify(b.breaker);
