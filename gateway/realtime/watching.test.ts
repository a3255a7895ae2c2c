import { expect, test } from "vitest";
import { ExchangeDraft } from "../../instrumentation/index.ts";
import { backendAt, testConfig } from "../testing/harness.ts";
import { watching } from "./watching.ts";

test("a meter that throws is told of once and left alone; bytes are counted on", () => {
  const draft = new ExchangeDraft({
    id: "1",
    openedAt: 0,
    startedAt: 0,
    operation: "realtime",
    serviceType: "other",
    endpoint: "/v1/realtime",
    method: "GET",
    trace: { traceId: "", spanId: "" },
    caller: { auth: "none" },
    purpose: {},
  });
  const told: unknown[] = [];
  let seen = 0;
  const eyes = watching({
    draft,
    meter: {
      see() {
        seen += 1;
        throw new Error("a bug");
      },
      answering: false,
      answered: 0,
      served: undefined,
      findings: () => ({}),
    },
    backend: backendAt("http://127.0.0.1:1"),
    limits: testConfig().limits,
    metered() {},
    failed: (error) => told.push(error),
  });
  for (let i = 0; i < 3; i++) eyes.fromBackend(Buffer.from("abc"), false, true);
  expect([seen, told.length, draft.responseBytes]).toEqual([1, 1, 9]);
});
