// The composition root: it owns clock, randomness, signals and the console, and puts the parts together.
import { randomFillSync } from "node:crypto";
import { isatty } from "node:tty";
import { copySpending } from "./admission/allowance/copy-spending.ts";
import { type OpenAllowance, openAllowance } from "./admission/allowance/open.ts";
import { redisIds } from "./admission/bound-ids-redis.ts";
import { copyIds } from "./admission/copy-ids.ts";
import type { KeyEvent } from "./admission/keys/key-event.ts";
import { type FollowedKeys, openKeys } from "./admission/keys/open.ts";
import { mayHoldKeys } from "./admission/keys/sqlite-store.ts";
import { Unfinished } from "./background/unfinished.ts";
import { redisUnfinished } from "./background/unfinished-redis.ts";
import { sqliteUnfinished } from "./background/unfinished-sqlite.ts";
import { banner } from "./banner.ts";
import { openDoor } from "./config/anonymous.ts";
import { withDemo } from "./config/builtin.ts";
import type { Config } from "./config/config.ts";
import { load } from "./config/load.ts";
import { sentence } from "./config/problem.ts";
import { watch } from "./config/watch.ts";
import { type Demo, demo } from "./demo/demo.ts";
import { exit } from "./exit.ts";
import { type Gateway, gateway } from "./gateway.ts";
import { type Instruments, instruments } from "./instruments.ts";
import { sayKey } from "./said.ts";
import { startFaults } from "./start-faults.ts";
import { lateDatabase } from "./state/late-database.ts";
import { lateIds, lateSpending } from "./state/late-stores.ts";
import { redis } from "./state/redis.ts";
import type { Surroundings } from "./surroundings.ts";
import type { Telemetry } from "./telemetry.ts";
import { uuids } from "./uuid.ts";
import { packageVersion } from "./version.ts";

const fillRandom: Surroundings["fillRandom"] = (bytes) => randomFillSync(bytes);
const surroundings: Surroundings = {
  clock: { now: () => performance.now(), wall: () => performance.timeOrigin + performance.now() },
  fillRandom,
  uuid: uuids(fillRandom),
  random: Math.random,
};

/**
 * Runs the gateway until a signal ends it. Resolves to the exit code: 0 after an orderly end, 78 where the
 * configuration is wrong, 1 where it could not start or a second signal cut it short.
 */
