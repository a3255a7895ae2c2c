// Who is asked first: shares by weight, the least busy, the fastest, the cheapest, each over a running gateway.
import { describe, expect, test, vi } from "vitest";
import type { PriceRule } from "../../instrumentation/index.ts";
import { errorAnswer, eventStream } from "../testing/answers.ts";
import { good } from "../testing/good-backend.ts";
import type { Field } from "../testing/http-wire.ts";
import { chatEvents, chatRequest } from "../testing/payloads.ts";
import { rawConnection, requestBytes } from "../testing/raw-client.ts";
import { type RoutedScene, type RouteInWords, routedScene } from "../testing/routed-scene.ts";
import type { Answer } from "../testing/turn.ts";

const model = "alias";
const plain = chatRequest(model);

type Places = Parameters<typeof routedScene>[0]["places"];
const balanced = (strategy: RouteInWords["strategy"] & {}, places: Places, more: Partial<RouteInWords> = {}) =>
  routedScene({ places, routes: [{ model, strategy, targets: Object.keys(places), ...more }] });

/** The backend that answered each of so many requests, one after another. */
async function answered(stage: RoutedScene, times: number): Promise<string[]> {
  const names: string[] = [];
  for (let time = 0; time < times; time += 1) {
    names.push((await stage.post("/chat/completions", plain)).header("x-tollgate-backend") ?? "");
  }
  return names;
}

describe("weighted", () => {
  test("shares 1,000 requests by weight; a weight of 0 gets none, but is a fallback", async () => {
    const places = { a: { otherwise: good("a") }, b: { otherwise: good("b") }, none: { otherwise: good("none") } };
    const targets = [
      { backend: "a", weight: 3 },
      { backend: "none", weight: 0 },
      { backend: "b", weight: 1 },
    ];
    await using stage = await balanced("weighted", places, { targets });
    await Promise.all(Array.from({ length: 20 }, () => answered(stage, 50)));
    const [a = 0, b = 0, none] = ["a", "b", "none"].map((name) => stage.place(name).received.length);
    expect([a + b, none]).toEqual([1_000, 0]);
    // Five standard deviations of a draw of 1,000 at 3 to 1.
    expect(Math.abs(a - 750)).toBeLessThan(69);

    stage.place("a").otherwise(errorAnswer(503, "no luck"));
    stage.place("b").otherwise(errorAnswer(503, "no luck"));
    expect(await answered(stage, 1)).toEqual(["none"]);
  });
});

test("least_busy: the one with the smallest share of its connections in use, the config's order between equals", async () => {
  const { promise: later, resolve } = Promise.withResolvers<void>();
  const slow =
    (name: string): Answer =>
    async (turn) => {
      await turn.request.readBody();
      await turn.wait(later);
      await good(name)(turn);
    };
  await using stage = await balanced("least_busy", {
    a: { otherwise: slow("a"), backend: { maxConnections: 10 } },
    b: { otherwise: slow("b"), backend: { maxConnections: 20 } },
  });
  const open: Promise<unknown>[] = [];
  const first: string[] = [];
  for (let time = 0; time < 6; time += 1) {
    const counts = () => [stage.place("a").received.length, stage.place("b").received.length] as const;
    const [before] = counts();
    open.push(stage.post("/chat/completions", plain));
    await vi.waitFor(() => expect(counts()[0] + counts()[1]).toBe(time + 1), { interval: 2 });
    first.push(counts()[0] > before ? "a" : "b");
  }
  // Of 10 and of 20: 0 0, 1 0, 1 1, 1 2, 2 2, 2 3.
  expect(first).toEqual(["a", "b", "b", "a", "b", "b"]);
  resolve();
  await Promise.all(open);
});

const after =
  (millis: () => number, name: string): Answer =>
  async (turn) => {
    await turn.request.readBody();
    await turn.wait(millis());
    await good(name)(turn);
  };

test("lowest_latency: each is tried, the fastest stays, until it is no longer", async () => {
  let wait = 0;
  await using stage = await balanced("lowest_latency", {
    a: { otherwise: after(() => 100, "a") },
    b: { otherwise: after(() => wait, "b") },
  });
  expect(await answered(stage, 6)).toEqual(["a", "b", "b", "b", "b", "b"]);
  wait = 250;
  const now = await answered(stage, 8);
  // What was measured once is not thrown over by one slow answer.
  expect(now[0]).toBe("b");
  expect(now.at(-1)).toBe("a");
});

