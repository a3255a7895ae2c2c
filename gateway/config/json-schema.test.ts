// The schema for editors is current, complete, and explains every key.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { jsonSchema } from "./json-schema.ts";

it("the committed schema is the one that the code makes (npm run schema)", () => {
  expect(readFileSync(join(import.meta.dirname, "../config.schema.json"), "utf8")).toBe(jsonSchema());
});

it("every key has a description", () => {
  const bare: string[] = [];
  const look = (schema: unknown, path: string) => {
    if (typeof schema !== "object" || schema === null) return;
    for (const [word, value] of Object.entries(schema)) {
      if (word !== "properties") look(value, path);
      else
        for (const [key, property] of Object.entries(value as Record<string, { description?: string }>)) {
          if (property.description === undefined) bare.push(`${path}.${key}`);
          look(property, `${path}.${key}`);
        }
    }
  };
  look(JSON.parse(jsonSchema()), "");
  expect(bare).toEqual([]);
});
