import { describe, expect, it } from "vitest";
import { EventCutter } from "./event-cutter.ts";
import { eachEvent, eventStart, mayHoldError, serverEvent } from "./sse.ts";
import { cuts, dice } from "./testing/dice.ts";

const lineEnds = ["\n", "\r\n", "\r"] as const;

/** Everything a cutter gives out, pieces of big events put together. */
function collected(chunks: readonly Buffer[], limit?: number) {
  const runs: Buffer[] = [];
  const big: Buffer[] = [];
  let open: Buffer[] = [];
  const cutter = new EventCutter(
    {
      events: (bytes) => runs.push(bytes),
      piece(bytes, ends) {
        open.push(bytes);
        if (!ends) return;
        big.push(Buffer.concat(open));
        open = [];
      },
    },
    limit,
  );
  for (const chunk of chunks) cutter.write(chunk);
  return { runs, big, rest: cutter.rest() };
}

const saidIn = (runs: readonly Buffer[]) => {
  const said: string[] = [];
  for (const run of runs) {
    eachEvent(run, (event) => {
      const { data } = serverEvent(event);
      if (data !== "") said.push(data);
      return false;
    });
  }
  return said;
};

describe("a cutter", () => {
  it.each(lineEnds)("gives whole events, in order, byte for byte, with line ends %j cut at every border", (end) => {
    const lines = ["data: one", "", ": comment", "", "event: x", "data: two", "data: three", "", "data", "", ""];
    const bytes = Buffer.from(lines.join(end));
    for (let cut = 0; cut <= bytes.length; cut++) {
      const { runs, rest } = collected([bytes.subarray(0, cut), bytes.subarray(cut)]);
      expect(Buffer.concat([...runs, rest]).toString()).toBe(bytes.toString());
      expect(saidIn(runs)).toEqual(["one", "two\nthree"]);
    }
    expect(saidIn(collected([...bytes].map((byte) => Buffer.from([byte]))).runs)).toEqual(["one", "two\nthree"]);
  });

  it("never gives a run that is cut within an event", () => {
    const die = dice(5);
    for (let round = 0; round < 2000; round++) {
      const end = die.pick(lineEnds);
      const events = Array.from(
        { length: die.below(12) },
        (_, at) => `data: ${"é".repeat(die.below(30))}${at}${end}${end}`,
      );
      const bytes = Buffer.from(events.join(""));
      const { runs, rest, big } = collected(cuts(die, bytes), die.pick([10, 40, 1000]));
      expect(rest.length).toBe(0);
      // Bigger ones come in pieces, so that both together are all of them.
      const all = [...saidIn(runs), ...saidIn(big)].sort();
      expect(all).toEqual(events.map((event) => event.slice(6).trimEnd()).sort());
    }
  });

  it("holds an open event up to its limit, then gives it in pieces", () => {
    const { runs, big, rest } = collected(
      [Buffer.from("data: a\n\ndata: 123"), Buffer.from("4567890\n"), Buffer.from("\ndata: b\n\n")],
      12,
    );
    expect(saidIn(runs)).toEqual(["a", "b"]);
    expect(saidIn(big)).toEqual(["1234567890"]);
    expect(rest.length).toBe(0);
  });

  it("keeps what no blank line has ended", () => {
    expect(collected([Buffer.from("data: a\n\ndata: "), Buffer.from("b\n")]).rest.toString()).toBe("data: b\n");
  });
});

describe("an event", () => {
  it.each([
    ["data: x\n\n", "", "x"],
    ["data:x\n\n", "", "x"],
    ["data:  x\n\n", "", " x"],
    ["\uFEFFdata: x\n\n", "", "x"],
    ["event: error\ndata: {}\n\n", "error", "{}"],
    ["id: 1\r\ndata: a\r\ndata: b\r\n\r\n", "", "a\nb"],
    [": ping\n\n", "", ""],
    ["\n\n", "", ""],
    ["database: x\n\n", "", ""],
    ["dat\n\n", "", ""],
  ])("%j says what the standard says", (bytes, event, data) => {
    expect(serverEvent(Buffer.from(bytes))).toEqual({ event, data });
  });

  it("is found backwards where it was found forwards", () => {
    const die = dice(9);
    for (let round = 0; round < 1000; round++) {
      const end = die.pick(lineEnds);
      const events = Array.from(
        { length: 1 + die.below(6) },
        () => `data: ${"x".repeat(die.below(9))}${end}: c${end}${end}`,
      );
      const bytes = Buffer.from(events.join(""));
      const found: string[] = [];
      for (let at = bytes.length; at > 0; ) {
        const start = eventStart(bytes, at);
        found.unshift(bytes.toString("utf8", start, at));
        at = start;
      }
      expect(found).toEqual(events);
    }
  });
});

describe("an error", () => {
  it.each([
    'data: {"error":1}\n\n',
    'data:{ "error" :1}\n\n',
    "event: error\ndata: x\n\n",
    ': c\n\ndata: {"error":{}}\n\n',
    ': c\r\rdata: {"error":{}}\r\r',
    "data: {}\r\n\r\nevent: error\r\n\r\n",
  ])("is noticed by how it begins: %j", (bytes) => expect(mayHoldError(Buffer.from(bytes))).toBe(true));

  it.each(['data: {"a":"{\\"error\\":1}"}\n\n', "event: done\ndata: x\n\n", 'data: "error"\n\n', ""])(
    "is not seen in what is none: %j",
    (bytes) => expect(mayHoldError(Buffer.from(bytes))).toBe(false),
  );
});
