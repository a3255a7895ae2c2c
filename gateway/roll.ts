// A list of what is open, where joining and leaving take no search and leave nothing behind.

/** A member keeps its own place in the roll; -1 while it is in none. */
export interface Listed {
  place: number;
}

/**
 * In place of a Set: V8 chains the tables that a Set has outgrown, and what passes through quickly is then kept alive
 * by dead tables until the next full collection.
 */
export class Roll<Member extends Listed> {
  readonly #members: Member[] = [];

  get size(): number {
    return this.#members.length;
  }

  add(member: Member): void {
    member.place = this.#members.length;
    this.#members.push(member);
  }

  /** True when it was in the roll. */
  delete(member: Member): boolean {
    const { place } = member;
    if (place < 0 || this.#members[place] !== member) return false;
    const last = this.#members.pop();
    if (last !== undefined && last !== member) {
      this.#members[place] = last;
      last.place = place;
    }
    member.place = -1;
    return true;
  }

  /** Those who are in it now; the roll may change meanwhile. */
  members(): readonly Member[] {
    return [...this.#members];
  }
}
