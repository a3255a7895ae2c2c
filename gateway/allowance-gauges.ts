// The gauges of limits and budgets: what each key has used of its limits, and what is spent of each budget.
import type { Gauge, Registry } from "../instrumentation/index.ts";
import type { Standing } from "./admission/allowance/allowance.ts";
import type { OpenAllowance } from "./admission/allowance/open.ts";
import type { Config } from "./config/config.ts";

/** USD of nano-USD. */
const usd = (nano: number): number => nano / 1e9;

/**
 * Sets the gauges of what stands now, and lets those go that are no more. Names are bounded: past `maxNames` of a
 * scope the further ones are left out and counted, once, since sums of budgets of many say nothing about any. A name
 * keeps its place for as long as it is there.
 */
export function allowanceGauges(
  cells: Registry,
  maxNames: number,
  overflow: (label: string) => void,
): (standings: readonly Standing[]) => void {
  const gauges = new Map<string, Gauge>();
  let names = new Map<string, Names>();

  const chosen = (scope: string, present: ReadonlySet<string>): Names => {
    const before = names.get(scope);
    const shown = new Set<string>();
    const folded = new Set<string>();
    for (const name of before?.shown ?? []) if (present.has(name)) shown.add(name);
    for (const name of present) {
      if (shown.has(name)) continue;
      if (shown.size < maxNames) shown.add(name);
      else {
        folded.add(name);
        if (before?.folded.has(name) !== true) overflow(scope);
      }
    }
    return { shown, folded };
  };

  return (standings) => {
    names = new Map(Array.from(namesIn(standings), ([scope, present]) => [scope, chosen(scope, present)]));
    const isShown = (scope: string, name: string) => names.get(scope)?.shown.has(name) === true;
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
        if (!isShown(scope, name)) continue;
        const labels = { scope, name, period };
        const key = `${scope}\n${name}\n${period}`;
        set(`limit\n${key}`, () => cells.gauge("gateway_budget_usd", labels), usd(rule.limit));
        set(`soft\n${key}`, () => cells.gauge("gateway_budget_soft_usd", labels), usd(rule.soft));
        set(`spent\n${key}`, () => cells.gauge("gateway_budget_spent_usd", labels), usd(used));
      } else if (scope === "key") {
        if (!isShown("key", name)) continue;
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

/** The names of one scope. */
interface Names {
  readonly shown: ReadonlySet<string>;
  readonly folded: ReadonlySet<string>;
}

/** Of each scope the names that a gauge could speak of. */
function namesIn(standings: readonly Standing[]): ReadonlyMap<string, ReadonlySet<string>> {
  const scopes = new Map<string, Set<string>>();
  for (const { rule } of standings) {
    if (rule.counted !== "money" && rule.scope !== "key") continue;
    const known = scopes.get(rule.scope);
    if (known === undefined) scopes.set(rule.scope, new Set([rule.name]));
    else known.add(rule.name);
  }
  return scopes;
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
