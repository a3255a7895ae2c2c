// The gateway as users run it: a process of its own, whose memory is its own.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { metricSamples } from "./metrics-text.ts";
import { rawRequest } from "./raw-client.ts";

export interface OwnProcess extends AsyncDisposable {
  /** Base URL for a client, with `/v1`. */
  readonly url: string;
  /** Resident memory now, bytes. */
  residentBytes(): Promise<number>;
}

const program = fileURLToPath(new URL("../bin.ts", import.meta.url));

/** Runs `tollgate serve` on free ports, with one backend that takes every model. Rejects when it ends before it is ready. */
export async function ownProcess(backendUrl: string): Promise<OwnProcess> {
  const folder = await mkdtemp(join(tmpdir(), "tollgate-process-"));
  const file = join(folder, "config.yaml");
  await writeFile(
    file,
    `demo: false\nbackends:\n  - { name: fake, provider: openai, baseUrl: "${backendUrl}", models: ["*"] }\n`,
  );
  const child = spawn(process.execPath, [program, "serve", "--config", file], {
    env: { PORT: "0", METRICS_PORT: "0", LOG_LEVEL: "silent" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGTERM");
      await once(child, "exit");
    }
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const { url, opsUrl } = await announced(child);
    return {
      url,
      async residentBytes() {
        const { text } = await rawRequest(`${opsUrl}/metrics`, { method: "GET" });
        const sample = metricSamples(text).find(({ name }) => name === "process_resident_memory_bytes");
        if (sample === undefined) throw new Error("there is no process_resident_memory_bytes");
        return sample.value;
      },
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The two addresses that the banner tells. */
function announced(child: ChildProcess): Promise<{ readonly url: string; readonly opsUrl: string }> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stderr?.setEncoding("utf8").on("data", (piece: string) => {
      text += piece;
      const url = /(http:\S+\/v1)\b/.exec(text)?.[1];
      const opsUrl = /(http:\S+) with \/metrics/.exec(text)?.[1];
      if (url !== undefined && opsUrl !== undefined) resolve({ url, opsUrl });
    });
    child.once("exit", (code) => reject(new Error(`the gateway ended (${code}) before it was ready: ${text}`)));
    child.once("error", reject);
  });
}
