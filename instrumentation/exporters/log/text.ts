// Texts of a log line's values, each exactly what JSON.stringify would write, and several times cheaper.

/** What stands in JSON as it is: nearly every text there is, told in 20 ns; `JSON.stringify` takes over twice that. */
const plain = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** A text as it stands between the quotes of a JSON string. */
export const escaped = (text: string): string => (plain.test(text) ? text : JSON.stringify(text).slice(1, -1));

/** A number as JSON has it: `null` for what is no finite number. */
export const numeral = (value: number): string => (Number.isFinite(value) ? `${value}` : "null");

/** `000` to `999`, and the same without zeros at the end. */
const digits = Array.from({ length: 1_000 }, (_, number) => String(number).padStart(3, "0"));
const lastDigits = digits.map((three) => three.replace(/0+$/, ""));
/** `0.000` to `0.999`: most times are less than a second. */
const fractions = digits.map((three) => `0.${three}`);

/** Decimals of up to 15 digits come back from a double as they were, so that they may be written digit by digit. */
const exactBelow = 1e15;

/**
 * Seconds to whole microseconds: a clock's further digits are noise, and cost bytes. The digits come from a table, in
 * 35 ns; the general way, which looks for the shortest decimal of a double, takes 150, and a line has ten of them.
 */
export function secondsText(seconds: number): string {
  const micros = Math.round(seconds * 1e6);
  if (!(micros >= 0 && micros < exactBelow)) return numeral(micros / 1e6);
  if (micros < 1e6) return fraction(micros);
  const whole = Math.floor(micros / 1e6);
  const rest = micros - whole * 1e6;
  return rest === 0 ? `${whole}` : `${whole}.${sixDigits(rest)}`;
}

/**
 * Nano-USD as USD: the nearest double to the exact decimal, which prints as that decimal below a million USD; the
 * smallest with an exponent.
 */
export function usdText(nanoUsd: number): string {
  if (!(Number.isInteger(nanoUsd) && nanoUsd >= 1_000 && nanoUsd < exactBelow)) return numeral(nanoUsd / 1e9);
  const whole = Math.floor(nanoUsd / 1e9);
  const rest = nanoUsd - whole * 1e9;
  const micros = Math.floor(rest / 1e3);
  const nanos = rest - micros * 1e3;
  if (nanos === 0) return rest === 0 ? `${whole}` : `${whole}.${sixDigits(micros)}`;
  const thousands = Math.floor(micros / 1e3);
  return `${whole}.${digits[thousands]}${digits[micros - thousands * 1e3]}${lastDigits[nanos]}`;
}

/** As many millionths, less than a million. */
function fraction(millionths: number): string {
  const thousands = Math.floor(millionths / 1e3);
  const rest = millionths - thousands * 1e3;
  if (rest > 0) return `${fractions[thousands]}${lastDigits[rest]}`;
  return thousands === 0 ? "0" : `0.${lastDigits[thousands]}`;
}

/** The fraction that so many millionths are, more than none, without zeros at its end. */
function sixDigits(millionths: number): string {
  const thousands = Math.floor(millionths / 1e3);
  const rest = millionths - thousands * 1e3;
  return rest === 0 ? `${lastDigits[thousands]}` : `${digits[thousands]}${lastDigits[rest]}`;
}

/** ISO 8601 in UTC to the millisecond, of Unix milliseconds. Lines come many a second, so the second is kept. */
export function isoTimes(): (unixMillis: number) => string {
  let second = Number.NaN;
  let upToSecond = "";
  return function isoTime(unixMillis) {
    const millis = Math.trunc(unixMillis);
    const current = Math.floor(millis / 1_000);
    if (current !== second) {
      upToSecond = new Date(current * 1_000).toISOString().slice(0, -4);
      second = current;
    }
    return `${upToSecond}${digits[millis - current * 1_000]}Z`;
  };
}
