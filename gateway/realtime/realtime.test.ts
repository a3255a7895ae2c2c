import { describe, expect, test } from "vitest";
import { metricsOf, testConfig } from "../testing/harness.ts";
import { sumsBy } from "../testing/metrics-text.ts";
import { realtimeScene } from "../testing/realtime-scene.ts";
import { expectSound } from "../testing/scene.ts";

/** Ways in which a session may end, with the kind of its outcome. */
const ways = ["client closes", "client vanishes", "backend closes", "backend vanishes", "both close"] as const;

describe("many sessions", () => {
  test("that end at once, in every way, leave one sound record each, and none is left open", async () => {
    await using stage = await realtimeScene({ config: { shutdownSeconds: 0.2 } });
    const count = 60;
    // One after another, so that both ends of a session have the same number.
    const pairs = [];
    for (let i = 0; i < count; i++) {
      const here = await stage.connect();
      pairs.push({ here, there: await stage.there(i), way: ways[i % 6] });
    }
    expect([stage.tollgate.gateway.open, await stage.gauge("gateway_open_streams")]).toEqual([count, count]);
    for (const { here, there, way } of pairs) {
      there.socket.send("something on its way");
      here.socket.send("something on its way");
      if (way === "client closes" || way === "both close") here.socket.close(1000);
      if (way === "backend closes" || way === "both close") there.socket.close(1000);
      if (way === "client vanishes") here.socket.terminate();
      if (way === "backend vanishes") there.socket.terminate();
    }
    const ended = count - pairs.filter(({ way }) => way === undefined).length;
    await stage.tollgate.settled(ended);
    expect([stage.tollgate.gateway.open, await stage.gauge("gateway_open_streams")]).toEqual([
      count - ended,
      count - ended,
    ]);
    const samples = await metricsOf(stage.tollgate);
    await stage.tollgate.close();

    const exchanges = stage.tollgate.exchanges;
    expect(new Set(exchanges.map(({ id }) => id)).size).toBe(count);
    expect(exchanges).toHaveLength(count);
    for (const exchange of exchanges) expectSound(exchange);
    const kinds = Object.groupBy(exchanges, ({ outcome }) => ("reason" in outcome ? outcome.reason : outcome.kind));
    expect(Object.fromEntries(Object.entries(kinds).map(([kind, some]) => [kind, some?.length]))).toEqual({
      completed: 30,
      abandoned: 10,
      broken_stream: 10,
      shutting_down: 10,
    });
    expect(sumsBy(samples, "gateway_requests_total", ["operation", "outcome", "reason", "streamed"])).toEqual({
      "realtime completed ok true": 30,
      "realtime abandoned abandoned true": 10,
      "realtime failed broken_stream true": 10,
    });
  });
});

test("a session keeps the configuration that it began with, whatever is loaded meanwhile", async () => {
  await using stage = await realtimeScene();
  const here = await stage.connect();
  const there = await stage.there();
  stage.tollgate.gateway.reload(testConfig({ backends: [] }));
  here.socket.send("still there?");
  await there.got(1);
  here.socket.close(1000);
  expect((await stage.onlyExchange()).outcome.kind).toBe("completed");
});
