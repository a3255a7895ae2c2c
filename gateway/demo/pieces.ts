// Tokens, as the demo backend counts and streams them: parts of words with the space before them.

const piece = /\s?[\p{L}\p{M}]{1,7}|\s?\p{N}{1,3}|\s?[^\s\p{L}\p{M}\p{N}]|\s/gu;
/** Above this many UTF-16 units a text is not taken apart, only measured. */
const longest = 200_000;

/** Joined, the pieces are the text again. */
export const piecesOf = (text: string): readonly string[] => text.match(piece) ?? [];

export const tokensOf = (text: string): number =>
  text.length > longest ? Math.ceil(text.length / 4) : piecesOf(text).length;
