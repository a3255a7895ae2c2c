// `tollgate keys`: makes, shows, changes, revokes and rotates keys, beside a gateway that runs or without one.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { FillRandom } from "../../../instrumentation/index.ts";
import { type LoadOptions, load } from "../../config/load.ts";
import { sentence } from "../../config/problem.ts";
import { exit } from "../../exit.ts";
import { DatabaseProblem } from "../../state/database.ts";
import { redis } from "../../state/redis.ts";
import type { Key } from "../identity.ts";
import { type KeysArguments, readArguments } from "./arguments.ts";
import { copyKeys } from "./copy-keys.ts";
import { described, timeText } from "./described.ts";
import { AlreadyRevoked, DeclaredInConfig } from "./immutable.ts";
import { NoPrompt } from "./key-options.ts";
import { keySheet } from "./key-sheet.ts";
import { LabelTaken } from "./key-store.ts";
import { keyTable } from "./key-table.ts";
import { type Keys, keys } from "./keys.ts";
import { redisStore } from "./redis-store.ts";
import { sqliteStore } from "./sqlite-store.ts";

export interface KeysCommandOptions {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Environment and files, for tests; the process's own otherwise. */
  readonly surroundings?: Omit<LoadOptions, "file" | "hasKeys">;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly fillRandom: FillRandom;
}

const help = `tollgate keys: who may use the gateway

Usage
  tollgate keys create --label NAME [options]    make a key, and show its secret once
  tollgate keys list                             all of them, in a table
  tollgate keys show NAME                        all that is known of one; NAME is its id or its label
  tollgate keys change NAME [options]            what is not named stays; a running gateway follows within a second
  tollgate keys revoke NAME                      for good; a running gateway refuses it within a second
  tollgate keys rotate NAME [--grace 1h]         a new secret for the same key; the old one stops, after the grace

Options of create and change
      --user NAME, --team NAME     whom its requests count for
      --expires 30d|DATE           12h, 30d, 2w, 2027-01-31 (its beginning, UTC) or 2027-01-31T18:00:00Z
      --models a,b*                the only models it may use; all when never given
      --grant files,batches        besides inference: files, uploads, batches, fine_tuning, stored_responses,
                                   vector_stores, realtime, other
      --requests-per-minute N, --requests-per-day N, --tokens-per-minute N, --tokens-per-day N, --concurrent N
      --budget 10/month            USD per day, week, month, or in total; again for another period
      --priority N                 -100 to 100; a higher one goes first where requests wait
      --system-prompt TEXT, --system-prompt-file FILE   put into every chat and response under the key
      --system-prompt-mode MODE    prepend (the usual), append or replace: before the client's own system messages,
                                   after them, or in their place

Options of change alone
      --label NAME                 its new label
      --no-user, --no-team, --no-expires, --no-models, --no-grant, --no-priority, --no-system-prompt,
      --no-requests-per-minute, --no-requests-per-day, --no-tokens-per-minute, --no-tokens-per-day, --no-concurrent
                                   takes away what the key has of it
      --no-limits                  takes away all five limits, but for those named beside it
      --no-budget                  takes away all its budgets, but for those named beside it

Options
  -c, --config FILE  configuration, which says where the data folder is (dataDir, TOLLGATE_DATA_DIR)
      --json         print JSON instead of text
`;

/** Runs what follows `tollgate keys`. Resolves to the exit code; never rejects for what a user can get wrong. */
export async function keysCommand(args: readonly string[], options: KeysCommandOptions): Promise<number> {
  const { out, err, surroundings, now, fillRandom } = options;
  const { cwd = process.cwd(), read = (path: string) => readFileSync(path, "utf8") } = surroundings ?? {};
  const wanted = readArguments(args, (path) => read(resolve(cwd, path)), now());
  if ("fault" in wanted) {
    err(`tollgate: ${wanted.fault}; see tollgate keys --help.\n`);
    return exit.usage;
  }
  if (wanted.action === "help") {
    out(help);
    return exit.ok;
  }
  // Whether the gateway could start without a key is no question here: this is where it gets one.
  const loaded = load({ ...surroundings, file: wanted.config, hasKeys: () => true });
  if ("problems" in loaded) {
    for (const problem of loaded.problems) err(`tollgate: ${sentence(problem)}\n`);
    return exit.badConfig;
  }
  const { dataDir, keys: declared, redis: shared } = loaded.config;
  const file = sqliteStore(dataDir);
  const through = shared && redis({ url: shared.url });
  const store = through === undefined ? file : redisStore(through);
  try {
    if (through !== undefined) {
      await through.ready(patienceMillis);
      for (const sentence of await copyKeys(dataDir, store)) err(`tollgate: ${sentence}\n`);
    }
    const ring = await keys({ store, now, fillRandom, declared });
    out(await actions(wanted, ring, now));
    return exit.ok;
  } catch (error) {
    if (!isTold(error)) throw error;
    err(`tollgate: ${error.message}\n`);
    return exit.failed;
  } finally {
    file.close();
    await through?.close();
  }
}

