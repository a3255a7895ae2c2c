// Made-up values fit their schema: checked by the validator that the schema came from.
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { dice, seeded } from "./dice.ts";
import { schemaValue } from "./schema-value.ts";
import { general } from "./topics.ts";

type Tree = { name: string; children: Tree[] };
const tree: z.ZodType<Tree> = z.lazy(() => z.object({ name: z.string(), children: z.array(tree) }));

const schemas: readonly (readonly [string, z.ZodType])[] = [
  ["an object", z.object({ city: z.string(), days: z.int(), warm: z.boolean() })],
  ["words to choose from", z.object({ unit: z.enum(["celsius", "fahrenheit"]), kind: z.literal("weather") })],
  ["bounds", z.object({ a: z.number().min(0).max(1), b: z.int().gt(5).lt(8), c: z.int().min(-3).max(-3) })],
  ["a step", z.object({ a: z.number().multipleOf(0.25).min(1).max(2) })],
  ["a text's length", z.object({ a: z.string().min(40).max(41), b: z.string().max(2) })],
  ["formats", z.object({ a: z.email(), b: z.uuid(), c: z.iso.datetime(), d: z.iso.date(), e: z.url(), f: z.ipv4() })],
  ["lists", z.object({ a: z.array(z.string()).min(2).max(4), b: z.array(z.int()).max(0) })],
  ["what may be null or absent", z.object({ a: z.string().nullable(), b: z.string().optional() })],
  ["one of several", z.object({ a: z.union([z.object({ b: z.string() }), z.number()]) })],
  ["both of two", z.intersection(z.object({ a: z.string() }), z.object({ b: z.int() }))],
  ["itself within", tree],
];

describe.each(schemas)("%s", (_, schema) => {
  test("fits, whatever the chance", () => {
    const json = z.toJSONSchema(schema);
    for (let seed = 0; seed < 50; seed++) {
      const made = schemaValue(json, { dice: dice(seeded(seed)), topic: general });
      expect(schema.safeParse(made).error).toBeUndefined();
    }
  });
});

test("a schema that says nothing still gives a value", () => {
  for (const schema of [{}, true, null, { type: "object" }, { $ref: "#/nowhere" }, { $ref: "#" }]) {
    expect(schemaValue(schema, { dice: dice(seeded(1)), topic: general })).not.toBeUndefined();
  }
});
