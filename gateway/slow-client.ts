// Back-pressure from a client that reads more slowly than its backend answers: the backend waits with it, not for ever.
import type { ServerResponse } from "node:http";

/** Whatever the answer comes out of: the backend's connection, or a decoder. */
interface Source {
  pause(): unknown;
  resume(): unknown;
}

/** Stops the source until the client has taken what is in its way; hangs up on it after `stallSeconds`, unless they are 0. */
export function waitForClient(res: ServerResponse, source: Source, stallSeconds: number): void {
  source.pause();
  const timer = stallSeconds > 0 ? setTimeout(() => res.destroy(), stallSeconds * 1000) : undefined;
  const over = () => clearTimeout(timer);
  res.once("close", over);
  res.once("drain", () => {
    res.off("close", over);
    over();
    source.resume();
  });
}

/** Ends an answer, and hangs up on a client that has not taken it all after `stallSeconds`, unless they are 0. */
export function endWithin(res: ServerResponse, bytes: Buffer, stallSeconds: number): void {
  res.end(bytes);
  if (stallSeconds === 0 || res.writableLength === 0) return;
  // Behind an earlier answer on the same connection its time has not come.
  if (res.socket === null) res.once("socket", () => hangUpAfter(res, stallSeconds));
  else hangUpAfter(res, stallSeconds);
}

function hangUpAfter(res: ServerResponse, seconds: number): void {
  const timer = setTimeout(() => res.destroy(), seconds * 1000);
  res.once("close", () => clearTimeout(timer));
}
