// Installs the dependencies when they are missing or older than the lock file; runs on any Node from 20 on.
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const modified = (name) => (existsSync(root + name) ? statSync(root + name).mtimeMs : 0);

// npm writes this file last, so it stands for "the installation finished".
const installed = modified("node_modules/.package-lock.json");
const current = installed > 0 && installed >= Math.max(modified("package.json"), modified("package-lock.json"));
// The Node 24 among the development dependencies is what npm's scripts run on, where the machine's own is older.
const runs = () =>
  Number(process.versions.node.split(".")[0]) >= 24 || existsSync(`${root}node_modules/node/package.json`);
if (!current || !runs()) install();

function install() {
  process.stderr.write("tollgate: installing dependencies (once, about half a minute)…\n");
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const { status, error } = spawnSync(
    npm,
    ["install", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"],
    {
      cwd: root,
      stdio: ["ignore", 2, 2],
      shell: process.platform === "win32",
    },
  );
  if (status !== 0) {
    process.stderr.write(
      `tollgate: npm install failed${error ? `: ${error.message}` : ""}. Is the npm registry reachable?\n`,
    );
    process.exit(1);
  }
  if (!runs()) {
    process.stderr.write(
      `tollgate: needs Node 24 or newer, and this is Node ${process.versions.node}; install Node 24 (https://nodejs.org).\n`,
    );
    process.exit(1);
  }
}
