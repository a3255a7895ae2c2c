// The pipeline: processors in series, then exporters side by side; nothing in it can reach the traffic.
import type { OpenExchange, UsageRecord } from "./exchange.ts";

/** Turns a record into a richer or safer one. Pure and synchronous; a throw drops the record, counted. */
export interface Processor {
  (record: UsageRecord): UsageRecord;
  readonly name: string;
}

/** Projects records somewhere: metrics, spans, a log. `export` must return at once; buffering is its own affair. */
export interface Exporter {
  readonly name: string;
  opened?(exchange: OpenExchange): void;
  export(record: UsageRecord): void;
  /**
   * Told of a record that was given up before it could be exported, with what the processors before the one that threw
   * made of it; nothing where it could not be sealed. To let go of what waits for it: it may not have been redacted.
   */
  lost?(id: string, record: UsageRecord | undefined): void;
  /** Sends what is buffered and lets go of resources; bounded by `shutdownMillis` of the pipeline. */
  shutdown(): Promise<void>;
}

/** Where the pipeline reports its own troubles, so that they can be counted. */
export interface PipelineTroubles {
  /** An exporter threw, rejected, or did not shut down in time. */
  exporterFailed(exporter: string, error: unknown): void;
  /** A record was given up, e.g. because a processor threw. `stage` names the processor or exporter. */
  recordLost(stage: string, reason: "processor_failed" | "buffer_full" | "shutdown"): void;
}

export interface PipelineOptions {
  readonly processors: readonly Processor[];
  readonly exporters: readonly Exporter[];
  readonly troubles: PipelineTroubles;
  /** Runs a task after the current turn of the event loop. */
  readonly defer?: (task: () => void) => void;
  readonly shutdownMillis?: number;
}

export interface Pipeline {
  opened(exchange: OpenExchange): void;
  /** Takes a closed record; processing happens after the current turn, in order. */
  record(record: UsageRecord | Unsealed): void;
  /** Processes what waits and shuts every exporter down, each within the time allowed. Never rejects. */
  shutdown(): Promise<void>;
}

/** A closed record that is put together once the turn is over. */
interface Unsealed {
  readonly id: string;
  seal(): UsageRecord;
}

type Entry = UsageRecord | Unsealed;

/** Builds the pipeline. Order of processors is the order given; exporters see the same processed record. */
export function pipeline({
  processors,
  exporters,
  troubles,
  defer = setImmediate,
  shutdownMillis = 5_000,
}: PipelineOptions): Pipeline {
  // Two lists that take turns and are emptied in place: a list that is given up for a new one keeps its dead members
  // alive, once it is old itself.
  let waiting: Entry[] = [];
  let spare: Entry[] | undefined;
  let spareRecords: UsageRecord[] | undefined;
  const watching = exporters.filter(({ opened }) => opened !== undefined);

  const lose = (id: string, record: UsageRecord | undefined) => {
    for (const exporter of exporters) {
      try {
        exporter.lost?.(id, record);
      } catch (error) {
        troubles.exporterFailed(exporter.name, error);
      }
    }
  };

  const failed = (stage: string, id: string, record: UsageRecord | undefined, error: unknown) => {
    troubles.exporterFailed(stage, error);
    troubles.recordLost(stage, "processor_failed");
    lose(id, record);
  };

  const sealed = (entry: Entry): UsageRecord | undefined => {
    if (!("seal" in entry)) return entry;
    try {
      return entry.seal();
    } catch (error) {
      failed("close", entry.id, undefined, error);
      return undefined;
    }
  };

  const processed = (processor: Processor, record: UsageRecord): UsageRecord | undefined => {
    try {
      return processor(record);
    } catch (error) {
      failed(processor.name, record.id, record, error);
      return undefined;
    }
  };

  const handOn = (exporter: Exporter, record: UsageRecord) => {
    try {
      exporter.export(record);
    } catch (error) {
      troubles.exporterFailed(exporter.name, error);
    }
  };

  // One stage for all records, then the next: the code of all stages together is more than a processor keeps at hand.
  const drain = () => {
    const batch = waiting;
    const records = spareRecords ?? [];
    waiting = spare ?? [];
    // Whoever is told of a record may ask for all that wait to be done.
    spare = undefined;
    spareRecords = undefined;
    for (const entry of batch) {
      const record = sealed(entry);
      if (record !== undefined) records.push(record);
    }
    batch.length = 0;
    spare = batch;
    for (const processor of processors) {
      let kept = 0;
      for (const given of records) {
        const record = processed(processor, given);
        if (record !== undefined) records[kept++] = record;
      }
      records.length = kept;
    }
    for (const exporter of exporters) for (const record of records) handOn(exporter, record);
    records.length = 0;
    spareRecords = records;
  };

  return {
    opened(exchange) {
      for (const exporter of watching) {
        try {
          exporter.opened?.(exchange);
        } catch (error) {
          troubles.exporterFailed(exporter.name, error);
        }
      }
    },
    record(entry) {
      waiting.push(entry);
      if (waiting.length === 1) defer(drain);
    },
    async shutdown() {
      drain();
      await Promise.all(
        exporters.map(async (exporter) => {
          let timer: NodeJS.Timeout | undefined;
          const late = new Promise<never>((_, reject) => {
            timer = setTimeout(() => reject(new Error(`did not shut down in ${shutdownMillis} ms`)), shutdownMillis);
          });
          try {
            await Promise.race([exporter.shutdown(), late]);
          } catch (error) {
            troubles.exporterFailed(exporter.name, error);
          } finally {
            clearTimeout(timer);
          }
        }),
      );
    },
  };
}
