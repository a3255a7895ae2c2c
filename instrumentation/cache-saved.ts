// What an exchange that was answered from the cache did not cost.
import type { Media, Tokens } from "./exchange.ts";

/** What an answer from the cache stands for: what a backend counted when it made it, and what that would cost now. */
export interface CacheSaved {
  readonly backend: string;
  readonly provider: string;
  /** The model as it was sent there. */
  readonly model?: string;
  /** The backend's time. */
  readonly seconds: number;
  readonly tokens?: Tokens;
  readonly media?: Media;
  readonly usageSource?: "provider" | "estimated" | "missing";
  /** Set by the price processor; absent where no price is known. */
  readonly nanoUsd?: number;
}
