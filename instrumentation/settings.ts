// What an operator can set about measuring, in the shape that the config module hands over.

/** A price set by the operator. Amounts are USD. The first rule that matches backend and model wins over the catalogue. */
export interface PriceRule {
  /** Exact name or `*` pattern. */
  readonly model: string;
  /** Only for this backend; every backend when absent. */
  readonly backend?: string;
  /** Costs nothing, on purpose. */
  readonly free?: boolean;
  /** USD per million tokens. */
  readonly inputPerMillion?: number;
  readonly outputPerMillion?: number;
  readonly cachedInputPerMillion?: number;
  readonly cacheWritePerMillion?: number;
  /** USD per hour of backend time (the answering attempt, start to last byte), for machines that are paid by the hour. */
  readonly perHour?: number;
  readonly perImage?: number;
  readonly perAudioMinute?: number;
  readonly perMillionCharacters?: number;
  /** Price this model as another model of the price catalogue: `provider/model`. */
  readonly sameAs?: string;
  /** Where the rule stands, for `cost.price`, e.g. `config: prices[0]`. */
  readonly origin: string;
}

export interface LabelSettings {
  /** Names that always keep their own label, however full the caps are. */
  readonly models: readonly string[];
  readonly features: readonly string[];
  /** How many names beyond the known ones get a label of their own. */
  readonly maxModels: number;
  readonly maxFeatures: number;
  readonly maxKeys: number;
  /** Label sets per metric; past it everything folds into `other`. */
  readonly maxSeriesPerMetric: number;
  /** Window of active_users_total, seconds. */
  readonly activeUserSeconds: number;
}

export interface TraceSettings {
  /** Share (0 to 1) of ordinary exchanges to keep; errors and slow ones are always kept. */
  readonly sampleRatio: number;
  /** Exchanges that take longer than this are kept, seconds. */
  readonly slowSeconds: number;
  /** How many ordinary exchanges of one second are kept at most. */
  readonly maxPerSecond: number;
}

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";

export interface LogSettings {
  readonly level: LogLevel;
  /** `auto`: pretty on a terminal, JSON otherwise. */
  readonly format: "auto" | "json" | "pretty";
}

export interface SentrySettings {
  readonly dsn: string;
  readonly environment?: string;
}
