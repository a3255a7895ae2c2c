// A caller's own among what backends list: the files, batches and the like that were made under its key.
import { GatewayError } from "../errors.ts";
import type { Sending } from "../sending.ts";
import { cut, type Excerpt, excerptIn } from "./excerpt.ts";
import type { Entry } from "./page.ts";
import { Shelf } from "./shelf.ts";
import { tell } from "./tell.ts";
import { UnderWay } from "./under-way.ts";

/** So many pages of a backend's list are looked through, and for so long, milliseconds. */
const maxPages = 50;
const maxMillis = 30_000;

/**
 * Answers a list of kept things. Everybody's are at the backends under one account, so that their pages are read here,
 * and what is the caller's is put into pages of its own. Throws a GatewayError where a backend that may hold some did
 * not say what it has: a list without these would be wrong.
 */
export async function listOwn(sending: Sending): Promise<void> {
  const { setting, identity, fleet, passage, options } = sending;
  const { now } = options.surroundings.clock;
  passage.draft.enter("overhead", now());
  const until = now() + maxMillis;
  const excerpt = excerptIn(sending.query, passage.receiver.path);
  const underWay = new UnderWay();
  passage.running = underWay;
  const shelves = fleet.upstreams
    .filter((upstream) => setting.admission.reaches(identity, upstream))
    .map((upstream) => new Shelf(sending, upstream, underWay));
  await lookThrough(shelves, underWay);
  const used = shelves.filter(({ isUsed }) => isUsed);
  const alone = used.length === 1 ? used[0] : undefined;
  for (let pages = 1; used.some(({ hasMore }) => hasMore); pages += 1) {
    if (passage.isOver) return;
    if (alone && cut(alone.own, excerpt)?.isFull) break;
    if (pages >= maxPages || now() > until) throw new GatewayError("list_too_long");
    await lookThrough(
      used.filter(({ hasMore }) => hasMore),
      underWay,
    );
  }
  if (passage.isOver) return;
  const page = cut(alone ? alone.own : inOrder(used, excerpt), excerpt);
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

/** Reads the next page of each. The first that fails ends the others. */
async function lookThrough(shelves: readonly Shelf[], underWay: UnderWay): Promise<void> {
  let first: { readonly error: unknown } | undefined;
  const reading = shelves.map(async (shelf) => {
    try {
      await shelf.lookOn();
    } catch (error) {
      // What ends the others is not what they end by.
      first ??= { error };
      underWay.stop();
    }
  });
  await Promise.all(reading);
  if (first) throw first.error;
}

const madeAt = ({ created_at: at, created }: Entry): number => Number(at ?? created ?? 0);

/** Of several backends, each in its own order. */
const inOrder = (shelves: readonly Shelf[], { ascending }: Excerpt): readonly Entry[] =>
  shelves
    .flatMap(({ own }) => own)
    .toSorted((one, other) => (ascending ? madeAt(one) - madeAt(other) : madeAt(other) - madeAt(one)));
