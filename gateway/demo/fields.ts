// Reads the fields of a request, and refuses those of the wrong kind as OpenAI does, by name.
import { missing, wrongType, wrongValue } from "./refusal.ts";

export type Fields = Readonly<Record<string, unknown>>;

export const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const fieldsIn = (value: unknown): Fields => (isFields(value) ? value : {});
export const listIn = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** The field, or `undefined` where it is absent or null. */
function present(body: Fields, name: string): unknown {
  return Object.hasOwn(body, name) ? (body[name] ?? undefined) : undefined;
}

export function textField(body: Fields, name: string): string | undefined {
  const value = present(body, name);
  if (value === undefined || typeof value === "string") return value;
  throw wrongType(name, "a string");
}

export function requiredText(body: Fields, name: string): string {
  const value = textField(body, name);
  if (value === undefined) throw missing(name);
  return value;
}

export function flagField(body: Fields, name: string): boolean {
  const value = present(body, name);
  if (value === undefined || typeof value === "boolean") return value ?? false;
  throw wrongType(name, "true or false");
}

export function numberField(body: Fields, name: string, low: number, high: number): number | undefined {
  const value = present(body, name);
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isFinite(value)) throw wrongType(name, "a number");
  if (value < low) throw wrongValue(name, `${low} or more`);
  if (value > high) throw wrongValue(name, `${high} or less`);
  return value;
}

export function wholeField(body: Fields, name: string, low: number, high: number): number | undefined {
  const value = numberField(body, name, low, high);
  if (value !== undefined && !Number.isInteger(value)) throw wrongType(name, "a whole number");
  return value;
}

export function objectField(body: Fields, name: string): Fields | undefined {
  const value = present(body, name);
  if (value === undefined || isFields(value)) return value;
  throw wrongType(name, "an object");
}

export function listField(body: Fields, name: string): readonly unknown[] | undefined {
  const value = present(body, name);
  if (value === undefined || Array.isArray(value)) return value;
  throw wrongType(name, "a list");
}

/** One of some words, or `undefined`. */
export function wordField<Word extends string>(body: Fields, name: string, words: readonly Word[]): Word | undefined {
  const value = textField(body, name);
  if (value === undefined) return undefined;
  const word = words.find((known) => known === value);
  if (word === undefined) throw wrongValue(name, `one of ${words.join(", ")}`);
  return word;
}

/** Text pairs that come back with the object, `null` where the client gave none. */
export function metadataField(body: Fields): Record<string, string> | null {
  const given = objectField(body, "metadata");
  if (given === undefined) return null;
  const pairs = Object.entries(given);
  if (pairs.length > 16) throw wrongValue("metadata", "of 16 pairs or fewer");
  return Object.fromEntries(
    pairs.map(([name, value]) => {
      if (typeof value !== "string") throw wrongType(`metadata.${name}`, "a string");
      return [name, value];
    }),
  );
}
