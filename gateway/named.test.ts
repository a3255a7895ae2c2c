// What a configuration names exists at 0 from the start, and from a reload on, in a program of its own.
import { expect, onTestFinished, test, vi } from "vitest";
import { json } from "./testing/answers.ts";
import { fakeBackend } from "./testing/fake-backend.ts";
import { chatCompletion, chatRequest } from "./testing/payloads.ts";
import { gatewayProcess } from "./testing/program.ts";

const secret = `tg-${"s".repeat(40)}`;
const keys = (...labels: string[]) =>
  `keys: [${labels.map((label) => `{ label: ${label}, key: { file: ${label} } }`)}]`;
const routes = (...models: string[]) =>
  `routes: [${models.map((model) => `{ model: ${model}, targets: [{ backend: main }] }`)}]`;

test("counters of the keys, routes, backends and models that a file names are there at 0, those of a reload among them", async () => {
  const backend = await fakeBackend({ otherwise: json(chatCompletion("one", { input: 3, output: 2 })) });
  onTestFinished(() => backend.close());
  const config = (...more: string[]) =>
    [
      "demo: false",
      `backends: [{ name: main, provider: openai, baseUrl: "${backend.url}", models: ["*"] }]`,
      "labels: { features: [search] }",
      ...more,
    ].join("\n");
  await using gateway = await gatewayProcess({
    config: config(keys("web"), routes("one")),
    files: { web: secret, batch: `tg-${"b".repeat(40)}` },
  });
  const value = async (name: string, labels: Readonly<Record<string, string>>) => {
    const found = await gateway.metric(name, labels);
    return found.length === 0 ? undefined : found.reduce((sum, sample) => sum + sample.value, 0);
  };
  const failed = { backend: "main", outcome: "failed", reason: "unreachable", streamed: "true" };
  const tried = { backend: "main", result: "failed", reason: "timeout" };
  const values = async (model: string, key: string) => [
    await value("gateway_requests_total", { ...failed, model, key }),
    await value("gateway_attempts_total", { ...tried, model }),
    await value("generation_success_total", { model, type: "chat" }),
    await value("gateway_rejections_total", { reason: "budget", key }),
  ];
  expect(await values("one", "web")).toEqual([0, 0, 0, 0]);
  expect(await values("other", "web")).toEqual([0, 0, 0, 0]);
  expect(await value("gateway_feature_requests_total", { feature: "search", outcome: "failed" })).toBe(0);
  // Whoever has no key is refused, and never fails.
  expect(await value("gateway_rejections_total", { reason: "auth", key: "anonymous" })).toBe(0);
  expect(await value("gateway_requests_total", { key: "anonymous" })).toBeUndefined();
  expect(await values("two", "batch")).toEqual([undefined, undefined, undefined, undefined]);

  expect((await gateway.chat(chatRequest("one"), [["Authorization", `Bearer ${secret}`]])).status).toBe(200);
  await vi.waitFor(async () => expect(await value("generation_success_total", { model: "one" })).toBe(1));
  gateway.write("config.yaml", config(keys("web", "batch"), routes("one", "two")));
  gateway.signal("SIGHUP");
  await gateway.line({ msg: "configuration reloaded" });
  expect(await values("two", "batch")).toEqual([0, 0, 0, 0]);
  expect(await values("one", "web")).toEqual([0, 0, 1, 0]);
});
