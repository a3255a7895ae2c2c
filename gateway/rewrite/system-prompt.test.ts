import { describe, expect, test } from "vitest";
import { type SystemPrompt, withSystemPrompt } from "./system-prompt.ts";

const prompt = (mode: SystemPrompt["mode"]): SystemPrompt => ({ mode, text: 'Be "kind".' });
const own = { role: "system", content: 'Be "kind".' };
const client = { role: "system", content: "Be short." };
const user = { role: "user", content: "Hi" };

const chat = (messages: unknown, mode: SystemPrompt["mode"]) =>
  JSON.parse(withSystemPrompt(Buffer.from(JSON.stringify({ model: "m", messages })), prompt(mode), "chat").toString())
    .messages;

describe("in a chat", () => {
  test("prepended, it stands before everything", () => {
    expect(chat([client, user], "prepend")).toEqual([own, client, user]);
    expect(chat([user], "prepend")).toEqual([own, user]);
    expect(chat([], "prepend")).toEqual([own]);
  });

  test("appended, it stands after the client's own and before the conversation", () => {
    expect(chat([client, client, user], "append")).toEqual([client, client, own, user]);
    expect(chat([user], "append")).toEqual([own, user]);
    expect(chat([client], "append")).toEqual([client, own]);
  });

  test("replacing, it stands alone, wherever the client put its own", () => {
    expect(chat([client, user, { role: "developer", content: "x" }, user], "replace")).toEqual([own, user, user]);
  });

  test("it speaks as the client's own does", () => {
    const developer = { role: "developer", content: "x" };
    expect(chat([developer, user], "append")).toEqual([developer, { ...own, role: "developer" }, user]);
  });

  test("all else stays as it was written: numbers, spaces, doubled names", () => {
    const body = '{ "seed": 12345678901234567890,\n "messages": [ {"role":"user","content":"\\u0041"} ], "a":1,"a":2 }';
    const changed = withSystemPrompt(Buffer.from(body), { mode: "prepend", text: "S" }, "chat").toString();
    expect(changed).toBe(
      '{ "seed": 12345678901234567890,\n "messages": [{"role":"system","content":"S"},{"role":"user","content":"\\u0041"}], "a":1,"a":2 }',
    );
  });

  test.each(["{}", '{"messages":"x"}', '{"messages":null}', "[]", '"x"'])("%s is left to its backend", (body) => {
    expect(withSystemPrompt(Buffer.from(body), prompt("replace"), "chat").toString()).toBe(body);
  });
});

describe("in a response", () => {
  const response = (body: object, mode: SystemPrompt["mode"]) =>
    JSON.parse(withSystemPrompt(Buffer.from(JSON.stringify(body)), prompt(mode), "response").toString());

  test("it is part of the instructions", () => {
    expect(response({ input: "Hi" }, "prepend").instructions).toBe('Be "kind".');
    expect(response({ instructions: "Be short." }, "prepend").instructions).toBe('Be "kind".\n\nBe short.');
    expect(response({ instructions: "Be short." }, "append").instructions).toBe('Be short.\n\nBe "kind".');
    expect(response({ instructions: null }, "append").instructions).toBe('Be "kind".');
  });

  test("replacing, it takes the place of instructions and of system messages in the input", () => {
    expect(response({ instructions: "Be short.", input: [client, user] }, "replace")).toEqual({
      instructions: 'Be "kind".',
      input: [user],
    });
  });
});

test("what takes no system prompt stays as it is", () => {
  const body = Buffer.from('{"model":"m","input":"x"}');
  expect(withSystemPrompt(body, prompt("replace"), "embedding")).toBe(body);
});
