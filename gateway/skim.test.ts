import { describe, expect, it } from "vitest";
import { Skimmer, type Wanted } from "./skim.ts";
import { cuts, dice } from "./testing/dice.ts";

const skim = (text: string | Buffer, wanted: Wanted, chunks?: readonly Buffer[]) => {
  const skimmer = new Skimmer(wanted);
  for (const chunk of chunks ?? [Buffer.from(text)]) skimmer.write(chunk);
  return skimmer.end();
};

const bytewise = (text: string) => [...Buffer.from(text)].map((byte) => Buffer.from([byte]));

/** What a skimmer should give, said in another way: parse all, then throw away. */
function pruned(value: unknown, wanted: Wanted): unknown {
  if (wanted === "value") return value;
  if (typeof wanted === "string") return undefined;
  if (Array.isArray(wanted)) {
    return Array.isArray(value) ? value.slice(0, 256).map((item) => pruned(item, wanted[0])) : undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const kept: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(wanted)) {
    if (Object.hasOwn(value, key)) kept[key] = pruned((value as Record<string, unknown>)[key], inner);
  }
  return kept;
}

/** Writes random JSON text with random white space, escapes, doubled keys and odd depths. */
function randomJson(die: ReturnType<typeof dice>, depth = 0): string {
  const space = () => die.pick(["", "", "", " ", "\n", "\t ", "\r\n"]);
  const letter = () =>
    die.pick(["a", "é", "日", "😀", '\\"', "\\\\", "\\n", "\\u0061", "\\ud83d\\ude00", "{", "]", ",", ":", " "]);
  const text = () => `"${Array.from({ length: die.below(8) }, letter).join("")}"`;
  const key = () => die.pick(['"usage"', '"us\\u0061ge"', '"choices"', '"x"', '"n"', '"__proto__"', text()]);
  const list = (open: string, close: string, item: () => string) =>
    `${open}${space()}${Array.from({ length: die.below(5) }, () => `${space()}${item()}${space()}`).join(",")}${space()}${close}`;
  const kind = die.below(depth > 4 ? 4 : 7);
  if (kind === 0) return text();
  if (kind === 1) return die.pick(["0", "-1.5e3", "12345678901234567890", "1"]);
  if (kind <= 3) return die.pick(["true", "false", "null"]);
  if (kind === 4) return list("[", "]", () => randomJson(die, depth + 1));
  return list("{", "}", () => `${key()}${space()}:${space()}${randomJson(die, depth + 1)}`);
}

describe("a skimmer", () => {
  const wanted: Wanted = { usage: "value", choices: [{ n: "value", x: { usage: "value" } }], x: { usage: ["value"] } };

  it("gives what JSON.parse gives, pruned, for any JSON in any chunks", () => {
    const die = dice(7);
    for (let round = 0; round < 4000; round++) {
      const body = randomJson(die);
      const text = die.pick(["", " \n"]) + body + die.pick(["", "\n"]);
      const expected = pruned(JSON.parse(text), wanted);
      const bytes = Buffer.from(text);
      expect(skim(text, wanted, cuts(die, bytes)), text).toEqual(expected);
    }
  });

  it("gives the same for single bytes", () => {
    const die = dice(11);
    for (let round = 0; round < 500; round++) {
      const text = randomJson(die);
      expect(skim(text, wanted, bytewise(text)), text).toEqual(pruned(JSON.parse(text), wanted));
    }
  });

  it("measures strings by their bytes, and base64 by what it stands for", () => {
    const image = Buffer.alloc(1000, 7);
    for (const size of [0, 1, 2, 3, 997, 998, 999, 1000]) {
      const text = JSON.stringify({ b: image.subarray(0, size).toString("base64"), l: "é" });
      for (const chunks of [[Buffer.from(text)], bytewise(text)]) {
        expect(skim(text, { b: "base64", l: "length" }, chunks)).toEqual({ b: size, l: 2 });
      }
    }
  });

  it("counts items that are not as expected, and no more than 256", () => {
    expect(skim('{"data":[1,"a",{"b":"AAAA"},null]}', { data: [{ b: "base64" }] })).toEqual({
      data: [undefined, undefined, { b: 3 }, undefined],
    });
    const many = skim(JSON.stringify(Array(1000).fill({ b: "" })), [{ b: "base64" }]);
    expect(many).toHaveLength(256);
  });

  it("keeps no value beyond 16 KB", () => {
    const text = JSON.stringify({ usage: "x".repeat(17_000), model: "m" });
    expect(skim(text, { usage: "value", model: "value" })).toEqual({ model: "m" });
  });

  it("gives nothing for JSON that does not end, and never throws", () => {
    const die = dice(3);
    const text = JSON.stringify({ usage: { n: [1, "a\\"] }, choices: [{ n: 1 }] });
    for (let end = 0; end < text.length; end++) expect(skim(text.slice(0, end), wanted)).toBeUndefined();
    for (let round = 0; round < 2000; round++) {
      const noise = Array.from({ length: die.below(30) }, () => die.pick([...'{}[]",:\\ae1'])).join("");
      expect(() => skim(noise, wanted, cuts(die, Buffer.from(noise)))).not.toThrow();
    }
  });
});
