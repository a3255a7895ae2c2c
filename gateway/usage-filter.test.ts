import { describe, expect, it } from "vitest";
import { cuts, dice } from "./testing/dice.ts";
import { askForUsage, usageFilter } from "./usage-filter.ts";

const filtered = (chunks: readonly Buffer[]) => {
  const filter = usageFilter();
  const out = chunks.map((chunk) => filter.push(chunk));
  out.push(filter.end());
  return { text: Buffer.concat(out).toString(), usage: filter.usage?.toString() };
};

const usage = '{"prompt_tokens":1,"completion_tokens":2}';
const hidden = [
  `data: {"id":"c","choices":[],"usage":${usage}}`,
  `data: {"usage" : ${usage}, "choices" : [ ] }`,
  `data:{\ndata: "choices": [\ndata: ],\ndata: "usage": ${usage}}`,
  `event: message\nid: 9\ndata: {"choices":[],"usage":${usage}}`,
];
const shown = [
  'data: {"choices":[{"delta":{"content":"hi"}}],"usage":null}',
  'data: {"choices":[],"usage":null,"prompt_filter_results":[]}',
  'data: {"choices":[],"prompt_filter_results":[{}]}',
  `data: {"choices":[{"delta":{}}],"usage":${usage}}`,
  `data: {"choices":[],"error":{"message":"no"},"usage":${usage}}`,
  `data: {"choices":[{"delta":{"content":"{\\"choices\\":[],\\"usage\\":{}}"}}]}`,
  `data: {"x":{"choices":[],"usage":${usage}}}`,
  ": keep-alive",
  "data: [DONE]",
  "data: []",
  'data: {"choices":[],"usage":{',
];

describe("a usage filter", () => {
  it.each(["\n", "\r\n", "\r"])("takes out exactly the usage event, at any border, with line ends %j", (end) => {
    const written = (event: string) => event.replaceAll("\n", end) + end + end;
    for (const event of hidden) {
      const before = shown.slice(0, 3).map(written).join("");
      const after = written("data: [DONE]");
      const bytes = Buffer.from(before + written(event) + after);
      for (let cut = 0; cut <= bytes.length; cut++) {
        const result = filtered([bytes.subarray(0, cut), bytes.subarray(cut)]);
        expect(result.text).toBe(before + after);
        expect(result.usage?.trimEnd()).toBe(event.replaceAll("\n", end));
      }
      expect(filtered([...bytes].map((byte) => Buffer.from([byte]))).text).toBe(before + after);
    }
  });

  it("lets everything else through, byte for byte, however it is cut", () => {
    const die = dice(21);
    for (let round = 0; round < 3000; round++) {
      const end = die.pick(["\n", "\r\n", "\r"]);
      let all = "";
      let expected = "";
      for (let left = die.below(10); left > 0; left--) {
        const hide = die.below(4) === 0;
        const event = die.pick(hide ? hidden : shown).replaceAll("\n", end) + end + end;
        all += event;
        if (!hide) expected += event;
      }
      expect(filtered(cuts(die, Buffer.from(all))).text).toBe(expected);
    }
  });

  it("gives a chunk with nothing to hide as it is, without copying it", () => {
    const chunk = Buffer.from(`${shown[0]}\n\n${shown[7]}\n\n`);
    expect(usageFilter().push(chunk)).toBe(chunk);
  });

  it("leaves a line end that stands before the usage event, in a chunk that begins with it", () => {
    const cut = [`${shown[0]}\n\n`, `\n${hidden[0]?.slice(0, 9)}`, `${hidden[0]?.slice(9)}\n\n`];
    expect(filtered(cut.map((text) => Buffer.from(text))).text).toBe(`${shown[0]}\n\n\n`);
  });

  it("withholds the usage event even where the stream ends without its blank line", () => {
    expect(filtered([Buffer.from(`data: a\n\n${hidden[0]}`)]).text).toBe("data: a\n\n");
    expect(filtered([Buffer.from(`data: a\n\n${shown[0]}`)]).text).toBe(`data: a\n\n${shown[0]}`);
  });

  it("holds back no more than 64 KB", () => {
    const filter = usageFilter();
    const big = Buffer.alloc(30_000, "x");
    expect(filter.push(Buffer.from("data: ")).length).toBe(0);
    expect(filter.push(big).length).toBe(0);
    expect(filter.push(big).length).toBe(0);
    expect(filter.push(big).length).toBe(90_006);
    expect(filter.push(big).length).toBe(30_000);
    expect(filter.push(Buffer.from(`\n\n${hidden[0]}\n\ndata: b\n\n`)).toString()).toBe("\n\ndata: b\n\n");
  });
});

describe("asking for usage", () => {
  const asked = (body: string) => askForUsage(Buffer.from(body)).toString();

  it.each([
    ['{"model":"m"}', '{"model":"m","stream_options":{"include_usage":true}}'],
    ["{}", '{"stream_options":{"include_usage":true}}'],
    [" { } \n", ' { "stream_options":{"include_usage":true}} \n'],
    ['{"a":{}}', '{"a":{},"stream_options":{"include_usage":true}}'],
    ['{"a":1, "stream_options" : null }', '{"a":1, "stream_options" : {"include_usage":true} }'],
    ['{"stream_options":{}}', '{"stream_options":{"include_usage":true}}'],
    ['{"stream_options":{ "x":[1,"}"] } ,"b":2}', '{"stream_options":{ "x":[1,"}"] ,"include_usage":true} ,"b":2}'],
    ['{"stream_options":{"include_usage":false}}', '{"stream_options":{"include_usage":true}}'],
    ['{"stream_options":{"include_usage": null ,"x":1}}', '{"stream_options":{"include_usage": true ,"x":1}}'],
    [
      '{"a":"x\\\\","b":"\\\\\\"}","stream_options":{}}',
      '{"a":"x\\\\","b":"\\\\\\"}","stream_options":{"include_usage":true}}',
    ],
    ['{"stream_options":7}', '{"stream_options":{"include_usage":true}}'],
    ['{"x":"stream_options"}', '{"x":"stream_options","stream_options":{"include_usage":true}}'],
    [
      '{"x":{"stream_options":null},"y":"\\"stream_options\\":{}"}',
      '{"x":{"stream_options":null},"y":"\\"stream_options\\":{}","stream_options":{"include_usage":true}}',
    ],
    ['{"stream\\u005foptions":null}', '{"stream\\u005foptions":{"include_usage":true}}'],
    ['{"stream_options":null,"stream_options":{}}', '{"stream_options":null,"stream_options":{"include_usage":true}}'],
  ])("%s becomes %s", (body, expected) => {
    expect(asked(body)).toBe(expected);
    expect(JSON.parse(expected).stream_options.include_usage).toBe(true);
  });

  it("leaves alone what asks already, and what is no object", () => {
    for (const text of ['{"stream_options":{"include_usage":true}}', "[{}]", "7", '"{}"', "null"]) {
      const body = Buffer.from(text);
      expect(askForUsage(body)).toBe(body);
    }
  });

  it("keeps big numbers, doubled keys and white space", () => {
    const body = '{ "seed":12345678901234567890,\t"a":1, "a":1.0 ,"stream":true\n}';
    expect(asked(body)).toBe(`${body.slice(0, -1)},"stream_options":{"include_usage":true}}`);
  });
});