/** How long Redis may take to be there, milliseconds. */
const patienceMillis = 2_000;

class NoSuchKey extends Error {}

const told = [DatabaseProblem, LabelTaken, AlreadyRevoked, DeclaredInConfig, NoPrompt, NoSuchKey];
const isTold = (error: unknown): error is Error => told.some((kind) => error instanceof kind);

/** Does it, and gives what is to be printed. */
async function actions(
  wanted: Exclude<KeysArguments, { action: "help" }>,
  ring: Keys,
  now: () => number,
): Promise<string> {
  const shown = (key: Key) => described(key, ring.isDeclared(key.id), now());
  const json = (value: unknown) => `${JSON.stringify(value, undefined, 2)}\n`;
  switch (wanted.action) {
    case "create": {
      const { key, secret } = await ring.create(wanted.wanted);
      if (wanted.json) return json({ ...shown(key), secret });
      return `${secret}\n${ofSecret}${nameOf(key)} is good ${until(key)}.\n`;
    }
    case "list": {
      const all = ring.list().map(shown);
      if (wanted.json) return json(all);
      return all.length === 0 ? "There are no keys; make one with tollgate keys create --label NAME.\n" : keyTable(all);
    }
    case "show": {
      const one = shown(named(ring, wanted.name));
      return wanted.json ? json(one) : keySheet(one);
    }
    case "change": {
      const key = await ring.change(named(ring, wanted.name).id, wanted.changeOf);
      if (key === undefined) throw new NoSuchKey(unknown(wanted.name));
      if (wanted.json) return json(shown(key));
      return `${nameOf(key)} is changed; a running gateway follows within a second.\n${keySheet(shown(key))}`;
    }
    case "revoke": {
      const { id, revokedAt } = named(ring, wanted.name);
      const key = await ring.revoke(id);
      if (key === undefined) throw new NoSuchKey(unknown(wanted.name));
      if (wanted.json) return json(shown(key));
      return revokedAt === undefined
        ? `${nameOf(key)} is revoked; a running gateway refuses it within a second.\n`
        : `${nameOf(key)} was revoked before, at ${timeText(revokedAt)}.\n`;
    }
    case "rotate": {
      const rotated = await ring.rotate(named(ring, wanted.name).id, wanted.graceSeconds);
      if (rotated === undefined) throw new NoSuchKey(unknown(wanted.name));
      const { key, secret } = rotated;
      const oldEnds = now() + wanted.graceSeconds * 1_000;
      if (wanted.json) return json({ ...shown(key), secret });
      const old = wanted.graceSeconds === 0 ? "stops within a second" : `is good until ${timeText(oldEnds)}`;
      return `${secret}\n${ofSecret}${nameOf(key)} has this secret now; the one before ${old}.\n`;
    }
  }
}

const ofSecret =
  "Shown this once and kept nowhere. Clients send it as their API key (OPENAI_API_KEY, or Authorization: Bearer).\n";

const nameOf = ({ id, label }: Key) => `Key ${label} (${id})`;
const until = ({ expiresAt }: Key) =>
  expiresAt === undefined ? "until it is revoked" : `until ${timeText(expiresAt)}`;
const unknown = (name: string) => `There is no key ${JSON.stringify(name)}; see tollgate keys list.`;

/** By id, by the label of one that is not revoked, else by that of the one that was made last. */
function named(ring: Keys, name: string): Key {
  const all = ring.list();
  const folded = name.toLowerCase();
  const labelled = all.filter(({ label }) => label.toLowerCase() === folded);
  const key =
    all.find(({ id }) => id === name) ?? labelled.find(({ revokedAt }) => revokedAt === undefined) ?? labelled.at(-1);
  if (key === undefined) throw new NoSuchKey(unknown(name.startsWith("tg-") ? "tg-…" : name));
  return key;
}
