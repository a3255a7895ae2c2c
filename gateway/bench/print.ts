// A report as text for a terminal.
import { direct, type Report } from "./report.ts";
import type { Spread } from "./statistics.ts";

/** Three digits are all that such a measurement has. */
const short = (value: number): string =>
  Number.isFinite(value)
    ? Math.abs(value) >= 100
      ? Math.round(value).toLocaleString("en")
      : value.toFixed(Math.abs(value) >= 10 ? 1 : 2)
    : "–";

const withSpread = ({ median, least, most }: Spread): string => `${short(median)} (${short(least)}–${short(most)})`;

/** Columns of equal width, the first to the left and the others to the right. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join("  "),
    )
    .join("\n");
}

/** Medians with the least and the most of all rounds, then costs, then bars. */
export function text({ rows, costs, bars, doubts }: Report): string {
  const shown = rows.filter(({ name, figures }) => name !== direct && Object.keys(figures).length > 0);
  const groups = [
    ["JSON/s", "JSON CPU µs", "JSON busy %"],
    ["SSE/s", "SSE CPU µs", "SSE busy %"],
    ["p50 added µs", "KB/stream"],
  ];
  const tables = groups.flatMap((group) => {
    const columns = group.filter((name) => shown.some(({ figures }) => figures[name]));
    const lines = shown.filter(({ figures }) => columns.some((name) => figures[name]));
    if (columns.length === 0) return [];
    const cells = lines.map(({ name, figures }) => [
      name,
      ...columns.map((column) => (figures[column] ? withSpread(figures[column]) : "–")),
    ]);
    return [table([["median (least–most)", ...columns], ...cells])];
  });
  const apart = costs.map(({ layer, json, sse }) => [layer, withSpread(json), withSpread(sse)]);
  const total = (kind: "json" | "sse") => short(costs.reduce((sum, cost) => sum + cost[kind].median, 0));
  const judged = bars.map(({ name, is, limit, unit, found, holds }) => [
    name,
    `${withSpread(found)} ${unit}`,
    `${is} ${limit}`,
    holds ? "holds" : "MISSED",
  ]);
  return [
    ...tables,
    ...(apart.length > 0
      ? [table([["CPU apart, µs per answer", "JSON", "SSE"], ...apart, ["together", total("json"), total("sse")]])]
      : []),
    ...(judged.length > 0 ? [table([["bar", "found", "wanted", ""], ...judged])] : []),
    ...doubts,
  ].join("\n\n");
}
