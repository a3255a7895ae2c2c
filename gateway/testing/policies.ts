// The policies that every fault is played under: who fails, who works, how often it goes round, and what must come of it.
import { expect, vi } from "vitest";
import type { Certificate } from "./certificate.ts";
import type { Fault } from "./fault.ts";
import { good, type Kind } from "./good-backend.ts";
import type { MetricSample } from "./metrics-text.ts";
import { chatRequest } from "./payloads.ts";
import { type RawAnswer, rawRequest } from "./raw-client.ts";
import { type Place, type RoutedScene, type RouteInWords, routedScene } from "./routed-scene.ts";

export const retries = { max: 2, backoff: 0.02, maxBackoff: 1 };
export const clientsKey = "Bearer sk-the-clients-own";

/** A backend's part: it fails always, only at first, or never. */
type Part = "fails" | "fails once" | "works";

export interface Policy {
  readonly name: string;
  readonly parts: readonly Part[];
  readonly retries: number;
  /** The first two targets take the client's own key. */
  readonly passesKey?: true;
}

const policies: readonly Policy[] = [
  { name: "alone", parts: ["fails"], retries: 0 },
  { name: "retried in vain", parts: ["fails"], retries: 2 },
  { name: "retried", parts: ["fails once"], retries: 2 },
  { name: "fallback", parts: ["fails", "works"], retries: 0 },
  { name: "fallback in vain, retried in vain", parts: ["fails", "fails"], retries: 1 },
  { name: "fallback in vain, retried", parts: ["fails", "fails once"], retries: 1 },
  { name: "client's own key", parts: ["fails", "works", "works"], retries: 0, passesKey: true },
];

export interface Cell {
  readonly policy: Policy;
  readonly kind: Kind;
  /** What clients call the model. */
  readonly alias: string;
}

export const nameOf = ({ alias }: Cell, index: number) => `${alias}-${"abc"[index]}`;
const letters = (text: string) => text.replace(/[^a-z]+/g, "-");

export const cellsOf = ({ only, unreached, name: fault }: Fault): Cell[] =>
  policies
    // Who cannot be reached at all does not come back by itself; that has its own test. The client's key may be refused.
    .filter(
      ({ parts, passesKey }) =>
        !(unreached && parts.includes("fails once")) && !(passesKey && fault === "our key refused"),
    )
    .flatMap((policy) =>
      (["json", "stream"] as const)
        .filter((kind) => only === undefined || only === kind)
        .map((kind) => ({ policy, kind, alias: `${letters(policy.name)}-${kind}` })),
    );

/** The tries as they must be, by index of the target; `true` for one that works. */
export function expectedTries(
  { again, asks = 0 }: Fault,
  { parts, retries: rounds, passesKey }: Policy,
): [number, boolean][] {
  const asked: [number, boolean][] = [];
  for (let round = 0; round <= rounds; round += 1) {
    for (const [index, part] of parts.entries()) {
      // The other one that takes clients' keys.
      if (passesKey && index === 1) continue;
      const works = part === "works" || (part === "fails once" && round > 0);
      asked.push([index, works]);
      if (works || again === "nowhere") return asked;
    }
    if (again === "elsewhere" || asks > retries.maxBackoff * 1000) return asked;
  }
  return asked;
}

/** Nobody listens there, and no other test's server is given a port so low: a port that was let go may be taken again. */
const nowhere = "http://127.0.0.1:1/v1";

function placeOf(fault: Fault, kind: Kind, part: Part, own: string, certificate: Certificate | undefined): Place {
  if (part === "works") return { otherwise: good(own) };
  if (fault.unreached === "tls" && certificate !== undefined) return { tls: certificate };
  if (fault.unreached !== undefined) return { backend: { baseUrl: nowhere } };
  const answer = fault.answer?.(kind);
  if (answer === undefined) throw new Error(`${fault.name} has no answer`);
  return part === "fails" ? { otherwise: answer } : { script: [answer], otherwise: good(own) };
}

function routeOf(cell: Cell, { timeouts = {} }: Fault): RouteInWords {
  const { policy, alias } = cell;
  return {
    model: alias,
    retries: { ...retries, max: policy.retries },
    systemPrompt: { mode: "prepend", text: `You are ${alias}.` },
    targets: policy.parts.map((part, index) => ({
      backend: nameOf(cell, index),
      model: `served-by-${nameOf(cell, index)}`,
      timeouts: part === "works" ? {} : timeouts,
    })),
  };
}

/** The backend of what names no model: a job to be cancelled, a file that is uploaded. */
export const modelless = "modelless";

/** The requests of all cells through one gateway, side by side, and the two that name no model. */
export interface Played {
  readonly stage: RoutedScene;
  /** In the order of the cells. */
  readonly answers: readonly RawAnswer[];
  readonly cancelled: RawAnswer;
  readonly uploaded: RawAnswer;
  readonly metrics: readonly MetricSample[];
}

/** Plays one fault under every policy. `certificate`: of the backend that nobody vouches for. */
export async function play(fault: Fault, certificate: Certificate | undefined): Promise<Played> {
  const { timeouts } = fault;
  const cells = cellsOf(fault);
  const usual = { connect: 5, firstByte: 10, idle: 10, total: 0 };
  const places: Record<string, Place> = {};
  for (const cell of cells) {
    for (const [index, part] of cell.policy.parts.entries()) {
      const own = nameOf(cell, index);
      const passes = cell.policy.passesKey && index < 2;
      const place = placeOf(fault, cell.kind, part, own, certificate);
      places[own] = { ...place, backend: { ...place.backend, ...(passes && { passClientKey: true, key: "" }) } };
    }
  }
  const place = placeOf(fault, fault.only ?? "json", "fails", modelless, certificate);
  places[modelless] = { ...place, backend: { ...place.backend, timeouts: { ...usual, ...timeouts } } };
  const stage = await routedScene({
    places,
    routes: cells.map((cell) => routeOf(cell, fault)),
    config: { defaultBackend: modelless, retries: { ...retries, max: 1 } },
  });
  const chat = ({ alias, kind }: Cell) =>
    stage.post("/chat/completions", chatRequest(alias, { stream: kind === "stream" }), [["Authorization", clientsKey]]);
  const post = (path: string, body: string) => rawRequest(stage.tollgate.url + path, { body });
  const [answers, cancelled, uploaded] = await Promise.all([
    Promise.all(cells.map(chat)),
    post("/batches/batch_1/cancel", ""),
    post("/files", "some bytes"),
  ]);
  const { exchanges } = stage.tollgate;
  await vi.waitFor(() => expect(exchanges).toHaveLength(cells.length + 2), { timeout: 20_000, interval: 5 });
  return { stage, answers, cancelled, uploaded, metrics: await stage.metrics() };
}
