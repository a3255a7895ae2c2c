// Whose an id is, and where it is: what was made through the gateway stays with its maker and its backend.

export interface Owner {
  /** See `tenantOf`. */
  readonly tenant: string;
  /** The backend's name. */
  readonly backend: string;
}

export interface BoundIds {
  /**
   * `undefined` for an id that was not made here. A Promise only where another machine has to be asked: it rejects
   * with a GatewayError where that cannot be.
   */
  find(id: string): Owner | undefined | Promise<Owner | undefined>;
  /** An id that the backend says it has just made: it is its maker's, whoever had one like it before. */
  made(id: string, owner: Owner): void;
  /** An id that an answer names beside: its owner stays who it is. */
  named(id: string, owner: Owner): void;
  /** At the end: writes what is not written yet, and may take its time. */
  flush(): void;
}

/**
 * How the ids of responses, their items and their containers begin. Providers keep these for 30 days at most, so that
 * older ones are of no use.
 */
export const fadingPrefixes: readonly string[] = [
  "resp_",
  "msg_",
  "rs_",
  "fc_",
  "ctc_",
  "ws_",
  "fs_",
  "ci_",
  "cntr_",
  "cu_",
  "ig_",
  "mcp_",
  "mcpl_",
  "mcpr_",
];
/** How long they are known, and what is remembered of their responses, milliseconds. */
export const fadingMillis = 60 * 24 * 3_600_000;

/** Longer ids are nobody's. */
export const longestId = 256;

/** Keeps ids in memory alone. */
export function forgetfulIds(): BoundIds {
  const owners = new Map<string, Owner>();
  return {
    find: (id) => owners.get(id),
    made: (id, owner) => void owners.set(id, owner),
    named(id, owner) {
      if (!owners.has(id)) owners.set(id, owner);
    },
    flush: () => {},
  };
}
