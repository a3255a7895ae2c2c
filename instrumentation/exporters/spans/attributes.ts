// The names and attributes of our spans: standard ones where a convention has them, `tollgate.*` for the rest.
import type { Attributes } from "@opentelemetry/api";
import type { CacheSaved } from "../../cache-saved.ts";
import type { Attempt, Cost, Exchange, Tokens } from "../../exchange.ts";
import { genAiOperation, genAiProvider } from "../../genai.ts";

/** Sets each attribute that is known; unknown stays absent, never 0 or "unknown". */
function set(draft: Attributes, values: Readonly<Attributes>): Attributes {
  for (const name in values) {
    const value = values[name];
    if (value !== undefined) draft[name] = value;
  }
  return draft;
}

const knownMethods: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "DELETE",
  "CONNECT",
  "OPTIONS",
  "TRACE",
  "PATCH",
  "QUERY",
]);

/** `{method} {route}`, with HTTP for a method that the conventions do not know. */
export const serverName = ({ method, endpoint }: Exchange): string =>
  `${knownMethods.has(method) ? method : "HTTP"} ${endpoint}`;

/** HTTP server conventions (1.x, stable), then the gateway's own facts. Never message content, never a raw path. */
export function serverAttributes(exchange: Exchange): Attributes {
  const { caller, purpose, outcome, phases, bytes, cost, method } = exchange;
  const known = knownMethods.has(method);
  return set(
    {
      "http.request.method": known ? method : "_OTHER",
      "http.route": exchange.endpoint,
      "http.response.status_code": outcome.status,
      "http.request.body.size": bytes.request,
      "http.response.body.size": bytes.response,
      "tollgate.exchange.id": exchange.id,
      "tollgate.operation": exchange.operation,
      "tollgate.service_type": exchange.serviceType,
      "tollgate.outcome": outcome.kind,
      "tollgate.streamed": exchange.streamed,
      "tollgate.cache": exchange.cache,
      "tollgate.attempts": exchange.attempts.length,
      "tollgate.auth": caller.auth,
      "tollgate.phase.receive_seconds": phases.receive,
      "tollgate.phase.queue_seconds": phases.queue,
      "tollgate.phase.backoff_seconds": phases.backoff,
      "tollgate.phase.connect_seconds": phases.connect,
      "tollgate.phase.first_byte_seconds": phases.firstByte,
      "tollgate.phase.stream_seconds": phases.stream,
      "tollgate.phase.overhead_seconds": phases.overhead,
    },
    {
      "http.request.method_original": known ? undefined : method,
      "user_agent.original": caller.userAgent,
      "client.address": caller.address,
      "error.type": outcome.kind === "failed" ? outcome.reason : undefined,
      "tollgate.reason": "reason" in outcome ? outcome.reason : undefined,
      "tollgate.severity": "severity" in outcome ? outcome.severity : undefined,
      "tollgate.first_token_seconds": exchange.firstTokenSeconds,
      "tollgate.backend": exchange.attempts.at(-1)?.backend,
      "tollgate.key": caller.keyLabel,
      "tollgate.user": caller.user,
      "tollgate.client_request_id": caller.requestId,
      "tollgate.feature": purpose.feature,
      "tollgate.scenario": purpose.scenario,
      "tollgate.session": purpose.session,
      "tollgate.message_count": exchange.messageCount,
      "tollgate.mcp.servers": exchange.mcpServers.length > 0 ? [...exchange.mcpServers] : undefined,
      "tollgate.usage.source": exchange.usageSource,
      "tollgate.response.id": exchange.responseId,
      "tollgate.cost.status": cost?.status,
      ...(exchange.cacheSaved !== undefined && savings(exchange.cacheSaved)),
      ...(cost !== undefined &&
        cost.status !== "unpriced" && {
          "tollgate.cost.usd": cost.nanoUsd / 1e9,
          "tollgate.cost.nano_usd": cost.nanoUsd,
          "tollgate.cost.price": cost.price,
        }),
    },
  );
}

/** Of an answer that no client got, as another was asked for instead. */
const discarded = (tokens: Tokens, cost: Cost | undefined): Attributes => ({
  "tollgate.attempt.discarded.input_tokens": tokens.input,
  "tollgate.attempt.discarded.output_tokens": tokens.output,
  ...(cost !== undefined &&
    cost.status !== "unpriced" && {
      "tollgate.attempt.discarded.usd": cost.nanoUsd / 1e9,
      "tollgate.attempt.discarded.nano_usd": cost.nanoUsd,
    }),
});

