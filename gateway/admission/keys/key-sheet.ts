// One key for a terminal: all that is known of it, a line each.
import type { DescribedKey } from "./described.ts";
import { budgetsText, limitsText } from "./key-table.ts";

/** Lines with their ends; what holds nothing is left out. */
export function keySheet(key: DescribedKey): string {
  const { systemPrompt: prompt } = key;
  const rows: readonly (readonly [string, string])[] = [
    ["id", key.id],
    ["label", key.label],
    ["state", key.source === "config" ? `${key.state}, declared in the configuration` : key.state],
    ["user", key.user ?? ""],
    ["team", key.team ?? ""],
    ["created", key.createdAt ?? ""],
    ["expires", key.expiresAt ?? "never"],
    ["revoked", key.revokedAt ?? ""],
    ["models", key.models?.join(", ") ?? "all"],
    ["grants", key.grants.join(", ") || "inference only"],
    ["limits", limitsText(key) || "those of the configuration, if any"],
    ["budgets", budgetsText(key) || "none of its own"],
    ["priority", String(key.priority)],
    ["prompt", prompt ? `${prompt.mode}: ${prompt.text.replaceAll("\n", `\n${" ".repeat(12)}`)}` : ""],
  ];
  return rows
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `  ${name.padEnd(10)}${value}\n`)
    .join("");
}
