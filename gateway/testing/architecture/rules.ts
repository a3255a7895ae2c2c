// The architecture as rules over files: who may import whom, who may touch what, and what a file looks like.
import { code } from "./code.ts";
import { cycles } from "./cycles.ts";
import { type Import, imports, isCode, isTest, lineAt, type SourceFile } from "./source.ts";

interface Finding {
  readonly path: string;
  readonly line: number;
  /** What was found there. */
  readonly what: string;
}

export interface Rule {
  readonly name: string;
  /** Why the rule is there. */
  readonly reason: string;
  find(files: readonly SourceFile[]): readonly Finding[];
}

/** A rule about single imports: `breaks` answers for one import of one file. */
const importRule = (name: string, reason: string, breaks: (path: string, found: Import) => boolean): Rule => ({
  name,
  reason,
  find: (files) =>
    files
      .filter(({ path }) => isCode(path))
      .flatMap((file) =>
        imports(file)
          .filter((found) => breaks(file.path, found))
          .map(({ specifier, line }) => ({ path: file.path, line, what: `imports ${specifier}` })),
      ),
});

/** A rule about words in code, outside comments and strings. */
const wordRule = (name: string, reason: string, word: RegExp, mayUse: (path: string) => boolean): Rule => ({
  name,
  reason,
  find: (files) =>
    files
      .filter(({ path }) => isCode(path) && !mayUse(path))
      .flatMap(({ path, text }) => found(path, text, code(text), word)),
});

function found(path: string, text: string, searched: string, word: RegExp): readonly Finding[] {
  return [...searched.matchAll(word)].map((hit) => ({ path, line: lineAt(text, hit.index), what: hit[0].trim() }));
}

const within = (target: string | undefined, folder: string): boolean => target?.startsWith(`${folder}/`) ?? false;

/** Processors and exporters, each a file with a folder of the same name where it needs one. */
const stage = (path: string | undefined): string | undefined =>
  /^instrumentation\/(?:processors|exporters)\/[^/.]+/.exec(path ?? "")?.[0];

const httpFrameworks = /^(hono|@hono\/.*|undici|express|fastify|koa)(\/|$)/;
const openTelemetrySdk = /^@opentelemetry\/(?!api(?:\/|$)|semantic-conventions(?:\/|$))/;
const compositionRoots = new Set(["gateway/main.ts", "gateway/bin.ts"]);

// In pieces, so that this file does not break its own rule.
const registries = [
  ["registry", "npmjs", "org"],
  ["registry", "yarnpkg", "com"],
  ["npm", "pkg", "github", "com"],
  ["registry", "npmmirror", "com"],
  ["pypi", "org"],
  ["files", "pythonhosted", "org"],
  ["crates", "io"],
  ["proxy", "golang", "org"],
  ["rubygems", "org"],
].map((name) => name.join("."));
const registry = new RegExp(
  `(?<![\\w.-])(?:${registries.join("|").replaceAll(".", "\\.")})|"resolved": *"https?:[^"]*|\\b(?:artifactory|nexus)\\.[\\w.-]+`,
  "gi",
);

