// Asks backends how they are, beside all traffic, and tells the breaker when that changes.
import { Agent, request } from "undici";
import type { Backend, HealthCheckSettings } from "../config/config.ts";
import type { Cause } from "./backend-change.ts";
import type { Unhealthy } from "./circuit.ts";

/** A backend and the headers that the gateway sets on every request to it, flat. */
export interface Checked {
  readonly backend: Pick<Backend, "name" | "baseUrl" | "healthCheck">;
  readonly headers: readonly string[];
}

export interface HealthChecks {
  /** The backends of a new configuration; checks that did not change go on. */
  follow(checked: readonly Checked[]): void;
  /** Ends all checks; what is under way is cut off and says nothing. */
  stop(): void;
}

export interface HealthChecksOptions {
  readonly checked: readonly Checked[];
  /**
   * Told when enough checks in a row have failed, how many and why the last one did, and when enough have succeeded
   * after a failure or the start.
   */
  readonly verdict: (backend: string, healthy: boolean, unhealthy?: Unhealthy) => void;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
}

export function healthChecks({ checked, verdict, random }: HealthChecksOptions): HealthChecks {
  let running = new Map<string, Check>();

  const follow = (next: readonly Checked[]): void => {
    const before = running;
    running = new Map();
    for (const one of next) {
      const { name, baseUrl, healthCheck: settings } = one.backend;
      if (settings === undefined) continue;
      const same = JSON.stringify([name, baseUrl, settings, one.headers]);
      const check = before.get(same) ?? new Check({ one, settings, verdict, random });
      before.delete(same);
      running.set(same, check);
    }
    for (const check of before.values()) check.stop();
  };

  follow(checked);
  return { follow, stop: () => follow([]) };
}

interface CheckOptions extends Pick<HealthChecksOptions, "verdict" | "random"> {
  readonly one: Checked;
  readonly settings: HealthCheckSettings;
}

/** Only the head matters; more of an answer than this is cut off, bytes. */
const bodyBytes = 1024 * 1024;

class Check {
  readonly #options: CheckOptions;
  readonly #url: string;
  readonly #hasKey: boolean;
  /** One connection, and no wait for one that hangs: a check asks whether it can be reached, too. */
  readonly #agent: Agent;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;
  #failures = 0;
  /** Since the last failure, or the start: what an earlier check said of it may be over. */
  #successes = 0;

  constructor(options: CheckOptions) {
    const { one, settings } = options;
    const { baseUrl } = one.backend;
    this.#options = options;
    this.#url = settings.path === undefined ? `${baseUrl}/models` : `${new URL(baseUrl).origin}${settings.path}`;
    this.#hasKey = one.headers.some((name, index) => index % 2 === 0 && /^(authorization|.*api-key)$/i.test(name));
    this.#agent = new Agent({ connections: 1, connect: { timeout: settings.timeout * 1000 } });
    // A gateway that starts learns soon what is down, though not of all backends in one moment.
    this.#next(Math.min(settings.every, 1) * options.random());
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    void this.#agent.destroy();
  }

  /** After the end of the one before, so that no two are under way. */
  #next(seconds: number): void {
    this.#timer = setTimeout(begin, seconds * 1000, this);
    this.#timer.unref();
  }

  async run(): Promise<void> {
    const { settings, random } = this.#options;
    const found = await this.#ask();
    if (this.#isStopped) return;
    if (found !== undefined) this.#judge(found);
    this.#next(settings.every * (0.9 + 0.2 * random()));
  }

  /** Why it is not well; `undefined` where the answer says nothing of its health. */
  async #ask(): Promise<Cause | "well" | undefined> {
    const { one, settings } = this.#options;
    const signal = AbortSignal.timeout(settings.timeout * 1000);
    try {
      const { statusCode, body } = await request(this.#url, {
        dispatcher: this.#agent,
        headers: ["accept", "application/json", "user-agent", "tollgate", ...one.headers],
        signal,
      });
      await body.dump({ limit: bodyBytes, signal });
      return this.#found(statusCode);
    } catch {
      return { reason: signal.aborted ? "timeout" : "unreachable" };
    }
  }

  /**
   * Its own address has to answer 2xx. The list of models is only a guess at what it answers: any word of it will do,
   * but for an error of its own or a refusal of our key.
   */
  #found(status: number): Cause | "well" | undefined {
    if (status === 429) return undefined;
    if (status >= 200 && status < 300) return "well";
    const refusesKey = (status === 401 || status === 403) && this.#hasKey;
    if (this.#options.settings.path === undefined && status < 500 && !refusesKey) return "well";
    return { reason: refusesKey ? "upstream_auth" : "upstream_status", status };
  }

  #judge(found: Cause | "well"): void {
    const { one, settings, verdict } = this.#options;
    if (found !== "well") {
      this.#successes = 0;
      this.#failures += 1;
      const failures = this.#failures;
      if (failures === settings.unhealthy) verdict(one.backend.name, false, { cause: found, failures });
      return;
    }
    this.#failures = 0;
    this.#successes += 1;
    if (this.#successes === settings.healthy) verdict(one.backend.name, true);
  }
}

const begin = (check: Check): void => void check.run();
