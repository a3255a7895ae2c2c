// What a key sees of the lists of kept things: its own, in pages, wherever it is kept, and nothing of anyone else's.
import OpenAI, { BadRequestError, InternalServerError, NotFoundError } from "openai";
import { describe, expect, test } from "vitest";
import { errorAnswer, json } from "../testing/answers.ts";
import { type FakeBackend, fakeBackend } from "../testing/fake-backend.ts";
import { backendAt, startTollgate, testConfig } from "../testing/harness.ts";
import { keyRing } from "../testing/key-ring.ts";
import type { Answer, Turn } from "../testing/turn.ts";

interface Kept {
  readonly id: string;
  readonly object: string;
  readonly created_at: number;
}

/** Keeps files, batches and vector stores as OpenAI does, newest first, no more than `most` on a page. */
function keeper(name: string, most: number): Answer {
  const kept = new Map<string, Kept[]>();
  const answers = (turn: Turn): Answer => {
    const { pathname, searchParams } = new URL(turn.request.target, "http://backend.test");
    const shelf = kept.get(pathname) ?? [];
    if (turn.request.method === "POST") {
      const [, , kind = ""] = pathname.split("/");
      const at = Date.now() * 1_000 + [...kept.values()].flat().length;
      const made = { id: `${kind}-${name}-${shelf.length}`, object: kind, created_at: at };
      kept.set(pathname, [made, ...shelf]);
      return json(made);
    }
    const after = searchParams.get("after");
    const from = after === null ? 0 : shelf.findIndex(({ id }) => id === after) + 1;
    const data = shelf.slice(from, from + Math.min(most, Number(searchParams.get("limit") ?? most)));
    return json({ object: "list", data, has_more: from + data.length < shelf.length });
  };
  return async (turn) => {
    await turn.request.readBody();
    await answers(turn)(turn);
  };
}

const grants = ["files", "batches", "vector_stores", "fine_tuning", "stored_responses"] as const;

async function gateway(...backends: readonly FakeBackend[]) {
  const keys = keyRing();
  const clients = ["one", "two", "three"].map((name) => keys.add(name, { grants }));
  const names = ["a", "b"];
  const places = backends.map(({ origin }, i) => backendAt(origin, { name: names[i] ?? "" }));
  const tollgate = await startTollgate({ backends: places, defaultBackend: "a" }, { keys });
  const sdk = (apiKey: string) => new OpenAI({ baseURL: tollgate.url, apiKey, maxRetries: 0 });
  const [one = "", two = "", three = ""] = clients;
  return {
    tollgate,
    one: sdk(one),
    two: sdk(two),
    three: sdk(three),
    keyOfOne: one,
    /** What is made from now on is made there. */
    makeAt: (defaultBackend: string) => tollgate.gateway.reload(testConfig({ backends: places, defaultBackend })),
    async [Symbol.asyncDispose]() {
      await tollgate.close();
      for (const backend of backends) await backend.close();
    },
  };
}

/** Batches that the two make in turns; the last of all is the first one's. */
async function batches(count: number, ...clients: readonly OpenAI[]): Promise<string[][]> {
  const made: string[][] = clients.map(() => []);
  for (let i = 0; i < count; i += 1) {
    for (const [at, client] of clients.entries()) {
      const { id } = await client.post<Kept>("/batches", { body: { endpoint: "/v1/chat/completions" } });
      made[at]?.unshift(id);
    }
  }
  return made;
}

const idsOf = async (list: AsyncIterable<{ readonly id: string }>): Promise<string[]> => {
  const ids: string[] = [];
  for await (const { id } of list) ids.push(id);
  return ids;
};

