// A stream that is cut in two at every byte border, one request for each.
import { answerBy, eventStream } from "./answers.ts";
import type { Answer } from "./turn.ts";

/** Sends `bytes` as two chunks, cut where the request's `user` says. */
export const cutAtUser = (bytes: Buffer): Answer =>
  answerBy(({ request }) => {
    const at = Number((request.json() as { user: string }).user);
    return eventStream([bytes.subarray(0, at), bytes.subarray(at)]);
  });

/** Runs `act` for every border inside `bytes`, a few at a time. */
export async function eachBorder(bytes: Buffer, act: (at: number) => Promise<void>): Promise<void> {
  let next = 1;
  const worker = async () => {
    for (let at = next++; at < bytes.length; at = next++) await act(at);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}
