// Refuses to open the gateway to a network without asking who comes.
import { BlockList, isIP } from "node:net";
import type { Config } from "./config.ts";

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Whether only this machine can reach a listener on that address. */
export function isLoopback(host: string): boolean {
  const version = isIP(host);
  if (version === 0) return host === "localhost";
  return loopback.check(host, version === 6 ? "ipv6" : "ipv4");
}

/** Why the API listener may not open as configured; `undefined` where it may. */
export function openDoor(
  { listen, allowAnonymous }: Pick<Config, "listen" | "allowAnonymous">,
  { hasCallerKeys }: { readonly hasCallerKeys: boolean },
): string | undefined {
  if (allowAnonymous || hasCallerKeys || isLoopback(listen.host)) return undefined;
  return (
    "opens the gateway to other machines while no caller keys are configured; make one with tollgate keys " +
    "create, listen on 127.0.0.1, or set allowAnonymous: true (TOLLGATE_ALLOW_ANONYMOUS=true) if whoever can reach it may use it"
  );
}
