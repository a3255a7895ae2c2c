// The architecture holds: every rule on the real tree, and every rule shown to catch a planted breach.
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { rules } from "./testing/architecture/rules.ts";
import type { SourceFile } from "./testing/architecture/source.ts";
import { tree } from "./testing/architecture/tree.ts";

const files = tree(fileURLToPath(new URL("..", import.meta.url)));

describe("in the tree", () => {
  test.each(rules)("$name", ({ reason, find }) => {
    const breaches = find(files).map(({ path, line, what }) => `${path}:${line} ${what}`);
    expect(breaches, reason).toEqual([]);
  });

  test("there are files to check", () => {
    const paths = files.map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining(["instrumentation/index.ts", "gateway/errors.ts", "package.json"]));
    expect(paths.some((path) => path.includes("node_modules/"))).toBe(false);
  });
});

const file = (path: string, ...lines: readonly string[]): SourceFile => ({
  path,
  text: ["// Says what it is for.", ...lines, ""].join("\n"),
});

/** What every rule finds in these files: rule, path and line. */
const breaches = (...planted: readonly SourceFile[]) =>
  rules.flatMap(({ name, find }) => find(planted).map(({ path, line }) => `${name}: ${path}:${line}`));

const door = "gateway enters instrumentation by its index";
const plain = "instrumentation knows neither gateway nor HTTP framework";
const stages = "processors and exporters never import each other";
const sdk = "only instrumentation/sdk.ts imports the OpenTelemetry SDK";
const readers = "dashboards and alerts read only the catalogue";
const environment = "only the config module reads the environment";
const owner = "only the composition root owns clock, randomness and console";
const named = "no default export";
const born = "no function literal is put into a property";
const circle = "no circular import";
const opening = "a file opens with one sentence";
const long = "no file is longer than 250 lines";
const empty = "no name that says nothing";
const registry = "no package registry is named";

const host = ["registry", "npmjs", "org"].join(".");

const planted: readonly (readonly [rule: string, file: SourceFile])[] = [
  [door, file("gateway/app.ts", 'import { draft } from "../instrumentation/draft.ts";')],
  [door, file("gateway/routing/route.ts", 'import type { A } from "../../instrumentation/exporters/log.ts";')],
  [door, file("gateway/app.ts", 'export * from "../instrumentation/pipeline.ts";')],
  [door, file("gateway/app.ts", 'const late = await import("../instrumentation/sdk.ts");')],
  [door, file("gateway/app.ts", 'import sampleExchange, {\n  a,\n} from "../instrumentation/testing/exchange.ts";')],
  [plain, file("instrumentation/sdk.ts", 'import { Hono } from "hono";')],
  [plain, file("instrumentation/sdk.ts", 'import { serve } from "@hono/node-server";')],
  [plain, file("instrumentation/exporters/webhook.ts", 'import { Pool } from "undici";')],
  [plain, file("instrumentation/a.test.ts", 'import { app } from "../gateway/app.ts";')],
  [stages, file("instrumentation/processors/price.ts", 'import { redact } from "./redact.ts";')],
  [stages, file("instrumentation/processors/price/rules.ts", 'import { log } from "../../exporters/log.ts";')],
  [stages, file("instrumentation/exporters/log.ts", 'import type { Cell } from "./metrics/cell.ts";')],
  [sdk, file("instrumentation/exporters/spans.ts", 'import { Tracer } from "@opentelemetry/sdk-trace-base";')],
  [sdk, file("gateway/main.ts", 'import type { P } from "@opentelemetry/exporter-prometheus";')],
  [readers, file("grafana/panels.ts", 'import { price } from "../instrumentation/index.ts";')],
  [readers, file("prometheus/rules.test.ts", 'import { config } from "../gateway/config/config.ts";')],
  [environment, file("gateway/main.ts", "const port = process.env.PORT;")],
  [environment, file("instrumentation/sdk.ts", "const port = process . env['PORT'];")],
  [environment, file("gateway/bin.ts", "const { env } = process;")],
  [environment, file("gateway/bin.ts", ["const at = `a $", "{process.env.HOST} b`;"].join(""))],
  [environment, file("gateway/bin.ts", ["const a = `$", "{b}`, c = process.env, d = `e`;"].join(""))],
  [environment, file("gateway/bin.ts", "const quote = /[\"'`]/, slash = 1 / 2, c = process.env;")],
  [owner, file("gateway/tap.ts", "export const tap = (now = Date.now) => now();")],
  [owner, file("gateway/tap.ts", "const at = performance.now();")],
  [owner, file("gateway/tap.ts", "const at = new Date().toISOString();")],
  [owner, file("instrumentation/trace.ts", "const id = Math.random();")],
  [owner, file("instrumentation/trace.ts", 'import { randomUUID } from "node:crypto";')],
  [owner, file("instrumentation/trace.ts", "crypto.getRandomValues(bytes);")],
  [owner, file("gateway/config/load.ts", 'console.error("bad");')],
  [named, file("gateway/app.ts", "export default 1;")],
  [named, file("gateway/app.ts", "const app = 1;\nexport { app as default };")],
  [born, file("gateway/passage.ts", "passage.stop = () => attempt.cancel();")],
  [born, file("gateway/passage.ts", "this.#done = async (value: string) => {};")],
  [born, file("instrumentation/sdk.ts", "this.cell ??= function () {};")],
  [born, file("instrumentation/sdk.ts", "one[0].told = (value => value);")],
  [long, file("gateway/app.ts", ...Array<string>(250).fill("const a = 1;"))],
  [empty, file("gateway/utils.ts")],
  [empty, file("gateway/common/thing.ts")],
  [empty, file("gateway/string-helpers.ts")],
  [empty, file("gateway/app.ts", "export class QueueManager {}")],
  [empty, file("gateway/app.ts", "interface IBackend {}")],
  [registry, file("README.md", `npm install --registry https://${host}/`)],
  [registry, file("package-lock.json", JSON.stringify({ resolved: "https://mirror.example/a.tgz" }))],
  [registry, file("gateway/app.ts", "", `// See ${host}.`)],
];

