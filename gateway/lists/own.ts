// A caller's own among what backends list: the files, batches and the like that were made under its key.
import type { Attempt } from "../attempt.ts";
import { type FailureKind, GatewayError } from "../errors.ts";
import type { Upstream } from "../fleet.ts";
import type { Sending } from "../sending.ts";
import { cut, type Excerpt, excerptIn, pageQuery } from "./excerpt.ts";
import { noList } from "./no-list.ts";
import { type Entry, type ListPage, listPage } from "./page.ts";
import { tell } from "./tell.ts";

/** So many pages of a backend's list are looked through. */
const maxPages = 50;

/** What one backend has of the caller's. */
interface Shelf {
  readonly upstream: Upstream;
  readonly own: Entry[];
  /** The last that the backend listed, where it has more. */
  after: string | undefined;
  /** It keeps such things at all, whosever they are. */
  isUsed: boolean;
}

/**
 * Answers a list of kept things. Everybody's are at the backends under one account, so that their pages are read here,
 * and what is the caller's is put into pages of its own. Throws a GatewayError where a backend that may hold some did
 * not say what it has: a list without these would be wrong.
 */
export async function listOwn(sending: Sending): Promise<void> {
  const { setting, identity, fleet, passage, options } = sending;
  passage.draft.enter("overhead", options.surroundings.clock.now());
  const excerpt = excerptIn(sending.query, passage.receiver.path);
  const running: Attempt[] = [];
  const stop = () => {
    for (const attempt of running) attempt.cancel();
  };
  passage.running = { leave: stop, stop };
  const shelves = fleet.upstreams
    .filter((upstream) => setting.admission.reaches(identity, upstream))
    .map((upstream): Shelf => ({ upstream, own: [], after: undefined, isUsed: false }));
  await lookThrough(sending, shelves, running);
  const used = shelves.filter(({ isUsed }) => isUsed);
  const isAlone = used.length === 1;
  for (let pages = 1; used.some(({ after }) => after !== undefined); pages += 1) {
    if (passage.draft.closed) return;
    if (isAlone && used[0] && cut(used[0].own, excerpt)?.isFull) break;
    if (pages === maxPages) throw new GatewayError("list_too_long");
    await lookThrough(
      sending,
      used.filter(({ after }) => after !== undefined),
      running,
    );
  }
  if (passage.draft.closed) return;
  const own = used.flatMap((shelf) => shelf.own);
  const page = cut(isAlone ? own : inOrder(own, excerpt), excerpt);
  if (page === undefined)
    throw new GatewayError("unknown_id", "The list has nothing with the id that it is to begin at.");
  tell(sending, {
    object: "list",
    data: page.entries,
    first_id: page.entries[0]?.id ?? null,
    last_id: page.entries.at(-1)?.id ?? null,
    has_more: page.hasMore,
  });
}

/** Reads the next page of each. */
async function lookThrough(sending: Sending, shelves: readonly Shelf[], running: Attempt[]): Promise<void> {
  const { setting, identity, path, query } = sending;
  const pages = await Promise.all(
    shelves.map(({ upstream, after }) =>
      listPage(sending, upstream, path.slice("/v1".length) + pageQuery(query, path, after), running),
    ),
  );
  if (sending.passage.draft.closed) return;
  const reasons = pages.filter((page): page is FailureKind => typeof page === "string");
  if (reasons.length > 0) throw noList(reasons);
  const read = pages as readonly ListPage[];
  for (const [i, shelf] of shelves.entries()) {
    const { entries, hasMore } = read[i] ?? { entries: [], hasMore: false };
    const ids = entries.map(({ id }) => id);
    const own = await setting.admission.ownAmong(identity, shelf.upstream.backend.name, ids);
    shelf.own.push(...entries.filter(({ id }) => own.has(id)));
    if (entries.length > 0) shelf.isUsed = true;
    // Who has more and lists nothing would be asked for ever.
    shelf.after = hasMore ? ids.at(-1) : undefined;
  }
}

const madeAt = ({ created_at: at, created }: Entry): number => Number(at ?? created ?? 0);

/** Of several backends, each in its own order. */
const inOrder = (all: readonly Entry[], { ascending }: Excerpt): readonly Entry[] =>
  all.toSorted((one, other) => (ascending ? madeAt(one) - madeAt(other) : madeAt(other) - madeAt(one)));
