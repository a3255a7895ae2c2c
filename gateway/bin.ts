#!/usr/bin/env -S node --max-semi-space-size=16 --no-allocation-site-pretenuring
// The `tollgate` program: checks that this Node can run it before it loads anything that only a newer one can.

// Old syntax and no static import, so that an old Node gets as far as the sentence that helps.
if (Number(process.versions.node.split(".")[0]) < 24) {
  process.stderr.write(
    "tollgate: needs Node 24 or newer, and this is Node " +
      process.versions.node +
      "; install Node 24 (https://nodejs.org), or run: npx --package node@24 --package tollgate tollgate serve\n",
  );
  process.exitCode = 1;
} else {
  const output = {
    out: (text: string) => process.stdout.write(text),
    err: (text: string) => process.stderr.write(text),
  };
  Promise.all([import("./command.ts"), import("node:crypto")])
    .then(([loaded, { randomFillSync }]) =>
      loaded.command(process.argv.slice(2), { ...output, now: Date.now, fillRandom: (bytes) => randomFillSync(bytes) }),
    )
    .then((code) => {
      // Not process.exit at once: what was written to a pipe may still be on its way.
      process.exitCode = code;
      setTimeout(() => process.exit(code), 1000).unref();
    });
}
