// Which rules apply to a request: those of its key, its user, its team, its model and of all, each found once.
import { type BudgetSettings, type Identity, type LimitSettings, tenantOf } from "../identity.ts";
import type { Rule, Scope } from "./rule.ts";
import type { BudgetRule, RateLimitSettings } from "./settings.ts";

export interface RuleSettings {
  readonly limits: RateLimitSettings;
  readonly budgets: readonly BudgetRule[];
}

/** The rules of limits, in the order in which they are looked at. */
export function limitRules(scope: Scope, id: string, name: string, settings: LimitSettings): Rule[] {
  const rules: Rule[] = [];
  const add = (counted: Rule["counted"], period: Rule["period"], limit: number | undefined) => {
    if (limit === undefined) return;
    rules.push({ id: `${id}:${counted}:${period}`, counted, period, limit, enforced: true, scope, name, soft: 0 });
  };
  add("streams", "now", settings.concurrent);
  add("requests", "minute", settings.requestsPerMinute);
  add("requests", "day", settings.requestsPerDay);
  add("tokens", "minute", settings.tokensPerMinute);
  add("tokens", "day", settings.tokensPerDay);
  return rules;
}

/** The rules of one caller, its model aside: the same for all of the caller's requests. */
export function callerRules(identity: Identity, { limits, budgets }: RuleSettings): Rule[] {
  const { key, user, team } = identity;
  const tenant = tenantOf(identity);
  const name = key?.label ?? user ?? "anonymous";
  return [
    ...limitRules(key === undefined && user !== undefined ? "user" : "key", `caller:${tenant}`, name, {
      ...limits.default,
      ...key?.limits,
    }),
    ...(user === undefined ? [] : limitRules("user", `user:${user}`, user, limits.perUser)),
    ...limitRules("total", "total", "total", limits.total),
    ...(key === undefined
      ? []
      : budgetRules("key", `key:${key.id}`, key.label, [
          key.budgets,
          budgetsOf(budgets, "key", key.id, key.label),
          budgetsOf(budgets, "key", "*"),
        ])),
    ...namedBudgets("user", user, budgets),
    ...namedBudgets("team", team, budgets),
  ];
}

/** The budgets of a user or team that the configuration gives. */
export function namedBudgets(scope: "user" | "team", name: string | undefined, budgets: readonly BudgetRule[]): Rule[] {
  if (name === undefined) return [];
  return budgetRules(scope, `${scope}:${name}`, name, [
    budgetsOf(budgets, scope, name),
    budgetsOf(budgets, scope, "*"),
  ]);
}

const budgetsOf = (budgets: readonly BudgetRule[], scope: Scope, ...names: readonly string[]) =>
  budgets.filter((budget) => budget.scope === scope && names.includes(budget.name));

/**
 * One rule for each period, from the most particular budgets that speak of it. Several of these for one period are one:
 * the lowest that is hard refuses, the lowest threshold warns.
 */
function budgetRules(scope: Scope, id: string, name: string, sources: readonly (readonly BudgetSettings[])[]): Rule[] {
  const rules: Rule[] = [];
  for (const period of ["day", "week", "month", "total"] as const) {
    const source = sources.map((all) => all.filter((budget) => budget.period === period)).find((all) => all.length > 0);
    if (source === undefined) continue;
    const hard = source.filter((budget) => budget.hard);
    rules.push({
      id: `${id}:money:${period}`,
      counted: "money",
      period,
      limit: Math.min(...(hard.length > 0 ? hard : source).map(({ usd }) => nanoUsd(usd))),
      enforced: hard.length > 0,
      scope,
      name,
      soft: Math.min(...source.map(({ usd, softRatio }) => nanoUsd(usd * softRatio))),
    });
  }
  return rules;
}

const nanoUsd = (usd: number): number => Math.round(usd * 1e9);
