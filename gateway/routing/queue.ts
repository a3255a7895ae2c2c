// A backend's admission queue: a bounded number of jobs runs, a bounded number waits for a bounded time, the rest is refused.
import { GatewayError } from "../errors.ts";
import { HeldSlot, type Job, type Slot, type SlotKeeper, type Waiting, WaitingJob } from "./slot.ts";
import { WaitingRoom } from "./waiting-room.ts";

export type { Job, Slot, Waiting };

export interface QueueSettings {
  /** Jobs that run at a time. */
  readonly maxConcurrent: number;
  /** Jobs that wait at most; 0: none waits. */
  readonly size: number;
  /** Longest wait, seconds; 0: as long as its client does. */
  readonly timeout: number;
}

/** Why a job had no slot. */
export type QueueFailure = "queue_full" | "queue_timeout" | "abandoned" | "shutting_down";
export const queueFailures: readonly QueueFailure[] = ["queue_full", "queue_timeout", "abandoned", "shutting_down"];

/** Told of what passes through a queue. Must not throw. */
export interface QueueMeter {
  /** A wait is over, however it ended; 0 for a job that had its slot at once. Seconds. */
  waited(seconds: number): void;
  /** A slot was given back after so many seconds. */
  ran(operation: string, seconds: number): void;
  failed(why: QueueFailure): void;
}

export interface BackendQueue {
  /** A slot at once, or a place among those who wait for one. Throws GatewayError queue_full. */
  enter(job: Job): Slot | Waiting;
  /** Jobs that wait. */
  readonly depth: number;
  /** Slots that are held. */
  readonly active: number;
  /** Slots that may be held at a time. */
  readonly limit: number;
  /** New limits: waiting jobs keep their place, and what runs goes on. */
  configure(settings: QueueSettings): void;
}

export interface QueueOptions {
  readonly settings: QueueSettings;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly meter: QueueMeter;
}

export const queue = (options: QueueOptions): BackendQueue => new Queue(options);

/** Bounds of what a client is told to wait, seconds. */
const soonest = 1;
const latest = 60;
/** What one job counts for in the average of their durations. */
const newest = 0.05;

class Queue implements BackendQueue, SlotKeeper {
  readonly now: () => number;
  readonly #meter: QueueMeter;
  readonly #room = new WaitingRoom<WaitingJob>();
  #settings: QueueSettings;
  #active = 0;
  /** Slots that lasting jobs hold. */
  #lasting = 0;
  /** Average duration of late, seconds; of jobs that do not last. */
  #usual: number | undefined = undefined;
  /** One for the whole queue: all wait for the same time, so the oldest is the first whose time is over. */
  #timer: NodeJS.Timeout | undefined = undefined;

  constructor({ settings, now, meter }: QueueOptions) {
    this.now = now;
    this.#meter = meter;
    this.#settings = settings;
  }

  get depth(): number {
    return this.#room.size;
  }

  get active(): number {
    return this.#active;
  }

  get limit(): number {
    return this.#settings.maxConcurrent;
  }

  enter(job: Job): Slot | Waiting {
    const at = this.now();
    if (this.#active < this.#settings.maxConcurrent) return this.#start(job, at, 0);
    if (this.#room.size >= this.#settings.size) {
      this.#meter.failed("queue_full");
      throw this.#refusal("queue_full");
    }
    const waiting = new WaitingJob(this, job, at);
    this.#room.add(waiting);
    if (this.#timer === undefined) this.#watch(at);
    return waiting;
  }

  configure(settings: QueueSettings): void {
    this.#settings = settings;
    this.#admit();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.expire();
  }

  released(operation: string, startedAt: number, lasting: boolean): void {
    this.#active -= 1;
    const seconds = (this.now() - startedAt) / 1000;
    if (lasting) this.#lasting -= 1;
    else this.#usual = this.#usual === undefined ? seconds : this.#usual + newest * (seconds - this.#usual);
    this.#meter.ran(operation, seconds);
    if (this.#room.size > 0) this.#admit();
  }

  left(job: WaitingJob, why: Error): void {
    if (this.#room.remove(job)) this.#fail(job, why);
  }

  /** Ends the waits whose time is over. */
  expire(): void {
    const at = this.now();
    for (let job = this.#room.oldest; job !== undefined && this.#leftOf(job, at) <= 0; job = this.#room.oldest) {
      this.#room.remove(job);
      this.#fail(job, this.#refusal("queue_timeout"));
    }
    this.#watch(at);
  }

  #admit(): void {
    while (this.#active < this.#settings.maxConcurrent) {
      const job = this.#room.next();
      if (job === undefined) return;
      const at = this.now();
      job.resolve(this.#start(job, at, (at - job.enteredAt) / 1000));
    }
  }

  #start({ operation, lasting = false }: Job, at: number, waited: number): Slot {
    this.#active += 1;
    if (lasting) this.#lasting += 1;
    this.#meter.waited(waited);
    return new HeldSlot(this, operation, at, lasting);
  }

  #fail(job: WaitingJob, why: Error): void {
    this.#meter.waited((this.now() - job.enteredAt) / 1000);
    this.#meter.failed(reasonOf(why));
    job.reject(why);
  }

  /** Wakes when the oldest one's time is over; it may have left by then, which costs one look. */
  #watch(at: number): void {
    const { oldest } = this.#room;
    const left = oldest === undefined ? Number.POSITIVE_INFINITY : this.#leftOf(oldest, at);
    this.#timer = left === Number.POSITIVE_INFINITY ? undefined : setTimeout(expired, Math.max(1, left), this);
    // Those who wait have open sockets; the timer alone is no reason to stay.
    this.#timer?.unref();
  }

  /** Milliseconds that a job may still wait. Timers know whole ones only, and may be early by less. */
  #leftOf({ enteredAt }: WaitingJob, at: number): number {
    const { timeout } = this.#settings;
    const left = enteredAt + timeout * 1000 - at;
    return timeout === 0 ? Number.POSITIVE_INFINITY : left < 1 ? 0 : left;
  }

  /**
   * It says when those who wait now will have been served, at the pace of late, by the slots that come free at that
   * pace. Where lasting jobs hold them all, nobody knows: one of them is as good as any.
   */
  #refusal(kind: "queue_full" | "queue_timeout"): GatewayError {
    const { maxConcurrent } = this.#settings;
    const serving = maxConcurrent > this.#lasting ? maxConcurrent - this.#lasting : Math.min(maxConcurrent, 1);
    const expected = ((this.#room.size + 1) / serving) * (this.#usual ?? soonest);
    const retryAfter = Math.min(latest, Math.max(soonest, Math.ceil(expected)));
    return new GatewayError(kind, undefined, undefined, { retryAfter });
  }
}

const expired = (queue: Queue): void => queue.expire();

/** Whatever else ends a request while it waits, nobody waits for it any more. */
const reasonOf = (why: Error): QueueFailure =>
  why instanceof GatewayError && (why.kind === "queue_timeout" || why.kind === "shutting_down")
    ? why.kind
    : "abandoned";
