// The package's own version, read from its package.json, whether it runs from source or compiled.
import { readFileSync } from "node:fs";

/** `version` of the nearest package.json named `tollgate` at or above `from`; throws where there is none. */
export function packageVersion(from: string | URL = import.meta.url): string {
  for (let folder = new URL(".", from); ; folder = new URL("..", folder)) {
    const manifest = readManifest(new URL("package.json", folder));
    if (manifest?.name === "tollgate" && typeof manifest.version === "string") return manifest.version;
    if (folder.pathname === new URL("..", folder).pathname) throw new Error("tollgate's package.json is missing");
  }
}

function readManifest(url: URL): { readonly name?: unknown; readonly version?: unknown } | undefined {
  try {
    const manifest: unknown = JSON.parse(readFileSync(url, "utf8"));
    return typeof manifest === "object" && manifest !== null ? manifest : undefined;
  } catch {
    return undefined;
  }
}
