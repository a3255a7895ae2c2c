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
    atEndOfTurn(task("before"));
    atEndOfTurn({
      endTurn() {
        atEndOfTurn(task("added"));
        throw fault;
      },
    });
    atEndOfTurn(task("behind"));
    await expect.poll(() => done).toEqual(["before", "behind", "added"]);
    expect(told).toEqual([fault]);
    atEndOfTurn(task("later"));
    await expect.poll(() => done.at(-1)).toBe("later");
    expect(done).toHaveLength(4);
  } finally {
    process.off("uncaughtException", survive);
    for (const other of others) process.on("uncaughtException", other);
  }
});
