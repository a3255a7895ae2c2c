// The one shape in which the gateway says how it is, for probes, dashboards and people.

/** `/health` and `/ready`, as JSON. */
export interface Health {
  readonly status: "healthy" | "degraded" | "unhealthy";
  readonly service: "tollgate";
  readonly version: string;
  /** Seconds since the start. */
  readonly uptime: number;
  /** The event store; `none` while there is none. */
  readonly database: "connected" | "disconnected" | "none";
  /** Each backend, and whether it is up. */
  readonly services: Readonly<Record<string, boolean>>;
  /** ISO 8601, UTC. */
  readonly timestamp: string;
}

export interface HealthSnapshot {
  readonly version: string;
  /** Unix milliseconds. */
  readonly startedAt: number;
  /** Unix milliseconds. */
  readonly now: number;
  readonly backends: readonly { readonly name: string; readonly up: boolean }[];
  /** Absent while no store is configured. */
  readonly database?: "connected" | "disconnected";
  /** The gateway takes no new work; true only where that is asked about (`/ready`). */
  readonly draining: boolean;
}

/**
 * The answer and its HTTP status. Unhealthy, and 503: every backend is down, or the gateway drains. Degraded, yet 200:
 * some backends are down, or the store is away; requests still flow.
 */
export function health({ version, startedAt, now, backends, database, draining }: HealthSnapshot): {
  status: 200 | 503;
  body: Health;
} {
  const up = backends.filter((backend) => backend.up).length;
  const unhealthy = draining || (backends.length > 0 && up === 0);
  const degraded = up < backends.length || database === "disconnected";
  return {
    status: unhealthy ? 503 : 200,
    body: {
      status: unhealthy ? "unhealthy" : degraded ? "degraded" : "healthy",
      service: "tollgate",
      version,
      // The wall clock may be set back.
      uptime: Math.max(0, Math.round(now - startedAt)) / 1000,
      database: database ?? "none",
      services: Object.fromEntries(backends.map(({ name, up }) => [name, up])),
      timestamp: new Date(now).toISOString(),
    },
  };
}
