// Facts about the memory of kinds: what is kept, and that it stays small.
import { expect, test, vi } from "vitest";
import type { Exchange } from "../../exchange.ts";
import { failedExchange, sampleExchange } from "../../testing/exchange.ts";
import { kinds } from "./kinds.ts";

const write = () => vi.fn(({ endpoint, model }: Exchange) => `${endpoint} ${model.requested}`);

test("the text of a kind is written once", () => {
  const written = write();
  const textOf = kinds(written);
  for (let round = 0; round < 3; round++) expect(textOf(sampleExchange())).toBe("/v1/chat/completions gpt-4o-mini");
  expect(written).toHaveBeenCalledTimes(1);
});

test("what did not complete is written each time", () => {
  const written = write();
  const textOf = kinds(written);
  for (let round = 0; round < 3; round++) textOf(failedExchange());
  expect(written).toHaveBeenCalledTimes(3);
});

test("of one model a few kinds are kept, of models some hundreds", () => {
  for (const kindOf of [
    (index: number) => sampleExchange({ endpoint: `/${index}` }),
    (index: number) => sampleExchange({ model: { requested: `m-${index}` } }),
  ]) {
    const written = write();
    const textOf = kinds(written);
    for (let round = 0; round < 2; round++) for (let index = 0; index < 1_000; index++) textOf(kindOf(index));
    expect(written).toHaveBeenCalledTimes(2_000);
  }
});

test("a text past 1,000 characters is not kept", () => {
  const written = write();
  const textOf = kinds(written);
  const long = sampleExchange({ model: { requested: "x".repeat(1_000) } });
  for (let round = 0; round < 2; round++) expect(textOf(long)).toContain("xxx");
  expect(written).toHaveBeenCalledTimes(2);
});
