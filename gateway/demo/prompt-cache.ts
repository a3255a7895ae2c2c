// Remembers the beginnings of prompts, so that a longer conversation has cached tokens as it would at a provider.
import { hash } from "./dice.ts";
import { piecesOf } from "./pieces.ts";

/** Tokens of this prompt that were seen before, and from now on are all seen. */
export type PromptCache = (prompt: string) => number;

/** Providers count in steps of 128 tokens from 1,024 up; smaller steps show in a demo, too. */
const step = 32;
const remembered = 5_000;
/** Beginnings longer than this are not told apart, characters. */
const longest = 50_000;

export function promptCache(): PromptCache {
  const seen = new Set<number>();
  return (prompt) => {
    const pieces = piecesOf(prompt.slice(0, longest));
    let cached = 0;
    let beginning: number | undefined;
    // Never the whole prompt: its last token is always computed.
    for (let end = step; end < pieces.length; end += step) {
      beginning = hash(pieces.slice(end - step, end).join(""), beginning);
      if (seen.has(beginning)) cached = end;
      else seen.add(beginning);
    }
    for (const oldest of seen) {
      if (seen.size <= remembered) break;
      seen.delete(oldest);
    }
    return cached;
  };
}
