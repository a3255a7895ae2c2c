// The shape of a configuration file: every key, its kind, its default and its description.
import { isIP } from "node:net";
import * as z from "zod";
import { budgetSchema, rateLimitsSchema, redisSchema } from "./allowance-schema.ts";
import { backendSchema, priceSchema } from "./backend-schema.ts";
import { cacheSchema } from "./cache-schema.ts";
import { jwtSchema } from "./jwt-schema.ts";
import { declaredKeySchema } from "./key-schema.ts";
import { retriesSchema, routeSchema } from "./route-schema.ts";
import { secretSource } from "./secret.ts";
import { address, decimal, duration, flag, formed, name, says, size, text, whole } from "./values.ts";

const port = () => whole(0, 65_535);
const names = (of: string) => z.array(text(`must be ${of}`), says(`must be a list of ${of}s`)).prefault([]);
const group = says("must be a group of keys, indented below it");

/** Host names and addresses; brackets round an IPv6 address are taken off. */
const host = () => {
  const must = 'must be an address or host name without scheme and port, such as "127.0.0.1" or "0.0.0.0"';
  return formed(/^[A-Za-z0-9.-]+$|^\[?[0-9A-Fa-f:.]+\]?$/, must).transform((value) => value.replace(/^\[|\]$/g, ""));
};

const origin = () =>
  z.union(
    [
      z.literal("*"),
      address("https://app.example.com").refine(
        (value) => new URL(value).pathname === "/",
        "must be an origin alone, without a path, such as https://app.example.com",
      ),
    ],
    says('must be an origin such as https://app.example.com, or "*"'),
  );

const proxy = () => {
  const must = 'must be an IP address or a range such as "10.0.0.0/8"';
  return z.string(says(must)).refine((value) => {
    const [address = "", prefix = "0", more] = value.split("/");
    const version = isIP(address);
    return version !== 0 && more === undefined && /^\d+$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128);
  }, must);
};

const listen = z.strictObject(
  {
    host: host().prefault("127.0.0.1").describe("Address of the API listener. HOST overrides it."),
    port: port().prefault(8088).describe("Port of the API listener; 0 takes a free one. PORT overrides it."),
    metricsHost: host()
      .prefault("127.0.0.1")
      .describe("Address of the second listener, for /metrics, /health and /ready. METRICS_HOST overrides it."),
    metricsPort: port()
      .prefault(9091)
      .describe("Port of the second listener; 0 takes a free one. METRICS_PORT overrides it."),
  },
  group,
);

const limits = z.strictObject(
  {
    jsonBytes: size().prefault("32MiB").describe("Largest JSON request body, which is read whole."),
    bodyBytes: size().prefault("512MiB").describe("Largest request body of any kind."),
    multipartHeadBytes: size()
      .prefault("32MiB")
      .describe("How much of an upload is held back at most while looking for its model field."),
    receiveSeconds: duration().prefault("5m").describe("A request's body must arrive within this time."),
    stallSeconds: duration()
      .prefault("2m")
      .describe("A client that takes nothing of its answer for so long is taken to be gone; 0 waits for ever."),
    drainBytes: size()
      .prefault("4MiB")
      .describe("With onClientAbort: drain, how much of an answer is still read after its client left."),
    drainSeconds: duration().prefault("2m").describe("With onClientAbort: drain, how long it is still read."),
  },
  group,
);

const labels = z.strictObject(
  {
    models: names("model name").describe("Models that always keep their own metric label, beside those of backends."),
    features: names("feature name").describe("Features that always keep their own metric label."),
    maxModels: whole(0, 10_000).prefault(100).describe("How many further models get a label; the rest are `other`."),
    maxFeatures: whole(0, 10_000).prefault(50).describe("How many further features get a label of their own."),
    maxKeys: whole(0, 10_000).prefault(100).describe("How many keys get a label of their own."),
    maxSeriesPerMetric: whole(10, 100_000)
      .prefault(500)
      .describe("Label sets per metric; past it everything folds into `other`."),
    activeUserSeconds: duration().prefault("15m").describe("Window in which a user counts as active."),
  },
  group,
);

const traces = z.strictObject(
  {
    sampleRatio: decimal(0, 1)
      .prefault(0.1)
      .describe("Share of ordinary exchanges to keep, 0 to 1; errors and slow ones are always kept."),
    slowSeconds: duration().prefault("30s").describe("An exchange that takes longer is always kept."),
    maxPerSecond: whole(0, 1_000_000)
      .prefault(100)
      .describe("Ordinary exchanges kept a second at most, so that traces cost the same under any load."),
  },
  group,
);

const levels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
const formats = ["auto", "json", "pretty"] as const;
export const level = z.enum(levels, says(`must be one of ${levels.join(", ")}`));

