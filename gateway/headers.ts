// Which headers cross the gateway, in each direction, and why the others do not.
import type { IncomingMessage } from "node:http";
import { spellings } from "./spellings.ts";

/** Of one connection only (RFC 9110 §7.6.1), or about framing, which each side makes anew. */
const framing = [
  "connection",
  "content-length",
  "expect",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/** About the client, its machine or the gateway's own bookkeeping: none of the backend's business. */
const clientsOwn = [
  "access-control-request-headers",
  "access-control-request-method",
  "baggage",
  "cookie",
  "forwarded",
  "host",
  "origin",
  "referer",
  "sec-fetch-dest",
  "sec-fetch-mode",
  "sec-fetch-site",
  "sec-fetch-user",
  "traceparent",
  "tracestate",
  "true-client-ip",
  "via",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-proto",
  "x-real-ip",
  "x-request-id",
];

/** Say who pays: they cross only to a backend that takes the client's own key. */
const credentials = ["api-key", "authorization", "openai-organization", "openai-project", "x-api-key"];

/** About the backend's own address, its clients' policy, or our account there. */
const backendsOwn = [
  "access-control-allow-credentials",
  "access-control-allow-headers",
  "access-control-allow-methods",
  "access-control-allow-origin",
  "access-control-expose-headers",
  "access-control-max-age",
  "alt-svc",
  "api-key",
  "authorization",
  "nel",
  "openai-organization",
  "openai-project",
  "report-to",
  "server-timing",
  "set-cookie",
  "strict-transport-security",
  "www-authenticate",
  "x-api-key",
  "x-request-id",
];

/** Which names cross in one direction. */
export class Crossing {
  readonly #judge: (name: string) => boolean;

  /** `stopped`: lower-case names. The gateway's own `x-tollgate-…` never cross. */
  constructor(...stopped: readonly Iterable<string>[]) {
    const names = new Set(stopped.flatMap((some) => [...some]));
    this.#judge = spellings((name) => {
      const lower = name.toLowerCase();
      return !(names.has(lower) || lower.startsWith("x-tollgate-"));
    });
  }

  crosses(name: string): boolean {
    return this.#judge(name);
  }
}

export interface ToBackend {
  /** The client's own credentials may cross. */
  readonly passCredentials: boolean;
  /** Names (lower case) that the gateway sets itself, so that the client's are left out. */
  readonly replaced: Iterable<string>;
}

/** What crosses from clients to one backend. */
export const crossingToBackend = ({ passCredentials, replaced }: ToBackend): Crossing =>
  new Crossing(framing, clientsOwn, passCredentials ? [] : credentials, replaced);

/** Names listed in Connection are of that connection only, too. Lower case; `undefined` where there are none. */
function namedBy(connection: string | undefined): readonly string[] | undefined {
  if (connection === undefined || connection === "keep-alive" || /^\s*(keep-alive|close)\s*$/i.test(connection)) return;
  return connection.split(",").map((name) => name.trim().toLowerCase());
}

const without = (flat: string[], names: readonly string[]): string[] =>
  flat.filter((_, i) => !names.includes((flat[i - (i % 2)] ?? "").toLowerCase()));

/** The client's headers that may cross to a backend, as a flat list, in order, names and values untouched. */
export function headersToBackend(
  { rawHeaders, headers }: Pick<IncomingMessage, "rawHeaders" | "headers">,
  crossing: Crossing,
): string[] {
  const flat: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? "";
    if (crossing.crosses(name)) flat.push(name, rawHeaders[i + 1] ?? "");
  }
  const dropped = namedBy(headers.connection);
  return dropped === undefined ? flat : without(flat, dropped);
}

const toClient = new Crossing(framing, backendsOwn);

/** The backend's headers that may cross to the client, flat. Framing stays behind. */
export function headersToClient(rawHeaders: readonly string[]): string[] {
  const flat: string[] = [];
  let dropped: readonly string[] | undefined;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? "";
    if (toClient.crosses(name)) flat.push(name, rawHeaders[i + 1] ?? "");
    else if (name.length === 10 && name.toLowerCase() === "connection") {
      const named = namedBy(rawHeaders[i + 1]);
      if (named !== undefined) dropped = dropped === undefined ? named : [...dropped, ...named];
    }
  }
  return dropped === undefined ? flat : without(flat, dropped);
}

const tellsOfLimits = spellings((name) => /^x-ratelimit-/i.test(name));

/** Less what the backend says of its limits for us, where the client is told of its own. */
export function withoutRateLimits(flat: readonly string[]): readonly string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const name = flat[i] ?? "";
    if (!tellsOfLimits(name)) kept.push(name, flat[i + 1] ?? "");
  }
  return kept;
}

/** The value of one header in a flat list; the first, if it stands twice. */
export function headerIn(rawHeaders: readonly string[], lowerName: string): string | undefined {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length === lowerName.length && name.toLowerCase() === lowerName) return rawHeaders[i + 1];
  }
  return undefined;
}
