// What is made of the messages that pass: bytes and tokens for the record; a meter that throws is left alone.
import type { ExchangeDraft } from "../../instrumentation/index.ts";
import type { Backend, Limits } from "../config/config.ts";
import type { RelayOptions } from "./relay.ts";
import type { SessionMeter } from "./session-meter.ts";

export interface WatchingOptions {
  readonly draft: ExchangeDraft;
  readonly meter: SessionMeter;
  readonly backend: Backend;
  readonly limits: Limits;
  /** Told after each message that the meter saw. */
  readonly metered: () => void;
  /** The meter threw; told once. */
  readonly failed: (error: unknown) => void;
}

/** The relay's eyes. Where the backend is to be drained, it is heard on until the response at hand has its usage. */
export function watching({
  draft,
  meter,
  backend,
  limits,
  metered,
  failed,
}: WatchingOptions): Pick<RelayOptions, "fromClient" | "fromBackend" | "lingers" | "lingerSeconds"> {
  let broken = false;
  let unheard = 0;
  return {
    fromClient(data) {
      draft.requestBytes += data.length;
    },
    fromBackend(data, binary, passed) {
      if (passed) draft.responseBytes += data.length;
      else unheard += data.length;
      if (binary || broken) return;
      try {
        meter.see(data);
        metered();
      } catch (error) {
        broken = true;
        failed(error);
      }
    },
    lingers: () =>
      backend.onClientAbort === "drain" && limits.drainSeconds > 0 && meter.answering && unheard <= limits.drainBytes,
    lingerSeconds: limits.drainSeconds,
  };
}
