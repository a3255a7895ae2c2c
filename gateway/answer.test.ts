import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { ExchangeDraft } from "../instrumentation/index.ts";
import { Answer, type AnswerOptions } from "./answer.ts";
import { AnswerHead } from "./answer-head.ts";
import { receivedHead } from "./received-head.ts";
import { decoder } from "./tap.ts";
import { usageFilter } from "./usage-filter.ts";

const draft = () =>
  new ExchangeDraft({
    id: "1",
    openedAt: 0,
    startedAt: 0,
    operation: "chat",
    serviceType: "llm_chat",
    endpoint: "/v1/chat/completions",
    method: "POST",
    trace: { traceId: "0", spanId: "0" },
    caller: { auth: "none" },
    purpose: {},
  });

/** An answer to a client that takes nothing yet: what is written piles up in `res`. */
function answering(more: Partial<AnswerOptions> = {}, reason = "OK") {
  const req = new IncomingMessage(new Socket());
  req.httpVersion = "1.1";
  const res = new ServerResponse(req);
  const flow: string[] = [];
  const broken: unknown[] = [];
  const exchange = draft();
  const answer = new Answer({
    res,
    draft: exchange,
    now: () => 1,
    head: new AnswerHead({
      res,
      received: receivedHead({ status: 200, reason, fields: [] }),
      draft: exchange,
      own: [],
      rewritten: true,
      tellsLimits: false,
    }),
    flow: { pause: () => void flow.push("pause"), resume: () => void flow.push("resume") },
    withheld: false,
    events: {
      rejects: () => false,
      said: () => {},
      whole: () => {},
      broke: (failure) => void broken.push(failure),
      tooMuch: () => {},
    },
    tap: undefined,
    filter: undefined,
    decode: undefined,
    stallSeconds: 0,
    ...more,
  });
  return { answer, res, flow, broken };
}

test("what has to be unpacked is not unpacked ahead of the client", async () => {
  const text = Buffer.from(`data: ${"y".repeat(1_000_000)}\n\n`.repeat(30));
  const { answer, res } = answering({ filter: usageFilter(), decode: decoder("gzip") });
  answer.data(gzipSync(text));
  answer.end([]);
  for (let i = 0; i < 20_000; i += 1) await turn();
  expect(res.writableLength).toBeGreaterThan(0);
  expect(res.writableLength).toBeLessThan(1_000_000);
  res.destroy();
});

test("a backend is held while the client takes nothing, and let go when it does", async () => {
  const { answer, res, flow } = answering();
  answer.data(Buffer.alloc(1_000_000));
  await turn();
  expect(flow).toEqual(["pause"]);
  res.emit("drain");
  expect(flow).toEqual(["pause", "resume"]);
});

test("what Node would not write ends the answer, and somebody hears of it", async () => {
  const { answer, res, broken } = answering({}, "\u0001");
  answer.data(Buffer.from("x"));
  await turn();
  expect([broken, res.destroyed]).toEqual([["internal"], true]);
});

test.each(["push", "end"] as const)(
  "a filter that throws in %s ends the answer, and somebody hears of it",
  async (where) => {
    const bad = () => {
      throw new Error("no");
    };
    const filter = { push: (chunk: Buffer) => chunk, end: () => Buffer.alloc(0), [where]: bad };
    const { answer, res, broken } = answering({ filter });
    answer.data(Buffer.from("x"));
    answer.end([]);
    await turn();
    expect([broken, res.destroyed]).toEqual([["internal"], true]);
  },
);
