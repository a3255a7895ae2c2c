import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { describe, expect, test, vi } from "vitest";
import { log } from "./exporters/log.ts";
import { logOutput } from "./log-output.ts";
import type { LossReason } from "./losses.ts";
import { failedExchange, sampleExchange } from "./testing/exchange.ts";

function counts() {
  const losses: Record<LossReason, number> = { buffer_full: 0, export_failed: 0, shutdown: 0 };
  const failures: unknown[] = [];
  return {
    losses,
    failures,
    report: {
      lost(count: number, reason: LossReason) {
        losses[reason] += count;
      },
      failed: (error: unknown) => void failures.push(error),
    },
  };
}
const none = { buffer_full: 0, export_failed: 0, shutdown: 0 };
const json = { level: "info", format: "json" } as const;

function memory(isTTY = false) {
  const writes: string[] = [];
  const destination = new Writable({
    write(chunk, _, done) {
      writes.push(String(chunk));
      done();
    },
  });
  return { writes, destination: Object.assign(destination, { isTTY }) };
}

describe("an output", () => {
  test("writes the lines of several turns together, in order", async () => {
    const { writes, destination } = memory();
    const { report, losses } = counts();
    const output = logOutput({ destination, settings: json, report });
    for (const line of ["a\n", "b\n", "c\n"]) {
      output.write(line);
      await new Promise(setImmediate);
    }
    expect(writes).toEqual([]);
    expect(output.buffered).toBe(3);
    await vi.waitFor(() => expect(writes).toEqual(["a\nb\nc\n"]));
    expect(output.buffered).toBe(0);
    output.write("d\n");
    await vi.waitFor(() => expect(writes).toEqual(["a\nb\nc\n", "d\n"]));
    expect(losses).toEqual(none);
  });

  test("writes as soon as 16 KB have come together, and what follows in its turn", async () => {
    const { writes, destination } = memory();
    const output = logOutput({ destination, settings: json, report: counts().report });
    const line = `${"x".repeat(999)}\n`;
    for (let index = 0; index < 20; index++) output.write(line);
    expect(writes.map(({ length }) => length)).toEqual([17_000]);
    await vi.waitFor(() => expect(writes.map(({ length }) => length)).toEqual([17_000, 3_000]));
  });

  test("at a terminal writes the lines of one turn at its end, for a person waits for them", async () => {
    const { writes, destination } = memory(true);
    const output = logOutput({ destination, settings: json, report: counts().report });
    output.write("a\n");
    output.write("b\n");
    expect(writes).toEqual([]);
    await new Promise(setImmediate);
    expect(writes).toEqual(["a\nb\n"]);
  });

  test("leaves nothing behind on the process once its lines are out", async () => {
    const { writes, destination } = memory();
    const before = process.listenerCount("exit");
    const output = logOutput({ destination, settings: json, report: counts().report });
    output.write("a\n");
    expect(process.listenerCount("exit")).toBe(before + 1);
    await vi.waitFor(() => expect(writes).toHaveLength(1));
    output.write("b\n");
    await output.flush();
    expect(process.listenerCount("exit")).toBe(before);
  });

  test("has written everything once flush resolves", async () => {
    const { writes, destination } = memory();
    const output = logOutput({ destination, settings: json, report: counts().report });
    output.write("a\n");
    await output.flush();
    expect(writes).toEqual(["a\n"]);
    await output.flush();
  });

  test("is JSON on a file or a pipe and for a person on a terminal", async () => {
    for (const [isTTY, format, shape] of [
      [false, "auto", /^\{"level":"error"/],
      [true, "auto", /ERROR.*chat gpt-4o-mini 502 failed \(unreachable\) in 412 ms.*The backend is away/],
      [true, "json", /^\{"level":"error"/],
      [false, "pretty", /ERROR.*chat gpt-4o-mini 502 failed \(unreachable\) in 412 ms/],
    ] as const) {
      const { writes, destination } = memory(isTTY);
      const settings = { level: "info", format } as const;
      const output = logOutput({ destination, settings, report: counts().report });
      log({ output, settings }).export(failedExchange());
      await output.flush();
      expect(writes.join("")).toMatch(shape);
      expect(writes.join("").trimEnd()).not.toContain("\n");
    }
  });
});

describe("a reader that stops reading", () => {
  async function stuck() {
    const sockets: Socket[] = [];
    const server = createServer((socket) => void sockets.push(socket.pause()));
    await once(server.listen(0, "127.0.0.1"), "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const destination = connect(address.port, "127.0.0.1");
    await once(destination, "connect");
    const close = () => {
      for (const socket of sockets) socket.destroy();
      destination.destroy();
      server.close();
    };
    return { destination, sockets, close };
  }

  test("costs lines, counted, and neither time nor memory without bound", async () => {
    const { destination, close } = await stuck();
    const { report, losses } = counts();
    const output = logOutput({ destination, settings: json, report, maxBuffered: 100_000, flushMillis: 50 });
    const line = `${"x".repeat(999)}\n`;
    let written = 0;
    while (losses.buffer_full < 1_000) {
      output.write(line);
      if (++written % 100 === 0) await new Promise(setImmediate);
    }
    expect(destination.writableLength).toBeLessThanOrEqual(101_000);
    const waiting = output.buffered;
    const began = performance.now();
    await output.flush();
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(losses).toEqual({ ...none, buffer_full: losses.buffer_full, shutdown: waiting });
    close();
  });

  test("and goes on in time loses nothing", async () => {
    const { destination, sockets, close } = await stuck();
    const { report, losses } = counts();
    const output = logOutput({ destination, settings: json, report, flushMillis: 10_000 });
    for (let index = 0; index < 3_000; index++) output.write(`${"x".repeat(999)}\n`);
    let received = 0;
    for (const socket of sockets)
      socket.on("data", (chunk) => {
        received += chunk.length;
      });
    const flushed = output.flush();
    for (const socket of sockets) socket.resume();
    await flushed;
    await vi.waitFor(() => expect(received).toBe(3_000_000));
    expect(losses).toEqual(none);
    close();
  });

  test("and closes loses lines, counted, and does not end the process", async () => {
    const { destination, sockets, close } = await stuck();
    const { report, losses } = counts();
    const output = logOutput({ destination, settings: json, report, flushMillis: 1_000 });
    for (const socket of sockets) socket.destroy();
    await once(destination, "close");
    output.write("a\n");
    await output.flush();
    expect(losses).toEqual({ ...none, export_failed: 1 });
    close();
  });
});

test("a process that flushes before it exits loses no line of its real standard output", async () => {
  const program = `
    import { log } from ${JSON.stringify(import.meta.resolve("./exporters/log.ts"))};
    import { logOutput } from ${JSON.stringify(import.meta.resolve("./log-output.ts"))};
    import { sampleExchange } from ${JSON.stringify(import.meta.resolve("./testing/exchange.ts"))};
    const settings = { level: "info", format: "auto" };
    const report = { lost: () => process.exit(3), failed: () => process.exit(4) };
    const output = logOutput({ destination: process.stdout, settings, report, maxBuffered: 1e9 });
    const exporter = log({ output, settings });
    process.once("SIGTERM", async () => {
      for (let index = 0; index < 20000; index++) exporter.export(sampleExchange({ id: String(index) }));
      await exporter.shutdown();
      process.exit(0);
    });
    setInterval(() => {}, 1000);
    process.stdout.write("ready\\n");
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const chunks: string[] = [];
  child.stdout.setEncoding("utf8");
  child.stdout.on("data", (chunk: string) => {
    if (chunks.length === 0) child.kill("SIGTERM");
    chunks.push(chunk);
  });
  const [code] = await once(child, "close");
  expect(code).toBe(0);
  const ids = chunks
    .join("")
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((line) => JSON.parse(line).id);
  expect(ids).toEqual(Array.from({ length: 20_000 }, (_, index) => String(index)));
});

test.each([
  ["comes to its end", "", 0],
  ["is told to exit", "process.exit(3);", 3],
  ["breaks off on an error that nobody catches", "throw new Error('on purpose');", 1],
])("a process that %s writes the lines that wait", async (_, end, code) => {
  const program = `
    import { logOutput } from ${JSON.stringify(import.meta.resolve("./log-output.ts"))};
    const report = { lost: () => process.exit(4), failed: () => process.exit(5) };
    const settings = { level: "info", format: "json" };
    const output = logOutput({ destination: process.stdout, settings, report });
    output.write("a\\n");
    output.write("b\\n");
    ${end}
  `;
  const folder = mkdtempSync(join(tmpdir(), "tollgate-log-"));
  const path = join(folder, "out");
  const file = openSync(path, "w");
  for (const stdout of ["pipe", file] as const) {
    const ended = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["ignore", stdout, "ignore"],
    });
    expect(ended.status).toBe(code);
    expect(stdout === "pipe" ? ended.stdout.toString() : readFileSync(path, "utf8")).toBe("a\nb\n");
  }
  closeSync(file);
  rmSync(folder, { recursive: true });
});

test("a destination that fails loses lines, counted and told, and throws at nobody", async () => {
  const destination = new Writable({ write: (_chunk, _encoding, done) => done(new Error("EPIPE")) });
  const { report, losses, failures } = counts();
  const output = logOutput({ destination, settings: json, report });
  output.write("a\n");
  output.write("b\n");
  await output.flush();
  output.write("c\n");
  await output.flush();
  expect(losses).toEqual({ ...none, export_failed: 3 });
  expect(failures).toEqual([new Error("EPIPE")]);
});

test("a hundred exchanges cost a few writes", async () => {
  const { writes, destination } = memory();
  const output = logOutput({ destination, settings: json, report: counts().report });
  const exporter = log({ output, settings: json });
  for (let index = 0; index < 100; index++) exporter.export(sampleExchange());
  await exporter.shutdown();
  expect(writes.length).toBeLessThan(10);
  expect(writes.join("").trimEnd().split("\n")).toHaveLength(100);
});
