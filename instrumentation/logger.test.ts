import { describe, expect, test } from "vitest";
import { type Logger, logger } from "./logger.ts";
import type { LogLevel } from "./settings.ts";

const secret = "sk-proj-Zx81QpLm02VnRt57";

function written(act: (logger: Logger) => void, level: LogLevel = "info"): Record<string, unknown>[] {
  const lines: string[] = [];
  const output = { write: (line: string) => void lines.push(line), flush: async () => {}, buffered: 0 };
  act(logger({ output, settings: { level, format: "json" }, now: () => 1_790_000_000_000 }));
  return lines.map((line) => JSON.parse(line));
}

test("a line has a level, a time and a message, like an exchange's", () => {
  expect(written((log) => log.info({ port: 8088 }, "listening on %s", "127.0.0.1:8088"))).toEqual([
    { level: "info", time: "2026-09-21T14:13:20.000Z", port: 8088, msg: "listening on 127.0.0.1:8088" },
  ]);
});

test("nothing is written below the level, and nothing at all when silent", () => {
  expect(written((log) => log.debug("x"))).toEqual([]);
  expect(written((log) => log.fatal("x"), "silent")).toEqual([]);
});

describe("a secret does not survive in", () => {
  const cause = new Error(`because of ${secret}`);
  test.each<[string, (log: Logger) => void]>([
    ["a message", (log) => log.info(`the key ${secret} is wrong`)],
    ["a message's second line", (log) => log.info(`the key:\n${secret}`)],
    ["a message's argument", (log) => log.info("the key %s", secret)],
    ["an argument that is an object", (log) => log.info("%j", { a: secret })],
    ["a member", (log) => log.info({ a: { b: [secret] } }, "x")],
    ["a member's name", (log) => log.info({ [secret]: 1 }, "x")],
    ["an error", (log) => log.error(new Error(secret))],
    ["an error beside a message", (log) => log.error({ err: new Error(secret) }, "failed")],
    ["an error's cause", (log) => log.error(new Error("failed", { cause }), "failed")],
  ])("%s", (_, act) => {
    const lines = written(act);
    expect(lines).toHaveLength(1);
    expect(JSON.stringify(lines)).not.toContain(secret);
    expect(JSON.stringify(lines)).toContain("[redacted]");
  });

  test("a member with a secret's name, whatever it looks like", () => {
    const [line] = written((log) =>
      log.info({ headers: { authorization: "plain", accept: "x" }, password: "hi" }, "x"),
    );
    expect(line).toMatchObject({ headers: { authorization: "[redacted]", accept: "x" }, password: "[redacted]" });
  });
});

test("an error keeps its type, code, message and stack", () => {
  const error = Object.assign(new TypeError("no"), { code: "ENOPE" });
  const [line] = written((log) => log.error(error));
  expect(line).toMatchObject({
    msg: "no",
    err: { type: "TypeError", code: "ENOPE", message: "no", stack: expect.stringContaining("TypeError: no") },
  });
});

test("ids of ours are no secrets", () => {
  const ids = { id: "a1".repeat(16), trace_id: "b2".repeat(16) };
  expect(written((log) => log.info(ids, "x"))[0]).toMatchObject(ids);
});

test("what refers to itself does not end in a loop", () => {
  const self: Record<string, unknown> = {};
  self.self = self;
  expect(written((log) => log.info(self, "x"))).toHaveLength(1);
});
