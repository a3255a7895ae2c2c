// The one door of instrumentation: everything that the gateway may use of it.
export * from "./draft.ts";
export * from "./exchange.ts";
export * from "./genai.ts";
export * from "./pipeline.ts";
export * from "./processors/price.ts";
export { redact } from "./processors/redact.ts";
export { scrub, scrubMessage } from "./scrub.ts";
export * from "./settings.ts";
export * from "./trace.ts";
