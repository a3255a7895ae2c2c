// What the demo backend answers to a request that it cannot serve: a status and OpenAI's error object.

interface RefusalOptions {
  readonly status?: number;
  readonly type?: string;
  readonly code?: string;
  readonly param?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Thrown by an endpoint, sent as its answer. A 400 unless told otherwise. */
export class Refusal extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** OpenAI's error shape, as an object. */
  readonly body: { readonly error: Readonly<Record<"message" | "type" | "param" | "code", string | null>> };

  constructor(message: string, options: RefusalOptions = {}) {
    super(message);
    const { status = 400, type = "invalid_request_error", code = null, param = null, headers = {} } = options;
    this.status = status;
    this.headers = headers;
    this.body = { error: { message, type, param, code } };
  }
}

export const missing = (param: string): Refusal =>
  new Refusal(`The parameter '${param}' is required.`, { param, code: "missing_required_parameter" });

export const wrongType = (param: string, wanted: string): Refusal =>
  new Refusal(`'${param}' must be ${wanted}.`, { param, code: "invalid_type" });

export const wrongValue = (param: string, wanted: string): Refusal =>
  new Refusal(`'${param}' must be ${wanted}.`, { param, code: "invalid_value" });

export const notFound = (what: string, id: string): Refusal =>
  new Refusal(`There is no ${what} with the id '${id}'.`, { status: 404, param: "id" });
