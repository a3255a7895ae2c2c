// Which headers cross the gateway, in each direction, and why the others do not.

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

const stoppedToBackend = new Set([...framing, ...clientsOwn, ...credentials]);
const stoppedToBackendWithKey = new Set([...framing, ...clientsOwn]);
const stoppedToClient = new Set([...framing, ...backendsOwn]);

/** Names listed in Connection are of that connection only, too. */
const named = (connection: string | undefined): readonly string[] =>
  connection === undefined || /^\s*(keep-alive|close)\s*$/i.test(connection)
    ? []
    : connection.split(",").map((name) => name.trim().toLowerCase());

export interface ToBackend {
  /** As Node gives them: name, value, name, value… */
  readonly rawHeaders: readonly string[];
  readonly connection: string | undefined;
  /** The client's own credentials may cross. */
  readonly passCredentials: boolean;
  /** Names (lower case) that the gateway sets itself, so that the client's are left out. */
  readonly replaced: ReadonlySet<string>;
}

/** The client's headers that may cross to a backend, as a flat list, in order, names and values untouched. */
export function headersToBackend({ rawHeaders, connection, passCredentials, replaced }: ToBackend): string[] {
  const stopped = passCredentials ? stoppedToBackendWithKey : stoppedToBackend;
  const dropped = named(connection);
  const crossing: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? "";
    const lower = name.toLowerCase();
    if (stopped.has(lower) || replaced.has(lower) || lower.startsWith("x-tollgate-") || dropped.includes(lower))
      continue;
    crossing.push(name, rawHeaders[i + 1] ?? "");
  }
  return crossing;
}

/** The backend's headers that may cross to the client, flat. Framing and `dropped` (lower case) stay behind. */
export function headersToClient(rawHeaders: readonly string[], dropped?: ReadonlySet<string>): string[] {
  const crossing: string[] = [];
  let connection: readonly string[] | undefined;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? "";
    const lower = name.toLowerCase();
    if (lower === "connection") connection = [...(connection ?? []), ...named(rawHeaders[i + 1])];
    if (stoppedToClient.has(lower) || lower.startsWith("x-tollgate-") || dropped?.has(lower)) continue;
    crossing.push(name, rawHeaders[i + 1] ?? "");
  }
  if (connection === undefined || connection.length === 0) return crossing;
  const ofConnection = connection;
  return crossing.filter((_, i) => !ofConnection.includes((crossing[i - (i % 2)] ?? "").toLowerCase()));
}

/** The value of one header in a flat list; the first, if it stands twice. */
export function headerIn(rawHeaders: readonly string[], lowerName: string): string | undefined {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length === lowerName.length && name.toLowerCase() === lowerName) return rawHeaders[i + 1];
  }
  return undefined;
}
