// Rounds: every contender in turn, each time in another order, the others stopped in their tracks meanwhile.
import type { Child } from "./child.ts";
import type { Contender } from "./contenders.ts";
import { type Run, type Throughput, throughput } from "./measure.ts";
import { request, secrets } from "./payload.ts";

export interface Entrant {
  readonly name: string;
  readonly child: Child;
  /** Never paused: the backend itself, for a direct run. */
  readonly always?: boolean;
}

/**
 * Starts all, checks that each gives a client the backend's very bytes and tells of its own limits where it has some, and
 * leaves them paused. `running` learns each.
 */
export async function enter(all: readonly Contender[], mock: Child, running: Child[]): Promise<readonly Entrant[]> {
  const entrants: Entrant[] = [];
  for (const contender of all) {
    const { name } = contender;
    const child = await contender.start();
    running.push(child);
    entrants.push({ name, child });
    await sameBytes(contender, child, mock);
    child.pause();
  }
  return entrants;
}

/** A round's figures by contender's name. */
export type Round = ReadonlyMap<string, Throughput>;

export interface RoundsOptions extends Omit<Run, "target"> {
  readonly entrants: readonly Entrant[];
  readonly rounds: number;
  /** Of the first round, which does not count. */
  readonly warmUpMillis: number;
  readonly progress: (round: number) => void;
}

/**
 * One more round than asked for is run: the first only warms up. It is long, because V8 goes on compiling for tens of
 * thousands of requests, the longer the more code a contender has; a server that runs for weeks has that behind it.
 */
export async function rounds({
  entrants,
  rounds: wanted,
  warmUpMillis,
  progress,
  ...run
}: RoundsOptions): Promise<readonly Round[]> {
  const done: Round[] = [];
  for (let round = 0; round <= wanted; round++) {
    progress(round);
    const figures = new Map<string, Throughput>();
    const millis = round === 0 ? warmUpMillis : run.millis;
    for (const { name, child, always } of rotated(entrants, round)) {
      if (!always) child.resume();
      try {
        figures.set(name, await throughput({ ...run, millis, target: child }));
      } catch (error) {
        throw new Error(`${name}, ${run.kind}: ${error instanceof Error ? error.message : error}`);
      }
      if (!always) child.pause();
    }
    if (round > 0) done.push(figures);
  }
  return done;
}

const rotated = <Value>(values: readonly Value[], by: number): readonly Value[] => {
  const start = by % Math.max(values.length, 1);
  return [...values.slice(start), ...values.slice(0, start)];
};

async function sameBytes({ name, requestsPerMinute }: Contender, child: Child, mock: Child): Promise<void> {
  const secret = child.asksForKey ? secrets.tollgate : secrets.provider;
  for (const [before, kind] of (["json", "sse"] as const).entries()) {
    const whole = request(kind, secret).toString();
    const body = whole.slice(whole.indexOf("\r\n\r\n") + 4);
    const ask = async (port: number): Promise<{ bytes: Buffer; limits: string }> => {
      const answer = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${secret}` },
        body,
      });
      if (answer.status !== 200) throw new Error(`${name} answered ${answer.status}: ${await answer.text()}`);
      return { bytes: Buffer.from(await answer.arrayBuffer()), limits: limitsIn(answer.headers) };
    };
    const [through, direct] = [await ask(child.port), await ask(mock.port)];
    if (!through.bytes.equals(direct.bytes)) throw new Error(`${name} changed the bytes of a ${kind} answer`);
    const charged = requestsPerMinute && `${requestsPerMinute}, ${requestsPerMinute - before - 1} left, tokens too`;
    if (through.limits !== (charged ?? direct.limits))
      throw new Error(`${name} told of other limits with a ${kind} answer: ${through.limits}`);
  }
}

/** What an answer says of limits; of tokens, whether any of them are used. */
function limitsIn(headers: Headers): string {
  const value = (name: string) => headers.get(`x-ratelimit-${name}`);
  const tokens = Number(value("limit-tokens")) > Number(value("remaining-tokens")) ? ", tokens too" : "";
  return `${value("limit-requests")}, ${value("remaining-requests")} left${tokens}`;
}
