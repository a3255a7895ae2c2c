// How many bytes a base64 text stands for.

/** Decoded size in bytes, padding taken off. Line breaks and the like are not expected. */
export function base64Size(text: string): number {
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  return Math.floor(((text.length - padding) * 3) / 4);
}
