// nginx as a contender, where it is installed: one worker, keep-alive to the backend, nothing buffered, nothing logged.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import type { ChildOptions } from "./child.ts";

/** Its version; `undefined` where it is not on the PATH. */
export function nginxVersion(): string | undefined {
  const { stderr, status } = spawnSync("nginx", ["-v"], { encoding: "utf8" });
  return status === 0 ? /nginx\/(\S+)/.exec(stderr)?.[1] : undefined;
}

/** How to start it in front of the backend at `backendPort`; its files go into `within`. */
export async function nginx(backendPort: number, within: string): Promise<ChildOptions> {
  const folder = join(within, "nginx");
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  // One process is both master and worker, so that its processor time and memory are all there is.
  writeFileSync(
    join(folder, "nginx.conf"),
    `daemon off;
master_process off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid ${folder}/pid;
error_log ${folder}/error.log crit;
events { worker_connections 18000; }
http {
  access_log off;
  keepalive_requests 100000000;
  ${temporary.join("\n  ")}
  upstream backend {
    server 127.0.0.1:${backendPort};
    keepalive 512;
    keepalive_requests 100000000;
  }
  server {
    listen 127.0.0.1:${port} backlog=8192;
    location / {
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 600s;
    }
  }
}
`,
  );
  return { command: ["nginx", "-p", folder, "-c", "nginx.conf", "-e", `${folder}/error.log`], port };
}

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address !== "object") throw new Error("no free port");
  return address.port;
}
