// Makes a value up that fits a JSON schema, for tool arguments and structured answers.
import type { Dice } from "./dice.ts";
import { type Fields, fieldsIn, isFields, listIn } from "./fields.ts";
import type { Topic } from "./topics.ts";

export interface Making {
  readonly dice: Dice;
  readonly topic: Topic;
}

/** Below this depth lists stay empty and what is optional is left out, so that recursive schemas end. */
const deepest = 6;

const formats: Readonly<Record<string, string>> = {
  date: "2026-03-14",
  time: "09:26:53Z",
  "date-time": "2026-03-14T09:26:53Z",
  duration: "PT15M",
  email: "someone@example.com",
  hostname: "example.com",
  ipv4: "192.0.2.1",
  ipv6: "2001:db8::1",
  uri: "https://example.com/",
  url: "https://example.com/",
  uuid: "6f1c2a52-9f0e-4d3b-8a77-2f5d1c9b0e41",
};

/**
 * Follows type, properties, items, enum, const, anyOf, oneOf, allOf, local $ref, and the bounds of numbers, texts and
 * lists. A `pattern` is not followed.
 */
export function schemaValue(schema: unknown, making: Making): unknown {
  return value(fieldsIn(schema), { ...making, root: fieldsIn(schema) }, 0);
}

interface Rooted extends Making {
  readonly root: Fields;
}

function value(schema: Fields, making: Rooted, depth: number): unknown {
  const { dice, topic } = making;
  if (typeof schema.$ref === "string")
    return depth > deepest * 3 ? null : value(resolve(schema.$ref, making.root), making, depth + 1);
  if ("const" in schema) return schema.const;
  if (Array.isArray(schema.enum) && schema.enum.length > 0) return dice.pick(schema.enum);
  const choices = listIn(schema.anyOf ?? schema.oneOf).filter(isFields);
  if (choices.length > 0) {
    const nothing = choices.find(({ type }) => type === "null");
    const something = choices.find(({ type }) => type !== "null");
    return value((depth >= deepest ? (nothing ?? something) : something) ?? {}, making, depth + 1);
  }
  const merged = Array.isArray(schema.allOf) ? mergeAll(schema, making.root) : schema;
  const types = Array.isArray(merged.type) ? merged.type : [merged.type];
  const type =
    (depth >= deepest && types.includes("null") ? "null" : types.find((name) => name !== "null")) ?? types[0];
  if (type === "null") return null;
  if (type === "object" || (type === undefined && merged.properties !== undefined))
    return object(merged, making, depth);
  if (type === "array") return list(merged, making, depth);
  if (type === "integer" || type === "number") return number(merged, type === "integer", dice);
  if (type === "boolean") return dice.next() < 0.5;
  return text(merged, dice, topic);
}

function object(schema: Fields, making: Rooted, depth: number): Fields {
  const required = new Set(listIn(schema.required));
  return Object.fromEntries(
    Object.entries(fieldsIn(schema.properties))
      .filter(([name]) => depth < deepest || required.has(name))
      .map(([name, property]) => [name, value(fieldsIn(property), making, depth + 1)]),
  );
}

function list(schema: Fields, making: Rooted, depth: number): readonly unknown[] {
  const least = count(schema.minItems, 0);
  const most = Math.max(least, Math.min(count(schema.maxItems, 3), 3));
  const length = depth >= deepest ? least : Math.max(least, making.dice.whole(Math.min(1, most), most));
  return Array.from({ length }, () => value(fieldsIn(schema.items), making, depth + 1));
}

function number(schema: Fields, whole: boolean, dice: Dice): number {
  const step = typeof schema.multipleOf === "number" && schema.multipleOf > 0 ? schema.multipleOf : whole ? 1 : 0.01;
  const bound = (inclusive: unknown, exclusive: unknown, inward: number) =>
    typeof inclusive === "number" ? inclusive : typeof exclusive === "number" ? exclusive + inward : undefined;
  const low = bound(schema.minimum, schema.exclusiveMinimum, step);
  const high = bound(schema.maximum, schema.exclusiveMaximum, -step);
  const from = Math.ceil((low ?? (high === undefined ? 1 : Math.min(1, high - 99 * step))) / step);
  const to = Math.floor((high ?? Math.max(from * step + 99 * step, 100)) / step);
  return Number((dice.whole(from, Math.max(from, to)) * step).toFixed(6));
}

function text(schema: Fields, dice: Dice, topic: Topic): string {
  const formatted = typeof schema.format === "string" ? formats[schema.format] : undefined;
  if (formatted !== undefined) return formatted;
  const made = dice.pick(topic.words).padEnd(count(schema.minLength, 0), ".");
  return made.slice(0, count(schema.maxLength, Math.max(made.length, 1)));
}

const count = (given: unknown, otherwise: number): number =>
  typeof given === "number" && given >= 0 ? Math.min(given, 1_000) : otherwise;

/** What `#/$defs/name` and `#` point at; an empty schema where that is nothing. */
function resolve(ref: string, root: Fields): Fields {
  let place: unknown = root;
  for (const step of ref.split("/").slice(1)) {
    place = fieldsIn(place)[step.replaceAll("~1", "/").replaceAll("~0", "~")];
  }
  return fieldsIn(place);
}

function mergeAll(schema: Fields, root: Fields): Fields {
  const { allOf, ...rest } = schema;
  const parts = [rest, ...listIn(allOf).map(fieldsIn)].map((part) =>
    typeof part.$ref === "string" ? resolve(part.$ref, root) : part,
  );
  return {
    ...Object.assign({}, ...parts),
    properties: Object.assign({}, ...parts.map(({ properties }) => fieldsIn(properties))),
    required: parts.flatMap(({ required }) => listIn(required)),
  };
}
