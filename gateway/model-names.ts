// Names of models, some of them patterns with `*`.

/** No provider's model names are nearly as long; longer ones are noise. */
const longestName = 256;

export class ModelNames {
  readonly names: readonly string[];
  readonly #exact: ReadonlySet<string>;
  readonly #patterns: readonly RegExp[];

  constructor(names: readonly string[]) {
    this.names = names;
    this.#exact = new Set(names);
    this.#patterns = names.filter((name) => name.includes("*")).map(pattern);
  }

  has(model: string): boolean {
    if (this.#exact.has(model)) return true;
    return model.length <= longestName && this.#patterns.some((one) => one.test(model));
  }
}

/** `gpt-*` and the like as a regular expression: everything but `*` is literal. */
export function pattern(text: string): RegExp {
  const literal = text.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${literal.join(".*")}$`, "s");
}
