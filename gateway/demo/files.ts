// Files: uploaded, listed, read again, deleted; kept in bounded memory.
import type { FileObject } from "openai/resources/files";
import { json, type Route, type Stage, type StoredFile } from "./endpoint.ts";
import { requiredText } from "./fields.ts";
import { missing, Refusal, wrongValue } from "./refusal.ts";
import { page } from "./shelf.ts";

const purposes = ["assistants", "batch", "fine-tune", "vision", "user_data", "evals"];

/** Refuses a purpose that files cannot have. */
export function checkPurpose(purpose: string): string {
  if (!purposes.includes(purpose)) throw wrongValue("purpose", `one of ${purposes.join(", ")}`);
  return purpose;
}

/** A file as clients see it, without its content. */
export function fileObject({ content, ...file }: StoredFile): FileObject {
  return {
    ...file,
    purpose: file.purpose as FileObject["purpose"],
    status: "processed",
  };
}

/** Puts a new file on the shelf. */
export function storeFile(stage: Stage, filename: string, purpose: string, content: Buffer): StoredFile {
  const id = stage.dice.id("file-");
  return stage.files.put({
    id,
    object: "file",
    bytes: content.length,
    created_at: stage.now(),
    filename,
    purpose,
    content,
  });
}

export const fileRoutes = (stage: Stage): readonly Route[] => [
  {
    method: "POST",
    path: "/files",
    answer({ body, files }) {
      const purpose = checkPurpose(requiredText(body, "purpose"));
      const file = files.find(({ field }) => field === "file");
      if (file === undefined) throw missing("file");
      if (file.content.length === 0) throw new Refusal("The file is empty.", { param: "file" });
      return json(fileObject(storeFile(stage, file.name, purpose, file.content)));
    },
  },
  {
    method: "GET",
    path: "/files",
    answer({ query }) {
      const purpose = query.get("purpose");
      const files = stage.files.all().filter((file) => purpose === null || file.purpose === purpose);
      return json(page(files.map(fileObject), query));
    },
  },
  { method: "GET", path: "/files/{}", answer: ({ ids: [id = ""] }) => json(fileObject(stage.files.get(id))) },
  {
    method: "GET",
    path: "/files/{}/content",
    answer: ({ ids: [id = ""] }) => ({
      kind: "bytes",
      type: "application/octet-stream",
      pieces: [stage.files.get(id).content],
    }),
  },
  {
    method: "DELETE",
    path: "/files/{}",
    answer: ({ ids: [id = ""] }) => json({ id: stage.files.remove(id).id, object: "file", deleted: true }),
  },
];
