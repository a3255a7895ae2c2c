// A data folder and a Redis of a test's own, for what moves from the one to the other.
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Redis, redis } from "../state/redis.ts";
import { type RedisServer, redisServer } from "./redis.ts";

export interface FolderAndRedis extends AsyncDisposable {
  /** Its path; it is empty. */
  readonly folder: string;
  readonly server: RedisServer;
  /** Connected. */
  readonly link: Redis;
}

export async function folderAndRedis(): Promise<FolderAndRedis> {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-moving-"));
  const server = await redisServer();
  const link = redis({ url: server.url });
  await link.ready(5_000);
  return {
    folder,
    server,
    link,
    async [Symbol.asyncDispose]() {
      await link.close();
      await server[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}
