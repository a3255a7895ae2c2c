// `npm run bench`: Tollgate beside a bare proxy and nginx, on this machine, in one run.
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { contest } from "./contest.ts";
import { flags, usage } from "./flags.ts";
import { nginxVersion } from "./nginx.ts";
import { text } from "./print.ts";
import { report } from "./report.ts";
import { openFiles } from "./usage.ts";

const note = (line: string) => process.stderr.write(`${line}\n`);

/** Runs the benchmark; gives the exit code: 0 well, 1 a bar missed under --assert, 2 could not run. */
async function bench(args: readonly string[]): Promise<number> {
  const asked = flags(args);
  if (asked.help) {
    process.stdout.write(usage);
    return 0;
  }
  if (process.platform !== "linux") {
    note("The benchmark reads processor time and memory from /proc, so it runs on Linux only.");
    return 2;
  }
  // Two sockets for each stream, and some to spare.
  const needed = asked.streams * 2 + 1000;
  if (asked.only.has("memory") && openFiles() < needed) {
    note(
      `Memory with ${asked.streams} streams takes ${needed} open files: raise the hard limit (ulimit -Hn) or lower --streams.`,
    );
    return 2;
  }
  const version = nginxVersion();
  const cores = cpus();
  note(
    `Node ${process.versions.node}, ${cores.length} × ${cores[0]?.model.trim() ?? "unknown processor"}; ` +
      `${version === undefined ? "nginx is not on the PATH, so it is left out" : `nginx ${version}`}.`,
  );
  if (cores.length === 1) note("There is only one core, which the load shares: all figures are low.");

  const folder = mkdtempSync(join(tmpdir(), "tollgate-bench-"));
  try {
    const { findings, names } = await contest({ flags: asked, folder, note });
    const found = report(findings, names);
    process.stdout.write(asked.json ? `${JSON.stringify(found, null, 2)}\n` : `\n${text(found)}\n`);
    return asked.assert && found.bars.some(({ holds }) => !holds) ? 1 : 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

try {
  process.exitCode = await bench(process.argv.slice(2));
} catch (error) {
  note(error instanceof Error ? error.message : String(error));
  process.exitCode = 2;
}
