// What one backend has of a caller's, found page by page, under a slot of the backend's queue.
import { tenantOf } from "../admission/identity.ts";
import { ClientLeft } from "../errors.ts";
import type { Upstream } from "../fleet.ts";
import type { Slot } from "../routing/queue.ts";
import type { Sending } from "../sending.ts";
import { pageQuery, pageSizeOf } from "./excerpt.ts";
import { noList } from "./no-list.ts";
import { type Entry, type ListPage, listPage } from "./page.ts";
import type { UnderWay } from "./under-way.ts";

/** What every backend gives at once. */
const usualSize = 20;

export class Shelf {
  readonly #sending: Sending;
  readonly #upstream: Upstream;
  readonly #underWay: UnderWay;
  /** In the backend's order. */
  readonly own: Entry[] = [];
  /** It keeps such things, whosever they are. */
  isUsed = false;
  /** There are more to be looked at. */
  hasMore = false;
  readonly #seen = new Set<string>();
  #last: string | undefined;
  #pageSize: number;

  constructor(sending: Sending, upstream: Upstream, underWay: UnderWay) {
    this.#sending = sending;
    this.#upstream = upstream;
    this.#underWay = underWay;
    this.#pageSize = pageSizeOf(sending.passage.receiver.path);
  }

  /** Looks at the next page. Throws a GatewayError where it cannot be had. */
  async lookOn(): Promise<void> {
    const page = await this.#page();
    if (this.#sending.passage.isOver || this.#underWay.isStopped) return;
    if (page.kind === "failed" && this.#mayBeSmaller(page)) {
      this.#pageSize = Math.ceil(this.#pageSize / 4);
      await this.lookOn();
    } else if (page.kind === "page") await this.#take(page.entries, page.hasMore);
    // Who has listed some before knows the list.
    else if (page.kind === "failed" && !(page.isUnknown && this.#last === undefined)) throw noList([page.failure]);
  }

  /** It may be others' things that are so large, or a backend that gives fewer at once. */
  #mayBeSmaller({ isTooLarge, isUnknown, failure }: ListPage & { readonly kind: "failed" }): boolean {
    if (isTooLarge) return this.#pageSize > 1;
    return failure === "upstream_rejected" && !isUnknown && this.#pageSize > usualSize;
  }

  async #take(entries: readonly Entry[], hasMore: boolean): Promise<void> {
    const { setting, identity } = this.#sending;
    const unseen = entries.filter(({ id }) => !this.#seen.has(id));
    for (const { id } of unseen) this.#seen.add(id);
    this.own.push(...(await setting.admission.ownAmong(identity, this.#upstream.backend.name, unseen)));
    this.isUsed ||= entries.length > 0;
    this.#last = entries.at(-1)?.id;
    // Who has more and shows nothing that is new would be asked for ever.
    this.hasMore = hasMore && unseen.length > 0;
  }

  async #page(): Promise<ListPage> {
    const { path, query, passage } = this.#sending;
    const slot = await this.#slot();
    try {
      // It may have left in the very moment in which its turn came.
      passage.goOn();
      if (this.#underWay.isStopped) return { kind: "none" };
      const at = path.slice("/v1".length) + pageQuery(query, this.#pageSize, this.#last);
      return await listPage(this.#sending, this.#upstream, at, this.#underWay);
    } finally {
      slot.release();
    }
  }

  /** Waits for its turn at the backend. */
  async #slot(): Promise<Slot> {
    const { identity, passage, options } = this.#sending;
    const { now } = options.surroundings.clock;
    const { operation } = passage.receiver;
    const place = this.#upstream.queue.enter({ tenant: tenantOf(identity), priority: identity.priority, operation });
    if (!place.isWaiting) return place;
    passage.draft.enter("queue", now());
    const over = this.#underWay.begins({ cancel: () => place.leave(new ClientLeft()) });
    try {
      return await place.slot;
    } finally {
      over();
      passage.draft.enter("overhead", now());
    }
  }
}
