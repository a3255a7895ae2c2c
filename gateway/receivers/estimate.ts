// Token counts guessed from text, for answers whose provider states none.
import { estimateTokenCount } from "tokenx";
import { listIn, objectIn, textIn } from "./json.ts";

const sampleCharacters = 8 * 1024;

/** Characters per token of ordinary text, where only its length is known. */
const usualCharacters = 4;

/** Tokens of texts, guessed from a sample of their first 8 KB and drawn out to their whole length. */
export function tokensOfTexts(texts: readonly string[]): number {
  let sample = "";
  let characters = 0;
  for (const text of texts) {
    characters += text.length;
    if (sample.length < sampleCharacters) sample += `${text.slice(0, sampleCharacters - sample.length)} `;
  }
  return characters === 0 ? 0 : Math.ceil(tokensOfSample(sample) * Math.max(1, characters / sample.length));
}

/** Tokens of a short text, guessed. */
export const tokensOfSample = (text: string): number => estimateTokenCount(text);

/** Tokens of a text of which only the length is known, guessed. */
export const tokensOfLength = (characters: number): number => Math.ceil(characters / usualCharacters);

/** The texts of a message's `content`: a string, or parts with a `text`. */
export function textsOf(content: unknown): string[] {
  if (typeof content === "string") return [content];
  const texts: string[] = [];
  for (const part of listIn(content)) {
    const text = typeof part === "string" ? part : textIn(objectIn(part)?.text);
    if (text !== undefined) texts.push(text);
  }
  return texts;
}

/**
 * Tokens of a prompt: one text or several, or texts that are tokens already. Tokens are counted, not guessed.
 */
export function tokensOfPrompt(prompt: unknown): number {
  if (typeof prompt === "string") return tokensOfTexts([prompt]);
  let counted = 0;
  const texts: string[] = [];
  for (const item of listIn(prompt)) {
    if (typeof item === "string") texts.push(item);
    else counted += Array.isArray(item) ? item.length : 1;
  }
  return counted + tokensOfTexts(texts);
}
