// Lets a client that insists on TLS talk to a server on this machine that has none.
import { Agent } from "node:https";
import { connect } from "node:net";

/** An agent for `https:` and `wss:` whose connections are plain. */
export class ClearRoad extends Agent {
  override createConnection({ port }: { readonly port?: number | string | null | undefined }) {
    return connect(Number(port), "127.0.0.1");
  }
}
