// The kinds of value a configuration file holds, each with the words for when it is wrong.
import * as z from "zod";
import { resemblesSecret } from "./problem.ts";

/** Error words for a schema: `must` where a wrong value stands, `absent` where none does. Never the value itself. */
export const says = (must: string, absent = `is missing; it ${must}`) => ({
  error: (issue: { readonly input?: unknown }) => (issue.input === undefined ? absent : must),
});

/** Text that may come from `${VAR}` is also taken where a number or a boolean is meant. */
const digits = /^\d+$|\$\{/;

/** A whole number between two bounds, both included. */
export function whole(from: number, to: number) {
  const must = `must be a whole number from ${from} to ${to}`;
  return z
    .union([z.int(says(must)).min(from, must).max(to, must), z.string(says(must)).regex(digits, must)], says(must))
    .transform((value, context) => bounded(Number(value), from, to, must, context));
}

/** A number between two bounds, both included. */
export function decimal(from: number, to = Number.MAX_SAFE_INTEGER) {
  const must =
    to === Number.MAX_SAFE_INTEGER ? `must be a number from ${from} up` : `must be a number from ${from} to ${to}`;
  return z
    .union(
      [z.number(says(must)).min(from, must).max(to, must), z.string(says(must)).regex(/^\d*\.?\d+$|\$\{/, must)],
      says(must),
    )
    .transform((value, context) => bounded(Number(value), from, to, must, context));
}

export const flag = () => {
  const must = "must be true or false";
  return z
    .union([z.boolean(says(must)), z.string(says(must)).regex(/^(true|false)$|\$\{/, must)], says(must))
    .transform((value) => value === true || value === "true");
};

const bytesOf = { "": 1, b: 1, kb: 1e3, mb: 1e6, gb: 1e9, kib: 1024, mib: 1024 ** 2, gib: 1024 ** 3 } as const;

/** A size, as bytes or as text such as `32MiB`; becomes whole bytes, at least 1. */
export function size() {
  const must = 'must be a size: a number of bytes, or text such as "512KiB", "32MiB" or "1GiB"';
  const form = /^(\d+(?:\.\d+)?)\s*([kmg]i?b|b|)$/i;
  return z
    .union([z.int(says(must)).min(1, must), z.string(says(must)).regex(looser(form), must)], says(must))
    .transform((value, context) => {
      if (typeof value === "number") return value;
      const [, amount = "", unit = ""] = form.exec(value) ?? [];
      const factor = bytesOf[unit.toLowerCase() as keyof typeof bytesOf];
      return bounded(Math.round(Number(amount === "" ? "NaN" : amount) * factor), 1, 2 ** 50, must, context);
    });
}

const secondsOf = { "": 1, ms: 0.001, s: 1, m: 60, h: 3600 } as const;

/** A time span, as seconds or as text such as `500ms`, `30s`, `5m`; becomes seconds, at least 0. */
export function duration() {
  const must = 'must be a duration: a number of seconds, or text such as "500ms", "30s", "5m" or "1h"';
  const form = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|)$/i;
  // Timers of Node hold 2^31 ms, about 24 days.
  const longest = 24 * 24 * 3600;
  return z
    .union([z.number(says(must)).min(0, must), z.string(says(must)).regex(looser(form), must)], says(must))
    .transform((value, context) => {
      const [, amount, unit = ""] = typeof value === "number" ? [value, value] : (form.exec(value) ?? []);
      const factor = secondsOf[String(unit).toLowerCase() as keyof typeof secondsOf] ?? 1;
      return bounded(
        Number(amount) * (typeof value === "number" ? 1 : factor),
        0,
        longest,
        `${must}, up to 24 days`,
        context,
      );
    });
}

/** Plain text; `must` says what it is for, e.g. `must be the name of a backend`. */
export const text = (must: string) => z.string(says(must)).min(1, must);

/** Text of a certain form. The schema for editors allows `${VAR}` too; here variables are resolved already. */
export function formed(form: RegExp, must: string) {
  return z
    .string(says(must))
    .regex(looser(form), must)
    .refine((value) => !value.includes("${") || form.test(value), must);
}

/** A name that becomes a metric label and a header value. */
export function name(what: string) {
  const must = `must be ${what}: letters, digits, "-", "_" or ".", at most 63, beginning with a letter or digit`;
  return formed(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, must).refine(
    (value) => !resemblesSecret(value),
    "looks like a key, which belongs under key: { env: NAME }",
  );
}

/** An exact model name, or a pattern in which `*` stands for any text. */
export function pattern() {
  const must = 'must be a model name or a pattern with "*", such as "gpt-4o" or "llama-*", without spaces';
  const other = 'may use "*" only; "?", "[", "]", "(", ")", "^", "$", "|" and "\\" have no meaning here';
  return z
    .string(says(must))
    .regex(/^[^\s]{1,200}$/, must)
    .refine((value) => !/[?[\]()^$|\\]/.test(value.replace(/\$\{[^}]*\}/g, "")), other)
    .refine((value) => !/^(sk|pk)-/.test(value), "looks like a key, which belongs under key: { env: NAME }");
}

/** An http or https address that requests are built on; becomes the same without a slash at its end. */
export function address(example: string) {
  const must = `must be an absolute http or https URL, such as ${example}`;
  return z
    .string(says(must))
    .regex(/^https?:\/\/|\$\{/i, must)
    .transform((value, context) => {
      const url = URL.canParse(value) ? new URL(value) : undefined;
      const complain = (message: string) => {
        context.issues.push({ code: "custom", input: value, message });
        return z.NEVER;
      };
      if (url === undefined || !/^https?:$/.test(url.protocol) || /\s/.test(value)) return complain(must);
      if (url.username !== "" || url.password !== "")
        return complain("must hold no user or password; use key or headers");
      if (url.search !== "" || url.hash !== "" || /[?#]$/.test(value)) {
        return complain("must have no query and no fragment; paths of requests are appended to it");
      }
      return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
    });
}

const looser = (form: RegExp) => new RegExp(`${form.source}|\\$\\{`, "i");

function bounded(value: number, from: number, to: number, must: string, context: z.core.$RefinementCtx): number {
  if (value >= from && value <= to) return value;
  context.issues.push({ code: "custom", input: value, message: must });
  return z.NEVER;
}