export const rules: readonly Rule[] = [
  importRule(
    "gateway enters instrumentation by its index",
    "One door keeps the inside of measuring free to change.",
    (path, { target }) =>
      path.startsWith("gateway/") &&
      within(target, "instrumentation") &&
      target !== "instrumentation/index.ts" &&
      !(isTest(path) && within(target, "instrumentation/testing")),
  ),
  importRule(
    "instrumentation knows neither gateway nor HTTP framework",
    "Other services use it too, whatever they serve with.",
    (path, { specifier, target }) =>
      path.startsWith("instrumentation/") && (within(target, "gateway") || httpFrameworks.test(specifier)),
  ),
  importRule(
    "processors and exporters never import each other",
    "A stage that knows another cannot be left out, moved or replaced.",
    (path, { target }) => {
      const from = isTest(path) ? undefined : stage(path);
      const to = stage(target);
      return from !== undefined && to !== undefined && from !== to;
    },
  ),
  importRule(
    "only instrumentation/sdk.ts imports the OpenTelemetry SDK",
    "The SDK breaks its interfaces between majors; the API does not. One file then changes, not twenty.",
    (path, { specifier }) => openTelemetrySdk.test(specifier) && path !== "instrumentation/sdk.ts" && !isTest(path),
  ),
  importRule(
    "dashboards and alerts read only the catalogue",
    "A panel or a rule may name only what is declared there.",
    (path, { target }) =>
      /^(grafana|prometheus|alertmanager)\//.test(path) &&
      (within(target, "gateway") || (within(target, "instrumentation") && target !== "instrumentation/catalogue.ts")),
  ),
  wordRule(
    "only the config module reads the environment",
    "Every setting is then checked, documented and told in one place.",
    /\bprocess\s*\.\s*env\b|\bprocess\s*\[|\{[^{}]*\benv\b[^{}]*\}\s*=\s*process\b/g,
    (path) => path.startsWith("gateway/config/") || isTest(path),
  ),
  wordRule(
    "only the composition root owns clock, randomness and console",
    "What is handed in can be held still by a test, and the output belongs to the operator.",
    /\bDate\s*\.\s*now\b|\bnew\s+Date\s*(?:\(\s*\)|(?=[;,)]))|\bperformance\s*\.\s*now\b|\bprocess\s*\.\s*(?:hrtime|uptime)\b|\bMath\s*\.\s*random\b|\brandom(?:UUID|Bytes|Int|FillSync|Fill)\b|\bgetRandomValues\b|\bconsole\s*\./g,
    (path) => compositionRoots.has(path) || isTest(path),
  ),
  wordRule(
    "no default export",
    "A thing has one name, the same wherever it is used.",
    /\bexport\s+default\b|\bexport\s*\{[^}]*\bas\s+default\b[^}]*\}/g,
    (path) => path === "vitest.config.ts",
  ),
  wordRule(
    "no function literal is put into a property",
    "V8 allocates it among the old objects, where it keeps all that it closes over until a full collection: give it a name first, or make it a method.",
    /[\w\])]\s*\.\s*#?\w+\s*(?:\?\?|\|\||&&)?=\s*\(?\s*(?:async\s*)?(?:function\b|(?:\([^()]*\)|\w+)\s*(?::[^=()]*)?=>)/g,
    (path) => isTest(path) || !/^(?:gateway|instrumentation)\//.test(path) || /\/(?:testing|bench)\//.test(path),
  ),
  {
    name: "no circular import",
    reason: "A module must be whole before another uses it. Imports of types are erased and do not count.",
    find: (files) => cycles(files).map(({ path, line, chain }) => ({ path, line, what: chain.join(" → ") })),
  },
  {
    name: "a file opens with one sentence",
    reason: "A file that cannot be told in one sentence is two files. A test is told by the name of what it tests.",
    find: (files) =>
      files
        .filter(
          ({ path, text }) =>
            isCode(path) && path.includes("/") && !/\.test\.ts$/.test(path) && !opensWithOneSentence(text),
        )
        .map(({ path }) => ({ path, line: 1, what: "does not open with a comment of one sentence" })),
  },
  {
    name: "no file is longer than 250 lines",
    reason: "Past that it is two things. Tests may list as many facts as there are.",
    find: (files) =>
      files
        .filter(({ path }) => isCode(path) && !/\.test\.ts$/.test(path))
        .map(({ path, text }) => ({ path, line: text.split("\n").length - (text.endsWith("\n") ? 1 : 0) }))
        .filter(({ line }) => line > 250)
        .map(({ path, line }) => ({ path, line, what: `has ${line} lines` })),
  },
  {
    name: "no name that says nothing",
    reason: "A drawer called utils fills with what nobody thought through.",
    find: (files) => files.filter(({ path }) => isCode(path)).flatMap(emptyNames),
  },
  {
    name: "no package registry is named",
    reason: "Each machine has its own; a name in the tree sends everyone to one that they may not reach.",
    find: (files) => files.flatMap(({ path, text }) => found(path, text, text, registry)),
  },
];

/** A comment of `//` lines or one block, after a hash-bang if any, that ends its only sentence with a full stop. */
function opensWithOneSentence(text: string): boolean {
  const source = text.replace(/^#![^\n]*\n/, "");
  const opening = /^(?:\/\/[^\n]*(?:\n|$))+/.exec(source)?.[0].replace(/^\/\/ ?/gm, "") ?? "";
  const sentence = opening.replace(/\s+/g, " ").trim();
  return /^[^\s].*[.!?]$/.test(sentence) && !/[.!?]\s+["'`(]?[A-Z]/.test(sentence);
}

const emptyWords = new Set(["util", "utils", "helper", "helpers", "common", "manager", "managers", "service", "misc"]);

function emptyNames({ path, text }: SourceFile): readonly Finding[] {
  const words = path.toLowerCase().split(/[/._-]/);
  const inPath = words
    .filter((word) => emptyWords.has(word))
    .map((word) => ({ path, line: 1, what: `${word} in its path` }));
  const declared =
    /\b(?:class|interface|type)\s+\w*(?:Utils?|Helpers?|Manager|Service)\b|\binterface\s+I(?=[A-Z][a-z])\w+/g;
  return [...inPath, ...found(path, text, code(text), declared)];
}
