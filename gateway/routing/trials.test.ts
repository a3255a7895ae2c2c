// The trials of a half-open breaker in the running gateway: who takes a place, and when it is free again.
import { describe, expect, test } from "vitest";
import { errorAnswer, eventStream } from "../testing/answers.ts";
import { good, usage } from "../testing/good-backend.ts";
import { chatEvents, chatRequest } from "../testing/payloads.ts";
import { type Place, type RoutedScene, routedScene } from "../testing/routed-scene.ts";

const model = "alias";

/** One backend that fails once, so that its circuit is half-open, with one place for trials, a moment later. */
async function halfOpen(place: Place): Promise<RoutedScene> {
  const breaker = { failures: 1, ratio: 0, minRequests: 20, window: 30, openFor: 0.05, halfOpen: 1 };
  const script = [errorAnswer(503, "no luck"), ...(place.script ?? [])];
  const stage = await routedScene({
    places: { a: { ...place, script, otherwise: good("a"), backend: { breaker } } },
    routes: [{ model, targets: [{ backend: "a", model: "at-a" }] }],
  });
  expect((await stage.post("/chat/completions", chatRequest(model))).status).toBe(503);
  await expect.poll(() => state(stage)).toBe("half_open");
  return stage;
}

const state = async (stage: RoutedScene): Promise<string | undefined> =>
  (await stage.metrics()).find(({ name, value }) => name === "gateway_backend_breaker_state" && value === 1)?.labels
    .state;

describe("a trial's place", () => {
  test("is not kept by a request that has no body for the backend", async () => {
    await using stage = await halfOpen({});
    const form = new FormData();
    form.set("model", model);
    form.append("model", model);
    form.set("file", new Blob(["sound"]), "a.wav");
    const refused = await fetch(`${stage.tollgate.url}/audio/transcriptions`, { method: "POST", body: form });
    expect(refused.status).toBe(400);
    expect((await stage.post("/chat/completions", chatRequest(model))).status).toBe(200);
  });

  test("is not kept by an answer that has begun, however long it takes", async () => {
    const end = Promise.withResolvers<void>();
    const [role = "", ...rest] = chatEvents({ model: "at-a", usage, words: ["One ", "word"] });
    await using stage = await halfOpen({ script: [eventStream([role, end.promise, ...rest])] });
    const connection = await stage.begin("/chat/completions", chatRequest(model, { stream: true }));
    expect((await connection.head()).status).toBe(200);
    expect(await state(stage)).toBe("closed");
    expect((await stage.post("/chat/completions", chatRequest(model))).status).toBe(200);
    end.resolve();
    connection.leave();
  });
});
