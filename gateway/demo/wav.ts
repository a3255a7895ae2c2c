// Sound as WAV: tones that rise and fall like syllables, and the length of a file that was sent.

/** As OpenAI's `pcm`: 24 kHz, 16 bits, one channel. */
const rate = 24_000;
const bytesPerSecond = rate * 2;

/** The header of a PCM WAV file with so many bytes of samples. */
export function wavHeader(bytes: number): Buffer {
  const header = Buffer.alloc(44);
  header.write("RIFF", 0, "latin1");
  header.writeUInt32LE(36 + bytes, 4);
  header.write("WAVEfmt ", 8, "latin1");
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(rate, 24);
  header.writeUInt32LE(bytesPerSecond, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write("data", 36, "latin1");
  header.writeUInt32LE(bytes, 40);
  return header;
}

/** Bytes of samples for so many seconds. */
export const bytesOf = (seconds: number): number => Math.round(seconds * rate) * 2;

/** Syllables of a quarter of a second, one tone each, made as they are read. `pitches` are in Hz. */
export function* tones(seconds: number, pitches: readonly number[]): Generator<Buffer> {
  const total = bytesOf(seconds) / 2;
  const syllable = rate / 4;
  for (let from = 0; from < total; from += syllable) {
    const count = Math.min(syllable, total - from);
    const pitch = pitches[(from / syllable) % pitches.length] ?? 220;
    const samples = Buffer.allocUnsafe(count * 2);
    for (let at = 0; at < count; at++) {
      // Silent at both ends, so that syllables do not click.
      const loudness = 9_000 * Math.sin((Math.PI * at) / syllable);
      samples.writeInt16LE(Math.round(loudness * Math.sin((2 * Math.PI * pitch * at) / rate)), at * 2);
    }
    yield samples;
  }
}

/** Seconds of a sound file: exact for a PCM WAV, for anything else as if it had 64 kbit/s. */
export function secondsOf(file: Buffer): number {
  if (file.toString("latin1", 0, 4) === "RIFF" && file.toString("latin1", 8, 12) === "WAVE" && file.length >= 44) {
    const bytes = file.readUInt32LE(28);
    if (bytes > 0) return (file.length - 44) / bytes;
  }
  return file.length / 8_000;
}
