// Who is next among those who wait for a backend: by priority, in turns between tenants, and none of them for ever.
import { Chain, Link } from "./chain.ts";

/** One who waits. Its links belong to the room. */
export interface Waiter<Own> {
  readonly tenant: string;
  readonly priority: number;
  /** Its place among its tenant's, and among all. */
  readonly inLine: Link<Own>;
  readonly inOrder: Link<Own>;
  /** Set while it is in the room. */
  line: Line<Own> | undefined;
}

/** The waiting jobs of one tenant at one priority, the oldest first. */
export class Line<Own> {
  readonly tenant: string;
  readonly level: Level<Own>;
  readonly jobs = new Chain<Own>();
  readonly turn: Link<Line<Own>>;

  constructor(tenant: string, level: Level<Own>) {
    this.tenant = tenant;
    this.level = level;
    this.turn = new Link<Line<Own>>(this);
  }
}

/** All lines of one priority. */
class Level<Own> {
  readonly priority: number;
  readonly lines = new Map<string, Line<Own>>();
  /** The line whose turn it is goes first. */
  readonly turns = new Chain<Line<Own>>();
  readonly age: Link<Level<Own>>;

  constructor(priority: number) {
    this.priority = priority;
    this.age = new Link<Level<Own>>(this);
  }
}

/** While lower priorities wait, every so manieth place is theirs. */
const lowerTurn = 8;

/**
 * Places go to the highest priority that waits; within it tenants take turns, each with its oldest job. So that no
 * priority starves, every eighth place goes to a lower one that waits, to each of those in turn. All operations take
 * constant time, but for the first and last of a priority, which look for its level among those that wait.
 */
export class WaitingRoom<Own extends Waiter<Own>> {
  /** By priority, the highest first. */
  readonly #levels: Level<Own>[] = [];
  /** The level that has gone longest without a lower priority's turn first. */
  readonly #ages = new Chain<Level<Own>>();
  readonly #order = new Chain<Own>();
  #sinceLower = 0;

  get size(): number {
    return this.#order.size;
  }

  /** The one who has waited longest. */
  get oldest(): Own | undefined {
    return this.#order.first?.value;
  }

  add(job: Own): void {
    const level = this.#levelOf(job.priority);
    let line = level.lines.get(job.tenant);
    if (line === undefined) {
      line = new Line(job.tenant, level);
      level.lines.set(job.tenant, line);
      level.turns.append(line.turn);
    }
    line.jobs.append(job.inLine);
    this.#order.append(job.inOrder);
    job.line = line;
  }

  /** Takes out the one whose turn it is. */
  next(): Own | undefined {
    const line = this.#nextLevel()?.turns.first?.value;
    const job = line?.jobs.first?.value;
    if (line === undefined || job === undefined) return undefined;
    line.level.turns.toEnd(line.turn);
    this.remove(job);
    return job;
  }

  /** False when it is not in the room. */
  remove(job: Own): boolean {
    const { line } = job;
    if (line === undefined) return false;
    job.line = undefined;
    line.jobs.remove(job.inLine);
    this.#order.remove(job.inOrder);
    const { level } = line;
    if (line.jobs.size === 0) {
      level.lines.delete(line.tenant);
      level.turns.remove(line.turn);
    }
    if (level.lines.size === 0) {
      this.#levels.splice(this.#indexOf(level.priority), 1);
      this.#ages.remove(level.age);
    }
    return true;
  }

  #nextLevel(): Level<Own> | undefined {
    const [top] = this.#levels;
    if (top === undefined || this.#levels.length === 1) return top;
    this.#sinceLower += 1;
    if (this.#sinceLower < lowerTurn) return top;
    this.#sinceLower = 0;
    const age = this.#ages.first?.value === top ? this.#ages.first.next : this.#ages.first;
    if (age === undefined) return top;
    this.#ages.toEnd(age);
    return age.value;
  }

  #levelOf(priority: number): Level<Own> {
    const index = this.#indexOf(priority);
    const found = this.#levels[index];
    if (found?.priority === priority) return found;
    const level = new Level<Own>(priority);
    this.#levels.splice(index, 0, level);
    this.#ages.append(level.age);
    return level;
  }

  /** Where the level of a priority is, or would be. */
  #indexOf(priority: number): number {
    let from = 0;
    let to = this.#levels.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((this.#levels[middle]?.priority ?? priority) > priority) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
