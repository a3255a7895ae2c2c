// An event too big to be held: its data is skimmed while its pieces stream by.
import { Skimmer, type Wanted } from "../skim.ts";

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
const longestName = 8;

/** Takes the event's pieces in any cut; gives its data's JSON, pruned to what is wanted. */
export class BigEvent {
  readonly #skimmer: Skimmer;
  #place: "name" | "data" | "other" = "name";
  #name = "";

  constructor(wanted: Wanted) {
    this.#skimmer = new Skimmer(wanted);
  }

  write(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      const byte = bytes[at] ?? 0;
      if (this.#place === "name") {
        at++;
        // The line before ends here, and so does one that has no colon.
        if (byte === LF || byte === CR) this.#name = "";
        else if (byte === COLON) this.#place = this.#name === "data" ? "data" : "other";
        else if (this.#name.length < longestName) this.#name += String.fromCharCode(byte);
      } else {
        const end = lineEnd(bytes, at);
        if (this.#place === "data") this.#skimmer.write(bytes.subarray(at, end));
        at = end;
        if (end < bytes.length) this.#place = "name";
      }
    }
  }

  /** The pruned value; `undefined` where the data was cut off or is no JSON. */
  end(): unknown {
    return this.#skimmer.end();
  }
}

function lineEnd(bytes: Buffer, from: number): number {
  const lf = bytes.indexOf(LF, from);
  const cr = bytes.subarray(from, lf === -1 ? bytes.length : lf).indexOf(CR);
  if (cr !== -1) return from + cr;
  return lf === -1 ? bytes.length : lf;
}
