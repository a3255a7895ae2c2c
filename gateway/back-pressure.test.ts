import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { ServerResponse } from "node:http";
import { expect, test, vi } from "vitest";
import { answer } from "./testing/answers.ts";
import { rawConnection, requestBytes } from "./testing/raw-client.ts";
import { scene } from "./testing/scene.ts";

const channel = "http.server.request.start";

test("what one turn reads of a fast backend is bounded, so that a client that takes nothing holds little memory", async () => {
  const responses: ServerResponse[] = [];
  const opened = (message: unknown) => void responses.push((message as { response: ServerResponse }).response);
  subscribe(channel, opened);
  try {
    const block = Buffer.alloc(1024 * 1024, "x");
    const body = Array.from({ length: 64 }, () => block);
    await using stage = await scene({
      script: [answer({ body, headers: [["Content-Type", "application/octet-stream"]] })],
    });
    const url = stage.at("/files/file-1/content");
    const client = await rawConnection(url, 1);
    await client.send(requestBytes(url, { method: "GET" }));
    await client.head();
    const [response] = responses;
    await vi.waitFor(() => expect(response?.writableNeedDrain).toBe(true));
    let most = 0;
    let got = 0;
    for (let piece = await client.piece(); piece !== undefined; piece = await client.piece()) {
      got += piece.length;
      most = Math.max(most, response?.writableLength ?? 0);
    }
    expect(got).toBe(64 * block.length);
    expect(most).toBeLessThan(512 * 1024);
    client.leave();
  } finally {
    unsubscribe(channel, opened);
  }
});
