// Uploads: a file that comes in parts.
import type { Upload } from "openai/resources/uploads/uploads";
import { json, type Route, type Stage } from "./endpoint.ts";
import { listField, requiredText, wholeField } from "./fields.ts";
import { checkPurpose, fileObject, storeFile } from "./files.ts";
import { missing, notFound, Refusal } from "./refusal.ts";
import { shelf } from "./shelf.ts";

interface Pending {
  readonly id: string;
  readonly upload: Upload;
  readonly parts: ReadonlyMap<string, Buffer>;
}

const largest = 64 * 1024 * 1024;
const hour = 3_600;

export function uploadRoutes(stage: Stage): readonly Route[] {
  const bytesOf = ({ parts }: Pending) => [...parts.values()].reduce((sum, part) => sum + part.length, 0);
  const uploads = shelf<Pending>({ what: "upload", count: 50, bytes: 2 * largest, bytesOf });
  const pending = (id: string) => {
    const found = uploads.get(id);
    if (found.upload.status === "pending") return found;
    throw new Refusal(`This upload is ${found.upload.status}.`, { param: "id" });
  };

  return [
    {
      method: "POST",
      path: "/uploads",
      answer({ body }) {
        const bytes = wholeField(body, "bytes", 1, largest);
        if (bytes === undefined) throw missing("bytes");
        requiredText(body, "mime_type");
        const now = stage.now();
        const upload: Upload = {
          id: stage.dice.id("upload_"),
          object: "upload",
          bytes,
          created_at: now,
          filename: requiredText(body, "filename"),
          purpose: checkPurpose(requiredText(body, "purpose")),
          status: "pending",
          expires_at: now + hour,
        };
        uploads.put({ id: upload.id, upload, parts: new Map() });
        return json(upload);
      },
    },
    {
      method: "POST",
      path: "/uploads/{}/parts",
      answer({ ids: [id = ""], files }) {
        const before = pending(id);
        const data = files.find(({ field }) => field === "data");
        if (data === undefined) throw missing("data");
        if (bytesOf(before) + data.content.length > before.upload.bytes) {
          throw new Refusal("The parts are larger than the upload was said to be.", { param: "data" });
        }
        const part = stage.dice.id("part_");
        uploads.put({ ...before, parts: new Map([...before.parts, [part, data.content]]) });
        return json({ id: part, object: "upload.part", created_at: stage.now(), upload_id: id });
      },
    },
    {
      method: "POST",
      path: "/uploads/{}/complete",
      answer({ ids: [id = ""], body }) {
        const { upload, parts } = pending(id);
        const wanted = listField(body, "part_ids");
        if (wanted === undefined) throw missing("part_ids");
        const content = Buffer.concat(
          wanted.map((part) => {
            const found = parts.get(String(part));
            if (found === undefined) throw notFound("part", String(part));
            return found;
          }),
        );
        if (content.length !== upload.bytes) {
          throw new Refusal(`The parts have ${content.length} bytes, but the upload has ${upload.bytes}.`, {
            param: "part_ids",
          });
        }
        const file = fileObject(storeFile(stage, upload.filename, upload.purpose, content));
        const done: Upload = { ...upload, status: "completed", file };
        uploads.put({ id, upload: done, parts: new Map() });
        return json(done);
      },
    },
    {
      method: "POST",
      path: "/uploads/{}/cancel",
      answer({ ids: [id = ""] }) {
        const upload: Upload = { ...pending(id).upload, status: "cancelled" };
        uploads.put({ id, upload, parts: new Map() });
        return json(upload);
      },
    },
  ];
}
