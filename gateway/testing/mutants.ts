// Answers with a fault or a few in them, made by dice.
import type { AnswerMessage } from "./answer-messages.ts";
import type { Dice } from "./dice.ts";

/** Octets that mean something to a parser, and some that must not. */
const telling = Buffer.from("\r\n\r\n\0\t \x7f\x80\xff:;,0123456789abcdefgAF+-.HTP/", "latin1");

/** One of `messages`, with one to three faults: an octet changed, put in, or taken out, a stretch doubled, the end cut. */
export function mutant(
  die: Dice,
  messages: readonly AnswerMessage[],
): { readonly text: string; readonly isHead: boolean } {
  const { text, isHead = false } = die.pick(messages);
  let bytes = Buffer.from(text, "latin1");
  for (let faults = die.pick([1, 1, 1, 2, 3]); faults > 0; faults -= 1) bytes = faulted(die, bytes);
  return { text: bytes.toString("latin1"), isHead };
}

function faulted(die: Dice, bytes: Buffer): Buffer<ArrayBuffer> {
  const at = die.below(bytes.length + 1);
  const to = Math.min(bytes.length, at + 1 + die.below(8));
  const [before, stretch, behind] = [bytes.subarray(0, at), bytes.subarray(at, to), bytes.subarray(to)];
  const octet = Buffer.of(die.below(4) === 0 ? die.below(256) : (telling[die.below(telling.length)] as number));
  switch (die.below(6)) {
    case 0:
      return Buffer.concat([before, octet, bytes.subarray(at + 1)]);
    case 1:
      return Buffer.concat([before, octet, bytes.subarray(at)]);
    case 2:
      return Buffer.concat([before, bytes.subarray(at + 1)]);
    case 3:
      return Buffer.concat([before, stretch, stretch, behind]);
    case 4:
      return Buffer.concat([before, behind]);
    default:
      return die.below(3) === 0 ? Buffer.from(before) : Buffer.concat([before, octet, octet, behind]);
  }
}
