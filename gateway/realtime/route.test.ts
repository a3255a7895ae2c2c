// A session under a name that is a route's: the backend is asked by its own name for the model.
import { expect, test } from "vitest";
import { testConfig } from "../testing/harness.ts";
import { realtimeScene } from "../testing/realtime-scene.ts";

test("an alias goes to the backend under the model's own name, the rest of the query as it is", async () => {
  const target = { backend: "fake", model: "gpt-realtime", weight: 1, timeouts: {} };
  const { retries } = testConfig();
  const route = { model: "voice", strategy: "priority", targets: [target], retries } as const;
  await using stage = await realtimeScene({ config: { routes: [route] } });
  const here = await stage.connect("?x=%41&model=voice");
  expect(stage.asked[0]?.url).toBe("/v1/realtime?x=%41&model=gpt-realtime");
  here.socket.close(1000);
  expect((await stage.onlyExchange()).model.requested).toBe("voice");
});
