// Estimates and quotes: what a request may use, and what that would cost at the backends that may get it.
import { describe, expect, test } from "vitest";
import { chat } from "../../receivers/chat.ts";
import { anonymous } from "../identity.ts";
import { Estimate, type EstimateOptions } from "./estimate.ts";
import { quotes } from "./quotes.ts";

const estimate = (body: unknown, more: Partial<EstimateOptions> = {}) =>
  new Estimate({
    id: "x",
    identity: anonymous,
    operation: "chat",
    metered: true,
    facts: chat.readRequest(body),
    json: Buffer.from(JSON.stringify(body)),
    outputTokens: 1_000,
    quote: (input, output) => input * 1_000_000 + output,
    ...more,
  });

describe("tokens", () => {
  const body = { model: "m", text: "x".repeat(377) };

  test("a quarter of the body's bytes, and the maximum that the request sets, by any of its names", () => {
    expect(JSON.stringify(body)).toHaveLength(400);
    expect(estimate(body).estimatedTokens).toBe(100 + 1_000);
    expect(estimate(body, { operation: "embedding" }).estimatedTokens).toBe(100);
    for (const name of ["max_tokens", "max_completion_tokens", "max_output_tokens"]) {
      expect(estimate({ model: "m", [name]: 50 }).estimatedTokens).toBeLessThan(100);
      expect(estimate({ model: "m", [name]: 50, n: 3 }, { json: Buffer.alloc(0) }).estimatedTokens).toBe(150);
    }
    for (const odd of [-1, 1.5, "9", null, Number.MAX_VALUE]) {
      expect(estimate({ max_tokens: odd }, { json: Buffer.alloc(0) }).estimatedTokens).toBe(1_000);
    }
    expect(estimate({ max_tokens: 9e15, n: 9e15 }, { json: Buffer.alloc(0) }).estimatedTokens).toBe(1e9);
  });

  test("as often as choices are asked for, or made to choose the best of, with a maximum and without", () => {
    const output = (body: object) => estimate({ model: "m", ...body }, { json: Buffer.alloc(0) }).estimatedTokens;
    expect(output({ n: 128 })).toBe(128_000);
    expect(output({ best_of: 20 })).toBe(20_000);
    expect(output({ best_of: 20, max_tokens: 50 })).toBe(1_000);
    expect(output({ n: 4, best_of: 3, max_tokens: 50 })).toBe(200);
    expect(output({ prompt: ["a", "b", "c"], n: 2, max_tokens: 50 })).toBe(300);
    expect(output({ prompt: [[1, 2], [3]], max_tokens: 50 })).toBe(100);
    expect(output({ prompt: [1, 2, 3], max_tokens: 50 })).toBe(50);
    expect(output({ n: 9e15 })).toBe(1e9);
    for (const odd of [0, -1, 1.5, "9", null]) expect(output({ n: odd, best_of: odd })).toBe(1_000);
  });

  test("images within the body count by the piece, not by their bytes", () => {
    const url = `data:image/png;base64,${"A".repeat(400_000)}`;
    const images = [url, url].map((one) => ({ type: "image_url", image_url: { url: one } }));
    const { estimatedTokens } = estimate({ model: "m", messages: [{ role: "user", content: images }] });
    expect(estimatedTokens).toBeGreaterThan(3_000);
    expect(estimatedTokens).toBeLessThan(3_200);
  });

  test("an endpoint without usage is estimated at nothing, whatever it is sent", () => {
    const files = estimate(body, { operation: "files", metered: false });
    expect([files.estimatedTokens, files.estimatedNanoUsd]).toEqual([0, 0]);
  });
});

test("a request is quoted for its own input and output", () => {
  expect(estimate({ model: "m", max_tokens: 7 }, { json: Buffer.alloc(400) }).estimatedNanoUsd).toBe(100_000_007);
});

describe("quotes", () => {
  const rules = [
    { model: "dear", inputPerMillion: 10, outputPerMillion: 20, origin: "config: prices[0]" },
    { model: "cheap", inputPerMillion: 1, outputPerMillion: 2, origin: "config: prices[1]" },
    { model: "mine", free: true, origin: "config: prices[2]" },
    { model: "voice", perMillionCharacters: 15, origin: "config: prices[3]" },
  ];
  const quote = quotes(rules);
  const target = (model: string) => ({ upstream: { backend: { name: "b", provider: "p" } }, model });
  const asked = { operation: "chat", model: "alias", input: 1_000, output: 100 } as const;

  test("are those of the dearest target, by the price of the model there", () => {
    expect(quote({ ...asked, targets: [target("cheap")] }, 0)).toBe(1_000_000 + 200_000);
    expect(quote({ ...asked, targets: [target("cheap"), target("dear"), target("mine")] }, 0)).toBe(12_000_000);
    expect(quote({ ...asked, targets: [target("mine")] }, 0)).toBe(0);
  });

  test("are unknown where one target has no known price", () => {
    expect(quote({ ...asked, targets: [target("cheap"), target("nobody-knows")] }, 0)).toBeUndefined();
  });

  test("count what is known of media before the answer, and nothing where nothing is charged for", () => {
    const speech = { ...asked, operation: "speech", media: { characters: 2_000 } } as const;
    expect(quote({ ...speech, targets: [target("voice")] }, 0)).toBe(30_000_000);
    expect(quote({ ...asked, operation: "files", targets: [target("nobody-knows")] }, 0)).toBe(0);
  });
});