export async function serve({ configFile }: { configFile?: string }): Promise<number> {
  const loaded = load({ file: configFile, hasKeys: mayHoldKeys });
  if ("problems" in loaded) {
    for (const problem of loaded.problems) console.error(`tollgate: ${sentence(problem)}`);
    return exit.badConfig;
  }
  const faults = startFaults(loaded.config);
  if (faults.length > 0) {
    for (const fault of faults) complain(fault);
    return exit.badConfig;
  }
  const version = packageVersion();
  const end = ending();
  let demoServer: Demo | undefined;
  /** The configuration with the demo's address in it; the demo runs from when it is first wanted. */
  const complete = async (wanted: Config): Promise<Config> => {
    if (!wanted.demo) return wanted;
    demoServer ??= await demo({ random: Math.random, now: surroundings.clock.wall });
    return withDemo(wanted, `${demoServer.url}/v1`);
  };

  let config: Config;
  let measuring: Instruments;
  let allowance: OpenAllowance | undefined;
  const database = lateDatabase(loaded.config.dataDir);
  let troubled: Telemetry["troubled"] = () => {};
  // Tries to be there by the time that keys are read; the allowance tells of its troubles.
  const shared = loaded.config.redis && redis({ url: loaded.config.redis.url });
  try {
    config = await complete(loaded.config);
    const { clock, uuid } = surroundings;
    const failed = (error: unknown) => troubled("budgets", error);
    allowance = await openAllowance({ config, clock, uuid, store: lateSpending(database), failed });
    measuring = await instruments({ config, version, clock, stdout: process.stdout, allowance });
  } catch (error) {
    complain(error);
    await Promise.all([demoServer?.close(), allowance?.allowance.close(), shared?.close()]);
    return exit.badConfig;
  }
  const { telemetry, logger } = measuring;
  troubled = telemetry.troubled;
  let running: Gateway;
  let callers: FollowedKeys | undefined;
  try {
    const { clock, fillRandom } = surroundings;
    const failed = (error: unknown) => telemetry.troubled("keys", error);
    const warn = (sentence: string) => logger.warn(sentence);
    const told = (event: KeyEvent) => sayKey(logger, event);
    callers = await openKeys({ config, redis: shared, now: clock.wall, fillRandom, failed, warn, told });
    const { keys } = callers;
    // Only now is it known whether Redis holds any.
    const open = openDoor(config, { hasCallerKeys: keys.any || config.jwt.length > 0 });
    if (open !== undefined) throw new Error(`listen.host ${open}`);
    if (shared === undefined) database.begin();
    else {
      const { dataDir: folder } = config;
      await copyIds(folder, shared, warn);
      await copySpending({ folder, redis: shared, now: clock.wall(), uuid: surroundings.uuid, warn });
    }
    const ids = shared ? redisIds({ redis: shared, failed }) : lateIds({ database, now: clock.wall, failed });
    const store = shared ? redisUnfinished(shared) : sqliteUnfinished({ database, now: clock.wall });
    const unfinished = new Unfinished({ store, failed });
    const admitting = { allowance, keys, managedKeys: keys, ids, unfinished };
    running = await gateway({ config, telemetry, surroundings, version, ...admitting });
  } catch (error) {
    complain(error);
    callers?.close();
    await Promise.all([telemetry.shutdown(), demoServer?.close(), shared?.close()]);
    return exit.failed;
  }
  const { keys } = callers;

  const ended = end(running);
  const reload = async () => {
    try {
      const next = load({ file: configFile, hasKeys: () => keys.any });
      watching.follow(next.files);
      if ("problems" in next) throw new AggregateError(next.problems.map((problem) => new Error(sentence(problem))));
      const wanted = await complete(next.config);
      // First, as it refuses what cannot be used.
      running.reload(wanted);
      telemetry.configure(wanted);
      keys.declare(wanted.keys);
      telemetry.reloaded("success");
      logger.info("configuration reloaded");
      for (const warning of [...next.warnings, ...afterRestart(config, wanted)]) logger.warn(warning);
    } catch (error) {
      telemetry.reloaded("failure");
      for (const reason of error instanceof AggregateError ? error.errors : [error]) {
        logger.error(`${messageOf(reason)} The configuration in use stays.`);
      }
    }
  };
  // One after the other, in the order in which they were asked for.
  let reloading = Promise.resolve();
  const reloadNext = () => {
    reloading = reloading.then(reload);
  };
  const watching = watch({ files: loaded.files, changed: reloadNext });
  const onTerminal = isatty(0);
  const hangUp = () => {
    // A terminal that closes sends SIGHUP as well: what was started on it ends with it, and keeps no port.
    if (onTerminal && !isatty(0)) process.kill(process.pid, "SIGTERM");
    else reloadNext();
  };
  process.on("SIGHUP", hangUp);

  // What nobody caught, a rejection among it, is a bug of ours: it is told of, and the requests that have nothing to do with it go on.
  const survive = (error: unknown) => telemetry.troubled("gateway", error);
  process.on("uncaughtException", survive);

  // Last, for whoever reads it may send a signal at once; and not between the lines that a program reads.
  console.error(
    banner({
      config,
      needsKey: !config.allowAnonymous && (keys.any || config.jwt.length > 0),
      url: running.url,
      opsUrl: running.opsUrl,
      version,
    }),
  );
  for (const warning of loaded.warnings) logger.warn(warning);

  const code = await ended;
  watching.close();
  process.off("SIGHUP", hangUp).off("uncaughtException", survive);
  callers.close();
  database.close();
  await Promise.all([demoServer?.close(), shared?.close()]);
  return code;
}

/** Settings that are read once, at the start; sentences about those that differ. */
function afterRestart(before: Config, now: Config): string[] {
  const once = ({ listen, metrics, log, sentry, traces, labels, redis, dataDir }: Config) => ({
    listen,
    metrics,
    log,
    sentry,
    traces,
    redis,
    dataDir,
    "labels.maxSeriesPerMetric": labels.maxSeriesPerMetric,
    "labels.activeUserSeconds": labels.activeUserSeconds,
  });
  const [then, next] = [once(before), once(now)];
  return Object.keys(then)
    .filter((key) => JSON.stringify(then[key as keyof typeof then]) !== JSON.stringify(next[key as keyof typeof next]))
    .map((key) => `${key} changed: that takes a restart; what else changed is in use now.`);
}

const messageOf = (error: unknown): string => {
  const text = error instanceof Error ? error.message : String(error);
  return /[.?!]$/.test(text) ? text : `${text}.`;
};

/** One sentence for whoever started it. */
function complain(error: unknown): void {
  console.error(`tollgate: ${messageOf(error)}`);
}

/** A terminal's Ctrl-C comes twice under npm, which passes it on: what follows the first so soon is no second one. */
const sameSignalMillis = 300;

/**
 * Hears signals from now on. The first ends the gateway, as soon as it runs; a second cuts that short. Given the
 * gateway, resolves to the exit code.
 */
function ending(): (running: Gateway) => Promise<number> {
  let firstAt: number | undefined;
  let begin = () => {};
  let cut = (): void => process.exit(exit.failed);
  const stop = () => {
    const at = surroundings.clock.now();
    if (firstAt === undefined) {
      firstAt = at;
      begin();
    } else if (at - firstAt > sameSignalMillis) cut();
  };
  process.on("SIGTERM", stop).on("SIGINT", stop);
  return (running) =>
    new Promise((resolve) => {
      begin = () => {
        running.shutdown().then(
          () => resolve(exit.ok),
          (error: unknown) => {
            complain(error);
            resolve(exit.failed);
          },
        );
      };
      cut = () => {
        running.abort();
        resolve(exit.failed);
      };
      if (firstAt !== undefined) begin();
    });
}
