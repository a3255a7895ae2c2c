// The exit codes of the tollgate command, so that scripts can tell a bad config from a failed run.
export const exit = {
  ok: 0,
  /** It ran and failed. */
  failed: 1,
  /** The command line was wrong. */
  usage: 2,
  /** The configuration was wrong: EX_CONFIG of sysexits.h. */
  badConfig: 78,
} as const;
