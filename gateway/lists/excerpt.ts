// Which part of a list is asked for, as OpenAI's endpoints take it: so many, after one, or before one.
import { GatewayError } from "../errors.ts";
import type { Entry } from "./page.ts";

export interface Excerpt {
  /** How many at the most. */
  readonly limit: number;
  /** Ids that a page is to follow, or to precede. */
  readonly after: string | undefined;
  readonly before: string | undefined;
  readonly ascending: boolean;
}

/** What a page holds where the client does not say. */
const usualLimit = 20;
const usualOfFiles = 10_000;
/** As many as OpenAI's endpoints give at once; of files more, which are many and small. */
const perPage = 100;
const filesPerPage = 1_000;
/** Lists that begin with what was made first, unless the client says otherwise. */
const oldestFirst = new Set(["/v1/chat/completions", "/v1/evals"]);
/** What is answered here, and not by the backend. */
const paging = ["limit", "after", "before"];

/** Throws `invalid_query`. */
export function excerptIn(query: string, path: string): Excerpt {
  const wanted = new URLSearchParams(query);
  const limit = wanted.get("limit");
  const order = wanted.get("order");
  if (limit !== null && !/^[1-9]\d{0,4}$/.test(limit)) throw invalid("limit", "a number from 1 to 99999");
  if (order !== null && order !== "asc" && order !== "desc") throw invalid("order", "asc or desc");
  return {
    limit: limit === null ? (path === "/v1/files" ? usualOfFiles : usualLimit) : Number(limit),
    after: wanted.get("after") ?? undefined,
    before: wanted.get("before") ?? undefined,
    ascending: (order ?? (oldestFirst.has(path) ? "asc" : "desc")) === "asc",
  };
}

const invalid = (name: string, wanted: string) =>
  new GatewayError("invalid_query", `The query's '${name}' has to be ${wanted}.`, name);

/** How many a page of the backend's may hold. */
export const pageSizeOf = (path: string): number => (path === "/v1/files" ? filesPerPage : perPage);

/** The query of a page of so many after `after`, with all that the client wants besides. */
export function pageQuery(query: string, size: number, after: string | undefined): string {
  const wanted = new URLSearchParams(query);
  for (const name of paging) wanted.delete(name);
  wanted.set("limit", String(size));
  if (after !== undefined) wanted.set("after", after);
  return `?${wanted}`;
}

export interface Page {
  readonly entries: readonly Entry[];
  readonly hasMore: boolean;
  /** More could not change it. */
  readonly isFull: boolean;
}

/** The part of a list; `undefined` where the list does not have what the part begins or ends at. */
export function cut(all: readonly Entry[], { limit, after, before }: Excerpt): Page | undefined {
  const place = (id: string) => all.findIndex((entry) => entry.id === id);
  const from = after === undefined ? 0 : place(after) + 1;
  const to = before === undefined ? all.length : place(before);
  if ((after !== undefined && from === 0) || to < 0) return undefined;
  // What comes before one is the end of that, not its beginning.
  if (before !== undefined && after === undefined) {
    const start = Math.max(0, to - limit);
    return { entries: all.slice(start, to), hasMore: start > 0, isFull: true };
  }
  const entries = all.slice(from, Math.min(to, from + limit));
  const hasMore = from + limit < to;
  return { entries, hasMore, isFull: hasMore };
}
