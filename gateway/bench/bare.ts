// The yardstick: a plain pass-through proxy as one would write it with node:http alone, which measures nothing.
import http from "node:http";

const backend = new URL(process.argv[2] ?? "");
const agent = new http.Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });

const server = http.createServer((incoming, outgoing) => {
  const { connection: _, ...headers } = incoming.headers;
  const upstream = http.request(
    { agent, hostname: backend.hostname, port: backend.port, method: incoming.method, path: incoming.url, headers },
    (answer) => {
      const { connection: _, "keep-alive": __, "transfer-encoding": ___, ...kept } = answer.headers;
      outgoing.writeHead(answer.statusCode ?? 502, kept);
      answer.pipe(outgoing);
      answer.on("error", () => outgoing.destroy());
    },
  );
  upstream.on("error", () => {
    if (outgoing.headersSent) outgoing.destroy();
    else outgoing.writeHead(502).end();
  });
  outgoing.on("close", () => {
    if (!outgoing.writableFinished) upstream.destroy();
  });
  incoming.pipe(upstream);
});

process.on("disconnect", () => process.exit());
server.listen({ host: "127.0.0.1", port: 0, backlog: 8192 }, () => {
  const address = server.address();
  if (address !== null && typeof address === "object") process.send?.({ port: address.port });
});
