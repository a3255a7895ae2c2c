// What a caller may use: endpoints by grant, models by name.
import { GatewayError } from "../errors.ts";
import { ModelNames } from "../model-names.ts";
import type { Receiver } from "../receivers/receiver.ts";
import type { Grant, Identity } from "./identity.ts";

export interface PermitRequest {
  readonly receiver: Receiver;
  readonly method: string;
  /** As the body, the query or the path names it. */
  readonly model?: string | undefined;
}

export interface PermitOptions {
  /** Whether a model, or what names none, is served by backends alone that take clients' own keys. */
  readonly onClientKeys: (model: string | undefined) => boolean;
  /** Anyone may use the models. */
  readonly allowAnonymous: boolean;
}

/** Inference needs no grant; what is kept at a provider for longer than an answer does. */
const grants: Readonly<Partial<Record<Receiver["operation"], Grant>>> = {
  files: "files",
  uploads: "uploads",
  batches: "batches",
  fine_tuning: "fine_tuning",
  stored_response: "stored_responses",
  vector_stores: "vector_stores",
  realtime: "realtime",
  other: "other",
};

/** The grant that a request needs; `undefined` for inference and the list of models. */
export function grantFor({ operation, path }: Receiver, method: string): Grant | undefined {
  if (path === "/v1/responses/input_tokens") return undefined;
  // A session is inference. A secret for one, or a call, lets its holder speak with the provider past this gateway.
  if (path === "/v1/realtime" && method === "GET") return undefined;
  if (path.startsWith("/v1/chat/completions")) {
    // The head of its list falls to the endpoint that completes.
    return operation === "other" || method !== "POST" ? "stored_responses" : undefined;
  }
  // Only models that were fine-tuned can be deleted.
  if (operation === "models" && method === "DELETE") return "fine_tuning";
  return grants[operation];
}

export interface Permit {
  /** Throws a GatewayError: `grant_missing`, `model_not_allowed`, or `invalid_key` for a stranger's at a backend of ours. */
  check(identity: Identity, request: PermitRequest): void;
  /** Throws `model_not_allowed`. */
  checkModel(identity: Identity, model: string): void;
  allows(identity: Identity, model: string): boolean;
}

/** What identified callers may use. Not for gateways that ask nobody who they are: there everything is open. */
export function permit({ onClientKeys, allowAnonymous }: PermitOptions): Permit {
  /** By key; a key whose models were changed has another list. */
  const known = new Map<string, ModelNames>();

  const allows = ({ key }: Identity, model: string): boolean => {
    if (key?.models === undefined) return true;
    let names = known.get(key.id);
    if (names?.names !== key.models) {
      names = new ModelNames(key.models);
      known.set(key.id, names);
    }
    return names.has(model);
  };

  const checkModel = (identity: Identity, model: string): void => {
    if (allows(identity, model)) return;
    const named = model.slice(0, 100);
    throw new GatewayError("model_not_allowed", `This API key may not use the model '${named}'.`, "model");
  };

  return {
    allows,
    checkModel,
    check(identity, { receiver, method, model }) {
      if (identity.auth === "passthrough" && !allowAnonymous) {
        // The list is that of the backends that they reach.
        if ((receiver.operation === "models" && model === undefined) || onClientKeys(model)) return;
        throw new GatewayError("invalid_key");
      }
      const grant = grantFor(receiver, method);
      if (grant !== undefined && !grantsOf(identity).includes(grant)) throw missing(grant);
      if (identity.key?.models === undefined) return;
      if (model === undefined) {
        if (grant !== undefined || receiver.operation === "models") return;
        throw new GatewayError(
          "model_not_allowed",
          "This API key may use certain models only: name one, in a form before its files.",
          "model",
        );
      }
      checkModel(identity, model);
    },
  };
}

const none: readonly Grant[] = [];

const grantsOf = ({ key, grants }: Identity): readonly Grant[] => key?.grants ?? grants ?? none;

const missing = (grant: Grant): GatewayError =>
  new GatewayError("grant_missing", `This endpoint needs the grant '${grant}', which this caller does not have.`);
