import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { load } from "../config/load.ts";
import { type Child, child } from "./child.ts";
import { type Contender, contenders, deciding, tollgate } from "./contenders.ts";
import { modelOf, secrets } from "./payload.ts";
import { type Entrant, enter } from "./rounds.ts";
import { env, deciding as settings } from "./settings.ts";

const folder = mkdtempSync(join(tmpdir(), "tollgate-bench-test-"));
const running: Child[] = [];
let mock: Child;
let all: readonly Contender[];

const contender = (name: string): Contender => {
  const found = all.find((one) => one.name === name);
  if (found === undefined) throw new Error(`${name} is none of ${all.map((one) => one.name)}`);
  return found;
};
const entered = async (one: Contender): Promise<Entrant> => {
  const [entrant] = await enter([one], mock, running);
  if (entrant === undefined) throw new Error("nobody entered");
  return entrant;
};

beforeAll(async () => {
  mock = await child({ script: "mock.ts" });
  running.push(mock);
  all = contenders({ mockPort: mock.port, cores: undefined, folder }).main;
});

afterAll(async () => {
  await Promise.all(running.map((one) => one.stop()));
  rmSync(folder, { recursive: true });
});

test("a Tollgate that decides enters, having charged its key with what both answers cost", async () => {
  const entrant = await entered(contender(deciding));
  entrant.child.resume();
  const [data = ""] = readdirSync(folder);
  const spent = () => {
    using database = new DatabaseSync(join(folder, data, "tollgate.db"), { readOnly: true });
    return database.prepare("SELECT used FROM spending WHERE id LIKE 'key:%:money:month'").all();
  };
  // 87 tokens in and 64 out, at 150 and 600 nano-USD.
  await expect.poll(spent, { timeout: 10_000 }).toEqual([{ used: 2 * (87 * 150 + 64 * 600) }]);
});

test("it takes its own key alone, for its own models", async () => {
  const { child: open } = await entered(contender(deciding));
  open.resume();
  const ask = async (secret: string, model: string) => {
    const answer = await fetch(`http://127.0.0.1:${open.port}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${secret}` },
      body: JSON.stringify({ model, messages: [] }),
    });
    return [answer.status, ((await answer.json()) as { error?: { code: string } }).error?.code];
  };
  expect(await ask(secrets.tollgate, modelOf("json"))).toEqual([200, undefined]);
  expect(await ask(secrets.provider, modelOf("json"))).toEqual([401, "invalid_api_key"]);
  expect(await ask(secrets.tollgate, "another")).toEqual([403, "model_not_allowed"]);
});

test("one that charges nothing cannot enter as one that decides, nor the other way round", async () => {
  const { requestsPerMinute, ...uncharged } = contender(deciding);
  expect(requestsPerMinute).toBeGreaterThan(0);
  await expect(entered({ ...contender(tollgate), requestsPerMinute: 60 })).rejects.toThrow("told of other limits");
  await expect(entered(uncharged)).rejects.toThrow("told of other limits");
  expect((await entered(contender(tollgate))).name).toBe(tollgate);
});

test("its configuration has a fallback, and nothing to be warned of", () => {
  const read = () => settings("http://127.0.0.1:1", folder);
  const targets = [{ backend: "bench" }, { backend: "spare" }];
  expect(load({ file: "bench.yaml", env, read })).toMatchObject({
    warnings: [],
    config: { dataDir: folder, routes: [{ strategy: "priority", targets }] },
  });
});
