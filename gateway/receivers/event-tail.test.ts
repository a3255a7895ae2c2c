import { describe, expect, it } from "vitest";
import { dice } from "../testing/dice.ts";
import { EventTail } from "./event-tail.ts";

/** So much may come after an event before it is dropped. */
const keptBytes = 2560;

const tailOf = () => new EventTail(Buffer.alloc(EventTail.bytes));
const event = (bytes: number, mark = "x") => Buffer.from(`data: ${mark.padEnd(bytes - 8, "x")}\n\n`);
const textOf = (tail: EventTail) =>
  tail
    .entries()
    .map((entry) => (Buffer.isBuffer(entry) ? entry.toString() : `<${String(entry.value)}>`))
    .join("");

/** Adds an event as a stream past its first token does, or as a cutter does. */
function put(tail: EventTail, bytes: Buffer, whole: boolean): void {
  if (whole) {
    tail.takeRest();
    tail.keep(bytes);
    return;
  }
  if (tail.add(bytes)) return;
  tail.take();
  if (!tail.addWithRoom(bytes)) tail.keep(bytes);
}

describe("the tail of a stream", () => {
  it("holds each event whole, in order, until 2.5 KB have come after it, whatever its size", () => {
    const die = dice(4);
    for (let round = 0; round < 500; round++) {
      const tail = tailOf();
      const came: string[] = [];
      const longest = die.pick([40, 300, 1500, 5000, 20_000]);
      for (let left = 1 + die.below(40); left > 0; left--) {
        const bytes = event(20 + die.below(longest), `${left}.`);
        put(tail, bytes, die.below(2) === 0);
        came.push(bytes.toString());
        let after = 0;
        const owed = came.toReversed().filter((one) => {
          const isOwed = after < keptBytes;
          after += one.length;
          return isOwed;
        });
        const last = owed.toReversed().join("");
        expect(textOf(tail).endsWith(last)).toBe(true);
        expect(came.join("").endsWith(textOf(tail))).toBe(true);
      }
    }
  });

  it("keeps what was skimmed in its place", () => {
    const tail = tailOf();
    tail.keep(event(30, "a"));
    tail.keepValue("b");
    tail.keepValue("c");
    tail.keep(event(30, "d"));
    expect(textOf(tail)).toBe(`${event(30, "a")}<b><c>${event(30, "d")}`);
    tail.keep(event(2000, "e"));
    expect(textOf(tail)).toContain("<b><c>");
    tail.keep(event(2000, "f"));
    tail.keep(event(2000, "g"));
    expect(textOf(tail)).not.toContain("<");
    expect(textOf(tail).endsWith(`${event(2000, "f")}${event(2000, "g")}`)).toBe(true);
  });

  it("holds no memory of others but of one long event, and few entries", () => {
    const tail = tailOf();
    for (let at = 0; at < 1000; at++) tail.keepValue(at);
    expect(tail.entries().length).toBeLessThanOrEqual(33);
    for (let at = 0; at < 100; at++) tail.keep(event(50_000));
    expect(textOf(tail).length).toBe(50_000);
    for (let at = 0; at < 20; at++) tail.keep(event(300));
    expect(textOf(tail).length).toBeLessThanOrEqual(EventTail.bytes);
  });

  it("cuts out the event that is open", () => {
    const tail = tailOf();
    tail.add(Buffer.from("data: a\n\ndata: b"));
    expect(tail.take().toString()).toBe("data: a\n\n");
    expect(tail.cutOpen().toString()).toBe("data: b");
    expect(tail.cutOpen().length).toBe(0);
    expect(textOf(tail)).toBe("data: a\n\n");
  });
});
