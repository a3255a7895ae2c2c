// Fine-tuning jobs: they wait in the queue until they are cancelled, since there is nothing to train.
import type { FineTuningJob, FineTuningJobEvent } from "openai/resources/fine-tuning/jobs/jobs";
import { json, type Route, type Stage } from "./endpoint.ts";
import { type Fields, metadataField, requiredText, textField, wholeField } from "./fields.ts";
import { modelFor } from "./models.ts";
import { Refusal } from "./refusal.ts";
import { page, shelf } from "./shelf.ts";

export function fineTuningRoutes(stage: Stage): readonly Route[] {
  const jobs = shelf<FineTuningJob>({ what: "fine-tuning job", count: 100 });

  const create = (body: Fields): FineTuningJob => {
    const model = modelFor("text", body);
    const training_file = requiredText(body, "training_file");
    stage.files.get(training_file);
    return jobs.put({
      id: stage.dice.id("ftjob-"),
      object: "fine_tuning.job",
      created_at: stage.now(),
      model,
      fine_tuned_model: null,
      organization_id: "org-demo",
      status: "queued",
      training_file,
      validation_file: textField(body, "validation_file") ?? null,
      hyperparameters: { n_epochs: "auto", batch_size: "auto", learning_rate_multiplier: "auto" },
      result_files: [],
      trained_tokens: null,
      finished_at: null,
      error: null,
      seed: wholeField(body, "seed", 0, 2 ** 31) ?? stage.dice.whole(0, 2 ** 31),
      metadata: metadataField(body),
    });
  };
  const cancel = (id: string): FineTuningJob => {
    const job = jobs.get(id);
    if (job.status !== "queued") throw new Refusal(`A ${job.status} job cannot be cancelled.`);
    return jobs.put({ ...job, status: "cancelled", finished_at: stage.now() });
  };
  const events = ({ id, created_at, status }: FineTuningJob): readonly FineTuningJobEvent[] => [
    {
      object: "fine_tuning.job.event",
      id: id.replace("ftjob-", "ftevent-"),
      created_at,
      level: "info",
      message: `The job is ${status}.`,
      type: "message",
      data: {},
    },
  ];

  const path = "/fine_tuning/jobs";
  return [
    { method: "POST", path, answer: ({ body }) => json(create(body)) },
    { method: "GET", path, answer: ({ query }) => json(page(jobs.all(), query)) },
    { method: "GET", path: `${path}/{}`, answer: ({ ids: [id = ""] }) => json(jobs.get(id)) },
    { method: "POST", path: `${path}/{}/cancel`, answer: ({ ids: [id = ""] }) => json(cancel(id)) },
    {
      method: "GET",
      path: `${path}/{}/events`,
      answer: ({ ids: [id = ""], query }) => json(page(events(jobs.get(id)), query)),
    },
    {
      method: "GET",
      path: `${path}/{}/checkpoints`,
      answer({ ids: [id = ""], query }) {
        jobs.get(id);
        return json(page([], query));
      },
    },
  ];
}
