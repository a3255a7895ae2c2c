// Fetches a secret from where the configuration says it is: an environment variable, a file, or plain text.
import { resolve } from "node:path";
import * as z from "zod";
import { type Environment, variableName } from "./interpolate.ts";
import { says } from "./values.ts";

const must = "must be { env: NAME }, { file: PATH } or text; keep secrets out of the file with env or file";

/** Where a secret comes from. */
export const secretSource = () =>
  z.union(
    [
      z.string(says(must)).min(1, "is empty; remove the key, or name its source with { env: NAME } or { file: PATH }"),
      z.strictObject(
        { env: z.string(says(must)).describe("Name of the environment variable that holds it.") },
        says(must),
      ),
      z.strictObject(
        {
          file: z
            .string(says(must))
            .describe("File that holds it, white space at its ends aside; relative to the folder of this file."),
        },
        says(must),
      ),
      z.strictObject({ value: z.string(says(must)).describe("The secret itself; env or file are safer.") }, says(must)),
    ],
    says(must),
  );

export type SecretSource = z.infer<ReturnType<typeof secretSource>>;

export interface SecretSurroundings {
  readonly env: Environment;
  /** Relative paths start here. */
  readonly folder: string;
  /** Throws like readFileSync. */
  readonly read: (path: string) => string;
  /** Told which file was read, so that it can be watched. */
  readonly used: (file: string) => void;
}

export type Secret = { readonly value: string } | { readonly at?: "env" | "file"; readonly message: string };

/** The secret, or why it cannot be had; the message names its source but never a value. */
export function readSecret(source: SecretSource, { env, folder, read, used }: SecretSurroundings): Secret {
  if (typeof source === "string") return checked(source, undefined);
  if ("value" in source) return checked(source.value, undefined);
  if ("env" in source) {
    const shown = variableName(source.env);
    const value = env[source.env]?.trim();
    if (value !== undefined && value !== "") return checked(value, "env");
    const state = value === undefined ? "not set" : "empty";
    return {
      at: "env",
      message:
        shown === undefined
          ? `names an environment variable that is ${state}; give the name of the variable, not the secret itself`
          : `names the environment variable ${shown}, which is ${state}; set it before starting`,
    };
  }
  const file = resolve(folder, source.file);
  used(file);
  try {
    const value = read(file).trim();
    if (value !== "") return checked(value, "file");
    return { at: "file", message: "names a file that is empty; put the secret into it" };
  } catch (error) {
    const gone = error instanceof Error && "code" in error && error.code === "ENOENT";
    return {
      at: "file",
      message: gone
        ? "names a file that does not exist; create it or mend the path, which starts at the config file's folder"
        : "names a file that cannot be read; check that it is a file, and who may read it",
    };
  }
}

// What cannot stand in an HTTP header cannot be a key either: better said now than at the first request.
function checked(value: string, at: "env" | "file" | undefined): Secret {
  if (/^[\x20-\x7e]+$/.test(value)) return { value };
  const where = at === undefined ? {} : { at };
  return { ...where, message: value === "" ? "is empty" : "must be one line of plain ASCII characters" };
}
