import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { expect, test } from "vitest";
import { ExchangeDraft } from "../instrumentation/index.ts";
import { testConfig } from "./testing/harness.ts";
import { type UploadOptions, upload } from "./upload.ts";

const draft = () =>
  new ExchangeDraft({
    id: "1",
    openedAt: 0,
    startedAt: 0,
    operation: "files",
    serviceType: "other",
    endpoint: "/v1/files",
    method: "POST",
    trace: { traceId: "0", spanId: "0" },
    caller: { auth: "none" },
    purpose: {},
  });

/** A request whose body is pushed by hand, and the upload of it. */
function uploading(more: Partial<UploadOptions> = {}) {
  const req = new IncomingMessage(new Socket());
  const options: UploadOptions = {
    req,
    draft: draft(),
    limits: testConfig().limits,
    limit: 100,
    now: () => 1,
    watchFailed: () => {},
    passage: { running: undefined },
    ...more,
  };
  return { req, draft: options.draft, ...upload(options) };
}

test.each(["write", "end"] as const)(
  "a watch that throws in %s is told of once, and the bytes go on",
  async (where) => {
    const errors: unknown[] = [];
    const bad = () => {
      throw new Error("no");
    };
    const watch = { write: () => {}, end: () => {}, [where]: bad };
    const { req, body, draft } = uploading({ watch, watchFailed: (error) => errors.push(error) });
    for (const piece of ["ab", "cd", null]) req.push(piece);
    expect((await buffer(body)).toString()).toBe("abcd");
    expect([errors.length, draft.requestBytes]).toEqual([1, 4]);
  },
);

test("the wait for a head ends when there is enough, when the head is long, and when the body is over", async () => {
  const enough = uploading();
  enough.req.push("ab");
  await enough.until(() => enough.draft.requestBytes > 0, 50);
  const long = uploading();
  long.req.push("abcdef");
  await long.until(() => false, 5);
  const over = uploading();
  over.req.push("ab");
  over.req.push(null);
  await over.until(() => false, 50);
});

test("the wait for a head fails as the body does: too large, or cut off by the gateway's end", async () => {
  const large = uploading();
  large.req.push("x".repeat(101));
  await expect(large.until(() => false, 1_000)).rejects.toMatchObject({ kind: "body_too_large" });
  expect(large.body.destroyed).toBe(true);

  const passage: UploadOptions["passage"] = { running: undefined };
  const stopped = uploading({ passage });
  const waiting = stopped.until(() => false, 50);
  passage.running?.stop();
  await expect(waiting).rejects.toMatchObject({ kind: "shutting_down" });
});
