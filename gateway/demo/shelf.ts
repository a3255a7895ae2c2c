// A bounded memory: what is put on a full shelf pushes the oldest off.
import { numberField } from "./fields.ts";
import { notFound, wrongValue } from "./refusal.ts";

export interface Item {
  readonly id: string;
}

export interface Shelf<T extends Item> {
  readonly size: number;
  put(item: T): T;
  /** Throws a 404 Refusal for an id that is not there. */
  get(id: string): T;
  find(id: string): T | undefined;
  /** Throws a 404 Refusal for an id that is not there. */
  remove(id: string): T;
  /** In the order they came. */
  all(): readonly T[];
}

export interface ShelfOptions<T> {
  /** What one item is called in an error. */
  readonly what: string;
  readonly count: number;
  /** Bytes of all items together, where they have any. */
  readonly bytes?: number;
  readonly bytesOf?: (item: T) => number;
}

export function shelf<T extends Item>({
  what,
  count,
  bytes = Number.POSITIVE_INFINITY,
  bytesOf = () => 0,
}: ShelfOptions<T>): Shelf<T> {
  const items = new Map<string, T>();
  let held = 0;
  const drop = (item: T) => {
    items.delete(item.id);
    held -= bytesOf(item);
  };
  const get = (id: string) => {
    const item = items.get(id);
    if (item === undefined) throw notFound(what, id);
    return item;
  };
  return {
    get size() {
      return items.size;
    },
    put(item) {
      const before = items.get(item.id);
      if (before !== undefined) held -= bytesOf(before);
      items.set(item.id, item);
      held += bytesOf(item);
      for (const oldest of items.values()) {
        if (items.size <= count && held <= bytes) break;
        drop(oldest);
      }
      return item;
    },
    get,
    find: (id) => items.get(id),
    remove(id) {
      const item = get(id);
      drop(item);
      return item;
    },
    all: () => [...items.values()],
  };
}

/** A page of a list, as OpenAI's cursors have it: `after`, `limit` (1 to 100, else 20) and `order` (newest first). */
export function page<T extends Item>(items: readonly T[], query: URLSearchParams) {
  const limit = query.get("limit");
  const size = limit === null ? 20 : (numberField({ limit: Number(limit) }, "limit", 1, 100) ?? 20);
  const order = query.get("order") ?? "desc";
  if (order !== "asc" && order !== "desc") throw wrongValue("order", "asc or desc");
  const sorted = order === "asc" ? items : items.toReversed();
  const after = query.get("after");
  const from = after === null ? 0 : sorted.findIndex(({ id }) => id === after) + 1;
  const data = sorted.slice(from, from + size);
  return {
    object: "list",
    data,
    first_id: data.at(0)?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: from + size < sorted.length,
  };
}
