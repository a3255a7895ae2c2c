// Faulty answers by the thousand: whatever is read of them is what any other reader reads, however they are cut.
import { expect, test } from "vitest";
import { answerMessages } from "../testing/answer-messages.ts";
import { cuts, dice } from "../testing/dice.ts";
import { mutant } from "../testing/mutants.ts";
import { refusedMessages } from "../testing/refused-messages.ts";
import { toldAnswer } from "../testing/told-answer.ts";
import { twoClients } from "../testing/two-clients.ts";

// Those that are answers fill most of it: two faults seldom make a right.
const messages = [...answerMessages, ...answerMessages, ...answerMessages, ...refusedMessages];

test("parts come in order, errors are the backend's, and cuts change nothing", () => {
  const die = dice(9112);
  const seen = { whole: 0, refused: 0 };
  for (let i = 0; i < 5_000; i += 1) {
    const { text, isHead } = mutant(die, messages);
    const bytes = Buffer.from(text, "latin1");
    const told = toldAnswer([bytes], isHead);
    const single = Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
    expect(toldAnswer(single, isHead), JSON.stringify(text)).toEqual(told);
    expect(toldAnswer(cuts(die, bytes), isHead), JSON.stringify(text)).toEqual(told);
    if (told.refused === undefined) seen.whole += 1;
    else seen.refused += 1;
  }
  // Neither kind is so rare that nothing would be shown of it.
  expect(Math.min(seen.whole, seen.refused)).toBeGreaterThan(1_000);
});

/** What undici refuses and we read, as agreement.test.ts has it with the reasons. */
const meant = [
  /^HTTP\/1\.1 100[ \r]/,
  /^HTTP\/1\.1 1\d\d[\s\S]*\r\nconnection:.*close/i,
  /\r\ncontent-length:[ \t]*\d+[ \t]+\r\n/i,
  /\r\n[0-9a-f]+[ \t]*[ \t;][^\r\n]*\r\n/i,
  /\r\n0+\r\n(.+\r\n)*(content-length|transfer-encoding):/i,
];

/** What it reads otherwise, by the same list. */
const otherwise = /\r\ntransfer-encoding:[^\r]*\t/i;

test("what undici's own parser refuses is not read, and what it reads is not read differently", async () => {
  await using clients = await twoClients();
  const die = dice(9110);
  const seen = { both: 0, neither: 0, laxer: 0, stricter: 0 };
  for (let i = 0; i < 1_500; i += 1) {
    const answer = mutant(die, messages);
    const [ours, undici] = [await clients.ours(answer), await clients.undici(answer)];
    const shown = JSON.stringify(answer.text);
    if (ours === undefined) seen[undici === undefined ? "neither" : "stricter"] += 1;
    else if (undici === undefined) {
      seen.laxer += 1;
      expect(
        meant.some((pattern) => pattern.test(answer.text)),
        shown,
      ).toBe(true);
    } else if (!otherwise.test(answer.text)) {
      seen.both += 1;
      expect([ours.status, ours.body], shown).toEqual([undici.status, undici.body]);
    }
  }
  expect(seen.both).toBeGreaterThan(300);
  expect(seen.neither).toBeGreaterThan(300);
});
