// Who asks, and what for: read from headers and connection, never invented.
import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";
import type { Caller, ExchangeDraft, Purpose } from "../instrumentation/index.ts";
import type { Identity } from "./admission/identity.ts";

/** The client's address: the connection's peer, or what a trusted proxy says of it. */
export type ClientAddress = (req: IncomingMessage) => string | undefined;

/** Cuts a caller's word to a length that no record minds. */
const short = (value: string | string[] | undefined, length = 128): string | undefined => {
  const text = Array.isArray(value) ? value[0] : value;
  return text === undefined || text === "" ? undefined : text.slice(0, length);
};

const plainIp = (address: string): string => (address.startsWith("::ffff:") ? address.slice(7) : address);

/** Reads client addresses; `trusted` are addresses or CIDR ranges whose X-Forwarded-For is believed, right to left. */
export function clientAddress(trusted: readonly string[]): ClientAddress {
  const proxies = new BlockList();
  for (const entry of trusted) {
    const [network = "", prefix] = entry.split("/");
    const family = isIP(network) === 6 ? "ipv6" : "ipv4";
    if (prefix === undefined) proxies.addAddress(network, family);
    else proxies.addSubnet(network, Number(prefix), family);
  }
  const isProxy = (address: string) => proxies.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
  return (req) => {
    const peer = req.socket.remoteAddress;
    if (peer === undefined) return undefined;
    let address = plainIp(peer);
    if (trusted.length === 0 || !isProxy(address)) return address;
    const said = req.headers["x-forwarded-for"];
    const hops = (Array.isArray(said) ? said.join(",") : (said ?? "")).split(",").map((hop) => plainIp(hop.trim()));
    for (const hop of hops.reverse()) {
      if (isIP(hop) === 0) break;
      address = hop;
      if (!isProxy(hop)) break;
    }
    return address;
  };
}

/** The caller as far as the head of the request tells. Built member by member: every request has one. */
export function callerOf({ headers }: IncomingMessage, address: string | undefined): Caller {
  const caller: Writable<Caller> = { auth: "none" };
  const userAgent = short(headers["user-agent"], 256);
  const requestId = short(headers["x-request-id"]);
  if (address !== undefined) caller.address = address;
  if (userAgent !== undefined) caller.userAgent = userAgent;
  if (requestId !== undefined) caller.requestId = requestId;
  return caller;
}

/** Puts what is proven of the caller into the record, before anything that the request itself claims. */
export function nameCaller(draft: ExchangeDraft, { auth, key, user }: Identity): void {
  // Whether a stranger's credential goes to a backend shows only there.
  if (auth === "none" || auth === "passthrough") return;
  const caller: Writable<Caller> = { ...draft.caller, auth };
  if (key !== undefined) {
    caller.keyId = key.id;
    caller.keyLabel = key.label;
  }
  if (user !== undefined) caller.user = user;
  draft.caller = caller;
}

type Writable<T> = { -readonly [Name in keyof T]: T[Name] };

const noPurpose: Purpose = Object.freeze({});

/** Feature, scenario and session as the caller's headers say. */
export function purposeOf({ headers }: IncomingMessage): Purpose {
  const feature = short(headers["x-tollgate-feature"]);
  const scenario = short(headers["x-tollgate-scenario"]);
  const session = short(headers["x-tollgate-session"]);
  if (feature === undefined && scenario === undefined && session === undefined) return noPurpose;
  return {
    ...(feature !== undefined && { feature }),
    ...(scenario !== undefined && { scenario }),
    ...(session !== undefined && { session }),
  };
}