describe("a list", () => {
  test("shows a key what it made, on pages of its own, however the backend's pages fall", async () => {
    await using at = await gateway(await fakeBackend({ otherwise: keeper("x", 4) }));
    const [ones, twos] = await batches(7, at.one, at.two);
    for (const limit of [1, 3, 7, 20]) {
      expect([limit, await idsOf(at.one.batches.list({ limit }))]).toEqual([limit, ones]);
      expect([limit, await idsOf(at.two.batches.list({ limit }))]).toEqual([limit, twos]);
    }
    expect(await idsOf(at.one.batches.list())).toEqual(ones);
    expect(await idsOf(at.three.batches.list())).toEqual([]);
    const query = { limit: 3, after: ones?.[1] };
    expect(await at.one.get("/batches", { query })).toMatchObject({
      object: "list",
      data: ones?.slice(2, 5).map((id) => ({ id, object: "batches" })),
      first_id: ones?.[2],
      last_id: ones?.[4],
      has_more: true,
    });
  });

  test("is read no further than its page needs", async () => {
    const backend = await fakeBackend({ otherwise: keeper("x", 2) });
    await using at = await gateway(backend);
    await batches(10, at.one);
    const before = backend.received.length;
    await at.one.batches.list({ limit: 3 });
    // Three, and one that says that there are more.
    expect(backend.received.length - before).toBe(2);
  });

  test("is merged where several backends keep something, newest first", async () => {
    const [a, b] = [await fakeBackend({ otherwise: keeper("a", 2) }), await fakeBackend({ otherwise: keeper("b", 3) })];
    await using at = await gateway(a, b);
    const made: string[] = [];
    for (let i = 0; i < 6; i += 1) {
      at.makeAt(i % 2 === 0 ? "a" : "b");
      const { id } = await at.one.post<Kept>("/files", { body: {} });
      made.unshift(id);
    }
    expect(made.filter((id) => id.includes("-a-"))).toHaveLength(3);
    expect(await idsOf(at.one.files.list({ limit: 4 }))).toEqual(made);
    expect(await idsOf(at.one.files.list({ order: "asc" }))).toEqual(made.toReversed());
  });

  test("passes by a backend that keeps none, and takes what else is asked for along", async () => {
    const a = await fakeBackend({ otherwise: keeper("a", 100) });
    const b = await fakeBackend({ otherwise: errorAnswer(404, "no such path") });
    await using at = await gateway(a, b);
    const { id } = await at.one.post<Kept>("/files", { body: {} });
    expect(await idsOf(at.one.files.list({ purpose: "batch", limit: 5 }))).toEqual([id]);
    const asked = new URL(a.received.at(-1)?.target ?? "", "http://backend.test").searchParams;
    expect([asked.get("purpose"), asked.get("after")]).toEqual(["batch", null]);
    const [record] = (await at.tollgate.settled(2)).slice(1);
    expect(record).toMatchObject({ outcome: { kind: "completed", status: 200 }, endpoint: "/v1/files" });
  });

  test("is not answered with a part of it where a backend fails", async () => {
    const a = await fakeBackend({ otherwise: keeper("a", 100) });
    const b = await fakeBackend({ otherwise: errorAnswer(500, "broken") });
    await using at = await gateway(a, b);
    await at.one.post<Kept>("/files", { body: {} });
    await expect(at.one.files.list()).rejects.toThrow(InternalServerError);
  });

  test("says what of its query it does not take, and that it has nothing to begin at", async () => {
    await using at = await gateway(await fakeBackend({ otherwise: keeper("x", 4) }));
    const [ones, twos] = await batches(1, at.one, at.two);
    const wrong = at.one.batches.list({ limit: -1 });
    await expect(wrong).rejects.toThrow(BadRequestError);
    await expect(wrong).rejects.toThrow("'limit' has to be a number");
    await expect(at.one.batches.list({ after: twos?.[0] ?? "" })).rejects.toThrow(NotFoundError);
    expect(ones).toHaveLength(1);
  });

  test("tells nothing of its length to who asks for its head", async () => {
    const backend = await fakeBackend({ otherwise: keeper("x", 4) });
    await using at = await gateway(backend);
    const headers = { authorization: `Bearer ${at.keyOfOne}` };
    const got = await fetch(`${at.tollgate.url}/batches`, { method: "HEAD", headers });
    expect([got.status, backend.received.length]).toEqual([405, 0]);
  });

  test("that never ends is given up", async () => {
    const endless = json({ data: [{ id: "batch-other" }], has_more: true });
    const backend = await fakeBackend({ otherwise: endless });
    await using at = await gateway(backend);
    await expect(at.one.batches.list()).rejects.toMatchObject({ status: 422, code: "list_too_long" });
    expect(backend.received).toHaveLength(50);
  });
});
