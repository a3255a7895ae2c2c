#!/usr/bin/env node
// The `tollgate` program: checks that this Node can run it before it loads anything that only a newer one can.
// Old syntax on purpose, so that an old Node gets as far as the sentence that helps.
import process from "node:process";

const major = Number(process.versions.node.split(".")[0]);

if (major < 24) {
  process.stderr.write(
    "tollgate: needs Node 24 or newer, and this is Node " +
      process.versions.node +
      "; install Node 24 (https://nodejs.org), or run: npx --package node@24 --package tollgate tollgate serve\n",
  );
  process.exitCode = 1;
} else {
  import("./command.ts").then((loaded) =>
    loaded
      .command(process.argv.slice(2), {
        out: (text) => process.stdout.write(text),
        err: (text) => process.stderr.write(text),
      })
      .then((code) => {
        // Not process.exit: what was written to a pipe may still be on its way.
        process.exitCode = code;
      }),
  );
}
