// Keys as a table for a terminal: what tells them apart, and what they may do.
import type { DescribedKey } from "./described.ts";

const heads = ["ID", "LABEL", "STATE", "USER", "TEAM", "EXPIRES", "MAY USE", "LIMITS", "BUDGETS"] as const;

/** Lines with their ends; columns that hold nothing are left out. */
export function keyTable(keys: readonly DescribedKey[]): string {
  const rows = keys.map((key) => [
    key.id,
    key.label,
    key.source === "config" ? `${key.state}, in config` : key.state,
    key.user ?? "",
    key.team ?? "",
    key.expiresAt ?? "",
    [...(key.models ?? []), ...key.grants.map((grant) => `+${grant}`)].join(" "),
    limitsText(key),
    budgetsText(key),
  ]);
  const used = heads.map((_, column) => rows.some((row) => row[column] !== ""));
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column]?.length ?? 0)));
  return [heads, ...rows]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .filter((_, column) => used[column])
        .join("  ")
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join("");
}

export const limitsText = ({ limits }: DescribedKey): string =>
  Object.entries(limits)
    .map(([name, value]) => `${short[name] ?? name} ${value}`)
    .join(", ");

export const budgetsText = ({ budgets }: DescribedKey): string =>
  budgets.map(({ usd, period, hard }) => `$${usd}/${period}${hard ? "" : " (soft)"}`).join(", ");

const short: Readonly<Record<string, string>> = {
  requestsPerMinute: "requests/min",
  requestsPerDay: "requests/day",
  tokensPerMinute: "tokens/min",
  tokensPerDay: "tokens/day",
  concurrent: "open",
};
