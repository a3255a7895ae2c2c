// Where a request says who sends it, and which of several such words counts.
import type { IncomingMessage } from "node:http";
import { looksLikeToken } from "./jwt.ts";

/** Every secret of ours begins so, and no provider's does. */
const ourPrefix = "tg-";

/** A browser, which cannot set headers on a WebSocket, puts its key among the subprotocols. */
const asSubprotocol = "openai-insecure-api-key.";

export type Credential =
  /** A secret of ours, or what pretends to be one. */
  | { readonly kind: "key"; readonly secret: string }
  | { readonly kind: "token"; readonly token: string }
  /** Somebody else's: a provider's key, or a word that an SDK wanted to have. */
  | { readonly kind: "foreign" };

const foreign: Credential = { kind: "foreign" };

/**
 * The credential of a request, from `Authorization`, `x-api-key`, `api-key` and, for sessions, the subprotocols. One of
 * ours goes before a token, and both before any other; among equals the first counts. Tokens are none where no source
 * of them is configured. Every line of the head is looked at, also those that Node drops when a header comes twice.
 */
export function credentialOf(
  { rawHeaders }: Pick<IncomingMessage, "rawHeaders">,
  withTokens: boolean,
): Credential | undefined {
  let found: Credential | undefined;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? "";
    const word = wordIn(name, rawHeaders[i + 1] ?? "");
    if (word === undefined || word === "") continue;
    if (word.startsWith(ourPrefix)) return { kind: "key", secret: word };
    if (found?.kind === "token") continue;
    if (withTokens && looksLikeToken(word)) found = { kind: "token", token: word };
    else found ??= foreign;
  }
  return found;
}

/** What a header holds of a credential. Most headers are told from the four by their length alone. */
function wordIn(name: string, value: string): string | undefined {
  switch (name.length) {
    case 13:
      return name.toLowerCase() === "authorization" ? withoutScheme(value) : undefined;
    case 9:
      return name.toLowerCase() === "x-api-key" ? withoutScheme(value) : undefined;
    case 7:
      return name.toLowerCase() === "api-key" ? withoutScheme(value) : undefined;
    case 22:
      return name.toLowerCase() === "sec-websocket-protocol" ? amongSubprotocols(value) : undefined;
    default:
      return undefined;
  }
}

/** The credential of a Bearer scheme (RFC 6750, §2.1), which some write everywhere; that of another scheme with its name. */
function withoutScheme(value: string): string {
  const isSpaced = value.length > 6 && (value[6] === " " || value[6] === "\t");
  const isBearer = isSpaced && value.slice(0, 6).toLowerCase() === "bearer";
  return isBearer ? value.slice(7).trim() : value.trim();
}

function amongSubprotocols(value: string): string | undefined {
  for (const name of value.split(",")) {
    const offered = name.trim();
    if (offered.startsWith(asSubprotocol)) return offered.slice(asSubprotocol.length);
  }
  return undefined;
}

/**
 * A flat list of headers without those that hold a credential of ours, which no backend may see. Without `withTokens`
 * no source of tokens is configured, and one that comes is a provider's.
 */
export function withoutOurs(flat: readonly string[], withTokens: boolean): string[] {
  return flat.filter((_, i) => {
    const at = i - (i % 2);
    const word = wordIn(flat[at] ?? "", flat[at + 1] ?? "");
    return word === undefined || !isOurs(word, withTokens);
  });
}

/** Whether a subprotocol is a credential of ours. */
export const isOurSubprotocol = (name: string, withTokens: boolean): boolean =>
  name.startsWith(asSubprotocol) && isOurs(name.slice(asSubprotocol.length), withTokens);

/** A secret of ours in quotes, or under a scheme that nobody takes. */
const odd = /[^0-9A-Za-z_-]tg-/;

const isOurs = (word: string, withTokens: boolean): boolean =>
  word.startsWith(ourPrefix) || odd.test(word) || (withTokens && looksLikeToken(word));
