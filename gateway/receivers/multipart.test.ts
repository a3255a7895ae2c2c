import { describe, expect, it } from "vitest";
import { cuts, dice } from "../testing/dice.ts";
import { multipartFacts } from "./multipart.ts";

const type = 'multipart/form-data; boundary="----x9"';
const field = (name: string, value: string) =>
  `------x9\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
const file = (name: string, content: string) =>
  `------x9\r\nContent-Disposition: form-data; name="${name}"; filename="a; name=model.wav"\r\nContent-Type: audio/wav\r\n\r\n${content}\r\n`;
const end = "------x9--\r\n";

const seen = (chunks: readonly Buffer[], contentType = type) => {
  const form = multipartFacts(contentType);
  for (const chunk of chunks) form.write(chunk);
  form.end();
  const { fields, promptCharacters, files, fileBytes, done, bad } = form;
  return { fields, promptCharacters, files, fileBytes, done, bad };
};

const sound = '\r\n--\r\n----x\r\nname="model"\r\n\r\ngpt\u0000é';
const body =
  field("model", "whisper-1") +
  file("file", sound) +
  field("prompt", "né😀") +
  field("stream", "true") +
  field("secret", "never kept") +
  file("mask", "") +
  field("user", "") +
  end;
const expected = {
  fields: { model: "whisper-1", stream: "true", user: "" },
  promptCharacters: 3,
  files: 2,
  fileBytes: Buffer.byteLength(sound),
  done: true,
  bad: false,
};

describe("a look into a multipart form", () => {
  it("sees its small fields and counts its files, cut at every border", () => {
    const bytes = Buffer.from(body);
    for (let cut = 0; cut <= bytes.length; cut++) {
      expect(seen([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(expected);
    }
    expect(seen([...bytes].map((byte) => Buffer.from([byte])))).toEqual(expected);
  });

  it("sees the same in random chunks of random forms", () => {
    const die = dice(4);
    for (let round = 0; round < 1000; round++) {
      let bytes = 0;
      let text = "";
      for (let left = die.below(5); left > 0; left--) {
        const content = Array.from({ length: die.below(200) }, () =>
          die.pick(["\r", "\n", "-", "x", "9", "\r\n--", "--"]),
        ).join("");
        // A boundary in the content would be the sender's fault.
        if (content.includes("------x9")) continue;
        text += file("file", content);
        bytes += content.length;
      }
      text += field("n", "2") + end;
      expect(seen(cuts(die, Buffer.from(text)))).toMatchObject({
        fields: { n: "2" },
        fileBytes: bytes,
        done: true,
        bad: false,
      });
    }
  });

  it("knows a field as soon as it is over, before the form is", () => {
    const form = multipartFacts(type);
    form.write(Buffer.from(`${field("model", "m")}------x9`));
    expect(form.fields).toEqual({ model: "m" });
    expect(form.done).toBe(false);
  });

  it("keeps no more than 256 bytes of a field", () => {
    expect(seen([Buffer.from(field("user", "u".repeat(5000)) + end)]).fields).toEqual({ user: "u".repeat(256) });
  });

  it("takes unquoted names, a preamble and an epilogue", () => {
    const text = `hello\r\n------x9\r\ncontent-disposition:form-data;name=model\r\n\r\nm\r\n${end}bye`;
    expect(seen([Buffer.from(text)], "Multipart/Form-Data; charset=x; boundary=----x9")).toMatchObject({
      fields: { model: "m" },
      done: true,
      bad: false,
    });
  });

  it.each([
    ["a form that ends early", type, body.slice(0, -30)],
    ["no boundary", "multipart/form-data", body],
    ["another type", "application/json", body],
    ["endless headers", type, `------x9\r\n${"x".repeat(20_000)}`],
    ["no form at all", type, "{}".repeat(100_000)],
    ["nothing", type, ""],
  ])("says of %s that it is bad, and does not throw", (_, contentType, text) => {
    const { bad, done } = seen([Buffer.from(text), Buffer.from(text)], contentType);
    expect({ bad, done }).toEqual({ bad: true, done: false });
  });
});

describe("a model that might be named again", () => {
  const part = (head: string, content: string) => `------x9\r\n${head}\r\n\r\n${content}\r\n`;
  const first = field("model", "whisper-1");
  const disposition = "Content-Disposition: form-data";
  const contradicts = (text: string) => {
    const form = multipartFacts(type);
    form.write(Buffer.from(text));
    return form.contradicts;
  };

  it.each([
    ["behind a parameter that holds another name", part(`${disposition}; x="; name=user"; name="model"`, "dear")],
    ["before a parameter that holds a file's name", part(`${disposition}; name="model"; x="; filename=y"`, "dear")],
    ["on a second line", part(`${disposition};\r\n name="model"`, "dear")],
    ["in a second disposition", part(`${disposition}; name="user"\r\n${disposition}; name="model"`, "dear")],
    ["beside another name", part(`${disposition}; name="user"; name="model"`, "dear")],
    ["behind a quote that only some take for one", part(`${disposition}; name="a\\"; name="model"`, "dear")],
  ])("%s is taken for a contradiction", (_, second) => {
    expect(contradicts(first + second + end)).toBe(true);
  });

  it("in a part whose head has no end is, too, but not where none was named before", () => {
    const endless = `------x9\r\nX-Pad: ${"x".repeat(20_000)}`;
    expect([contradicts(first + endless), contradicts(endless)]).toEqual([true, false]);
  });

  it("is none in what clients write: file names in any spelling, further headers, no disposition at all", () => {
    const plain = [
      part(`${disposition}; name="file"; filename="a.mp3"; filename*=UTF-8''%61.mp3`, "x"),
      part(`content-disposition:form-data;name=file;filename=a.mp3`, "x"),
      part(`${disposition}; name="user";\r\nContent-Type: text/plain; charset=utf-8`, "ada"),
      part("Content-Type: text/plain", "x"),
    ];
    expect(contradicts(first + plain.join("") + end)).toBe(false);
  });

  it("is one once it is pinned, even where it is the same", () => {
    const form = multipartFacts(type);
    form.write(Buffer.from(`${first}------x9`));
    expect(form.modelAt).toEqual({ start: first.indexOf("whisper"), end: first.indexOf("whisper") + 9 });
    form.pin();
    form.write(Buffer.from(`${first}------x9`.slice(8)));
    expect(form.contradicts).toBe(true);
  });
});
