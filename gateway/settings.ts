// Makes a configuration into the form that requests need, and hands on from the one before it what goes on.
import { admission, type OpenAdmission } from "./admission/admission.ts";
import { quotes } from "./admission/allowance/quotes.ts";
import type { BoundIds } from "./admission/bound-ids.ts";
import type { KeyRing } from "./admission/identify.ts";
import { clientAddress } from "./caller.ts";
import type { Config } from "./config/config.ts";
import { doors } from "./doors.ts";
import { type FleetOptions, fleet } from "./fleet.ts";
import { latency } from "./routing/latency.ts";
import type { Setting } from "./sending.ts";
import type { Surroundings } from "./surroundings.ts";
import type { Telemetry } from "./telemetry.ts";

export interface SettingsOptions extends Pick<FleetOptions, "breaker" | "queues"> {
  readonly telemetry: Pick<Telemetry, "certificateSeen">;
  readonly surroundings: Pick<Surroundings, "clock" | "random">;
  readonly keys: KeyRing;
  readonly ids: BoundIds;
}

/** A setting of which a reload takes over some. */
export interface OwnSetting extends Setting {
  readonly admission: OpenAdmission;
}

/** Each call makes the next one. Throws what a part throws that cannot be made of this configuration. */
export function settings({
  breaker,
  queues,
  telemetry: { certificateSeen },
  surroundings: { clock, random },
  keys,
  ids,
}: SettingsOptions): (config: Config, previous?: OwnSetting) => OwnSetting {
  const shared = { breaker, queues, latency: latency(clock.now), random, wall: clock.wall, certificateSeen };
  return (config, previous) => {
    // First, as what cannot be used shows here, and a fleet makes queues and connections.
    const own = {
      doors: doors(config),
      quotes: quotes(config.prices),
      clientAddress: clientAddress(config.trustedProxies),
    };
    const ready = fleet({ config, ...shared, ...(previous && { previous: previous.fleet }) });
    const checks = previous && { previous: previous.admission.checks };
    return {
      ...own,
      fleet: ready,
      admission: admission({ config, fleet: ready, keys, ids, now: clock.wall, ...checks }),
    };
  };
}
