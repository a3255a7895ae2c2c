// A sampler that takes its time, and then says how often it was asked meanwhile.
import { parentPort } from "node:worker_threads";

let asked = 0;
parentPort?.on("message", () => {
  asked++;
  setTimeout(() => parentPort?.postMessage({ uptime: asked, errors: [] }), 200);
});
