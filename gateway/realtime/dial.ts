// The handshake with the backend: opens a session there, or says in the words of the error table why that is not to be.
import type { ClientRequest, IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import { type ExchangeDraft, type OpenAttempt, traceHeaders } from "../../instrumentation/index.ts";
import { isOurSubprotocol, withoutOurs } from "../admission/credential.ts";
import type { Identity } from "../admission/identity.ts";
import { type FailureKind, GatewayError } from "../errors.ts";
import type { Upstream } from "../fleet.ts";
import { headersToBackend } from "../headers.ts";
import type { Target } from "../routing/route.ts";
import { Failed, type ForwardOptions } from "../sending.ts";
import type { Target as Place } from "../target.ts";
import { crossingSubprotocols } from "./handshake.ts";
import { refusal } from "./refusal.ts";

export interface Dial {
  readonly req: IncomingMessage;
  readonly place: Place;
  readonly target: Target;
  readonly draft: ExchangeDraft;
  readonly options: ForwardOptions;
  readonly identity: Identity;
  /** Tokens are taken here, so that none crosses. */
  readonly withTokens: boolean;
  /** Gives up; its reason is what `dial` rejects with. */
  readonly signal: AbortSignal;
}

export interface Dialled {
  /** Paused: it says nothing before `resume`. */
  readonly socket: WebSocket;
  readonly subprotocol: string | undefined;
  /** Of the backend's 101, as Node gives them. */
  readonly rawHeaders: readonly string[];
}

/**
 * Opens the session at the backend, as one attempt of the exchange. Rejects with a GatewayError, or with the signal's
 * reason. The connection itself has `timeouts.connect`, the answer to the upgrade `timeouts.firstByte`.
 */
export function dial({ req, place, target, draft, options, identity, withTokens, signal }: Dial): Promise<Dialled> {
  const { upstream, timeouts } = target;
  const { backend, transport } = upstream;
  const { now } = options.surroundings.clock;
  const open: OpenAttempt = {
    backend: backend.name,
    provider: backend.provider,
    model: target.model ?? draft.requestedModel,
    spanId: options.traces.spanId(),
    startedAt: now(),
    address: transport.hostname,
    port: transport.port,
  };
  draft.attempts.push(open);
  draft.enter("connect", open.startedAt);
  const ownKey = !(backend.passClientKey && backend.key === undefined);
  const isProven = identity.auth === "key" || identity.auth === "jwt";
  const offered = crossingSubprotocols(req, !ownKey).filter(
    (name) => !(isProven && isOurSubprotocol(name, withTokens)),
  );
  const path = transport.basePath + place.path.slice(3) + queryFor(place.query, target.model);
  const secure = backend.baseUrl.startsWith("https:");

  return new Promise((resolve, reject) => {
    let settled = false;
    let timer: NodeJS.Timeout | undefined;
    let answer: IncomingMessage | undefined;
    const setHeaders = (request: ClientRequest) => {
      const list = headersFor({ req, upstream, draft, options, withTokens, open });
      for (let i = 0; i + 1 < list.length; i += 2) request.appendHeader(list[i] ?? "", list[i + 1] ?? "");
      // Not through ws, which takes it ill when a backend that knows no subprotocols chooses none.
      if (offered.length > 0) request.setHeader("sec-websocket-protocol", offered.join(", "));
    };
    const within = (seconds: number, kind: FailureKind) => {
      clearTimeout(timer);
      if (seconds > 0) timer = setTimeout(() => fail(new GatewayError(kind)), seconds * 1000);
    };
    const settle = (): boolean => {
      if (settled) return false;
      settled = true;
      clearTimeout(timer);
      signal.removeEventListener("abort", left);
      draft.enter("overhead", now());
      return true;
    };
    const fail = (error: unknown) => {
      if (!settle()) return;
      dialled.terminate();
      reject(error);
    };
    const left = () => fail(signal.reason);
    const connected = () => {
      if (settled) return;
      open.connectedAt = now();
      draft.enter("firstByte", open.connectedAt);
      within(timeouts.firstByte, "first_byte_timeout");
    };
    const answered = (head: IncomingMessage) => {
      answer = head;
      open.firstByteAt = now();
      open.status = head.statusCode ?? 0;
      draft.enter("stream", open.firstByteAt);
      const { "x-request-id": id } = head.headers;
      if (typeof id === "string") open.upstreamRequestId = id.slice(0, 128);
    };

    const dialled = new WebSocket(new URL(backend.baseUrl).origin.replace(/^http/, "ws"), {
      perMessageDeflate: false,
      followRedirects: false,
      finishRequest(request) {
        // Byte for byte, which a URL would not keep.
        request.path = path;
        setHeaders(request);
        request.once("socket", (socket) => socket.once(secure ? "secureConnect" : "connect", connected));
        request.end();
      },
    });
    dialled.once("close", transport.join());
    within(timeouts.connect, "connect_timeout");
    signal.addEventListener("abort", left);
    let subprotocol: string | undefined;
    dialled.once("upgrade", (head) => {
      if (settled) return;
      answered(head);
      subprotocol = head.headers["sec-websocket-protocol"];
      delete head.headers["sec-websocket-protocol"];
      if (subprotocol !== undefined && !offered.includes(subprotocol))
        fail(new Failed("bad_answer", "The backend chose a subprotocol that was not offered."));
    });
    dialled.once("unexpected-response", (_, head) => {
      if (settled) return;
      answered(head);
      void refusal(head, ownKey).then(fail);
    });
    // What comes after the handshake is told of by `close`, too.
    dialled.on("error", (error) => fail(failureOf(error)));
    dialled.once("open", () => {
      if (!settle()) return;
      dialled.pause();
      resolve({ socket: dialled, subprotocol, rawHeaders: answer?.rawHeaders ?? [] });
    });
    if (signal.aborted) left();
  });
}

interface Own extends Pick<Dial, "req" | "draft" | "options" | "withTokens"> {
  readonly upstream: Upstream;
  readonly open: OpenAttempt;
}

/** The client's query, with the model's name at the backend where it has one of its own. */
function queryFor(query: string, model: string | undefined): string {
  if (model === undefined || query === "") return query;
  const parts = query.slice(1).split("&");
  return `?${parts.map((part) => (new URLSearchParams(part).has("model") ? `model=${encodeURIComponent(model)}` : part)).join("&")}`;
}

/** The client's headers that may cross, and ours. Those of the handshake itself are each connection's own. */
function headersFor({ req, upstream, draft, options, withTokens, open }: Own): readonly string[] {
  const theirs = headersToBackend(req, upstream.crossing);
  const crossing = withoutOurs(theirs, withTokens).filter(
    (_, i, list) => !/^sec-websocket-/i.test(list[i - (i % 2)] ?? ""),
  );
  crossing.push("x-request-id", draft.opening.id);
  if (upstream.backend.propagateTrace) {
    const { traceparent, tracestate } = traceHeaders(draft.opening.trace, open.spanId, options.exportsSpans);
    crossing.push("traceparent", traceparent);
    if (tracestate !== undefined) crossing.push("tracestate", tracestate);
  }
  return [...crossing, ...upstream.headers];
}

/** What is no system error and came with an answer was the answer's fault. */
function failureOf(error: Error): Failed {
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  const kind = code === undefined || code.startsWith("HPE_") ? "bad_answer" : "unreachable";
  return new Failed(
    kind,
    code === undefined || error.message.includes(code) ? error.message : `${code}: ${error.message}`,
  );
}
