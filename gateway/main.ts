// The composition root: it owns clock, randomness, signals and the console, and puts the parts together.
import { randomFillSync, randomUUID } from "node:crypto";
import { banner } from "./banner.ts";
import { withDemo } from "./config/builtin.ts";
import type { Config } from "./config/config.ts";
import { load } from "./config/load.ts";
import { sentence } from "./config/problem.ts";
import { watch } from "./config/watch.ts";
import { demo } from "./demo/demo.ts";
import { exit } from "./exit.ts";
import { type Gateway, gateway } from "./gateway.ts";
import { type Instruments, instruments } from "./instruments.ts";
import type { Surroundings } from "./surroundings.ts";
import { packageVersion } from "./version.ts";

const surroundings: Surroundings = {
  clock: { now: () => performance.now(), wall: () => performance.timeOrigin + performance.now() },
  fillRandom: (bytes) => randomFillSync(bytes),
  uuid: () => randomUUID(),
};

/**
 * Runs the gateway until a signal ends it. Resolves to the exit code: 0 after an orderly end, 78 where the
 * configuration is wrong, 1 where it could not start or a second signal cut it short.
 */
export async function serve({ configFile }: { configFile?: string }): Promise<number> {
  const loaded = load({ file: configFile });
  if ("problems" in loaded) {
    for (const problem of loaded.problems) console.error(`tollgate: ${sentence(problem)}`);
    return exit.badConfig;
  }
  const version = packageVersion();
  const demoServer = await demo();
  const complete = (config: Config) => withDemo(config, `${demoServer.url}/v1`);
  let { config } = loaded;
  let measuring: Instruments;
  try {
    measuring = await instruments({
      config: complete(config),
      version,
      clock: surroundings.clock,
      stdout: process.stdout,
    });
  } catch (error) {
    complain(error);
    await demoServer.close();
    return exit.badConfig;
  }
  const { telemetry, logger } = measuring;
  let running: Gateway;
  try {
    running = await gateway({ config: complete(config), telemetry, surroundings, version });
  } catch (error) {
    complain(error);
    await Promise.all([telemetry.shutdown(), demoServer.close()]);
    return exit.failed;
  }

  // A line that a person reads must not stand between lines that a program reads.
  console.error(banner({ config: complete(config), url: running.url, opsUrl: running.opsUrl, version }));
  for (const warning of loaded.warnings) logger.warn(warning);

  const reload = () => {
    const next = load({ file: configFile });
    watching.follow(next.files);
    if ("problems" in next) {
      telemetry.reloaded("failure");
      for (const problem of next.problems) logger.error(`${sentence(problem)} The configuration in use stays.`);
      return;
    }
    try {
      telemetry.configure(complete(next.config));
    } catch (error) {
      telemetry.reloaded("failure");
      logger.error(`${error instanceof Error ? error.message : String(error)} The configuration in use stays.`);
      return;
    }
    const moved = JSON.stringify(next.config.listen) !== JSON.stringify(config.listen);
    if (moved) logger.warn("listen changed: that takes a restart; everything else is in use now.");
    config = next.config;
    running.reload(complete(config));
    telemetry.reloaded("success");
    logger.info("configuration reloaded");
  };
  const watching = watch({ files: loaded.files, changed: reload });
  process.on("SIGHUP", reload);

  // What nobody caught is a bug of ours: it is told of, and the requests that have nothing to do with it go on.
  const survive = (error: unknown) => telemetry.troubled("gateway", error);
  process.on("uncaughtException", survive);
  process.on("unhandledRejection", survive);

  const code = await ending(running);
  watching.close();
  process.off("SIGHUP", reload).off("uncaughtException", survive).off("unhandledRejection", survive);
  await demoServer.close();
  return code;
}

/** One sentence for whoever started it. */
function complain(error: unknown): void {
  const sentence = error instanceof Error ? error.message : String(error);
  console.error(`tollgate: ${sentence}${/[.?!]$/.test(sentence) ? "" : "."}`);
}

/** Waits for the signal that ends the gateway, and for its end. A second signal cuts it short. */
function ending(running: Gateway): Promise<number> {
  return new Promise((resolve) => {
    let asked = false;
    const stop = () => {
      if (asked) {
        running.abort();
        done(exit.failed);
        return;
      }
      asked = true;
      void running.shutdown().then(() => done(exit.ok));
    };
    const done = (code: number) => {
      process.off("SIGTERM", stop).off("SIGINT", stop);
      resolve(code);
    };
    process.on("SIGTERM", stop).on("SIGINT", stop);
  });
}
