// A changed configuration is told of once, however it was written; anything else in the folder is not.
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type Watch, watch } from "./watch.ts";

let folder: string;
let watched: Watch | undefined;
const changed = vi.fn();
const read = vi.fn((path: string) => readFileSync(path));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tollgate-watch-"));
  changed.mockClear();
  read.mockClear();
});

afterEach(() => {
  watched?.close();
  rmSync(folder, { recursive: true });
});

const start = (file: string, pollMillis = 60_000) => {
  watched = watch({ files: [file], changed, restMillis: 20, pollMillis, read });
};

/** Waits until the files were looked at once more, whatever came of it. */
const lookedAgain = async (act: () => void) => {
  const before = read.mock.calls.length;
  act();
  await vi.waitFor(() => expect(read.mock.calls.length).toBeGreaterThan(before), { timeout: 5_000 });
};

it("a file written in place is told of, each time", async () => {
  const file = join(folder, "config.yaml");
  writeFileSync(file, "a");
  start(file);
  writeFileSync(file, "b");
  await vi.waitFor(() => expect(changed).toHaveBeenCalledTimes(1), { timeout: 5_000 });
  writeFileSync(file, "c");
  await vi.waitFor(() => expect(changed).toHaveBeenCalledTimes(2), { timeout: 5_000 });
});

it("a file that an editor replaces is told of, each time", async () => {
  const file = join(folder, "config.yaml");
  writeFileSync(file, "0");
  start(file);
  for (const round of [1, 2, 3]) {
    writeFileSync(`${file}.tmp`, String(round));
    renameSync(`${file}.tmp`, file);
    await vi.waitFor(() => expect(changed).toHaveBeenCalledTimes(round), { timeout: 5_000 });
  }
});

it("a link swapped the way Kubernetes does it is told of, each time", async () => {
  for (const round of [0, 1, 2]) {
    mkdirSync(join(folder, `..${round}`));
    writeFileSync(join(folder, `..${round}`, "config.yaml"), String(round));
  }
  symlinkSync("..0", join(folder, "..data"));
  symlinkSync("..data/config.yaml", join(folder, "config.yaml"));
  start(join(folder, "config.yaml"));
  for (const round of [1, 2]) {
    symlinkSync(`..${round}`, join(folder, "..data_tmp"));
    renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
    await vi.waitFor(() => expect(changed).toHaveBeenCalledTimes(round), { timeout: 5_000 });
  }
});

it("the same content written again, and other files of the folder, are not told of", async () => {
  const file = join(folder, "config.yaml");
  writeFileSync(file, "a");
  start(file);
  await lookedAgain(() => writeFileSync(file, "a"));
  await lookedAgain(() => writeFileSync(join(folder, "other"), "b"));
  expect(changed).not.toHaveBeenCalled();
});

it("a file that appears, and one that goes, are told of", async () => {
  const file = join(folder, "config.yaml");
  start(file);
  writeFileSync(file, "a");
  await vi.waitFor(() => expect(changed).toHaveBeenCalledTimes(1), { timeout: 5_000 });
  rmSync(file);
  await vi.waitFor(() => expect(changed).toHaveBeenCalledTimes(2), { timeout: 5_000 });
});

it("a change in a folder that was not there at the start is found by the poll", async () => {
  const file = join(folder, "later", "config.yaml");
  start(file, 20);
  mkdirSync(join(folder, "later"));
  writeFileSync(file, "a");
  await vi.waitFor(() => expect(changed).toHaveBeenCalledTimes(1), { timeout: 5_000 });
});

it("files of another folder are followed instead, once told to", async () => {
  const [before, after] = [join(folder, "config.yaml"), join(folder, "secrets", "key")];
  mkdirSync(join(folder, "secrets"));
  writeFileSync(after, "a");
  start(before);
  watched?.follow([after]);
  writeFileSync(after, "b");
  await vi.waitFor(() => expect(changed).toHaveBeenCalledTimes(1), { timeout: 5_000 });
  await lookedAgain(() => {
    writeFileSync(before, "c");
    writeFileSync(after, "b");
  });
  expect(changed).toHaveBeenCalledTimes(1);
});

it("nothing is told of after close, not even what had happened by then", async () => {
  const file = join(folder, "config.yaml");
  writeFileSync(file, "a");
  const watching = (restMillis: number) => {
    const told = vi.fn();
    return { told, ...watch({ files: [file], changed: told, restMillis }) };
  };
  const [early, closed, late] = [watching(10), watching(200), watching(400)];
  writeFileSync(file, "b");
  await vi.waitFor(() => expect(early.told).toHaveBeenCalledTimes(1), { timeout: 5_000 });
  closed.close();
  await vi.waitFor(() => expect(late.told).toHaveBeenCalledTimes(1), { timeout: 5_000 });
  early.close();
  late.close();
  expect(closed.told).not.toHaveBeenCalled();
});
