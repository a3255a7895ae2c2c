// What may stand as the value of a metric label.

/** Stands for every value that gets no label of its own. */
export const OTHER = "other";

/** Longer values are folded, not cut: two that were cut alike would become one. UTF-16 units. */
export const maxLabelLength = 80;

// Control, format, surrogate, private and unassigned characters, line and paragraph separators.
const unprintable = /[\p{C}\p{Zl}\p{Zp}]/u;
const meaningless = /^\s*(?:undefined|null|none|nan)?\s*$/i;

/** True for a value that a person can read on a dashboard: short, printable, and saying something. */
export const isLabelValue = (value: string): boolean =>
  value.length <= maxLabelLength && !unprintable.test(value) && !meaningless.test(value);
