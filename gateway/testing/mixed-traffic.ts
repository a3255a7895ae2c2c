// Every kind of request and answer that can happen, mixed, and what a client saw of each: the other side of the books.
import { answerBy, errorAnswer, eventStream, hangUp, json, silence } from "./answers.ts";
import { CutOff } from "./byte-reader.ts";
import { chatCompletion, chatEvents, chatRequest, event, type Usage } from "./payloads.ts";
import { type RawAnswer, rawConnection, requestBytes } from "./raw-client.ts";
import type { Answer } from "./turn.ts";

/** How each kind is expected to end, as `outcome reason status`. */
export const endings = {
  json: "completed ok 200",
  stream: "completed ok 200",
  hiddenUsage: "completed ok 200",
  embedding: "completed ok 200",
  file: "completed ok 200",
  rejected: "refused upstream_rejected 400",
  notFound: "refused upstream_rejected 404",
  limited: "failed upstream_limited 429",
  broken500: "failed upstream_status 500",
  broken503: "failed upstream_status 503",
  ourKey: "failed upstream_auth 502",
  malformed: "refused invalid 400",
  unknownModel: "refused no_route 404",
  tooLarge: "refused too_large 413",
  cutStream: "failed broken_stream 200",
  errorEvent: "failed upstream_status 200",
  hungUp: "failed unreachable 502",
  silent: "failed timeout 504",
  leftEarly: "abandoned abandoned 499",
  leftMidway: "abandoned abandoned 499",
} as const;

export type Kind = keyof typeof endings;

export interface Plan {
  readonly kind: Kind;
  readonly index: number;
  /** What the backend will state, for the kinds that get so far. */
  readonly usage: Usage;
}

/** What a client knows of one of its requests. */
export interface Seen {
  readonly plan: Plan;
  /** `outcome reason status`, judged from the answer alone. */
  readonly ending: string;
  /** The gateway's id for it, where an answer came. */
  readonly id: string | undefined;
  /** Bytes of the answer's body. */
  readonly bytes: number;
}

/** Models whose usage the backend states; the rest of the traffic goes to `vague`. */
const stated = ["alpha", "beta"] as const;
const chatKinds: readonly Kind[] = ["json", "stream", "hiddenUsage"];
export const modelOf = ({ kind, index }: Plan): string =>
  kind === "unknownModel"
    ? `nobody-${index}`
    : chatKinds.includes(kind) || kind === "embedding"
      ? (stated[index % 2] ?? "alpha")
      : "vague";

/** Answers each request as its plan says; the plan's index comes in the message, the kind is looked up. */
export function plannedBackend(plans: readonly Plan[], arrived: (plan: Plan) => void): Answer {
  return answerBy(({ request }) => {
    const index = Number(/plan-(\d+)/.exec(request.target + request.body.toString("latin1"))?.[1]);
    const plan = plans[index];
    if (plan === undefined) throw new Error(`a request that nobody sent: ${request.head.startLine}`);
    arrived(plan);
    return answerFor(plan);
  });
}

function answerFor(plan: Plan): Answer {
  const { kind, usage } = plan;
  const model = modelOf(plan);
  const events = chatEvents({ model, usage });
  switch (kind) {
    case "json":
      return json(chatCompletion(model, usage));
    case "stream":
    case "hiddenUsage":
      return eventStream(events);
    case "embedding":
      return json({
        object: "list",
        model,
        data: [],
        usage: { prompt_tokens: usage.input, total_tokens: usage.input },
      });
    case "file":
      return json({ id: "file-1", object: "file" });
    case "rejected":
      return errorAnswer(400, "bad");
    case "notFound":
      return errorAnswer(404, "no such thing");
    case "limited":
      return errorAnswer(429, "slow down", { headers: [["Retry-After", "1"]] });
    case "broken500":
      return errorAnswer(500, "oops");
    case "broken503":
      return errorAnswer(503, "busy");
    case "ourKey":
      return errorAnswer(401, "bad key");
    case "cutStream":
      return eventStream([...events.slice(0, 3), 5], { end: "reset" });
    case "errorEvent":
      return eventStream([...events.slice(0, 3), event({ error: { message: "overloaded", type: "server_error" } })]);
    case "hungUp":
      return hangUp("reset");
    case "leftMidway":
      return eventStream(events.slice(0, 3), { end: "stall" });
    case "silent":
    case "leftEarly":
      return silence;
    default:
      throw new Error(`${kind} must not reach the backend`);
  }
}

function requestFor(plan: Plan, url: string): Buffer {
  const { kind, index } = plan;
  const mark = `plan-${index}`;
  if (kind === "file") return requestBytes(`${url}/files/${mark}`, { method: "GET" });
  const path = kind === "embedding" ? "/embeddings" : "/chat/completions";
  const streamed = ["stream", "hiddenUsage", "cutStream", "errorEvent", "leftMidway", "leftEarly"].includes(kind);
  const body = {
    ...chatRequest(modelOf(plan), { messages: [{ role: "user", content: mark }] }),
    ...(kind === "embedding" && { messages: undefined, input: mark }),
    ...(streamed && { stream: true }),
    ...(kind === "stream" && { stream_options: { include_usage: true } }),
    ...(kind === "tooLarge" && { pad: "x".repeat(40_000) }),
  };
  const text = JSON.stringify(body);
  return requestBytes(url + path, {
    headers: [["Content-Type", "application/json"]],
    body: kind === "malformed" ? text.slice(0, -2) : text,
  });
}

/** Sends one request and tells what came of it. `reached` resolves once the backend has the request. */
export async function sendPlanned(url: string, plan: Plan, reached: Promise<void>): Promise<Seen> {
  const connection = await rawConnection(url);
  try {
    await connection.send(requestFor(plan, url));
    if (plan.kind === "leftEarly") {
      await reached;
      return { plan, ending: endings.leftEarly, id: undefined, bytes: 0 };
    }
    if (plan.kind === "leftMidway") {
      const head = await connection.head();
      const piece = await connection.piece();
      return { plan, ending: endings.leftMidway, id: head.header("x-request-id"), bytes: piece?.length ?? 0 };
    }
    const answer = await connection.answer();
    return { plan, ending: judged(answer), id: answer.header("x-request-id"), bytes: answer.body.length };
  } catch (error) {
    if (error instanceof CutOff) return { plan, ending: "no answer", id: undefined, bytes: 0 };
    throw error;
  } finally {
    connection.leave();
  }
}

/** Our own errors by their code; any other error is the backend's, judged by its status as the README says. */
const reasonOfCode: Readonly<Record<string, string>> = {
  invalid_json: "refused invalid",
  model_not_found: "refused no_route",
  request_too_large: "refused too_large",
  backend_auth_failed: "failed upstream_auth",
  backend_unreachable: "failed unreachable",
  backend_timeout: "failed timeout",
};

function judged(answer: RawAnswer): string {
  const { status, ended, text } = answer;
  if (ended !== "complete") return `failed broken_stream ${status}`;
  if (status === 200) return text.includes('data: {"error"') ? "failed upstream_status 200" : "completed ok 200";
  const { error } = answer.json() as { error: { code: string | null } };
  const ours = reasonOfCode[error.code ?? ""];
  const theirs =
    status === 429 ? "failed upstream_limited" : status < 500 ? "refused upstream_rejected" : "failed upstream_status";
  return `${ours ?? theirs} ${status}`;
}