/** What an answer from the cache stands for: its own usage and cost are none. */
function savings({ tokens, media, nanoUsd }: CacheSaved): Attributes {
  return {
    "tollgate.cache_saved.input_tokens": tokens?.input,
    "tollgate.cache_saved.output_tokens": tokens?.output,
    "tollgate.cache_saved.cached_input_tokens": tokens?.cachedInput,
    "tollgate.cache_saved.cache_write_tokens": tokens?.cacheWrite,
    "tollgate.cache_saved.reasoning_tokens": tokens?.reasoning,
    "tollgate.cache_saved.images": media?.images,
    "tollgate.cache_saved.characters": media?.characters,
    "tollgate.cache_saved.audio_seconds": media?.audioSeconds,
    "tollgate.cache_saved.usd": nanoUsd === undefined ? undefined : nanoUsd / 1e9,
    "tollgate.cache_saved.nano_usd": nanoUsd,
  };
}

/** `{gen_ai.operation.name} {model}`; for housekeeping (files, lists…), which is plain HTTP, `{method} {route}`. */
export function attemptName(exchange: Exchange, attempt: Attempt): string {
  const operation = genAiOperation(exchange.operation);
  if (operation === undefined) return serverName(exchange);
  const model = attempt.model ?? exchange.model.requested;
  return model === undefined ? operation : `${operation} ${model}`;
}

/**
 * The attempt's `error.type`: its reason, else its status. A backend's refusal is an error here, as the conventions ask
 * of a client, though the SERVER span above stays unset; a client that left is no error.
 */
export function attemptError({ result, reason, status }: Attempt): string | undefined {
  if (result === "completed" || result === "abandoned") return undefined;
  return reason ?? (status === undefined ? result : String(status));
}

/**
 * GenAI client conventions v1.41 (input includes cached, output includes reasoning), then the gateway's own facts.
 * Usage and what the model answered stand on the answering attempt alone, so that sums over spans are right; what an
 * answer cost that was discarded has names of its own.
 */
export function attemptAttributes(
  exchange: Exchange,
  attempt: Attempt,
  number: number,
  answering: boolean,
): Attributes {
  const { model, outcome, purpose, streamed, operation } = exchange;
  const genAi = genAiOperation(operation);
  const draft: Attributes = {
    "tollgate.backend": attempt.backend,
    "tollgate.attempt": number,
    "tollgate.attempt.result": attempt.result,
  };
  set(draft, {
    "server.address": attempt.address,
    "server.port": attempt.port,
    "http.response.status_code": attempt.status,
    "error.type": attemptError(attempt),
    "tollgate.attempt.connect_seconds": attempt.connectSeconds,
    "tollgate.attempt.first_byte_seconds": attempt.firstByteSeconds,
    "tollgate.attempt.request_id": attempt.upstreamRequestId,
  });
  if (attempt.tokens !== undefined) set(draft, discarded(attempt.tokens, attempt.cost));
  if (genAi === undefined) return set(draft, { "http.request.method": exchange.method });
  set(draft, {
    "gen_ai.operation.name": genAi,
    "gen_ai.provider.name": genAiProvider(attempt.provider),
    "gen_ai.request.model": attempt.model ?? model.requested,
    "gen_ai.request.stream": streamed || undefined,
    "gen_ai.conversation.id": purpose.session,
  });
  if (!answering) return draft;
  const { tokens } = exchange;
  const finish = outcome.kind === "completed" ? outcome.finish : "";
  return set(draft, {
    "gen_ai.response.model": model.served,
    "gen_ai.response.finish_reasons": finish === "" ? undefined : [finish],
    "gen_ai.usage.input_tokens": tokens?.input,
    "gen_ai.usage.output_tokens": tokens?.output,
    "gen_ai.usage.cache_read.input_tokens": tokens?.cachedInput,
    "gen_ai.usage.cache_creation.input_tokens": tokens?.cacheWrite,
    "gen_ai.usage.reasoning.output_tokens": tokens?.reasoning,
  });
}
