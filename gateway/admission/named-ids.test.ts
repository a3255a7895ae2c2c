// What another caller has made cannot be named wherever a body has a place for its id; what a backend said can be sent back.
import { describe, expect, test } from "vitest";
import { json } from "../testing/answers.ts";
import { keyRing } from "../testing/key-ring.ts";
import { scene } from "../testing/scene.ts";
import { forgetfulIds } from "./bound-ids.ts";

const model = "gpt-4o-mini";
const made = ["file-a", "cntr_a", "skill_a", "video_a"];
const response = json({ id: "resp_1", object: "response", status: "completed", output: [] });

/** What key `one` has made; the bodies are key `two`'s. */
async function shared(script = [response]) {
  const keys = keyRing();
  const ids = forgetfulIds();
  for (const id of made) ids.made(id, { tenant: "key:one", backend: "fake" });
  const [one, two] = [keys.add("one", { grants: ["other"] }), keys.add("two", { grants: ["other"] })];
  const stage = await scene({ admitting: { keys, ids }, script });
  const post = async (path: string, body: object, key: string) =>
    (await stage.post(path, body, [["Authorization", `Bearer ${key}`]])).status;
  return { stage, post, one, two };
}

const asked = (more: object) => ({ model, input: "x", ...more });
const shell = (environment: object) => asked({ tools: [{ type: "shell", environment }] });
const skills = (id: string) => [{ type: "skill_reference", skill_id: id }];
const item = (id: string) => ({ type: "code_interpreter_call", id: "ci_own", container_id: id, code: "1" });
const evaluated = (id: string) => ({ data_source: { type: "jsonl", source: { type: "file_id", id } } });

describe("the id of what another has made is not found", () => {
  test.each<[string, string, object]>([
    [
      "a container that a tool is to run in",
      "/responses",
      shell({ type: "container_reference", container_id: "cntr_a" }),
    ],
    ["a skill of a tool's container", "/responses", shell({ type: "container_auto", skills: skills("skill_a") })],
    ["a skill of a new container", "/containers", { name: "c", skills: skills("skill_a") }],
    ["the container of an item that is sent along", "/responses", asked({ input: [item("cntr_a")] })],
    ["the source of an evaluation", "/evals/eval_1/runs", evaluated("file-a")],
    ["a video to be edited", "/videos/edits", { prompt: "x", video: { id: "video_a" } }],
  ])("as %s", async (_, path, body) => {
    const { stage, post, one, two } = await shared();
    await using __ = stage;
    expect(await post(path, body, two)).toBe(404);
    expect(stage.backend.received).toHaveLength(0);
    expect(await post(path, body, one)).toBe(200);
  });
});

describe("goes through", () => {
  const words = { type: "output_text", text: "x" };
  const cited = { type: "container_file_citation", container_id: "cntr_auto", file_id: "cfile_auto" };
  const found = {
    type: "file_search_call",
    id: "fs_own",
    queries: ["x"],
    results: [{ file_id: "file-auto", text: "x" }],
  };

  test.each<[string, object]>([
    [
      "an answer with what it cites",
      asked({ input: [{ type: "message", role: "assistant", content: [{ ...words, annotations: [cited] }] }] }),
    ],
    ["what a search has found", asked({ input: [found] })],
    ["what ran in a container of the backend's making", asked({ input: [item("cntr_auto")] })],
    ["a skill that the provider offers", shell({ type: "container_auto", skills: skills("openai-sheets") })],
  ])("%s", async (_, body) => {
    const { stage, post, two } = await shared();
    await using __ = stage;
    expect(await post("/responses", body, two)).toBe(200);
  });

  test("but not what says itself that it is asked for", async () => {
    const { stage, post, two } = await shared();
    await using _ = stage;
    const file = { type: "input_file", file_id: "file-nobody" };
    expect(await post("/responses", asked({ input: [{ role: "user", content: [file] }] }), two)).toBe(404);
  });
});

test.each([
  ["of code", { type: "code_interpreter_call", id: "ci_1", container_id: "cntr_new" }],
  [
    "of a shell",
    { type: "shell_call", id: "sh_1", environment: { type: "container_reference", container_id: "cntr_new" } },
  ],
])("a container that a backend makes for a run %s is the caller's", async (_, output) => {
  const first = json({ id: "resp_1", object: "response", status: "completed", output: [output] });
  const { stage, post, one, two } = await shared([first, response]);
  await using __ = stage;
  await post("/responses", asked({ tools: [] }), one);
  const again = asked({ tools: [{ type: "code_interpreter", container: "cntr_new" }] });
  expect(await post("/responses", again, two)).toBe(404);
  expect(await post("/responses", again, one)).toBe(200);
});
