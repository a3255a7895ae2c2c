// The keys of a running gateway: those of its data folder and of its configuration, followed as others change them.
import type { FillRandom } from "../../../instrumentation/index.ts";
import type { Config } from "../../config/config.ts";
import { keys, type OpenKeys } from "./keys.ts";
import { sqliteStore } from "./sqlite-store.ts";

export interface OpenKeysOptions {
  readonly config: Pick<Config, "dataDir" | "keys">;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly fillRandom: FillRandom;
  /** Told when changes cannot be read, once until they can again; the keys known so far stay in use. */
  readonly failed: (error: unknown) => void;
}

export interface FollowedKeys {
  readonly keys: OpenKeys;
  close(): void;
}

/** What another process did, a revocation above all, is known after so long, within a second in any case. */
const lookMillis = 500;

/** Rejects with a DatabaseProblem, whose message is for whoever starts the gateway. Writes nothing where no key was made. */
export async function openKeys({ config, now, fillRandom, failed }: OpenKeysOptions): Promise<FollowedKeys> {
  const store = sqliteStore(config.dataDir);
  let opened: OpenKeys;
  try {
    opened = await keys({ store, now, fillRandom, declared: config.keys });
  } catch (error) {
    store.close();
    throw error;
  }
  let isTold = false;
  const look = () => {
    opened.refresh().then(
      () => {
        isTold = false;
      },
      (error: unknown) => {
        if (!isTold) failed(error);
        isTold = true;
      },
    );
  };
  const timer = setInterval(look, lookMillis).unref();
  return {
    keys: opened,
    close() {
      clearInterval(timer);
      store.close();
    },
  };
}
