// Reads a request's body whole: a JSON object, or a form with its files.
import type { IncomingMessage } from "node:http";
import { Busboy } from "@fastify/busboy";
import type { UploadedFile } from "./endpoint.ts";
import { type Fields, isFields } from "./fields.ts";
import { Refusal, wrongType } from "./refusal.ts";

export interface Body {
  readonly fields: Fields;
  readonly files: readonly UploadedFile[];
}

const largest = 64 * 1024 * 1024;
const tooLarge = () =>
  new Refusal("The request is larger than the 64 MB that the demo backend takes.", {
    status: 413,
    headers: { connection: "close" },
  });

/** Rejects with a Refusal where the body is too large or not what it says it is. */
export async function intake(req: IncomingMessage): Promise<Body> {
  const type = req.headers["content-type"] ?? "";
  if (Number(req.headers["content-length"] ?? 0) > largest) throw tooLarge();
  if (/^multipart\/form-data/i.test(type)) return form(req, type);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req) {
    size += chunk.length;
    if (size > largest) throw tooLarge();
    chunks.push(chunk);
  }
  return { fields: size === 0 ? {} : parsed(Buffer.concat(chunks).toString("utf8")), files: [] };
}

function parsed(text: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refusal("The body is not valid JSON.");
  }
  if (!isFields(value)) throw new Refusal("The body must be a JSON object.");
  return value;
}

/** Form fields that are not text; a form itself knows only text. */
const numbers = new Set(["n", "temperature", "partial_images", "output_compression"]);
const flags = new Set(["stream"]);

function typed(name: string, value: string): unknown {
  if (flags.has(name)) {
    if (value !== "true" && value !== "false") throw wrongType(name, "true or false");
    return value === "true";
  }
  if (!numbers.has(name)) return value;
  if (value.trim() === "" || Number.isNaN(Number(value))) throw wrongType(name, "a number");
  return Number(value);
}

function form(req: IncomingMessage, type: string): Promise<Body> {
  return new Promise((resolve, reject) => {
    const fields = new Map<string, unknown>();
    const files: UploadedFile[] = [];
    const refuse = (error: unknown) => {
      req.unpipe();
      req.resume();
      reject(error instanceof Refusal ? error : new Refusal("The form could not be read."));
    };
    try {
      const reader = new Busboy({
        headers: { ...req.headers, "content-type": type },
        limits: { fileSize: largest, files: 20, fields: 100, parts: 120 },
      });
      reader.on("field", (key, value) => {
        const name = key.replace(/\[\d*\]$/, "");
        try {
          const before = fields.get(name);
          if (name !== key) fields.set(name, [...(Array.isArray(before) ? before : []), value]);
          else fields.set(name, typed(name, value));
        } catch (error) {
          refuse(error);
        }
      });
      reader.on("file", (key, stream, name, _encoding, mime) => {
        const chunks: Buffer[] = [];
        stream.on("data", (chunk: Buffer) => chunks.push(chunk));
        stream.on("limit", () => refuse(tooLarge()));
        stream.on("error", refuse);
        stream.on("end", () =>
          files.push({ field: key.replace(/\[\d*\]$/, ""), name, type: mime, content: Buffer.concat(chunks) }),
        );
      });
      reader.on("finish", () => resolve({ fields: Object.fromEntries(fields), files }));
      reader.on("error", refuse);
      req.on("aborted", () => refuse(new Refusal("The request broke off.")));
      req.pipe(reader);
    } catch (error) {
      refuse(error);
    }
  });
}
