// Who is told of what becomes of limits and budgets while the Redis that gateways share is away.

/** Told of what went on without Redis; must not throw. */
export interface RedisLedgerWatch {
  troubled(effect: SharingTrouble, error: unknown): void;
  /** There is a connection again, or at last. */
  connected?(): void;
}

/** What came of a failure: a request passed uncounted for now, or was refused; a count is sent again; or the connection broke. */
export type SharingTrouble = "allowed" | "refused" | "delayed" | "disconnected";