test("lowest_latency: a head says nothing of how soon the first token comes, though it comes with the answer's end", async () => {
  const text = chatEvents({ model }).join("");
  const atOnce = (before: number, between: number): Answer =>
    eventStream([between, text], { framing: text.length, delay: before });
  await using stage = await balanced("lowest_latency", {
    a: { otherwise: atOnce(0, 250) },
    b: { otherwise: atOnce(50, 0) },
  });
  const names: string[] = [];
  for (let time = 0; time < 4; time += 1) {
    const got = await stage.post("/chat/completions", chatRequest(model, { stream: true }));
    names.push(got.header("x-tollgate-backend") ?? "");
  }
  expect(names).toEqual(["a", "b", "b", "b"]);
});

test("lowest_latency: a client that sends its upload slowly says nothing of the backend", async () => {
  await using stage = await balanced("lowest_latency", {
    a: { otherwise: after(() => 30, "a") },
    b: { otherwise: good("b") },
  });
  expect(await answered(stage, 3)).toEqual(["a", "b", "b"]);
  const url = `${stage.tollgate.url}/audio/transcriptions`;
  const form = `--x\r\nContent-Disposition: form-data; name="model"\r\n\r\n${model}\r\n--x`;
  const headers: Field[] = [
    ["Content-Type", "multipart/form-data; boundary=x"],
    ["Content-Length", String(form.length + 4)],
  ];
  const connection = await rawConnection(url);
  await connection.send(requestBytes(url, { headers, body: form }));
  const begun = performance.now();
  await expect.poll(() => performance.now() - begun).toBeGreaterThan(400);
  await connection.send("--\r\n");
  expect((await connection.answer("POST")).header("x-tollgate-backend")).toBe("b");
  connection.leave();
  expect(await answered(stage, 2)).toEqual(["b", "b"]);
});

describe("cheapest", () => {
  const rule = (backend: string, inputPerMillion: number, of = "*"): PriceRule => ({
    origin: `config: prices of ${backend}`,
    backend,
    model: of,
    inputPerMillion,
    outputPerMillion: 1,
  });

  test("by the operator's prices, and one without a price last", async () => {
    await using stage = await routedScene({
      places: {
        dear: { otherwise: good("dear") },
        cheap: { otherwise: good("cheap") },
        unknown: { otherwise: good("unknown"), backend: { provider: "nobody-knows" } },
      },
      routes: [{ model, strategy: "cheapest", targets: ["unknown", "dear", "cheap"] }],
      config: { prices: [rule("dear", 5), rule("cheap", 2)] },
    });
    expect(await answered(stage, 2)).toEqual(["cheap", "cheap"]);
    stage.place("cheap").otherwise(errorAnswer(503, "no luck"));
    expect(await answered(stage, 1)).toEqual(["dear"]);
    stage.place("dear").otherwise(errorAnswer(503, "no luck"));
    expect(await answered(stage, 1)).toEqual(["unknown"]);
  });

  test("by the price list, for the model that a target is asked for", async () => {
    await using stage = await routedScene({
      places: { big: { otherwise: good("big") }, small: { otherwise: good("small") } },
      routes: [
        {
          model,
          strategy: "cheapest",
          targets: [
            { backend: "big", model: "gpt-4o" },
            { backend: "small", model: "gpt-4o-mini" },
          ],
        },
      ],
    });
    expect(await answered(stage, 2)).toEqual(["small", "small"]);
  });

  test("a pattern's price is that of the model asked for", async () => {
    await using stage = await routedScene({
      places: { a: { otherwise: good("a") }, b: { otherwise: good("b") } },
      routes: [{ model: "m-*", strategy: "cheapest", targets: ["a", "b"] }],
      config: {
        prices: [rule("a", 1, "m-one"), rule("a", 9, "m-two"), rule("b", 5)],
      },
    });
    const asked = async (name: string) =>
      (await stage.post("/chat/completions", chatRequest(name))).header("x-tollgate-backend");
    expect([await asked("m-one"), await asked("m-two"), await asked("m-one")]).toEqual(["a", "b", "a"]);
  });
});
