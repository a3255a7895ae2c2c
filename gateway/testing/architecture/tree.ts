// Reads the repository's own text files from disk.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { SourceFile } from "./source.ts";

/** What git does not keep, by name. */
const ignored = /^(node_modules|dist|data|\.git|coverage)$|\.(tgz|log)$/;

/** Every text file below `root`, in the order of their paths. A file with a NUL byte is no text. */
export function tree(root: string, folder = ""): readonly SourceFile[] {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter(({ name }) => !ignored.test(name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry): readonly SourceFile[] => {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) return tree(root, path);
      if (!entry.isFile()) return [];
      const text = readFileSync(join(root, path), "utf8");
      return text.includes("\0") ? [] : [{ path, text }];
    });
}
