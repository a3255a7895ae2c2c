// The one door of instrumentation: everything that the gateway may use of it.
export * from "./draft.ts";
export * from "./exchange.ts";
export * from "./exporters/metrics.ts";
export * from "./genai.ts";
export * from "./pipeline.ts";
export * from "./process.ts";
export * from "./processors/bound.ts";
export * from "./processors/price.ts";
export { redact } from "./processors/redact.ts";
export * from "./registry.ts";
export { scrub, scrubMessage } from "./scrub.ts";
export * from "./sdk.ts";
export * from "./settings.ts";
export * from "./system.ts";
export * from "./trace.ts";
