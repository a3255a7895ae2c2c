// Finds modules that import each other in a circle while they run.
import { imports, isCode, type SourceFile } from "./source.ts";

export interface Cycle {
  /** The module that closes the circle, and the line of that import. */
  readonly path: string;
  readonly line: number;
  /** The modules in order, the first one again at the end. */
  readonly chain: readonly string[];
}

/** One cycle for each import that leads back to a module still being loaded. Imports of types alone do not count. */
export function cycles(files: readonly SourceFile[]): readonly Cycle[] {
  const known = new Map(files.filter(({ path }) => isCode(path)).map((file) => [file.path, file]));
  const done = new Set<string>();
  const found: Cycle[] = [];
  const visit = (file: SourceFile, loading: readonly string[]) => {
    const chain = [...loading, file.path];
    for (const { target, typeOnly, line } of imports(file)) {
      const next = target === undefined || typeOnly ? undefined : known.get(target);
      if (next === undefined || done.has(next.path)) continue;
      const start = chain.indexOf(next.path);
      if (start >= 0) found.push({ path: file.path, line, chain: [...chain.slice(start), next.path] });
      else visit(next, chain);
    }
    done.add(file.path);
  };
  for (const file of known.values()) if (!done.has(file.path)) visit(file, []);
  return found;
}
