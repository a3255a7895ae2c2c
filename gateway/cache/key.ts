// The name that a cached answer is kept under: a digest of all that the answer depends on, and of whose it is.
import { createHash, type Hash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { type Identity, tenantOf } from "../admission/identity.ts";
import { stringEnd } from "../json-members.ts";
import { promptsOf, type Route } from "../routing/route.ts";
import type { Members } from "./rules.ts";

/** Another form of keys or entries takes another version, so that old ones are never met. */
const version = "1";

/** Say who asks, and change nothing about the answer. */
const ofTheCaller: ReadonlySet<string> = new Set([
  "metadata",
  "prompt_cache_key",
  "prompt_cache_retention",
  "safety_identifier",
  "user",
]);

/** Whose account at the provider it is, where the client's own credential goes there. */
const credentials = ["authorization", "api-key", "x-api-key", "openai-organization", "openai-project"];

export interface KeyParts {
  readonly identity: Identity;
  /** Callers share answers. */
  readonly acrossKeys: boolean;
  readonly route: Route;
  /** As it goes to the backend. */
  readonly path: string;
  readonly query: string;
  readonly headers: IncomingMessage["headers"];
  readonly members: Members;
  /** The answer repeats what the request says of its caller, as responses do. */
  readonly repeatsCaller: boolean;
  /** What the client says of encodings crosses, so that others may not be able to read the answer. */
  readonly isEncoded: boolean;
}

/**
 * SHA-256 of, each with its length before it:
 *
 * | part | why |
 * | --- | --- |
 * | the tenant: key, else user, else nobody; nothing with `acrossKeys` | answers never cross from one caller to another |
 * | the client's own credential, where a target of the route gets it; also with `acrossKeys` | another account, another answer |
 * | route, its targets' addresses and models, system prompts, the route's and the key's | an alias or prompt that changes is another question |
 * | path, query, `openai-beta`; `accept-encoding` where that crosses | the operation, and the form that the answer takes |
 * | each member of the body by name, in order of names | the question itself: `model` as asked for, `stream` and `stream_options` too |
 *
 * Left out are members that name the caller, unless the answer repeats them. White space outside strings does not
 * count; all else does to the letter (`1` and `1.0` differ, and so do the digits of large numbers): a false miss costs a
 * request, a false hit would be a wrong answer.
 */
export function keyOf(parts: KeyParts): string {
  const { identity, acrossKeys, route, path, query, headers, members, repeatsCaller, isEncoded } = parts;
  const digest = createHash("sha256");
  add(digest, version);
  add(digest, acrossKeys ? "" : tenantOf(identity));
  if (identity.auth === "passthrough" || route.targets.some(({ upstream }) => !upstream.ownKey)) {
    for (const name of credentials) add(digest, String(headers[name] ?? ""));
  }
  add(digest, route.name);
  add(digest, String(route.targets.length));
  for (const { upstream, model } of route.targets) {
    add(digest, upstream.backend.baseUrl);
    add(digest, model ?? "");
  }
  const prompts = promptsOf(route, identity);
  add(digest, String(prompts.length));
  for (const { mode, text } of prompts) {
    add(digest, mode);
    add(digest, text);
  }
  add(digest, path);
  add(digest, query);
  add(digest, String(headers["openai-beta"] ?? ""));
  if (isEncoded) add(digest, String(headers["accept-encoding"] ?? ""));
  for (const name of [...members.keys()].sort()) {
    if (!repeatsCaller && ofTheCaller.has(name)) continue;
    add(digest, name);
    add(digest, compact(members.get(name) ?? ""));
  }
  return digest.digest("base64url");
}

function add(digest: Hash, part: string | Buffer): void {
  digest.update(`${Buffer.byteLength(part)}:`);
  digest.update(part);
}

/** JSON without white space outside its strings. */
function compact(json: Buffer | string): Buffer | string {
  if (typeof json === "string") return json;
  const out = Buffer.allocUnsafe(json.length);
  let length = 0;
  for (let at = 0; at < json.length; ) {
    const byte = json[at] ?? 0;
    if (byte === 0x22) {
      const end = stringEnd(json, at);
      length += json.copy(out, length, at, end);
      at = end;
      continue;
    }
    if (byte > 0x20) out[length++] = byte;
    at++;
  }
  return out.subarray(0, length);
}
