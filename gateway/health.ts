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
  readonly now: number;
  readonly backends: readonly { readonly name: string; readonly up: boolean }[];
  readonly database?: "connected" | "disconnected";
  readonly draining: boolean;
}

/** The answer and its HTTP status: 503 when unhealthy, that is when nothing could be forwarded. */
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
      uptime: Math.round(now - startedAt) / 1000,
      database: database ?? "none",
      services: Object.fromEntries(backends.map(({ name, up }) => [name, up])),
      timestamp: new Date(now).toISOString(),
    },
  };
}
