// The gateway as one thing: two listeners over one configuration, that can be reloaded, drained and stopped.
import { traceSource } from "../instrumentation/index.ts";
import { type OpenAllowance, settingsOf } from "./admission/allowance/open.ts";
import { type BoundIds, forgetfulIds } from "./admission/bound-ids.ts";
import type { KeyRing } from "./admission/identify.ts";
import type { Keys } from "./admission/keys/keys.ts";
import { app } from "./app.ts";
import { forgetfulUnfinished, type Unfinished } from "./background/unfinished.ts";
import { ResponseCache } from "./cache/cache.ts";
import type { ClientAddress } from "./caller.ts";
import type { Config } from "./config/config.ts";
import { forward } from "./forward.ts";
import { health } from "./health.ts";
import { type HealthAnswer, ops } from "./ops.ts";
import { realtime } from "./realtime/realtime.ts";
import { breaker } from "./routing/breaker.ts";
import { healthChecks } from "./routing/health-check.ts";
import { queues } from "./routing/queues.ts";
import type { ForwardOptions } from "./sending.ts";
import { type Listening, listen } from "./server.ts";
import { settings } from "./settings.ts";
import type { Surroundings } from "./surroundings.ts";
import { target } from "./target.ts";
import type { Telemetry } from "./telemetry.ts";
import { within } from "./within.ts";

export interface GatewayOptions {
  /** Complete: a demo backend, where one is wanted, is among its backends. */
  readonly config: Config;
  readonly telemetry: Telemetry;
  readonly surroundings: Surroundings;
  readonly version: string;
  /** What callers may use; anything when absent. The telemetry settles what is reserved, and closes it. */
  readonly allowance?: OpenAllowance;
  /** The keys that callers have; none when absent. */
  readonly keys?: KeyRing;
  /** The same, to be managed by the admin API; there is none of keys when absent. */
  readonly managedKeys?: Keys;
  /** Whose ids are whose; kept in memory alone when absent. */
  readonly ids?: BoundIds;
  /** Responses that are made in the background; kept in memory alone when absent. */
  readonly unfinished?: Unfinished;
}

/** Nobody has one. */
const noKeys: KeyRing = { any: false, find: () => undefined };

export interface Gateway {
  /** Where it listens, e.g. `http://127.0.0.1:8088`. */
  readonly url: string;
  readonly opsUrl: string;
  /** Requests that are open now. */
  readonly open: number;
  /** Takes on a new configuration, or throws, and keeps the old one; open requests finish under theirs. Listeners stay as they are. */
  reload(config: Config): void;
  /** Not ready, no new work; resolves when every open request is over, at the latest after `shutdownSeconds`, and the telemetry is flushed. */
  shutdown(): Promise<void>;
  /** Ends at once, cutting off what is open. */
  abort(): void;
}

