// A request whose answer may tell what a response has used that was made in the background: it is counted with this one, once.
import type { Provision } from "../admission/allowance/provision.ts";
import type { RequestFacts } from "../receivers/receiver.ts";
import { catchingUp } from "../receivers/responses.ts";
import type { Late, Sending } from "../sending.ts";
import { SpentTap } from "../tap.ts";
import type { Entry } from "./unfinished.ts";

const asking = new Set(["GET /v1/responses/{id}", "POST /v1/responses/{id}/cancel"]);

/** A Promise where the request is about a response: with it, its answer is read where that response is unfinished. */
export function expectUse(sending: Sending): Promise<void> | undefined {
  const { req, receiver } = sending.passage;
  if (receiver.operation !== "stored_response" || !asking.has(`${req.method} ${receiver.path}`)) return undefined;
  return expect(sending);
}

async function expect(sending: Sending): Promise<void> {
  const { passage, options, path } = sending;
  const id = idIn(path);
  const entry = await options.unfinished.find(id);
  passage.goOn();
  if (entry === undefined) return;
  sending.late = new CatchingUp(sending, id, entry);
  passage.receiver = catchingUp(passage.receiver);
}

/** As the receivers read a path: `/v1/responses/resp_1/cancel` → `resp_1`. */
function idIn(path: string): string {
  const [, , id = ""] = path.split("/").filter((word) => word !== "");
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}

class CatchingUp implements Late {
  readonly #sending: Sending;
  readonly #id: string;
  readonly #entry: Entry;

  constructor(sending: Sending, id: string, entry: Entry) {
    this.#sending = sending;
    this.#id = id;
    this.#entry = entry;
  }

  get provision(): Provision | undefined {
    return this.#entry.provision;
  }

  readonly #facts = (): RequestFacts => {
    const { model } = this.#entry;
    return model === undefined ? { streamed: false } : { streamed: false, model };
  };

  async catchUp(): Promise<void> {
    const { passage, options } = this.#sending;
    const { tap, draft } = passage;
    const { backend, status = 0 } = draft.attempts.at(-1) ?? {};
    // Of an error, the record tells as of any.
    if (tap === undefined || status >= 400) return;
    passage.tap = undefined;
    await new Promise<void>((resolve) => tap.decoded(resolve));
    const facts = tap.finish();
    if (facts?.tokens === undefined || backend !== this.#entry.backend) return;
    if (!(await options.unfinished.ended(this.#id))) return;
    passage.tap = new SpentTap(facts);
    passage.caughtUp = this.#id;
    passage.facts = this.#facts;
  }
}
