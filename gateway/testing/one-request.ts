// One request through a fresh gateway, and everything that its row of a table says about answer and record.
import { expect } from "vitest";
import type { Exchange } from "../../instrumentation/index.ts";
import type { Field } from "./http-wire.ts";
import { chatEvents, chatRequest } from "./payloads.ts";
import type { RawAnswer } from "./raw-client.ts";
import { type SceneOptions, scene } from "./scene.ts";
import type { Answer } from "./turn.ts";

export const model = "gpt-4o-mini";
/** As the backend states it, and as the record should have it. */
export const usage = { input: 11, output: 7, cached: 3, reasoning: 2 };
export const tokens = { input: 11, output: 7, cachedInput: 3, reasoning: 2 };
export const events = chatEvents({ model, usage });

/** A streamed request whose client asked for usage itself, so that not one byte may differ. */
export const asked = chatRequest(model, { stream: true, stream_options: { include_usage: true } });
export const plain = chatRequest(model);

export interface Row {
  readonly name: string;
  readonly script: readonly Answer[];
  readonly request?: object;
  readonly settings?: SceneOptions;
  /** What the client sees. */
  readonly status?: number;
  readonly body?: Buffer | string;
  readonly ended?: RawAnswer["ended"];
  readonly fields?: readonly Field[];
  /** What the record says. */
  readonly outcome?: Partial<Record<"kind" | "reason" | "status" | "finish", unknown>>;
  readonly tokens?: object;
  readonly usageSource?: Exchange["usageSource"];
  readonly attempts?: number;
}

export const ok = { kind: "completed", status: 200, finish: "stop" };

/** One request through a fresh gateway: the client's bytes are the backend's, and one Exchange says what happened. */
export async function holds(row: Row): Promise<{ exchange: Exchange; got: RawAnswer }> {
  await using stage = await scene({ ...row.settings, script: row.script });
  const got = await stage.post("/chat/completions", row.request ?? plain);
  expect(got.status).toBe(row.status ?? 200);
  if (row.body !== undefined) {
    const expected = Buffer.from(row.body);
    expect(got.body.length).toBe(expected.length);
    expect(got.body.equals(expected)).toBe(true);
  }
  expect(got.ended).toBe(row.ended ?? "complete");
  for (const [name, value] of row.fields ?? []) expect(got.header(name)).toBe(value);
  const exchange = await stage.onlyExchange();
  expect(exchange.outcome).toMatchObject(row.outcome ?? ok);
  expect(exchange.attempts).toHaveLength(row.attempts ?? 1);
  expect(exchange.attempts.at(-1)?.result).toBe(exchange.outcome.kind);
  if (row.tokens) expect(exchange.tokens).toMatchObject(row.tokens);
  if (row.usageSource) expect(exchange.usageSource).toBe(row.usageSource);
  expect(exchange.bytes.response).toBe(got.body.length);
  expect(got.header("x-request-id")).toBe(exchange.id);
  return { exchange, got };
}
