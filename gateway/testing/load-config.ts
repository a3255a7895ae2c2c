// Loads configurations that live in memory only.
import type { Config } from "../config/config.ts";
import type { Environment } from "../config/interpolate.ts";
import { type Loaded, load } from "../config/load.ts";
import { sentence } from "../config/problem.ts";

/** Stands in for readFileSync: fails as it does for what is not there. */
export const disk = (files: Readonly<Record<string, string>>) => (path: string) => {
  const content = files[path];
  if (content === undefined) throw Object.assign(new Error("no such file"), { code: "ENOENT" });
  return content;
};

/** A configuration from YAML text (as /etc/tollgate/config.yaml), variables, and further files by absolute path. */
export function loaded(
  yaml: string | undefined,
  env: Environment = {},
  others: Readonly<Record<string, string>> = {},
): Loaded {
  const files = { ...others, ...(yaml !== undefined && { "/etc/tollgate/config.yaml": yaml }) };
  const file = yaml === undefined ? {} : { file: "config.yaml" };
  return load({ ...file, cwd: "/etc/tollgate", env, read: disk(files) });
}

/** The same where it has to be good; throws the problems otherwise. */
export function config(...given: Parameters<typeof loaded>): Config {
  const result = loaded(...given);
  if ("problems" in result) throw new Error(result.problems.map(sentence).join("\n"));
  return result.config;
}

/** The sentences about a bad one; empty for a good one. */
export function problems(...given: Parameters<typeof loaded>): string[] {
  const result = loaded(...given);
  return "problems" in result ? result.problems.map(sentence) : [];
}
