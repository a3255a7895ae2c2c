// Which endpoint answers which method and path.
import { audioRoutes } from "./audio.ts";
import { batchRoutes } from "./batches.ts";
import { chatRoutes } from "./chat.ts";
import { completionRoutes } from "./completions.ts";
import { embeddingRoutes } from "./embeddings.ts";
import type { Route, Stage } from "./endpoint.ts";
import { fileRoutes } from "./files.ts";
import { fineTuningRoutes } from "./fine-tuning.ts";
import { imageRoutes } from "./images.ts";
import { modelRoutes } from "./models.ts";
import { moderationRoutes } from "./moderations.ts";
import { Refusal } from "./refusal.ts";
import { responseRoutes } from "./responses.ts";
import { uploadRoutes } from "./uploads.ts";
import { vectorStoreRoutes } from "./vector-stores.ts";

interface Match {
  readonly route: Route;
  readonly ids: readonly string[];
}

/** Throws a Refusal, 404 or 405, where nothing matches. */
export function router(stage: Stage): (method: string, path: string) => Match {
  const routes = [
    ...modelRoutes(stage),
    ...chatRoutes(stage),
    ...completionRoutes(stage),
    ...responseRoutes(stage),
    ...embeddingRoutes(),
    ...moderationRoutes(stage),
    ...imageRoutes(stage),
    ...audioRoutes(stage),
    ...fileRoutes(stage),
    ...uploadRoutes(stage),
    ...batchRoutes(stage),
    ...vectorStoreRoutes(stage),
    ...fineTuningRoutes(stage),
  ].map((route) => ({
    route,
    pattern: new RegExp(`^/v1${route.path.replaceAll("{}", "([^/]+)")}/?$`),
  }));
  return (method, path) => {
    const there = routes.filter(({ pattern }) => pattern.test(path));
    const found = there.find(({ route }) => route.method === method);
    if (found !== undefined) return { route: found.route, ids: (found.pattern.exec(path) ?? []).slice(1).map(decode) };
    if (there.length === 0) throw new Refusal(`There is nothing at ${path}.`, { status: 404, code: "unknown_url" });
    throw new Refusal(`${path} does not take ${method}.`, { status: 405, code: "method_not_supported" });
  };
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
