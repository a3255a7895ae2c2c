import { describe, expect, test } from "vitest";
import { receiverFor } from "../receivers/index.ts";
import { keyOf } from "../testing/key-ring.ts";
import { anonymous, type Grant, type Identity } from "./identity.ts";
import { grantFor, permit } from "./permit.ts";

const { check, allows } = permit({ onClientKeys: (model) => model === "theirs", allowAnonymous: false });
const holder = (more: Parameters<typeof keyOf>[1] = {}): Identity => ({
  auth: "key",
  key: keyOf("k", more),
  priority: 0,
});

const tried = (identity: Identity, method: string, path: string, model?: string): unknown => {
  try {
    check(identity, { receiver: receiverFor(method, path).receiver, method, model });
    return "permitted";
  } catch (error) {
    return error instanceof Error && "kind" in error ? error.kind : error;
  }
};

describe("endpoints", () => {
  test.each<[string, string]>([
    ["POST", "/v1/chat/completions"],
    ["POST", "/v1/completions"],
    ["POST", "/v1/responses"],
    ["POST", "/v1/responses/compact"],
    ["POST", "/v1/responses/input_tokens"],
    ["POST", "/v1/embeddings"],
    ["POST", "/v1/moderations"],
    ["POST", "/v1/images/generations"],
    ["POST", "/v1/images/edits"],
    ["POST", "/v1/audio/speech"],
    ["POST", "/v1/audio/transcriptions"],
    ["GET", "/v1/models"],
    ["GET", "/v1/models/gpt"],
    ["GET", "/v1/realtime"],
  ])("%s %s are inference, which needs no grant", (method, path) => {
    expect(tried(holder(), method, path, "gpt")).toBe("permitted");
  });

  test.each<[Grant, string, string]>([
    ["files", "GET", "/v1/files"],
    ["files", "POST", "/v1/files"],
    ["files", "GET", "/v1/files/file-1/content"],
    ["files", "DELETE", "/v1//files/file-1/"],
    ["files", "GET", "/v1/%66iles/file-1"],
    ["files", "GET", "/v1/files/a/b/c"],
    ["uploads", "POST", "/v1/uploads/u/parts"],
    ["batches", "POST", "/v1/batches"],
    ["fine_tuning", "POST", "/v1/fine_tuning/jobs"],
    ["fine_tuning", "DELETE", "/v1/models/ft:mine"],
    ["stored_responses", "GET", "/v1/responses/resp_1"],
    ["stored_responses", "DELETE", "/v1/responses/resp_1"],
    ["stored_responses", "GET", "/v1/chat/completions"],
    ["stored_responses", "GET", "/v1/chat/completions/chatcmpl-1"],
    ["vector_stores", "POST", "/v1/vector_stores/vs/search"],
    ["realtime", "POST", "/v1/realtime/client_secrets"],
    ["realtime", "POST", "/v1/realtime/calls"],
    // As calls were begun at first.
    ["realtime", "POST", "/v1/realtime"],
    ["other", "POST", "/v1/threads"],
    ["other", "GET", "/v1/organization/admin_api_keys"],
  ])("the grant %s, and no other, opens %s %s", (grant, method, path) => {
    const others = [
      "files",
      "uploads",
      "batches",
      "fine_tuning",
      "stored_responses",
      "vector_stores",
      "realtime",
      "other",
    ];
    expect(grantFor(receiverFor(method, path).receiver, method)).toBe(grant);
    expect(tried(holder({ grants: [grant] }), method, path)).toBe("permitted");
    expect(tried(holder({ grants: others.filter((one) => one !== grant) as Grant[] }), method, path)).toBe(
      "grant_missing",
    );
    expect(tried(anonymous, method, path)).toBe("grant_missing");
  });

  test("a token's users have the grants of its source", () => {
    const user: Identity = { auth: "jwt", user: "ada", grants: ["files"], priority: 0 };
    expect([tried(user, "POST", "/v1/files"), tried(user, "POST", "/v1/batches")]).toEqual([
      "permitted",
      "grant_missing",
    ]);
  });
});

describe("models", () => {
  const some = holder({ models: ["gpt-4o", "demo-*", "a.c"], grants: ["files"] });

  test.each<[string | undefined, unknown]>([
    ["gpt-4o", "permitted"],
    ["demo-embedding", "permitted"],
    ["gpt-4o-mini", "model_not_allowed"],
    ["abc", "model_not_allowed"],
    [`demo-${"x".repeat(300)}`, "model_not_allowed"],
    [undefined, "model_not_allowed"],
  ])("%s is for a key of gpt-4o, demo-* and a.c: %s", (model, expected) => {
    expect(tried(some, "POST", "/v1/chat/completions", model)).toBe(expected);
  });

  test("what has no model needs none", () => {
    expect([tried(some, "POST", "/v1/files"), tried(some, "GET", "/v1/models")]).toEqual(["permitted", "permitted"]);
  });

  test("a key without a list may use all, and a changed list counts at once", () => {
    expect(allows(holder(), "any")).toBe(true);
    expect([["one"], ["two"]].map((models) => allows(holder({ models }), "one"))).toEqual([true, false]);
  });
});

test("a stranger reaches what takes the stranger's own key, and nothing else", () => {
  const stranger: Identity = { auth: "passthrough", priority: 0 };
  const paths = ["theirs", "ours", undefined].map((model) => tried(stranger, "POST", "/v1/chat/completions", model));
  expect(paths).toEqual(["permitted", "invalid_key", "invalid_key"]);
  const open = permit({ onClientKeys: () => false, allowAnonymous: true });
  const request = { receiver: receiverFor("POST", "/v1/chat/completions").receiver, method: "POST", model: "ours" };
  expect(() => open.check(stranger, request)).not.toThrow();
});