describe("a planted breach is caught, and nothing else with it", () => {
  test.each(planted)("%s (%#)", (rule, breach) => {
    const found = breaches(breach);
    expect(found.length).toBeGreaterThan(0);
    expect(new Set(found.map((told) => told.split(": ")[0]))).toEqual(new Set([rule]));
  });

  test(opening, () => {
    for (const text of [
      "export const a = 1;\n",
      "\n// Says what it is for.\n",
      "// says nothing\nconst a = 1;\n",
      "// One thing. Another thing.\nconst a = 1;\n",
      "// One thing.\n// Another thing.\nconst a = 1;\n",
      "/** Says what it is for. */\nconst a = 1;\n",
      "",
    ]) {
      expect(breaches({ path: "gateway/app.ts", text }), text).toEqual([`${opening}: gateway/app.ts:1`]);
    }
  });

  test(circle, () => {
    const a = file("gateway/a.ts", 'import { b } from "./b.ts";');
    const b = file("gateway/b.ts", "", 'import { c } from "./inner/c.ts";');
    const c = file("gateway/inner/c.ts", 'export { a } from "../a.ts";');
    expect(breaches(a, b, c)).toEqual([`${circle}: gateway/inner/c.ts:2`]);
    expect(breaches(file("gateway/a.ts", 'import "./a.ts";'))).toEqual([`${circle}: gateway/a.ts:2`]);
    expect(breaches(a, b, file("gateway/inner/c.ts", 'import type { A } from "../a.ts";'))).toEqual([]);
  });
});

test("what is allowed is not taken for a breach", () => {
  const lines = [
    'import { pipeline } from "../instrumentation/index.ts";',
    "// process.env and Date.now() in a comment",
    "/* console.log(1) */",
    "const told = \"set process.env.PORT, not 'Date.now()'\";",
    "const text = `Math.random() costs`;",
    "const quotes = /[\"'`]/; const stamp = new Date(1_000).toISOString();",
    "export const later = (defer = setImmediate, wait = setTimeout) => [defer, wait];",
    "const { serviceType, service } = record; const processed = processEnv(1);",
    "interface Item {}",
    "let stop = () => {}; stop = () => {}; const both = { stop, leave: () => {} }; both.stop = stop;",
    "if (both.stop === (() => {})) both.total = 1 >= 0 ? 1 : 2;",
  ];
  expect(
    breaches(
      file("gateway/app.ts", ...lines),
      file("gateway/main.ts", "const now = Date.now(); console.log(performance.now(), Math.random());"),
      file("gateway/config/load.ts", "const port = process.env.PORT;"),
      file("gateway/app.test.ts", 'import { sample } from "../instrumentation/testing/exchange.ts";', "Date.now();"),
      file("gateway/bench/bench.ts", "performance.now();"),
      file("instrumentation/sdk.ts", 'import { M } from "@opentelemetry/sdk-metrics";'),
      file("instrumentation/exporters/spans.ts", 'import { trace } from "@opentelemetry/api";'),
      file("instrumentation/processors/price.ts", 'import { rate } from "./price/money.ts";'),
      file("instrumentation/processors/price/rules.ts", 'import { rate } from "./money.ts";'),
      file("grafana/panels.ts", 'import { catalogue } from "../instrumentation/catalogue.ts";'),
      { path: "gateway/bin.ts", text: "#!/usr/bin/env node\n// Says in two\n// lines what it is for.\n" },
      { path: "vitest.config.ts", text: "// Says what it is for.\nexport default {};\n" },
      file("gateway/long.test.ts", ...Array<string>(400).fill("")),
      file("README.md", "See https://www.npmjs.com/package/undici."),
    ),
  ).toEqual([]);
});
