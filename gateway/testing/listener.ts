// A server that takes whatever is posted to it: a collector, a Sentry.
import { createServer } from "node:http";

export interface Listener {
  /** Address and port. */
  readonly host: string;
  /** What came so far, in order. */
  readonly posts: readonly { readonly path: string; readonly body: string }[];
  close(): Promise<void>;
}

/** Starts it on a free port. It answers with `{}` or, where it hangs, never. */
export async function listener({ hangs = false } = {}): Promise<Listener> {
  const posts: { path: string; body: string }[] = [];
  const server = createServer((req, res) => {
    let body = "";
    req.setEncoding("utf8").on("data", (text: string) => {
      body += text;
    });
    req.on("end", () => {
      posts.push({ path: req.url ?? "", body });
      if (!hangs) res.setHeader("content-type", "application/json").end("{}");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    host: `127.0.0.1:${address.port}`,
    posts,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
