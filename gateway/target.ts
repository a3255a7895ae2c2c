// The request target: which paths are taken at all, so that no trick in one can move a request to another place.

export interface Target {
  /** Path without the query, beginning with `/`. */
  readonly path: string;
  /** Query with its `?`, or "". */
  readonly query: string;
}

/** Backslashes, fragments, controls (also when encoded), and what is not ASCII. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: refusing them is the point
const odd = /[\\#\u0000-\u0020\u007f-\uffff]|%5c|%[01][0-9a-f]|%7f/i;
const dots = /^(?:\.|%2e){1,2}$/i;

/**
 * Reads a raw request target (RFC 9112 §3.2). `undefined` for anything but a plain absolute path: absolute-form and
 * authority-form targets, dot segments however written, backslashes, empty segments, control characters, and encoded
 * slashes. The last are allowed in a model's name alone (`/v1/models/org%2Fname`), whose parts must be plain, too.
 */
export function target(raw: string | undefined): Target | undefined {
  if (raw === undefined || raw.charCodeAt(0) !== 47) return undefined;
  const mark = raw.indexOf("?");
  const path = mark < 0 ? raw : raw.slice(0, mark);
  const query = mark < 0 ? "" : raw.slice(mark);
  if (odd.test(path) || path.includes("//")) return undefined;
  const encodedSlash = /%2f/i;
  if (encodedSlash.test(path) && !path.startsWith("/v1/models/")) return undefined;
  if (path.includes(".") || path.includes("%")) {
    const segments = path.slice(1).split(/\/|%2f/i);
    if (segments.some((segment, i) => dots.test(segment) || (segment === "" && i < segments.length - 1)))
      return undefined;
  }
  return { path, query };
}
