// Reads YAML text into plain values that remember where they stood.
import { type ErrorCode, isCollection, isPair, isScalar, LineCounter, parseDocument, visit } from "yaml";
import type { Path } from "./problem.ts";

export interface Place {
  readonly line: number;
  readonly column: number;
}

export type ParsedYaml =
  | { readonly value: unknown; place(path: Path): Place | undefined }
  | { readonly faults: readonly (Place & { readonly message: string })[] };

const looseAlias =
  "is not valid YAML: it uses an alias (*) that no anchor defines; put text that begins with * in quotes";

// The parser's own messages quote the source, which may be a secret: hence words of our own.
const faults: Partial<Record<ErrorCode, string>> = {
  BAD_ALIAS: looseAlias,
  BAD_DQ_ESCAPE: "is not valid YAML: unknown escape in a double-quoted string; use single quotes",
  BAD_INDENT: "is not valid YAML: the indentation does not fit the lines around it",
  BAD_SCALAR_START: "is not valid YAML: text cannot begin with this character; put it in quotes",
  BLOCK_AS_IMPLICIT_KEY:
    "is not valid YAML: a mapping within a mapping needs a line of its own; put text that holds ': ' in quotes",
  DUPLICATE_KEY: "has the same key twice in one mapping; remove one",
  MISSING_CHAR: "is not valid YAML: a closing quote, bracket, comma or colon is missing",
  MULTILINE_IMPLICIT_KEY: "is not valid YAML: a key must be followed by a colon and a space",
  MULTIPLE_DOCS: "holds more than one YAML document; remove the --- line",
  TAB_AS_INDENT: "is not valid YAML: lines are indented by spaces, not tabs",
  TAG_RESOLVE_FAILED: "is not valid YAML here: tags (!) have no meaning; put text that begins with ! in quotes",
};

/** Parses one document. Keys with nothing after the colon count as not written, so a group can be commented out. */
export function parseYaml(source: string): ParsedYaml {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false, merge: true });
  const at = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const [first] = [...document.errors, ...document.warnings];
  if (first !== undefined) {
    return { faults: [{ ...at(first.pos[0]), message: faults[first.code] ?? "is not valid YAML here" }] };
  }
  let loose: number | undefined;
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) === undefined) loose ??= alias.range?.[0] ?? 0;
    },
  });
  if (loose !== undefined) return { faults: [{ ...at(loose), message: looseAlias }] };
  let value: unknown;
  try {
    value = withoutNulls(document.toJS({ maxAliasCount: 100 }));
  } catch {
    return { faults: [{ line: 1, column: 1, message: "repeats too much through aliases (*); write it out" }] };
  }
  return {
    value,
    place(path) {
      let node: unknown = document.contents;
      let offset = rangeStart(node);
      for (const step of path) {
        if (!isCollection(node)) break;
        const item: unknown = node.items.find((entry, index) =>
          isPair(entry) ? isScalar(entry.key) && String(entry.key.value) === String(step) : index === step,
        );
        if (item === undefined) break;
        offset = rangeStart(isPair(item) ? item.key : item) ?? offset;
        node = isPair(item) ? item.value : item;
      }
      return offset === undefined ? undefined : at(offset);
    },
  };
}

function rangeStart(node: unknown): number | undefined {
  if (typeof node !== "object" || node === null || !("range" in node)) return undefined;
  return Array.isArray(node.range) && typeof node.range[0] === "number" ? node.range[0] : undefined;
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, entry]) => entry !== null)
      .map(([key, entry]) => [key, withoutNulls(entry)]),
  );
}