const log = z.strictObject(
  {
    level: level.prefault("info").describe("Least severe level that is written. LOG_LEVEL overrides it."),
    format: z
      .enum(formats, says(`must be one of ${formats.join(", ")}`))
      .prefault("auto")
      .describe("`auto` is pretty on a terminal and JSON otherwise."),
  },
  group,
);

const sentry = z.strictObject(
  {
    dsn: secretSource().describe("Where errors are reported. SENTRY_DSN overrides it."),
    environment: text("must be the name of an environment, such as production")
      .optional()
      .describe("Name of this deployment. SENTRY_ENVIRONMENT overrides it."),
  },
  group,
);

/** The whole file, as an editor and the loader see it. */
export const fileSchema = z
  .strictObject(
    {
      listen: listen.prefault({}).describe("Where the gateway listens."),
      allowAnonymous: flag()
        .prefault(false)
        .describe("Lets anyone who can reach the API use it without a key, on any address."),
      allowClientKeys: flag()
        .prefault(false)
        .describe(
          "Lets clients without a key of this gateway use the backends with passClientKey, by a key of their own.",
        ),
      jwt: z
        .array(jwtSchema, says("must be a list of sources of tokens"))
        .prefault([])
        .describe("Whose tokens (JWT) are taken in place of a key. JWT_ACCESS_SECRET adds one for HS256."),
      keys: z
        .array(declaredKeySchema, says("must be a list of keys"))
        .prefault([])
        .describe("Keys of callers that are declared here, beside those of tollgate keys create."),
      dataDir: text("must be the path of a folder")
        .optional()
        .describe(
          "Folder of what must last: keys, what was spent of budgets. From this file's folder on; TOLLGATE_DATA_DIR overrides it. When not set: .tollgate where the gateway was started.",
        ),
      adminToken: secretSource()
        .optional()
        .describe("Token for the console and the analytics API; without it they answer this machine only."),
      metricsToken: secretSource().optional().describe("Bearer token that /metrics asks for."),
      metrics: flag().prefault(true).describe("Whether the second listener has /metrics. ENABLE_METRICS overrides it."),
      cors: z
        .strictObject(
          {
            origins: z
              .array(origin(), says("must be a list of origins"))
              .prefault([])
              .describe("Origins of web pages that may call the API from a browser; none by default."),
          },
          group,
        )
        .prefault({})
        .describe("Access from web pages."),
      trustedProxies: z
        .array(proxy(), says("must be a list of IP addresses and ranges"))
        .prefault([])
        .describe("Addresses or ranges of proxies whose X-Forwarded-For is believed."),
      limits: limits.prefault({}).describe("Limits of one request."),
      rateLimits: rateLimitsSchema
        .prefault({})
        .describe("What callers may use in a time, beside what their keys say: requests, tokens, open requests."),
      budgets: z
        .array(budgetSchema, says("must be a list of budgets"))
        .prefault([])
        .describe("What callers may spend in a period, beside what their keys say."),
      redis: redisSchema
        .prefault({})
        .describe(
          "Shared by several gateways: one limit, one budget, and keys and bound ids in place of the data folder.",
        ),
      cache: cacheSchema
        .optional()
        .describe("Keeps answers, to be given again to the same question; off when not set."),
      shutdownSeconds: duration().prefault("30s").describe("How long open requests may take to finish at shutdown."),
      demo: flag().prefault(true).describe("Serves the built-in demo backend (models demo, demo-…)."),
      defaultBackend: name("the name of a backend")
        .optional()
        .describe("Takes requests that name no model (files, batches…); the first backend when not set."),
      backends: z
        .array(backendSchema, says("must be a list of backends"))
        .prefault([])
        .describe("The upstreams. For each model the first one that lists it, exactly or by pattern, is asked."),
      routes: z
        .array(routeSchema, says("must be a list of routes"))
        .prefault([])
        .describe("Where requests for a model go, before the backends' own lists: aliases, fallbacks, balancing."),
      retries: retriesSchema.prefault({}).describe("Retries of requests that no route says otherwise of."),
      prices: z
        .array(priceSchema(true), says("must be a list of prices"))
        .prefault([])
        .describe("Prices that go before the catalogue's; the first that matches counts."),
      labels: labels.prefault({}).describe("Which values become metric labels of their own."),
      traces: traces.prefault({}).describe("What traces are kept. OTEL_EXPORTER_OTLP_ENDPOINT switches them on."),
      log: log.prefault({}).describe("The log on standard output."),
      sentry: sentry.optional().describe("Error reports to Sentry; off when not set."),
    },
    says("must be a list of keys with values, such as those of config.example.yaml"),
  )
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the text is about such placeholders
  .describe("Configuration of the Tollgate gateway. Strings may hold ${VAR} and ${VAR:-default}; $$ is a plain $.");

export type FileShape = z.output<typeof fileSchema>;
