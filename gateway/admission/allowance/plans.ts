// The plan for a caller and a model: every rule that one of its requests has to keep, made once and kept.
import { pattern } from "../../model-names.ts";
import type { Identity, Key } from "../identity.ts";
import { MetCallers } from "./met-callers.ts";
import type { Rule } from "./rule.ts";
import { callerRules, limitRules, namedBudgets, type RuleSettings } from "./rules.ts";

export interface Plan {
  readonly rules: readonly Rule[];
  /** Some budget counts what the request costs. */
  readonly priced: boolean;
  /** Some budget refuses, so that a cost that cannot be known is too much. */
  readonly hard: boolean;
}

export interface Plans {
  planOf(identity: Identity, model: string | undefined): Plan;
  /** The rules of everyone who was met so far, and those that the settings name; bounded. */
  rules(): readonly Rule[];
  /** Who was met so far. */
  met(): readonly Identity[];
}

/** Users without keys, and names of models, of which the plan is kept; past it they are found anew. */
const kept = 10_000;

/** `before`: whom the plans of earlier settings met, who have rules by these from the start. */
export function plans(settings: RuleSettings, before: readonly Identity[] = []): Plans {
  const models = modelRules(settings);
  const callers = new MetCallers();
  const ofAll = new Map<string, Rule>();
  const name = (rules: readonly Rule[]) => {
    for (const rule of rules) ofAll.set(rule.id, rule);
  };
  for (const budget of settings.budgets) {
    if (budget.name !== "*" && budget.scope !== "key") name(namedBudgets(budget.scope, budget.name, settings.budgets));
  }
  for (const identity of before) callers.meet(identity, callerRules(identity, settings));
  /** By the key itself: one that was changed is another object, and what is forgotten of it costs nothing. */
  const ofKeys = new WeakMap<Key, Plan[]>();
  /** By team, then by name: both may hold any character, so that no name is made of the two. */
  const ofUsers = new Map<string | undefined, Map<string, Plan[]>>();
  let users = 0;
  const ofAnyone: Plan[] = [];

  /** The plans of a caller, by what the model is subject to. */
  const plansOf = ({ key, user, team }: Identity): Plan[] => {
    if (key !== undefined) {
      const found = ofKeys.get(key);
      if (found !== undefined) return found;
      const made: Plan[] = [];
      ofKeys.set(key, made);
      return made;
    }
    if (user === undefined) return ofAnyone;
    const found = ofUsers.get(team)?.get(user);
    if (found !== undefined) return found;
    if (users >= kept) {
      ofUsers.clear();
      users = 0;
    }
    const made: Plan[] = [];
    const mates = ofUsers.get(team);
    if (mates === undefined) ofUsers.set(team, new Map([[user, made]]));
    else mates.set(user, made);
    users += 1;
    return made;
  };

  return {
    planOf(identity, model) {
      const own = plansOf(identity);
      const at = models.indexOf(model);
      const found = own[at];
      if (found !== undefined) return found;
      const ofCaller = callerRules(identity, settings);
      callers.meet(identity, ofCaller);
      name(models.rulesAt(at));
      const rules = [...ofCaller, ...models.rulesAt(at)];
      const plan: Plan = {
        rules,
        priced: rules.some(({ counted }) => counted === "money"),
        hard: rules.some(({ counted, enforced }) => counted === "money" && enforced),
      };
      own[at] = plan;
      return plan;
    },
    rules() {
      const all = new Map(ofAll);
      for (const rule of callers.rules()) all.set(rule.id, rule);
      return [...all.values()];
    },
    met: () => callers.identities(),
  };
}

/** 0 for a model without limits of its own; else its place among the settings, from 1 on. */
function modelRules({ limits: { perModel } }: RuleSettings) {
  const tests = perModel.map(({ model }) => pattern(model));
  const rules = perModel.map(({ model, ...settings }) => limitRules("model", `model:${model}`, model, settings));
  const places = new Map<string, number>();
  return {
    indexOf(model: string | undefined): number {
      if (model === undefined || tests.length === 0) return 0;
      const known = places.get(model);
      if (known !== undefined) return known;
      const place = tests.findIndex((test) => test.test(model)) + 1;
      if (places.size >= kept) places.clear();
      places.set(model, place);
      return place;
    },
    rulesAt: (place: number): readonly Rule[] => rules[place - 1] ?? [],
  };
}
