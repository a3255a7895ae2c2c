// Vector stores: files put together, and a search that looks for words in them.
import type { VectorStoreFile } from "openai/resources/vector-stores/files";
import type { VectorStore, VectorStoreSearchResponse } from "openai/resources/vector-stores/vector-stores";
import { json, type Route, type Stage } from "./endpoint.ts";
import { type Fields, listField, metadataField, requiredText, textField, wholeField } from "./fields.ts";
import { missing, notFound } from "./refusal.ts";
import { page, shelf } from "./shelf.ts";

interface Kept {
  readonly id: string;
  readonly name: string;
  readonly created: number;
  readonly metadata: Record<string, string> | null;
  readonly files: readonly VectorStoreFile[];
}

const mostFiles = 500;
/** Characters of a file that a search shows. */
const shown = 400;

export function vectorStoreRoutes(stage: Stage): readonly Route[] {
  const stores = shelf<Kept>({ what: "vector store", count: 100 });

  const view = ({ id, name, created, metadata, files }: Kept): VectorStore => ({
    id,
    object: "vector_store",
    created_at: created,
    name,
    usage_bytes: files.reduce((sum, file) => sum + file.usage_bytes, 0),
    file_counts: { in_progress: 0, completed: files.length, failed: 0, cancelled: 0, total: files.length },
    status: "completed",
    last_active_at: stage.now(),
    metadata,
  });
  const attach = (store: Kept, fileId: string): VectorStoreFile => {
    const file: VectorStoreFile = {
      id: stage.files.get(fileId).id,
      object: "vector_store.file",
      usage_bytes: stage.files.get(fileId).bytes,
      created_at: stage.now(),
      vector_store_id: store.id,
      status: "completed",
      last_error: null,
    };
    const others = store.files.filter(({ id }) => id !== fileId);
    stores.put({ ...store, files: [...others, file].slice(-mostFiles) });
    return file;
  };
  const fileIn = (id: string, fileId: string): VectorStoreFile => {
    const file = stores.get(id).files.find((one) => one.id === fileId);
    if (file === undefined) throw notFound("file in this vector store", fileId);
    return file;
  };
  const create = (body: Fields): VectorStore => {
    const id = stage.dice.id("vs_");
    const fileIds = (listField(body, "file_ids") ?? []).map(String);
    for (const fileId of fileIds) stage.files.get(fileId);
    const name = textField(body, "name") ?? "";
    stores.put({ id, name, created: stage.now(), metadata: metadataField(body), files: [] });
    for (const fileId of fileIds) attach(stores.get(id), fileId);
    return view(stores.get(id));
  };
  const update = (id: string, body: Fields): VectorStore => {
    const before = stores.get(id);
    const metadata = metadataField(body) ?? before.metadata;
    return view(stores.put({ ...before, name: textField(body, "name") ?? before.name, metadata }));
  };
  const search = (id: string, body: Fields) => {
    const { query } = body;
    if (query === undefined || query === null) throw missing("query");
    const asked = wordsOf(Array.isArray(query) ? query.join(" ") : String(query));
    const results = stores.get(id).files.flatMap((file): VectorStoreSearchResponse[] => {
      const stored = stage.files.find(file.id);
      if (stored === undefined) return [];
      const text = stored.content.toString("utf8", 0, 100_000);
      const there = wordsOf(text);
      const score = asked.size === 0 ? 0 : [...asked].filter((word) => there.has(word)).length / asked.size;
      const content = [{ type: "text" as const, text: text.slice(0, shown) }];
      return [{ file_id: file.id, filename: stored.filename, score, attributes: {}, content }];
    });
    const most = wholeField(body, "max_num_results", 1, 50) ?? 10;
    const data = results
      .filter(({ score }) => score > 0)
      .sort((a, b) => b.score - a.score)
      .slice(0, most);
    const search_query = Array.isArray(query) ? query : [query];
    return { object: "vector_store.search_results.page", search_query, data, has_more: false, next_page: null };
  };

  return [
    { method: "POST", path: "/vector_stores", answer: ({ body }) => json(create(body)) },
    { method: "GET", path: "/vector_stores", answer: ({ query }) => json(page(stores.all().map(view), query)) },
    { method: "GET", path: "/vector_stores/{}", answer: ({ ids: [id = ""] }) => json(view(stores.get(id))) },
    { method: "POST", path: "/vector_stores/{}", answer: ({ ids: [id = ""], body }) => json(update(id, body)) },
    {
      method: "DELETE",
      path: "/vector_stores/{}",
      answer: ({ ids: [id = ""] }) => json({ id: stores.remove(id).id, object: "vector_store.deleted", deleted: true }),
    },
    { method: "POST", path: "/vector_stores/{}/search", answer: ({ ids: [id = ""], body }) => json(search(id, body)) },
    {
      method: "POST",
      path: "/vector_stores/{}/files",
      answer: ({ ids: [id = ""], body }) => json(attach(stores.get(id), requiredText(body, "file_id"))),
    },
    {
      method: "GET",
      path: "/vector_stores/{}/files",
      answer: ({ ids: [id = ""], query }) => json(page(stores.get(id).files, query)),
    },
    {
      method: "GET",
      path: "/vector_stores/{}/files/{}",
      answer: ({ ids: [id = "", file = ""] }) => json(fileIn(id, file)),
    },
    {
      method: "DELETE",
      path: "/vector_stores/{}/files/{}",
      answer({ ids: [id = "", file = ""] }) {
        fileIn(id, file);
        const store = stores.get(id);
        stores.put({ ...store, files: store.files.filter((one) => one.id !== file) });
        return json({ id: file, object: "vector_store.file.deleted", deleted: true });
      },
    },
  ];
}

const wordsOf = (text: string): Set<string> => new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []);
