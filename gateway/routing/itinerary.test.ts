// Facts about whom a request asks next, when some want to be left alone.
import { expect, test } from "vitest";
import { Itinerary } from "./itinerary.ts";
import type { Standing } from "./order.ts";
import type { Route, Target } from "./route.ts";

const target = (model: string): Target =>
  ({ model, weight: 1, timeouts: {}, upstream: { ownKey: true } }) as unknown as Target;
const [a, b, c] = [target("a"), target("b"), target("c")];
const standing = {} as Standing;
const open = { admits: () => true, mayAdmit: () => true };

/** An itinerary over a, b and c, and its clock in milliseconds. */
function begun() {
  const clock = { now: 0 };
  const route: Route = {
    name: "r",
    strategy: "priority",
    targets: [a, b, c],
    retries: { max: 2, backoff: 0.1, maxBackoff: 1 },
    systemPrompt: undefined,
  };
  const itinerary = new Itinerary(route, standing, open, () => clock.now, "m");
  /** The names of all that may be asked now. */
  const rest = () => {
    let names = "";
    for (let next = itinerary.next(); next !== undefined; next = itinerary.next()) names += next.model;
    return names;
  };
  return { itinerary, clock, rest };
}

test("each is asked once a round", () => {
  const { itinerary, rest } = begun();
  expect([itinerary.hasMore, rest(), itinerary.hasMore, itinerary.soonest]).toEqual([true, "abc", false, 0]);
  itinerary.again();
  expect(rest()).toBe("abc");
});

test("who rests is asked later in the same round, no sooner than asked for", () => {
  const { itinerary, clock, rest } = begun();
  rest();
  itinerary.rest(a, 300);
  clock.now = 50;
  itinerary.rest(b, 600);
  itinerary.again();
  expect([rest(), itinerary.hasLater, itinerary.hasMore, itinerary.soonest]).toEqual(["c", true, true, 250]);
  clock.now = 300;
  itinerary.again();
  expect([rest(), itinerary.hasLater, itinerary.soonest]).toEqual(["a", true, 350]);
  clock.now = 650;
  itinerary.again();
  expect([rest(), itinerary.hasLater, itinerary.hasMore]).toEqual(["b", false, false]);
  itinerary.again();
  expect(rest()).toBe("abc");
});

test("who rests for longer than is waited, or for ever, is left out, and is no reason to wait", () => {
  const { itinerary, clock, rest } = begun();
  rest();
  itinerary.rest(a, 1_500);
  itinerary.rest(b, Number.POSITIVE_INFINITY);
  itinerary.again();
  expect([rest(), itinerary.hasLater, itinerary.hasMore, itinerary.soonest]).toEqual(["c", false, false, 0]);
  itinerary.rest(c, Number.POSITIVE_INFINITY);
  expect(itinerary.soonest).toBe(1_500);
  clock.now = 1_500;
  itinerary.again();
  expect(rest()).toBe("a");
});
