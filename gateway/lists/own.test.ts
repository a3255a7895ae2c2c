// What a key sees of the lists of kept things: its own, in pages, wherever it is kept, and nothing of anyone else's.
import OpenAI, { APIUserAbortError, BadRequestError, InternalServerError, NotFoundError } from "openai";
import { describe, expect, test } from "vitest";
import type { Backend } from "../config/config.ts";
import { errorAnswer, json } from "../testing/answers.ts";
import { type FakeBackend, fakeBackend } from "../testing/fake-backend.ts";
import { backendAt, metricsOf, startTollgate, type Tollgate, testConfig } from "../testing/harness.ts";
import { keyRing } from "../testing/key-ring.ts";
import { sumsBy } from "../testing/metrics-text.ts";
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

const grants = ["files", "batches", "vector_stores", "fine_tuning", "stored_responses", "other"] as const;

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
    makeAt: (defaultBackend: string, more: Partial<Backend> = {}) =>
      tollgate.gateway.reload(testConfig({ backends: places.map((one) => ({ ...one, ...more })), defaultBackend })),
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

const waiting = async (tollgate: Tollgate) => sumsBy(await metricsOf(tollgate), "gateway_queue_depth", [])[""] ?? 0;

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

  test.each(["assistants", "containers", "evals", "skills", "videos"])(
    "of %s shows a key what it made",
    async (kind) => {
      await using at = await gateway(await fakeBackend({ otherwise: keeper("x", 4) }));
      const make = (client: OpenAI) => client.post<Kept>(`/${kind}`, { body: {} });
      const [mine] = [await make(at.one), await make(at.two)];
      expect(await at.one.get(`/${kind}`)).toMatchObject({ data: [{ id: mine.id }], has_more: false });
      expect(await at.three.get(`/${kind}`)).toMatchObject({ data: [] });
    },
  );

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

  test("is merged oldest first where that is how it begins", async () => {
    const [a, b] = [await fakeBackend({ otherwise: keeper("a", 9) }), await fakeBackend({ otherwise: keeper("b", 9) })];
    await using at = await gateway(a, b);
    const made: Kept[] = [];
    for (const name of ["a", "b", "a"]) {
      at.makeAt(name);
      made.push(await at.one.post<Kept>("/evals", { body: {} }));
    }
    expect(await at.one.get("/evals")).toMatchObject({ data: made.map(({ id }) => ({ id })) });
    expect(await at.one.get("/evals?order=desc")).toMatchObject({ data: made.toReversed().map(({ id }) => ({ id })) });
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

  test("says that a backend failed, although another's turn was still awaited", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const a = await fakeBackend({ otherwise: keeper("a", 100) });
    const b = await fakeBackend({ otherwise: errorAnswer(500, "broken") });
    await using at = await gateway(a, b);
    at.makeAt("a", { maxConcurrent: 1 });
    a.next(async (turn) => {
      await turn.request.readBody();
      await turn.wait(promise);
      await json({ id: "batch-1" })(turn);
    });
    const holding = at.one.post("/batches", { body: {} });
    await expect.poll(() => a.received.length, { interval: 5 }).toBe(1);
    await expect(at.one.files.list()).rejects.toThrow(InternalServerError);
    expect((await at.tollgate.settled(1))[0]?.outcome).toMatchObject({ kind: "failed", status: 502 });
    resolve();
    await holding;
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
    let made = 0;
    const endless: Answer = async (turn) => {
      await turn.request.readBody();
      made += 1;
      await json({ data: [{ id: `batch-${made}` }], has_more: true })(turn);
    };
    const backend = await fakeBackend({ otherwise: endless });
    await using at = await gateway(backend);
    await expect(at.one.batches.list()).rejects.toMatchObject({ status: 422, code: "list_too_long" });
    expect(backend.received).toHaveLength(50);
  });

  test.each([
    ["knows no such path", json({ error: "no" }, { status: 501, reason: "Not Implemented" })],
    ["may not be asked for it", errorAnswer(403, "not with this key")],
    ["says so with success", json({ error: "Unexpected endpoint or method." })],
  ])("passes by a backend that %s", async (_, other) => {
    const a = await fakeBackend({ otherwise: keeper("a", 100) });
    await using at = await gateway(a, await fakeBackend({ otherwise: other }));
    const { id } = await at.one.post<Kept>("/files", { body: {} });
    expect(await idsOf(at.one.files.list())).toEqual([id]);
  });

  test("that a backend breaks off after a page is not answered with that page alone", async () => {
    const first = json({ data: [{ id: "batch-others" }], has_more: true });
    const backend = await fakeBackend({ otherwise: errorAnswer(404, "no such cursor") });
    backend.next(first);
    await using at = await gateway(backend);
    await expect(at.one.batches.list()).rejects.toMatchObject({ status: 400 });
  });

  test("is read in smaller pages where what others keep is large", async () => {
    const large = { id: "batch-others", text: "x".repeat(50_000) };
    const sizes: number[] = [];
    const otherwise: Answer = async (turn) => {
      await turn.request.readBody();
      const size = Number(new URL(turn.request.target, "http://backend.test").searchParams.get("limit"));
      sizes.push(size);
      const data = Array.from({ length: size }, (_, i) => ({ ...large, id: `batch-${i}` }));
      await json({ data, has_more: false })(turn);
    };
    await using at = await gateway(await fakeBackend({ otherwise }));
    expect(await idsOf(at.one.batches.list())).toEqual([]);
    expect(sizes).toEqual([100, 25]);
  });

  test("is read in smaller pages where a backend gives fewer at once", async () => {
    const sizes: number[] = [];
    const otherwise: Answer = async (turn) => {
      await turn.request.readBody();
      const size = Number(new URL(turn.request.target, "http://backend.test").searchParams.get("limit"));
      sizes.push(size);
      await (size > 100 ? errorAnswer(400, "limit is 100") : json({ data: [], has_more: false }))(turn);
    };
    await using at = await gateway(await fakeBackend({ otherwise }));
    expect(await idsOf(at.one.files.list())).toEqual([]);
    expect(sizes).toEqual([1_000, 250, 63]);
  });

  test("leaves out what a backend says twice, and ends where it says nothing new", async () => {
    const backend = await fakeBackend({ otherwise: json({ data: [{ id: "batch-1" }], has_more: true }) });
    backend.next(json({ id: "batch-1", object: "batch" }));
    await using at = await gateway(backend);
    await at.one.post("/batches", { body: {} });
    expect(await at.one.get("/batches")).toMatchObject({ data: [{ id: "batch-1" }], has_more: false });
  });

  test("makes what a thing of the caller's names its own, too", async () => {
    const batch = { id: "batch-1", object: "batch", output_file_id: "file-out" };
    const backend = await fakeBackend();
    backend.next(json({ id: "batch-1" }), json({ data: [batch] }), json({ id: "file-out" }));
    await using at = await gateway(backend);
    await at.one.post("/batches", { body: {} });
    await at.one.batches.list();
    await expect(at.two.files.retrieve("file-out")).rejects.toThrow(NotFoundError);
    expect(await at.one.files.retrieve("file-out")).toEqual({ id: "file-out" });
  });

  test("waits for its turn at a backend page by page, and a client that leaves meanwhile is abandoned", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const backend = await fakeBackend({ otherwise: keeper("x", 100) });
    await using at = await gateway(backend);
    at.makeAt("a", { maxConcurrent: 1 });
    backend.next(async (turn) => {
      await turn.request.readBody();
      await turn.wait(promise);
      await json({ data: [] })(turn);
    });
    const first = at.one.batches.list();
    await expect.poll(() => backend.received.length, { interval: 5 }).toBe(1);
    const leaving = new AbortController();
    const second = at.two.batches.list({}, { signal: leaving.signal });
    const third = at.two.batches.list();
    await expect.poll(() => waiting(at.tollgate), { interval: 5 }).toBe(2);
    leaving.abort();
    await expect(second).rejects.toThrow(APIUserAbortError);
    await expect.poll(() => waiting(at.tollgate), { interval: 5 }).toBe(1);
    resolve();
    await Promise.all([first, third]);
    const records = await at.tollgate.settled(3);
    expect(records.map(({ outcome, attempts }) => [outcome.kind, attempts.length])).toEqual([
      ["abandoned", 0],
      ["completed", 1],
      ["completed", 1],
    ]);
    expect(backend.received).toHaveLength(2);
  });
});
