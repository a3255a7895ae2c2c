// Counts the requests that are answered here; forwarded ones are counted from their record.
import type { Context } from "hono";
import type { ServedRequest } from "../instrumentation/index.ts";
import type { Bindings } from "./server.ts";

export interface CountedOptions {
  readonly now: () => number;
  readonly served: (request: ServedRequest) => void;
}

type Answer = (context: Context<Bindings>) => Response | Promise<Response>;

/** Wraps a handler so that its request is counted under a route template once the answer is out. */
export const counted =
  ({ now, served }: CountedOptions) =>
  (route: string, answer: Answer): Answer =>
  (context) => {
    const startedAt = now();
    const { outgoing } = context.env;
    outgoing.once("close", () =>
      served({ method: context.req.method, route, status: outgoing.statusCode, seconds: (now() - startedAt) / 1000 }),
    );
    return answer(context);
  };
