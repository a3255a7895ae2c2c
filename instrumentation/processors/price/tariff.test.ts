// Facts about charging: the quick way and the exact one come to the same nano-USD.
import { expect, test } from "vitest";
import type { Exchange } from "../../exchange.ts";
import { sampleAttempt, sampleExchange } from "../../testing/exchange.ts";
import { ExactSum, per, QuickSum, rate } from "./money.ts";
import { charge, chargeIn, type Tariff } from "./tariff.ts";
import type { TokenRate } from "./tokens.ts";

let seed = 5;
const random = (below: number) => {
  seed = (seed * 48_271) % 2_147_483_647;
  return seed % below;
};
/** A price as people write them, of up to `decimals` decimals. */
const usd = (decimals: number) => Number((random(10 ** random(9)) / 10 ** decimals).toFixed(decimals));
const perToken = (decimals: number): TokenRate => ({
  base: rate(usd(decimals), per.million),
  steps: random(3) === 0 ? [{ above: random(1_000_000), rate: rate(usd(decimals), per.million) }] : [],
});

function anyTariff(decimals: number): Tariff {
  const names = ["input", "cachedInput", "cacheWrite", "audioInput", "output", "reasoning", "imageOutput"];
  const tokens = Object.fromEntries(names.filter(() => random(3) > 0).map((name) => [name, perToken(decimals)]));
  return {
    tokens,
    ...(random(4) === 0 && { perRequest: rate(usd(decimals), per.thousand) }),
    ...(random(4) === 0 && { perImage: rate(usd(decimals), per.one) }),
  };
}

function anyUsage(most: number): Exchange {
  const input = random(most);
  const output = random(most);
  return sampleExchange({
    tokens: {
      input,
      output,
      cachedInput: random(input + 1),
      cacheWrite: random(input + 1),
      audioInput: random(4) === 0 ? random(input + 1) : 0,
      reasoning: random(output + 1),
      imageOutput: random(4) === 0 ? random(output + 1) : 0,
    },
    media: { images: random(5) },
  });
}

test.each([
  ["prices of up to six decimals", 6, 2_000_000, 20_000],
  ["prices of more", 12, 2_000_000, 0],
  ["counts past all reason", 6, 2_147_483_647, 15_000],
])("%s: both ways agree wherever the quick one answers", (_, decimals, most, atLeast) => {
  let told = 0;
  for (let round = 0; round < 20_000; round++) {
    const [tariff, exchange] = [anyTariff(decimals), anyUsage(most)];
    const exact = chargeIn(ExactSum, tariff, exchange, sampleAttempt);
    const quick = chargeIn(QuickSum, tariff, exchange, sampleAttempt);
    if (quick === undefined || exact === undefined) expect(quick).toBe(exact);
    else if (!Number.isNaN(quick.input + quick.output + quick.other)) {
      expect(quick).toEqual(exact);
      told++;
    }
    const safe = exact && Number.isSafeInteger(exact.input + exact.output + exact.other);
    expect(charge(tariff, exchange, sampleAttempt)).toEqual(safe ? exact : undefined);
  }
  expect(told).toBeGreaterThanOrEqual(atLeast);
});

test("a quick sum rounds half a nano-USD up, to the edge of what it can tell, and tells where that is", () => {
  const nano = rate(0.000_000_001, per.one);
  const pico = { grains: nano.grains / 1_000n, picoUsd: 1 };
  for (const picoUsd of [0, 1, 499, 500, 501, 999, 1_499, 1_500, 2 ** 53 - 1_700, 2 ** 53 - 501, 2 ** 53 - 500]) {
    const [quick, exact] = [new QuickSum(), new ExactSum()];
    for (const sum of [quick, exact]) sum.add(picoUsd, pico);
    expect(quick.nanoUsd()).toBe(picoUsd < 2 ** 53 - 500 ? exact.nanoUsd() : Number.NaN);
  }
});
