// Ids that a thing names beside its own: what came of a batch, or of a tuning job.

export function namedBeside(thing: Readonly<Record<string, unknown>>): readonly string[] {
  const { output_file_id: output, error_file_id: errors, result_files: results, fine_tuned_model: model } = thing;
  return [output, errors, model, ...(Array.isArray(results) ? results : [])].filter(
    (id): id is string => typeof id === "string" && id !== "",
  );
}
