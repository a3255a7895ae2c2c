// The JSON Schema of the configuration file, for editors; run as a program, it writes gateway/config.schema.json.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { fileSchema } from "./schema.ts";

/** The schema as the text that is committed and shipped. */
export function jsonSchema(): string {
  const schema = z.toJSONSchema(fileSchema, { io: "input" });
  return `${JSON.stringify({ ...schema, title: "Tollgate configuration" }, undefined, 2)}\n`;
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, "../config.schema.json"), jsonSchema());
