// The reservations that are open, found by the id of their exchange.

interface Kept {
  /** Of the exchange: a UUID. */
  readonly id: string;
}

const places = 4_096;

/**
 * A Map would do, but for this: one that takes and loses an entry with every request replaces its table every few of
 * them, the tables that are given up stay linked, and once one of them is old it keeps all that follow, with all that
 * they held, until a full collection. These lists stay, and are emptied in place.
 */
export class OpenReservations<One extends Kept> {
  readonly #lists: One[][] = Array.from({ length: places }, () => []);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(one: One): void {
    this.#listOf(one.id).push(one);
    this.#size += 1;
  }

  get(id: string): One | undefined {
    for (const one of this.#listOf(id)) if (one.id === id) return one;
    return undefined;
  }

  /** True where it was there. */
  delete(one: One): boolean {
    const list = this.#listOf(one.id);
    const at = list.indexOf(one);
    if (at === -1) return false;
    const last = list.pop();
    if (last !== undefined && last !== one) list[at] = last;
    this.#size -= 1;
    return true;
  }

  /** All that are there now, in no order. */
  all(): One[] {
    return this.#lists.flat();
  }

  /** UUIDs are random but for a few digits, of which none is among the first eight. */
  #listOf(id: string): One[] {
    let hash = 0;
    for (let at = 0; at < 8; at++) hash = (hash * 31 + id.charCodeAt(at)) | 0;
    return this.#lists[hash & (places - 1)] as One[];
  }
}
