// `npm start`: sets up, then runs the gateway on the pinned Node, and sees to it that what ends npm ends the gateway.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import "./setup.mjs";

// The young generation stays small, or its empty room counts for 20 KB per open stream; and nothing is put straight
// into the old one, where the dead keep what came after them alive until the next full collection.
const flags = JSON.parse(readFileSync(new URL("node-flags.json", import.meta.url), "utf8"));
// npm puts node_modules/.bin first on the PATH, and with it the pinned Node, which setup has just seen to.
const args = [...flags, "gateway/bin.ts", "serve", ...process.argv.slice(2)];
const gateway = spawn("node", args, { stdio: "inherit", shell: process.platform === "win32" });
for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => gateway.kill(signal));
// A signal to npm ends npm's shell and goes no further: an orphan knows that it is time.
const parent = process.ppid;
setInterval(() => process.ppid !== parent && gateway.kill("SIGTERM"), 500).unref();
// Ctrl-C reaches the whole group by itself; here it must only not end the parent first.
process.on("SIGINT", () => {});
gateway.on("error", (error) => {
  process.stderr.write(`tollgate: cannot start: ${error.message}\n`);
  process.exitCode = 1;
});
gateway.on("exit", (code) => {
  process.exitCode = code ?? 1;
});
