// What undici's own parser makes of an answer, ours makes of it too; where not, it is meant.
import { afterAll, describe, expect, test } from "vitest";
import { answerMessages } from "../testing/answer-messages.ts";
import { bounds, refusedMessages } from "../testing/refused-messages.ts";
import { twoClients } from "../testing/two-clients.ts";

const clients = await twoClients();
afterAll(() => clients[Symbol.asyncDispose]());

const messages = [...answerMessages, ...refusedMessages, ...bounds];

/** Read here, refused there. */
const laxer = new Map([
  ["100 that nobody asked for", "a client must bear it (RFC 9110 §15.2)"],
  [
    "early hints, and the connection closes",
    "it closes behind the answer proper (RFC 9112 §9.6), which is still to come",
  ],
  ["white space around values", "it is no part of a value (RFC 9110 §5.5), not even behind a length"],
  ["sizes padded with white space", "some backends pad them, and no reader takes them for another size"],
  ["an extension after white space", "the grammar has it (RFC 9112 §7.1.1)"],
  ["an extension in no grammar", "an extension is to be ignored, and it ends where the line does"],
  ["framing among the trailers", "it means nothing there (RFC 9110 §6.5.1), and does not cross to the client"],
]);

const unaskedCoding = "no other coding was asked for (RFC 9112 §7.4), and none is undone here";

/** Refused here, read there. */
const stricter = new Map([
  ["HTTP/0.9", "it has no first line"],
  ["HTTP/2.0", "it has another framing"],
  ["CR CR in the first line", "a CR ends no line, and others find a field behind it or none"],
  ["an empty line before it", "it belongs to no message: only servers are told to bear it (RFC 9112 §2.2)"],
  ["a bare LF before it", "it belongs to no message"],
  ['a coding of "gzip, chunked"', unaskedCoding],
  ['a coding of "chunked, chunked"', "chunked twice must not be (RFC 9112 §6.1)"],
  ['a coding of "chunked, gzip"', unaskedCoding],
  ['a coding of "gzip"', unaskedCoding],
  ['a coding of "identity"', "it is no coding any more (RFC 9112, appendix C.2)"],
  ['a coding of ""', "it says nothing, and two readers could guess two things"],
  ['a coding of "xchunked"', unaskedCoding],
  ['a coding of "chunked;q=1"', "chunked has no parameters (RFC 9112 §7.1)"],
  ['a coding of "chunked,"', "two readers could read it differently"],
  ["chunked twice", "chunked twice must not be (RFC 9112 §6.1)"],
  ["codings in two fields", unaskedCoding],
  ["a length of sixteen digits that say little", "fifteen digits are enough, and are counted exactly"],
  ["a chunk's size with noughts without end", "thirteen digits are enough, and are counted exactly"],
  ["a line before a chunk beyond the longest", "what nobody reads is not held without bound"],
  ["a head beyond the longest", "undici counts names and values only"],
  ["trailers beyond the longest", "undici counts names and values only"],
  ["one informational answer too many", "they could come for ever, and the answer never"],
]);

/** Read here and there, but not as the same. */
const other = new Map([
  ["a tab behind the coding", "it is no part of the value (RFC 9110 §5.5), so that there are chunks"],
]);

const alike = messages.filter(({ name }) => !laxer.has(name) && !stricter.has(name) && !other.has(name));

test.each(alike)("both: $name", async (message) => {
  expect(await clients.ours(message)).toEqual(await clients.undici(message));
});

const named = (name: string) => {
  const message = messages.find((one) => one.name === name);
  if (message === undefined) throw new Error(`no message is named ${name}`);
  return message;
};

describe("not undici, but we", () => {
  test.each([...laxer])("read %s: %s", async (name) => {
    const message = named(name);
    expect(await clients.undici(message)).toBeUndefined();
    expect(await clients.ours(message)).toMatchObject({ status: 200, body: message.told.body });
  });
});

describe("not we, but undici", () => {
  test.each([...stricter])("reads %s: %s", async (name) => {
    const message = named(name);
    expect(await clients.ours(message)).toBeUndefined();
    expect(await clients.undici(message)).toMatchObject({ status: 200 });
  });
});

describe("undici and we, each in another way", () => {
  test.each([...other])("read %s: %s", async (name) => {
    const message = named(name);
    const [ours, undici] = [await clients.ours(message), await clients.undici(message)];
    expect(ours).toMatchObject({ status: 200, body: message.told.body });
    expect(undici).toMatchObject({ status: 200 });
    expect(undici?.body).not.toBe(ours?.body);
  });
});
