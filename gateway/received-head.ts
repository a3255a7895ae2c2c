// The head of a backend's answer as it came, read once: what steers the gateway, and what crosses to the client.
import { headersToClient } from "./headers.ts";
import type { AnswerHead } from "./http1/head-parser.ts";

export interface ReceivedHead {
  readonly status: number;
  /** As it may be written to a client. */
  readonly statusText: string;
  /** Lower-case media type without parameters, "" when absent. */
  readonly contentType: string;
  readonly contentEncoding: string | undefined;
  readonly contentLength: string | undefined;
  readonly trailer: string | undefined;
  /** The backend's own id for the request. */
  readonly requestId: string | undefined;
  /** What crosses, flat, in order, as it was written. */
  readonly crossing: string[];
}

export function receivedHead({
  status,
  reason,
  fields: flat,
}: Pick<AnswerHead, "status" | "reason" | "fields">): ReceivedHead {
  let contentType: string | undefined;
  let contentEncoding: string | undefined;
  let contentLength: string | undefined;
  let trailer: string | undefined;
  let requestId: string | undefined;
  for (let i = 0; i + 1 < flat.length; i += 2) {
    // A switch by length first: nearly every name is told apart by that.
    const name = flat[i] ?? "";
    switch (name.length) {
      case 7:
        if (name.toLowerCase() === "trailer") trailer ??= flat[i + 1];
        break;
      case 12:
        if (contentType === undefined && name.toLowerCase() === "content-type") contentType = mediaType(flat[i + 1]);
        else if (name.toLowerCase() === "x-request-id") requestId ??= flat[i + 1];
        break;
      case 14:
        if (name.toLowerCase() === "content-length") contentLength ??= flat[i + 1];
        break;
      case 16:
        if (name.toLowerCase() === "content-encoding") contentEncoding ??= flat[i + 1];
        break;
    }
  }
  return {
    status,
    statusText: reason,
    contentType: contentType ?? "",
    contentEncoding,
    contentLength,
    trailer,
    requestId,
    crossing: headersToClient(flat),
  };
}

const mediaType = (value = ""): string => {
  const end = value.indexOf(";");
  return (end < 0 ? value : value.slice(0, end)).trim().toLowerCase();
};
