// What a backend has a right to complain about: the rules that the fake backend holds every request to.
import { type Field, valuesOf } from "./http-wire.ts";

export interface Strictness {
  /** The one value that Authorization may have; `null`: there must be none; not checked when absent. */
  readonly authorization?: string | null;
  /** Header names that must not arrive, beside those that never may. */
  readonly forbids?: readonly string[];
  /** Texts that must stand nowhere in the head (a client's key, a cookie's value). */
  readonly secrets?: readonly string[];
}

/** Fields that concern one connection only (RFC 9110 §7.6.1) and so never cross a proxy. */
const hopByHop = [
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "upgrade",
];
/** What a gateway keeps to itself: a caller's baggage, an expectation that it has answered itself. */
const gatewayOnly = ["baggage", "expect"];

/** Every rule that a request's head breaks, as sentences; empty for a good one. */
export function complaintsAbout(
  startLine: string,
  fields: readonly Field[],
  host: string,
  { authorization, forbids = [], secrets = [] }: Strictness,
): readonly string[] {
  const found: string[] = [];
  const [method = "", target = "", version = "", ...more] = startLine.split(" ");
  if (more.length > 0 || !/^[A-Z]+$/.test(method) || version !== "HTTP/1.1") found.push(`start line: ${startLine}`);
  if (!target.startsWith("/") && target !== "*") found.push(`the target is not a path: ${target}`);

  const hosts = valuesOf(fields, "host");
  if (hosts.length !== 1) found.push(`${hosts.length} host fields`);
  else if (hosts[0] !== host) found.push(`host is ${hosts[0]}, not ${host}`);

  if (valuesOf(fields, "content-length").length > 1) found.push("content-length is repeated");
  if (valuesOf(fields, "content-length").length > 0 && valuesOf(fields, "transfer-encoding").length > 0) {
    found.push("content-length beside transfer-encoding");
  }
  for (const value of valuesOf(fields, "connection")) {
    if (!/^(keep-alive|close)$/i.test(value)) found.push(`connection: ${value}`);
  }
  for (const name of [...hopByHop, ...gatewayOnly, ...forbids]) {
    for (const value of valuesOf(fields, name)) found.push(`${name} must not arrive here: ${value}`);
  }
  const keys = valuesOf(fields, "authorization");
  if (authorization === null && keys.length > 0) found.push("an Authorization that nobody expects");
  if (typeof authorization === "string" && (keys.length !== 1 || keys[0] !== authorization)) {
    found.push(`authorization is ${JSON.stringify(keys)}`);
  }
  const text = [startLine, ...fields.map((field) => field.join(": "))].join("\n");
  for (const secret of secrets) if (text.includes(secret)) found.push(`a secret leaked into ${text}`);
  return found;
}
