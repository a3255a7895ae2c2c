// The catalogue as a table for people.
import type { Metric } from "./catalogue/declare.ts";
import { catalogue } from "./catalogue.ts";

/** Markdown: every metric with its kind, labels and what it means, in the order of the catalogue. */
export function catalogueTable(): string {
  const rows = Object.entries<Metric>(catalogue).map(([name, { kind, labels, help }]) =>
    ["", `\`${name}\``, kind, labels.join(", "), help.replaceAll("|", "\\|"), ""].join(" | ").trim(),
  );
  return [
    "# Metrics",
    "",
    "Made from `catalogue.ts`; `npx vitest run instrumentation/catalogue-table -u` writes it anew. Durations are seconds.",
    "",
    "| metric | kind | labels | meaning |",
    "| --- | --- | --- | --- |",
    ...rows,
    "",
  ].join("\n");
}
