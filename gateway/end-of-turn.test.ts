import { expect, test } from "vitest";
import { atEndOfTurn } from "./end-of-turn.ts";

test("one that throws, as none may, stops neither those behind it nor those of later turns", async () => {
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
    atEndOfTurn("requests", task("before"));
    atEndOfTurn("requests", {
      endTurn() {
        atEndOfTurn("requests", task("added"));
        throw fault;
      },
    });
    atEndOfTurn("requests", task("behind"));
    await expect.poll(() => done).toEqual(["before", "behind", "added"]);
    expect(told).toEqual([fault]);
    atEndOfTurn("requests", task("later"));
    await expect.poll(() => done.at(-1)).toBe("later");
    expect(done).toHaveLength(4);
  } finally {
    process.off("uncaughtException", survive);
    for (const other of others) process.on("uncaughtException", other);
  }
});

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
