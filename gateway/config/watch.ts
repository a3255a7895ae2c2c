// Watches the files of a configuration and tells when what they hold has changed.
import { createHash } from "node:crypto";
import { type FSWatcher, readFileSync, watch as watchFolder } from "node:fs";
import { dirname } from "node:path";

export interface WatchOptions {
  /** Absolute paths; one that does not exist yet is told of when it appears. */
  readonly files: readonly string[];
  /** Called once the new content has come to rest. */
  readonly changed: () => void;
  /** Milliseconds without a further event before the files are looked at. */
  readonly restMillis?: number;
  /** Milliseconds between looks without an event: network disks and replaced folders send none. */
  readonly pollMillis?: number;
  readonly read?: (path: string) => Buffer;
}

export interface Watch {
  /** Watches other files from now on: a new configuration may keep its secrets elsewhere. */
  follow(files: readonly string[]): void;
  close(): void;
}

/**
 * Folders are watched, not files: editors and Kubernetes replace a file, and a watch on the old one hears nothing more.
 * Whatever happens in a folder, only a change of content counts. Keeps no process alive.
 */
export function watch({
  files,
  changed,
  restMillis = 150,
  pollMillis = 10_000,
  read = (path) => readFileSync(path),
}: WatchOptions): Watch {
  let followed = files;
  let known = digest(followed, read);
  let rest: NodeJS.Timeout | undefined;
  const look = () => {
    const now = digest(followed, read);
    if (now === known) return;
    known = now;
    changed();
  };
  const soon = () => {
    clearTimeout(rest);
    rest = setTimeout(look, restMillis).unref();
  };
  const open = () => [...new Set(followed.map((file) => dirname(file)))].flatMap((folder) => folderWatch(folder, soon));
  let watchers = open();
  const stop = () => {
    for (const watcher of watchers) watcher.close();
  };
  const poll = setInterval(look, pollMillis).unref();
  return {
    follow(next) {
      if (next.join("\0") === followed.join("\0")) return;
      stop();
      followed = next;
      known = digest(followed, read);
      watchers = open();
    },
    close() {
      clearTimeout(rest);
      clearInterval(poll);
      stop();
    },
  };
}

function folderWatch(folder: string, event: () => void): FSWatcher[] {
  try {
    const watcher = watchFolder(folder, { persistent: false }, event);
    watcher.on("error", () => watcher.close());
    return [watcher];
  } catch {
    // No such folder, or no watches left on this machine: the poll sees to it.
    return [];
  }
}

function digest(files: readonly string[], read: (path: string) => Buffer): string {
  const hash = createHash("sha256");
  for (const file of files) {
    let content: Buffer | undefined;
    try {
      content = read(file);
    } catch {
      content = undefined;
    }
    hash.update(content === undefined ? "absent" : `${content.length}:`);
    if (content !== undefined) hash.update(content);
  }
  return hash.digest("hex");
}
