import { expect, test } from "vitest";
import { atEndOfTurn } from "./end-of-turn.ts";

test.each(["arrived", "answers", "requests"] as const)(
  "one that throws, as none may, stops neither those behind it nor those of later turns: %s",
  async (kind) => {
    const told: unknown[] = [];
    const others = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    // As the program does.
    const survive = (error: unknown) => void told.push(error);
    process.on("uncaughtException", survive);
    try {
      const fault = new Error("poison");
      const done: string[] = [];
      const task = (name: string) => ({ endTurn: () => void done.push(name) });
      atEndOfTurn(kind, task("before"));
      atEndOfTurn(kind, {
        endTurn() {
          atEndOfTurn(kind, task("added"));
          throw fault;
        },
      });
      atEndOfTurn(kind, task("behind"));
      await expect.poll(() => done).toEqual(["before", "behind", "added"]);
      expect(told).toEqual([fault]);
      atEndOfTurn(kind, task("later"));
      await expect.poll(() => done.at(-1)).toBe("later");
      expect(done).toHaveLength(4);
    } finally {
      process.off("uncaughtException", survive);
      for (const other of others) process.on("uncaughtException", other);
    }
  },
);

test("answers go out in a row, then requests, each in the order in which they were put down; and so does what these add", async () => {
  const done: string[] = [];
  const task = (name: string, then = () => {}) => ({
    endTurn() {
      done.push(name);
      then();
    },
  });
  atEndOfTurn(
    "requests",
    task("request 1", () => atEndOfTurn("answers", task("answer 3"))),
  );
  atEndOfTurn(
    "answers",
    task("answer 1", () => atEndOfTurn("requests", task("request 3"))),
  );
  atEndOfTurn("requests", task("request 2"));
  atEndOfTurn("answers", task("answer 2"));
  const nextTurn = new Promise((resolve) => setImmediate(resolve));
  expect(done).toEqual([]);
  await nextTurn;
  expect(done).toEqual(["answer 1", "answer 2", "request 1", "request 2", "request 3", "answer 3"]);
});

test("who waits for what arrived goes on before the turn is over, however often it waits, and so does what it adds", async () => {
  const done: string[] = [];
  const task = (name: string) => ({ endTurn: () => void done.push(name) });
  let arrive = () => {};
  const goesOn = (async () => {
    await new Promise<void>((resolve) => {
      arrive = resolve;
    });
    for (let i = 0; i < 5; i += 1) await undefined;
    done.push("goes on");
    atEndOfTurn("requests", task("request"));
  })();
  atEndOfTurn("answers", task("answer"));
  atEndOfTurn("arrived", { endTurn: () => arrive() });
  const nextTurn = new Promise((resolve) => setImmediate(resolve));
  await nextTurn;
  expect(done).toEqual(["goes on", "answer", "request"]);
  await goesOn;
});
