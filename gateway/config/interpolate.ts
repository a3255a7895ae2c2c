// Puts environment variables into the strings of a configuration: ${VAR}, ${VAR:-default}, and $$ for a plain $.
import type { Path } from "./problem.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Told once for every reference that cannot be resolved. */
export type Complain = (path: Path, message: string) => void;

const reference = /\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{/g;

/** A copy of a parsed value with every string resolved; keys stay as they are. */
export function interpolate(value: unknown, env: Environment, complain: Complain, path: Path = []): unknown {
  if (typeof value === "string") return resolve(value, env, (message) => complain(path, message));
  if (Array.isArray(value)) return value.map((entry, index) => interpolate(entry, env, complain, [...path, index]));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [key, interpolate(entry, env, complain, [...path, key])]),
  );
}

/** As in a shell: the default of `:-` stands in for a variable that is unset or empty. */
function resolve(text: string, env: Environment, complain: (message: string) => void): string {
  return text.replace(reference, (match, name: string | undefined, fallback: string | undefined) => {
    if (match === "$$") return "$";
    if (name === undefined) {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the text is about such placeholders
      complain("has a ${ that begins no variable; write ${NAME} or ${NAME:-default}, or $$ for a plain dollar sign");
      return "";
    }
    const value = env[name];
    if (fallback !== undefined) return value === undefined || value === "" ? fallback : value;
    if (value === undefined) {
      const shown = variableName(name);
      complain(
        shown === undefined
          ? "refers to an environment variable that is not set; set it, or give a default with :-"
          : `refers to the environment variable ${shown}, which is not set; set it, or write \${${shown}:-default}`,
      );
      return "";
    }
    return value;
  });
}

/** The name of a variable as far as it can be shown: in capitals, as usual, so that it is no secret gone astray. */
export function variableName(name: string): string | undefined {
  return /^[A-Z_][A-Z0-9_]{0,63}$/.test(name) && !/[A-Z0-9]{32}/.test(name) ? name : undefined;
}
