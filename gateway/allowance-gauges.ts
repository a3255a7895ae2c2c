// The gauges of limits and budgets: what each key has used of its limits, and what is spent of each budget.
import type { Gauge, Registry } from "../instrumentation/index.ts";
import type { Standing } from "./admission/allowance/allowance.ts";
import type { OpenAllowance } from "./admission/allowance/open.ts";
import type { Config } from "./config/config.ts";

/** USD of nano-USD. */
const usd = (nano: number): number => nano / 1e9;

/**
 * Sets the gauges of what stands now, and lets those go that are no more. Names are bounded: past `maxNames` of a
 * scope the further ones are left out and counted, since sums of budgets of many say nothing about any.
 */
export function allowanceGauges(
  cells: Registry,
  maxNames: number,
  overflow: (label: string) => void,
): (standings: readonly Standing[]) => void {
  const gauges = new Map<string, Gauge>();
  const names = new Map<string, Set<string>>();

  const named = (scope: string, name: string): boolean => {
    const taken = names.get(scope) ?? new Set();
    names.set(scope, taken);
    if (taken.has(name)) return true;
    if (taken.size >= maxNames) {
      overflow(scope);
      return false;
    }
    taken.add(name);
    return true;
  };

  return (standings) => {
    const seen = new Map<string, number>();
    const set = (key: string, make: () => Gauge, value: number) => {
      const gauge = gauges.get(key) ?? make();
      gauges.set(key, gauge);
      // Two keys may have one label: the fuller one counts.
      const highest = Math.max(value, seen.get(key) ?? 0);
      seen.set(key, highest);
      gauge.set(highest);
    };
    for (const { rule, used } of standings) {
      const { counted: limit, period, scope, name } = rule;
      if (limit === "money") {
        if (!named(scope, name)) continue;
        const labels = { scope, name, period };
        const key = `${scope}\n${name}\n${period}`;
        set(`limit\n${key}`, () => cells.gauge("gateway_budget_usd", labels), usd(rule.limit));
        set(`soft\n${key}`, () => cells.gauge("gateway_budget_soft_usd", labels), usd(rule.soft));
        set(`spent\n${key}`, () => cells.gauge("gateway_budget_spent_usd", labels), usd(used));
      } else if (scope === "key") {
        if (!named("key", name)) continue;
        const labels = { key: name, limit, period };
        set(`ratio\n${name}\n${limit}\n${period}`, () => cells.gauge("gateway_limit_ratio", labels), used / rule.limit);
      }
    }
    for (const [key, gauge] of gauges) {
      if (seen.has(key)) continue;
      gauge.remove();
      gauges.delete(key);
    }
  };
}

/** Counts what fails in sharing, tells when it is possible again; gives what brings the gauges of limits and budgets up to date, as far as it can be known. */
export function watchedAllowance(
  cells: Registry,
  { labels }: Pick<Config, "labels">,
  { allowance, sharing }: OpenAllowance,
  failed: (part: string, error: unknown) => void,
  back: () => void = () => {},
): () => Promise<void> {
  const set = allowanceGauges(cells, labels.maxKeys, (label) =>
    cells.counter("gateway_label_overflow_total", { label }).add(1),
  );
  if (sharing) {
    for (const effect of ["allowed", "refused", "delayed", "disconnected"]) {
      cells.zero("gateway_shared_state_errors_total", { effect });
    }
    cells.gauge("gateway_shared_state_up").pull(() => (sharing.up() ? 1 : 0));
    sharing.watch({
      troubled(effect, error) {
        cells.counter("gateway_shared_state_errors_total", { effect }).add(1);
        if (effect === "disconnected") failed("redis", error);
      },
      connected: back,
    });
  }
  return async () => {
    if (sharing && !sharing.up()) return;
    try {
      set(await allowance.standing());
    } catch (error) {
      failed("allowance", error);
    }
  };
}
