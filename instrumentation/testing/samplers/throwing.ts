// A sampler whose thread dies at the first question.
import { parentPort } from "node:worker_threads";

parentPort?.on("message", () => {
  throw new Error("no such machine");
});
