// The doors: who may reach what, judged from the connection and the head of a request alone.
import { timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Config } from "./config/config.ts";
import { GatewayError } from "./errors.ts";

export interface Doors {
  /**
   * For `/v1/*`: throws where a web page of another origin tries to use the gateway. `asks`: callers have to say who
   * they are, which no page of a stranger can.
   */
  admit(req: IncomingMessage, asks: boolean): void;
  /** For everything but `/v1/*` and health: throws unless it comes with the admin token, or from this very machine where there is none. */
  admitAdmin(req: IncomingMessage): void;
  /** For what the admin token alone opens, whoever is near: throws also where none is configured. */
  admitKeeper(req: IncomingMessage): void;
  /** For `/metrics`: the metrics token or the admin token; from this very machine where there is neither. */
  admitScrape(req: IncomingMessage): void;
  /** The CORS headers (flat) for an answer to this origin; none unless it is configured. */
  corsHeaders(origin: string | undefined): readonly string[];
  /** The same for the answer to a preflight request. */
  preflightHeaders(req: IncomingMessage): readonly string[];
}

const none: readonly string[] = [];

const noAdminToken =
  "This address needs the admin token, and none is configured: set TOLLGATE_ADMIN_TOKEN, or use the tollgate command on the gateway's machine.";

/** What a page's script may read of an answer, besides the usual. */
const exposed = "x-request-id, x-tollgate-backend, x-tollgate-cache, age, server-timing, retry-after";

/** What proxies add to the requests that they pass on. */
const forwardedBy = ["forwarded", "via", "x-forwarded-for", "x-real-ip"];

/** Names of this machine that only a client on this machine would use, as they stand in Host and Origin. */
const loopbackHost = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i;

/**
 * Addresses, and names that nobody in the world can own: no stranger's page can have come by one. A page of any other
 * name may have had it point to this machine, and a browser says nothing of where a GET of its own origin comes from.
 */
const ownHost =
  /^(?:\[[0-9a-f:.]+\]|\d{1,3}(?:\.\d{1,3}){3}|[^.:]+|[^:]+\.(?:localhost|internal|test|home\.arpa))(?::\d{1,5})?$/i;

/** Whether the connection itself comes from this machine. */
const loopbackPeer = ({ socket }: IncomingMessage): boolean =>
  /^(?:::ffff:)?127\.|^::1$/.test(socket.remoteAddress ?? "");

/**
 * Builds the doors of a configuration. A browser names the page's origin in Origin, and a page that had its own name
 * point to 127.0.0.1 gives itself away by Host: both are checked, for neither can be forged by a page.
 */
export function doors({
  adminToken,
  metricsToken,
  cors,
  allowAnonymous,
}: Pick<Config, "adminToken" | "metricsToken" | "cors" | "allowAnonymous">): Doors {
  const allowed = new Set(cors.origins);
  const anyOrigin = allowed.has("*");
  /** Found good; a client's requests mostly name the same one. */
  let lastHost = "";
  const allows = (origin: string) => anyOrigin || allowed.has(origin);

  const foreign = ({ headers }: IncomingMessage): boolean => {
    const { origin } = headers;
    if (origin === undefined || allows(origin)) return false;
    const host = /^https?:\/\/(.*)$/.exec(origin)?.[1];
    // The gateway's own pages, or a page of this machine's own.
    return !(host !== undefined && loopbackHost.test(host) && loopbackHost.test(headers.host ?? ""));
  };

  // A proxy on this machine makes every client look local, but for the headers that it adds.
  const local = (req: IncomingMessage): boolean =>
    loopbackPeer(req) &&
    loopbackHost.test(req.headers.host ?? "") &&
    !foreign(req) &&
    !forwardedBy.some((name) => req.headers[name] !== undefined);

  const admitBy = (req: IncomingMessage, tokens: readonly (string | undefined)[]) => {
    const known = tokens.filter((token) => token !== undefined);
    if (known.length === 0 ? local(req) : known.some((token) => bearer(req, token))) return;
    throw new GatewayError("admin_only");
  };

  const corsHeaders = (origin: string | undefined): readonly string[] => {
    if (origin === undefined || allowed.size === 0 || !allows(origin)) return none;
    return ["access-control-allow-origin", origin, "access-control-expose-headers", exposed, "vary", "origin"];
  };

  return {
    admit(req, asks) {
      const { origin, host } = req.headers;
      if (origin !== undefined && foreign(req)) throw new GatewayError("foreign_origin");
      // A client of HTTP/1.0 may name none, and is no browser.
      if (asks || allowAnonymous || host === undefined || host === lastHost) return;
      if (!ownHost.test(host)) throw new GatewayError("foreign_host");
      lastHost = host;
    },
    admitAdmin: (req) => admitBy(req, [adminToken]),
    admitKeeper(req) {
      admitBy(req, [adminToken]);
      if (adminToken === undefined) throw new GatewayError("admin_only", noAdminToken);
    },
    admitScrape: (req) => admitBy(req, [metricsToken, adminToken]),
    corsHeaders,
    preflightHeaders({ headers }) {
      const cors = corsHeaders(headers.origin);
      if (cors.length === 0) return none;
      const asked = headers["access-control-request-headers"];
      return [
        ...cors,
        "access-control-allow-methods",
        "GET, HEAD, POST, PUT, PATCH, DELETE",
        ...(typeof asked === "string" ? ["access-control-allow-headers", asked] : []),
        "access-control-max-age",
        "600",
      ];
    },
  };
}

/** Constant-time check of an Authorization: Bearer token. */
function bearer({ headers }: IncomingMessage, token: string): boolean {
  const given = Buffer.from(/^bearer\s+(.+)$/i.exec(headers.authorization ?? "")?.[1] ?? "");
  const wanted = Buffer.from(token);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
