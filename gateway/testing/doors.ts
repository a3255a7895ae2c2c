// Knocking at the gateway with bytes of any kind, and what a clean refusal looks like.
import { expect } from "vitest";
import { CutOff } from "./byte-reader.ts";
import { type RawAnswer, rawConnection } from "./raw-client.ts";
import type { Scene } from "./scene.ts";

/** Sends bytes, and reads answers until the gateway closes or `count` have come. */
export async function answersTo(stage: Scene, bytes: Buffer | string, count = 1): Promise<RawAnswer[]> {
  const connection = await rawConnection(stage.tollgate.url);
  // Where the gateway keeps the connection open, a second of silence says that no further answer will come.
  connection.socket.setTimeout(1_000, () => connection.reset());
  const answers: RawAnswer[] = [];
  connection.send(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes).catch(() => undefined);
  try {
    while (answers.length < count) answers.push(await connection.answer());
  } catch (error) {
    if (!(error instanceof CutOff) || error.partial.length > 0) throw error;
  } finally {
    connection.leave();
  }
  return answers;
}

/** A 4xx that an OpenAI SDK can read, and that says nothing about the inside. */
export function expectClean(answer: RawAnswer | undefined, status?: number): void {
  expect(answer?.status).toBeGreaterThanOrEqual(400);
  expect(answer?.status).toBeLessThan(500);
  if (status !== undefined) expect(answer?.status).toBe(status);
  expect(answer?.header("content-type")).toBe("application/json");
  expect(answer?.json()).toMatchObject({
    error: { message: expect.any(String), type: expect.any(String), code: expect.any(String) },
  });
  expect(answer?.text).not.toMatch(/127\.0\.0\.1|node:|\.ts|at .*:\d+/);
}

/** A GET for a target, to be given the Host. */
export const get =
  (target: string, more = "") =>
  (host: string) =>
    `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`;
