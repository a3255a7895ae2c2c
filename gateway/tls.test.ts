import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { expect, test } from "vitest";
import { eventStream, json } from "./testing/answers.ts";
import { selfSigned } from "./testing/certificate.ts";
import { chatCompletion, chatEvents, chatRequest } from "./testing/payloads.ts";
import { scene } from "./testing/scene.ts";

const model = "gpt-4o-mini";
const certificate = await selfSigned();
const why = "there is no openssl command to make a certificate with";

test("a backend behind TLS is used like any other, its connection kept, the handshake counted as connecting", async ({
  skip,
}) => {
  if (certificate === undefined) return skip(why);
  const trusted = getCACertificates("default");
  setDefaultCACertificates([...trusted, certificate.cert]);
  try {
    const events = chatEvents({ model });
    await using stage = await scene({
      fake: { tls: certificate },
      script: [json(chatCompletion(model)), eventStream(events)],
    });
    expect((await stage.post("/chat/completions", chatRequest(model))).json()).toMatchObject({ model });
    const got = await stage.post("/chat/completions", chatRequest(model, { stream: true }));
    expect([got.text, stage.backend.connections]).toEqual([events.join(""), 1]);
    const [first, second] = await stage.tollgate.settled(2);
    expect(first?.phases.connect).toBeGreaterThan(second?.phases.connect ?? 1);
  } finally {
    setDefaultCACertificates(trusted);
  }
});

test("a backend whose certificate nobody vouches for is unreachable, and is sent nothing", async ({ skip }) => {
  if (certificate === undefined) return skip(why);
  await using stage = await scene({ fake: { tls: certificate } });
  const got = await stage.post("/chat/completions", chatRequest(model));
  expect([got.status, got.json()]).toMatchObject([502, { error: { code: "backend_unreachable" } }]);
  expect(stage.backend.received).toEqual([]);
  const exchange = await stage.onlyExchange();
  expect(exchange.outcome).toMatchObject({ kind: "failed", reason: "unreachable", status: 502 });
});
