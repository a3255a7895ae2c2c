// Every bad file of testdata/bad fails with exactly the sentences that its own comments expect.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { load } from "./load.ts";
import { sentence } from "./problem.ts";

const folder = join(import.meta.dirname, "testdata/bad");
const files = readdirSync(folder).filter((file) => file.endsWith(".yaml"));

const complaints = (file: string): string[] => {
  const loaded = load({ file, cwd: folder, env: { EMPTY: "" } });
  return "problems" in loaded ? loaded.problems.map(sentence) : [];
};

describe("a bad configuration", () => {
  it.each(files)("%s is refused in the words it expects", (file) => {
    const expected = [...readFileSync(join(folder, file), "utf8").matchAll(/^# expect: (.*)$/gm)].map(
      ([, line]) => line,
    );
    if (file === "empty.yaml")
      expected.push("empty.yaml: is empty; write at least a comment into it, or remove it to run on defaults.");
    expect(expected).not.toEqual([]);
    expect(complaints(file)).toEqual(expected);
  });

  it.each(files)("%s has each problem told in one sentence of one line, without its secrets", (file) => {
    for (const complaint of complaints(file)) {
      expect(complaint).toMatch(/^[^\n]+[.?]$/);
      expect(complaint.toLowerCase()).not.toContain("secretsecret");
      expect(complaint).not.toMatch(/SECRET/);
    }
  });
});
