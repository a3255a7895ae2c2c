// Looks a request's answer up in the cache; where there is none yet, has the one that comes kept.
import type { Sending } from "../sending.ts";
import type { Entry } from "./entry.ts";
import type { Flight } from "./flights.ts";
import { keyOf } from "./key.ts";
import { Recording } from "./recording.ts";
import { familyOf, isCacheable, membersOf, type Wish, wishOf } from "./rules.ts";
import { Waiter } from "./waiter.ts";

/**
 * The answer that is there already; `undefined` where a backend is to be asked. A Promise only where it has to be
 * waited for; rejects with ClientLeft, or a GatewayError, where that is over for good. Never throws.
 */
export function lookUp(sending: Sending): Entry | undefined | Promise<Entry | undefined> {
  const { options, passage } = sending;
  const { cache } = options;
  if (cache.settings === undefined) return undefined;
  const { req, receiver } = passage;
  const family = familyOf(req.method, receiver.path);
  if (family === undefined) return undefined;
  const wish = wishOf(req.headers["x-tollgate-cache"]);
  try {
    const key = keyFor(sending, family, wish);
    if (key === undefined) return undefined;
    if (wish === "refresh") return record(sending, key, undefined);
    const found = cache.read(key);
    if (found instanceof Promise) return late(sending, key, found);
    return found ?? missed(sending, key);
  } catch (error) {
    cache.options.failed(error);
    return undefined;
  }
}

async function late(sending: Sending, key: string, reading: Promise<Entry | undefined>): Promise<Entry | undefined> {
  let found: Entry | undefined;
  try {
    found = await reading;
  } catch (error) {
    sending.options.cache.options.failed(error);
    return undefined;
  }
  return found ?? missed(sending, key);
}

/** The key of a request that may be cached. */
function keyFor(sending: Sending, family: NonNullable<ReturnType<typeof familyOf>>, wish: Wish): string | undefined {
  const { passage, taken, fleet, identity, path, query, options } = sending;
  const { settings } = options.cache;
  if (settings === undefined || taken.json === undefined || wish === "off") return undefined;
  const route = fleet.routeFor(taken.facts().model);
  const { cache: mode = "off" } = route ?? {};
  if (route === undefined || mode === "off") return undefined;
  const members = membersOf(taken.json);
  if (members === undefined || !isCacheable(family, members, mode, wish)) return undefined;
  const { headers } = passage.req;
  const { acrossKeys } = settings;
  const repeatsCaller = family === "response";
  const isEncoded = !passage.receiver.metered;
  return keyOf({ identity, acrossKeys, route, path, query, headers, members, repeatsCaller, isEncoded });
}

/** Asks, unless another that asks the same can be waited for. */
function missed(sending: Sending, key: string): undefined | Promise<Entry | undefined> {
  const { cache } = sending.options;
  if (cache.settings?.coalesce !== true) return record(sending, key, undefined);
  const flight = cache.flights.lead(key);
  return flight === undefined ? joined(sending, key) : record(sending, key, flight);
}

async function joined(sending: Sending, key: string): Promise<Entry | undefined> {
  const { passage, options } = sending;
  const waiter = new Waiter();
  const flight = options.cache.flights.join(key, waiter);
  passage.draft.enter("queue", options.surroundings.clock.now());
  waiter.boards(flight, passage);
  const landing = await waiter.over;
  if (typeof landing === "object") return landing;
  return record(sending, key, landing === "leads" ? flight : undefined);
}

/** Has the answer kept that will come. `flight`: others wait for it. */
function record({ options: { cache }, passage }: Sending, key: string, flight: Flight | undefined): undefined {
  passage.draft.cache = "miss";
  const recording = new Recording({
    maxBytes: cache.settings?.maxEntryBytes ?? 0,
    metered: passage.receiver.metered,
    wall: cache.options.wall,
    failed: cache.options.failed,
    ended: (entry, isHopeless) => {
      if (entry !== undefined) cache.write(key, entry);
      if (flight !== undefined) cache.flights.land(flight, entry, isHopeless);
    },
  });
  passage.showTo(recording);
  return undefined;
}
