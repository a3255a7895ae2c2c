// The shelf: bounded in count and bytes, the oldest goes first; and its pages.
import { expect, test } from "vitest";
import { page, shelf } from "./shelf.ts";

interface Thing {
  readonly id: string;
  readonly bytes: number;
}
const thing = (id: string, bytes = 1): Thing => ({ id, bytes });
const things = (options: { count: number; bytes?: number }) =>
  shelf<Thing>({ what: "thing", bytesOf: ({ bytes }) => bytes, ...options });
const ids = (list: readonly Thing[]) => list.map(({ id }) => id).join("");

test("no more than so many stay, the oldest goes", () => {
  const kept = things({ count: 2 });
  for (const id of "abc") kept.put(thing(id));
  expect(ids(kept.all())).toBe("bc");
  expect(() => kept.get("a")).toThrow(expect.objectContaining({ status: 404 }));
});

test("no more than so many bytes stay, whatever is changed or removed", () => {
  const kept = things({ count: 10, bytes: 10 });
  kept.put(thing("a", 4));
  kept.put(thing("b", 4));
  kept.put(thing("a", 5));
  expect(ids(kept.all())).toBe("ab");
  kept.remove("b");
  kept.put(thing("c", 5));
  expect(ids(kept.all())).toBe("ac");
  kept.put(thing("d", 1));
  expect(ids(kept.all())).toBe("cd");
  kept.put(thing("e", 11));
  expect(kept.size).toBe(0);
});

test("a page begins after its cursor, in the order asked for", () => {
  const all = [..."abcde"].map((id) => thing(id));
  const paged = (query: string) => page(all, new URLSearchParams(query));
  expect(ids(paged("").data)).toBe("edcba");
  expect(paged("limit=2&order=asc")).toMatchObject({ first_id: "a", last_id: "b", has_more: true });
  expect(paged("limit=3&order=asc&after=b")).toMatchObject({ last_id: "e", has_more: false });
  expect(paged("limit=2&order=asc&after=d")).toMatchObject({ data: [thing("e")], has_more: false });
  expect(page([], new URLSearchParams())).toMatchObject({ data: [], first_id: null, last_id: null, has_more: false });
  for (const wrong of ["limit=0", "limit=101", "limit=x", "order=up"]) expect(() => paged(wrong)).toThrow(/must be/);
});
