// The number members of a line that say what was used, under their own names or as what the cache saved.
import type { Media, Tokens } from "../../exchange.ts";
import { numeral } from "./text.ts";

/** All that stands before each number. */
type Names<Counted> = Readonly<Record<keyof Counted, string>>;
type CountedTokens = Omit<Tokens, "cachedAudioInput">;
type CountedMedia = Pick<Media, "images" | "characters" | "audioSeconds">;

/** The members of one kind of usage, each `prefix` and its name; what is not known is left out. */
export function counts(prefix: string) {
  const name = (word: string): string => `,"${prefix}${word}":`;
  const ofTokens: Names<CountedTokens> = {
    input: name("input_tokens"),
    output: name("output_tokens"),
    cachedInput: name("cached_input_tokens"),
    cacheWrite: name("cache_write_tokens"),
    reasoning: name("reasoning_tokens"),
    audioInput: name("audio_input_tokens"),
    audioOutput: name("audio_output_tokens"),
    imageInput: name("image_input_tokens"),
    imageOutput: name("image_output_tokens"),
  };
  const ofMedia: Names<CountedMedia> = {
    images: name("images"),
    characters: name("characters"),
    audioSeconds: name("audio_seconds"),
  };
  return {
    tokens: (tokens: CountedTokens): string =>
      count(ofTokens.input, tokens.input) +
      count(ofTokens.output, tokens.output) +
      count(ofTokens.cachedInput, tokens.cachedInput) +
      count(ofTokens.cacheWrite, tokens.cacheWrite) +
      count(ofTokens.reasoning, tokens.reasoning) +
      count(ofTokens.audioInput, tokens.audioInput) +
      count(ofTokens.audioOutput, tokens.audioOutput) +
      count(ofTokens.imageInput, tokens.imageInput) +
      count(ofTokens.imageOutput, tokens.imageOutput),
    media: (media: CountedMedia): string =>
      count(ofMedia.images, media.images) +
      count(ofMedia.characters, media.characters) +
      count(ofMedia.audioSeconds, media.audioSeconds),
  };
}

const count = (name: string, value: number | undefined): string =>
  value === undefined ? "" : `${name}${numeral(value)}`;
