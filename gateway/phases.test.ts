import { expect, test } from "vitest";
import { atEndOfTurn } from "./end-of-turn.ts";
import { json } from "./testing/answers.ts";
import { chatCompletion, chatRequest } from "./testing/payloads.ts";
import { scene } from "./testing/scene.ts";

const model = "gpt-4o-mini";

test("a request that waits for the end of a long turn to be sent waits for the gateway, not for a connection", async () => {
  await using stage = await scene({ fake: { otherwise: json(chatCompletion(model)) } });
  await stage.post("/chat/completions", chatRequest(model));
  let goesOn = true;
  const busy = {
    endTurn() {
      for (const end = performance.now() + 20; performance.now() < end; );
    },
  };
  // Stands before whatever the turn brings, in each.
  const fill = () => {
    if (!goesOn) return;
    atEndOfTurn("requests", busy);
    setImmediate(fill);
  };
  fill();
  await stage.post("/chat/completions", chatRequest(model));
  goesOn = false;
  const [, second] = await stage.tollgate.settled(2);
  expect(second?.phases.connect).toBe(0);
  expect(second?.phases.overhead).toBeGreaterThan(0.019);
});
