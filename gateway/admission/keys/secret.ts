// The secret of a key: how it is made, what of it is kept, and how a mistyped one is told.
import { hash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { FillRandom } from "../../../instrumentation/index.ts";

/** Every secret begins so, which tells it from a provider's key. */
export const secretPrefix = "tg-";

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const seedBytes = 32;
/** 62^43 is the first power that holds 256 bits. */
const bodyLength = 43;
/** 62^6 holds the 32 bits of a CRC. */
const sumLength = 6;

const shape = new RegExp(`^${secretPrefix}[0-9A-Za-z]{${bodyLength + sumLength}}$`);

/** A new secret: `tg-`, 256 random bits in base62, and a check sum of those 43 characters. */
export function newSecret(fillRandom: FillRandom): string {
  const bytes = new Uint8Array(seedBytes);
  fillRandom(bytes);
  const body = base62(BigInt(`0x${Buffer.from(bytes).toString("hex")}`), bodyLength);
  return `${secretPrefix}${body}${base62(BigInt(crc32(body)), sumLength)}`;
}

/** Whether a text has the form of a secret that was made here, but not its check sum. */
export function isMistyped(secret: string): boolean {
  if (!shape.test(secret)) return false;
  const body = secret.slice(secretPrefix.length, -sumLength);
  return base62(BigInt(crc32(body)), sumLength) !== secret.slice(-sumLength);
}

/**
 * What is kept of a secret: its SHA-256, as hex. Slow hashes with salt (scrypt, Argon2) are for what people choose;
 * 256 random bits can neither be guessed nor looked up in a table, so that one fast hash gives nothing away and may be
 * made for every request.
 */
export const secretHash = (secret: string): string => hash("sha256", secret);

/** A new id, public and stable: `key_` and 96 random bits. */
export function newKeyId(fillRandom: FillRandom): string {
  const bytes = new Uint8Array(12);
  fillRandom(bytes);
  return `key_${Buffer.from(bytes).toString("hex")}`;
}

function base62(value: bigint, length: number): string {
  let text = "";
  for (let rest = value; text.length < length; rest /= 62n) text = digits.charAt(Number(rest % 62n)) + text;
  return text;
}
