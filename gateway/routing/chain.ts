// A doubly linked list whose links are held by its members, so that joining and leaving anywhere take no search.

/** A value's place in one chain. */
export class Link<Value> {
  readonly value: Value;
  next: Link<Value> | undefined = undefined;
  before: Link<Value> | undefined = undefined;

  constructor(value: Value) {
    this.value = value;
  }
}

export class Chain<Value> {
  #first: Link<Value> | undefined = undefined;
  #last: Link<Value> | undefined = undefined;
  #size = 0;

  get first(): Link<Value> | undefined {
    return this.#first;
  }

  get size(): number {
    return this.#size;
  }

  /** Adds a link that is in no chain, at the end. */
  append(link: Link<Value>): void {
    link.before = this.#last;
    if (this.#last === undefined) this.#first = link;
    else this.#last.next = link;
    this.#last = link;
    this.#size += 1;
  }

  /** Takes out a link of this chain. */
  remove(link: Link<Value>): void {
    const { before, next } = link;
    if (before === undefined) this.#first = next;
    else before.next = next;
    if (next === undefined) this.#last = before;
    else next.before = before;
    // An old link that V8 has not collected yet would keep alive all that came after it.
    link.before = undefined;
    link.next = undefined;
    this.#size -= 1;
  }

  /** Puts a link of this chain at its end. */
  toEnd(link: Link<Value>): void {
    if (this.#last === link) return;
    this.remove(link);
    this.append(link);
  }
}
