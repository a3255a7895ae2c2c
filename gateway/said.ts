// The gateway's own lines about what changes around it: backends, the Redis that is shared, and keys.
import type { Logger } from "../instrumentation/index.ts";
import type { KeyActor, KeyEvent } from "./admission/keys/key-event.ts";
import { type Presence, presence } from "./presence.ts";
import type { BackendChange, Cause } from "./routing/backend-change.ts";

/** One line for each change of a backend; members of what is not known are left out. */
export function sayBackend(log: Logger, backend: string, change: BackendChange): void {
  switch (change.kind) {
    case "opened": {
      const { cause, failures, seconds } = change;
      const members = { backend, breaker: "open", ...causeMembers(cause), failures, open_seconds: seconds };
      log.warn(members, `backend ${backend} is left alone for ${seconds} s after ${times(failures)}${why(cause)}`);
      return;
    }
    case "half_open":
      log.debug({ backend, breaker: "half_open" }, `backend ${backend} is tried again`);
      return;
    case "closed": {
      const open_seconds = rounded(change.seconds);
      log.info(
        { backend, breaker: "closed", open_seconds },
        `backend ${backend} is asked again after ${open_seconds} s`,
      );
      return;
    }
    case "down": {
      const { cause, failures } = change;
      const members = { backend, up: false, ...causeMembers(cause), failures };
      log.warn(members, `backend ${backend} is down by its health check: ${times(failures)}${why(cause)}`);
      return;
    }
    case "up": {
      const down_seconds = rounded(change.seconds);
      log.info({ backend, up: true, down_seconds }, `backend ${backend} is up again after ${down_seconds} s`);
    }
  }
}

/** One line when the shared Redis is away, and one when it is back. */
export const saysOfRedis = (log: Logger, onFailure: "allow" | "refuse", now: () => number): Presence =>
  presence({
    now,
    gone(err, silent) {
      const meanwhile =
        onFailure === "allow" ? "passes, and is counted when it is back" : "is refused until it is back";
      log.warn({ err, shared_state: "away", silent }, `Redis is away; what has limits ${meanwhile}`);
    },
    returned(seconds) {
      const away_seconds = rounded(seconds);
      log.info({ shared_state: "back", away_seconds }, `Redis is back after ${away_seconds} s`);
    },
  });

/** The audit of keys: what was done, to which, and by whom. */
export function sayKey(log: Logger, { action, id, label, changed, by }: KeyEvent): void {
  const whom = by === undefined ? "store" : by.door;
  const address = by?.door === "admin_api" ? by.address : undefined;
  const members = {
    audit: `key_${action}`,
    key_id: id,
    key_label: label,
    ...(changed && { changed }),
    by: whom,
    ...(address !== undefined && { client_address: address }),
  };
  log.info(members, `key ${label} was ${action}, ${how(by)}`);
}

function how(by: KeyActor | undefined): string {
  if (by === undefined) return "seen in the store";
  if (by.door === "config") return "by the configuration";
  return by.address === undefined ? "by the admin API" : `by the admin API from ${by.address}`;
}

const rounded = (seconds: number): number => Math.round(seconds * 1000) / 1000;

const times = (failures: number): string => (failures === 1 ? "1 failure" : `${failures} failures`);

const causeMembers = ({ reason, status }: Cause) => ({
  ...(reason !== undefined && { reason }),
  ...(status !== undefined && { status }),
});

const why = ({ reason, status }: Cause): string =>
  reason === undefined ? "" : ` (the last: ${reason}${status === undefined ? "" : ` ${status}`})`;
