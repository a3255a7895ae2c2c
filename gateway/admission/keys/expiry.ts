// When a key ends, as people write it: a date, or a time from now.

const minute = 60_000;
const unit: Readonly<Record<string, number>> = {
  m: minute,
  h: 60 * minute,
  d: 24 * 60 * minute,
  w: 7 * 24 * 60 * minute,
};
const span = /^(\d{1,6})(m|h|d|w)$/i;
const date = /^(\d{4}-\d{2}-\d{2})(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2}))?$/i;

/**
 * Unix milliseconds of `90m`, `12h`, `30d`, `2w` (from `now`), of a date (its beginning, UTC) or of a date with time and
 * zone (RFC 3339); `undefined` for anything else, the 30th of February among it.
 */
export function parseExpiry(text: string, now: number): number | undefined {
  const millis = parseSpan(text);
  if (millis !== undefined) return Math.round(now) + millis;
  const day = date.exec(text)?.[1];
  if (day === undefined) return undefined;
  const begin = Date.parse(day);
  const isDay = !Number.isNaN(begin) && new Date(begin).toISOString().startsWith(day);
  const at = Date.parse(text.toUpperCase());
  return isDay && !Number.isNaN(at) ? at : undefined;
}

/** Milliseconds of `90m`, `12h`, `30d` or `2w`. */
export function parseSpan(text: string): number | undefined {
  const [, amount, letter = ""] = span.exec(text) ?? [];
  const each = unit[letter.toLowerCase()];
  return amount === undefined || each === undefined ? undefined : Number(amount) * each;
}
