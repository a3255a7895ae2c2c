// Source files as the architecture rules see them: what kind each is, and what it imports.
import { posix } from "node:path";
import { code } from "./code.ts";

/** A text file of the repository; `path` is relative to its root, with forward slashes. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

export interface Import {
  /** As written: a package, a `node:` module or a relative path. */
  readonly specifier: string;
  /** The repository path of a relative import, else `undefined`. */
  readonly target: string | undefined;
  /** Erased before running: `import type` and `export type`. */
  readonly typeOnly: boolean;
  readonly line: number;
}

export const isCode = (path: string): boolean => /\.(ts|mts|mjs|js)$/.test(path);

/** Tests, what is only there for them, and benchmarks. */
export const isTest = (path: string): boolean =>
  /\.test\.ts$/.test(path) || /(^|\/)testing\//.test(path) || path.startsWith("gateway/bench/");

export const lineAt = (text: string, index: number): number => text.slice(0, index).split("\n").length;

const statement = /(?<![\w.])(?:import|export)\s+(type\s+(?!from\b))?(?:[\w*\s{},$]+?\sfrom\s*)?(["'])( *)\2/dg;
const call = /(?<![\w.])(?:import|require)\s*\(\s*()(["'])( *)\2/dg;

/** Every module that a file names, at its head or by a call. */
export function imports({ path, text }: SourceFile): readonly Import[] {
  const source = code(text);
  return [...source.matchAll(statement), ...source.matchAll(call)].map((found) => {
    const specifier = text.slice(...(found.indices?.[3] ?? [0, 0]));
    return {
      specifier,
      target: specifier.startsWith(".") ? posix.join(posix.dirname(path), specifier) : undefined,
      typeOnly: found[1] !== undefined && found[1] !== "",
      line: lineAt(text, found.index),
    };
  });
}
