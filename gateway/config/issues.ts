// Turns what zod finds wrong with a file into problems with a place, a key path and a fix.
import * as z from "zod";
import { nearest } from "./nearest.ts";
import { type ConfigProblem, keyPath, type Path, showsSafely } from "./problem.ts";
import { fileSchema } from "./schema.ts";
import type { Place } from "./yaml.ts";

/** Makes problems of one file out of paths and messages. */
export interface Reporter {
  problem(path: Path, message: string): ConfigProblem;
  issues(found: readonly z.core.$ZodIssue[]): ConfigProblem[];
}

export function reporter(source: string, place: (path: Path) => Place | undefined): Reporter {
  const problem = (path: Path, message: string): ConfigProblem => ({
    source,
    ...place(path),
    key: keyPath(path),
    message,
  });
  return {
    problem,
    issues: (found) =>
      found.flatMap((issue) => {
        if (issue.code === "unrecognized_keys") {
          return issue.keys.map((key) => problem([...issue.path, key], unknownKey(issue.path, key)));
        }
        if (issue.code === "invalid_key") return [problem(issue.path, issue.issues[0]?.message ?? issue.message)];
        return [problem(issue.path, issue.message)];
      }),
  };
}

function unknownKey(path: Path, key: string): string {
  const known = knownKeys(z.toJSONSchema(fileSchema, { io: "input" }), path);
  const meant = showsSafely(key) ? nearest(key, known) : undefined;
  return meant === undefined
    ? `is not a known key; here go ${known.join(", ")}`
    : `is not a known key; did you mean "${meant}"?`;
}

/** The keys that the JSON Schema allows at a path. */
function knownKeys(schema: unknown, path: Path): readonly string[] {
  let here = schema as z.core.JSONSchema.BaseSchema;
  for (const step of path) {
    const next = typeof step === "number" ? here.items : (here.properties?.[String(step)] ?? here.additionalProperties);
    if (typeof next !== "object" || Array.isArray(next)) return [];
    here = next;
  }
  return Object.keys(here.properties ?? {});
}