/** Starts the gateway. Rejects with one plain sentence when it cannot listen. */
export async function gateway({
  config,
  telemetry,
  surroundings,
  version,
  allowance,
  keys = noKeys,
  managedKeys,
  ids = forgetfulIds(),
  unfinished = forgetfulUnfinished(),
}: GatewayOptions): Promise<Gateway> {
  const { clock } = surroundings;
  const startedAt = clock.wall();
  let draining = false;

  const { backends } = config;
  const guard = breaker({
    backends,
    now: clock.now,
    changed: telemetry.backendChanged,
    troubled: (error) => telemetry.troubled("log", error),
  });
  const waiting = queues({ backends, now: clock.now, meterOf: telemetry.queueMeter });
  const makeSetting = settings({ breaker: guard, queues: waiting, telemetry, surroundings, keys, ids });
  let setting = makeSetting(config);

  telemetry.watchBackends(() =>
    setting.fleet.upstreams.map(({ backend, transport, queue }) => ({
      name: backend.name,
      up: guard.up(backend.name),
      inflight: transport.inflight,
      limit: queue.limit,
      breaker: guard.state(backend.name),
      queue,
    })),
  );

  const healthOf = (ready: boolean): HealthAnswer =>
    health({
      version,
      startedAt,
      now: clock.wall(),
      backends: setting.fleet.upstreams.map(({ backend: { name } }) => ({
        name,
        up: guard.up(name),
      })),
      draining: ready && draining,
    });

  const cache = new ResponseCache({ config, wall: clock.wall, failed: (error) => telemetry.troubled("cache", error) });
  const forwardOptions: ForwardOptions = {
    setting: () => setting,
    allowance: allowance?.allowance,
    cache,
    unfinished,
    pipeline: telemetry.pipeline,
    surroundings,
    traces: traceSource(surroundings.fillRandom),
    exportsSpans: telemetry.exportsSpans,
    draining: () => draining,
    observers: {
      streamOpened: telemetry.streamOpened,
      streamClosed: telemetry.streamClosed,
      watchFailed: (error) => telemetry.troubled("tap", error),
      failed: (error) => telemetry.troubled("gateway", error),
    },
  };
  const forwarding = forward(forwardOptions);
  const sessions = realtime(forwardOptions);
  const quiet = async () => {
    await Promise.all([forwarding.quiet(), sessions.quiet()]);
  };

  const shared = {
    doors: () => setting.doors,
    health: () => healthOf(false),
    clientAddress: ((req) => setting.clientAddress(req)) satisfies ClientAddress,
    now: clock.now,
    served: telemetry.httpServed,
  };
  const { listen: at } = config;
  const api = await listen({
    app: app({ ...shared, keys: managedKeys, wall: clock.wall, troubled: telemetry.troubled }),
    host: at.host,
    port: at.port,
    direct: {
      wanted: ({ method, url }) => (url?.startsWith("/v1/") && method !== "OPTIONS") || target(url) === undefined,
      take: (req, res) => void forwarding.take(req, res),
    },
    upgrade: sessions,
    malformed: (code) => telemetry.malformed(code),
  });
  let opsPort: Listening;
  try {
    opsPort = await listen({
      app: ops({ ...shared, ready: () => healthOf(true), scrape: config.metrics ? telemetry.scrape : undefined }),
      host: at.opsHost,
      port: at.opsPort,
    });
  } catch (error) {
    api.destroy();
    await api.close();
    throw error;
  }

  // Last, as nobody would stop them where nothing listens.
  const checks = healthChecks({
    checked: setting.fleet.upstreams,
    verdict: guard.checked,
    random: surroundings.random,
  });

  const cut = () => {
    forwarding.cut();
    sessions.cut();
  };
  const close = () => {
    setting.fleet.destroy();
    return Promise.all([api.close(), opsPort.close()]);
  };

  return {
    url: urlOf(api),
    opsUrl: urlOf(opsPort),
    get open() {
      return forwarding.open + sessions.open;
    },
    reload(next) {
      const before = setting;
      // First what may throw: then all stays as it was.
      const ready = makeSetting(next, before);
      cache.configure(next);
      guard.follow(next.backends);
      waiting.follow(next.backends);
      allowance?.allowance.configure(settingsOf(next));
      setting = ready;
      checks.follow(setting.fleet.upstreams);
      const kept = new Set(setting.fleet.upstreams);
      for (const upstream of before.fleet.upstreams) if (!kept.has(upstream)) upstream.transport.close();
    },
    async shutdown() {
      draining = true;
      checks.stop();
      const closed = api.close();
      await within(setting.fleet.config.shutdownSeconds, quiet());
      cut();
      // What was cut is recorded, too, before the exporters go.
      await within(1, quiet());
      api.destroy();
      ids.flush();
      await telemetry.shutdown();
      // Records that were made at the very end may have begun some.
      await unfinished.flush();
      opsPort.destroy();
      await Promise.all([closed, close(), cache.close()]);
    },
    abort() {
      checks.stop();
      cut();
      void close();
      api.destroy();
      opsPort.destroy();
    },
  };
}

const urlOf = ({ host, port }: Listening): string => `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
