// What a job gets of a backend's queue: a slot, or a place among those who wait for one.
import { Link } from "./chain.ts";
import type { Line, Waiter } from "./waiting-room.ts";

export interface Job {
  /** Tenants take turns. */
  readonly tenant: string;
  /** Higher goes first. */
  readonly priority: number;
  /** In metrics. */
  readonly operation: string;
  /** It holds its slot for as long as its client likes: how long that is says nothing of the queue's pace. */
  readonly lasting?: boolean;
}

/** The right to one request at the backend. */
export interface Slot {
  readonly isWaiting: false;
  /** Gives it back, once; later calls change nothing. */
  release(): void;
}

export interface Waiting {
  readonly isWaiting: true;
  /** Rejects with GatewayError queue_timeout, or with what `leave` was given. */
  readonly slot: Promise<Slot>;
  /** The client left, or the gateway goes down. Once the slot was given it changes nothing: whoever awaits it has it, and gives it back. */
  leave(why: Error): void;
}

/** The queue, as its slots and jobs see it. */
export interface SlotKeeper {
  /** A slot is given back; `startedAt` is monotonic milliseconds. */
  released(operation: string, startedAt: number, lasting: boolean): void;
  left(job: WaitingJob, why: Error): void;
}

export class HeldSlot implements Slot {
  readonly isWaiting = false;
  readonly #operation: string;
  readonly #startedAt: number;
  readonly #lasting: boolean;
  #keeper: SlotKeeper | undefined;

  constructor(keeper: SlotKeeper, operation: string, startedAt: number, lasting: boolean) {
    this.#keeper = keeper;
    this.#operation = operation;
    this.#startedAt = startedAt;
    this.#lasting = lasting;
  }

  release(): void {
    const keeper = this.#keeper;
    this.#keeper = undefined;
    keeper?.released(this.#operation, this.#startedAt, this.#lasting);
  }
}

export class WaitingJob implements Waiting, Waiter<WaitingJob> {
  readonly isWaiting = true;
  readonly tenant: string;
  readonly priority: number;
  readonly operation: string;
  readonly lasting: boolean;
  readonly enteredAt: number;
  readonly inLine: Link<WaitingJob>;
  readonly inOrder: Link<WaitingJob>;
  line: Line<WaitingJob> | undefined = undefined;
  readonly slot: Promise<Slot>;
  readonly resolve: (slot: Slot) => void;
  readonly reject: (why: Error) => void;
  readonly #keeper: SlotKeeper;

  constructor(keeper: SlotKeeper, { tenant, priority, operation, lasting = false }: Job, enteredAt: number) {
    this.#keeper = keeper;
    this.tenant = tenant;
    this.priority = priority;
    this.operation = operation;
    this.lasting = lasting;
    this.enteredAt = enteredAt;
    this.inLine = new Link<WaitingJob>(this);
    this.inOrder = new Link<WaitingJob>(this);
    const { promise, resolve, reject } = Promise.withResolvers<Slot>();
    this.slot = promise;
    this.resolve = resolve;
    this.reject = reject;
  }

  leave(why: Error): void {
    this.#keeper.left(this, why);
  }
}
