// The demo backend's models: what each is for, and the two endpoints that list them.
import type { Model } from "openai/resources/models";
import { json, type Route, type Stage } from "./endpoint.ts";
import { type Fields, textField } from "./fields.ts";
import { missing, Refusal } from "./refusal.ts";
import { troubledModels, troubleOf } from "./trouble.ts";

export type Purpose = "text" | "realtime" | "embedding" | "image" | "speech" | "transcription" | "moderation";

const models: Readonly<Record<string, readonly Purpose[]>> = {
  demo: ["text", "realtime"],
  "demo-reasoning": ["text"],
  "demo-embedding": ["embedding"],
  "demo-image": ["image"],
  "demo-speech": ["speech"],
  "demo-transcription": ["transcription"],
  "demo-moderation": ["moderation"],
  "demo-realtime": ["realtime"],
};

const noSuch = (id: string) =>
  new Refusal(`The model '${id}' does not exist here; GET /v1/models lists those that do.`, {
    status: 404,
    code: "model_not_found",
    param: "model",
  });

/** The name of the model that is asked for. Refuses with 400 where it is missing, with 404 where it cannot do this. */
export function modelFor(purpose: Purpose, body: Fields, otherwise?: string): string {
  const id = textField(body, "model") ?? otherwise;
  if (id === undefined) throw missing("model");
  if (troubleOf(id) !== undefined) return id;
  const purposes = Object.hasOwn(models, id) ? models[id] : undefined;
  if (purposes === undefined) throw noSuch(id);
  if (purposes.includes(purpose)) return id;
  throw new Refusal(`The model '${id}' is for ${purposes.join(" and ")}; this endpoint needs one for ${purpose}.`, {
    status: 404,
    param: "model",
  });
}

export const reasons = (model: string): boolean => model === "demo-reasoning";

export function modelRoutes({ now }: Stage): readonly Route[] {
  const created = now();
  const describe = (id: string) => ({ id, object: "model", created, owned_by: "tollgate" }) satisfies Model;
  return [
    {
      method: "GET",
      path: "/models",
      answer: () => json({ object: "list", data: [...Object.keys(models), ...troubledModels].map(describe) }),
    },
    {
      method: "GET",
      path: "/models/{}",
      answer({ ids: [id = ""] }) {
        if (!Object.hasOwn(models, id) && troubleOf(id) === undefined) throw noSuch(id);
        return json(describe(id));
      },
    },
  ];
}
