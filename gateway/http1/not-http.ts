// The error for bytes that are no answer: always the backend's fault.
import { errors } from "undici";

export const notHttp = (why: string): Error => new errors.HTTPParserError(`not an HTTP/1.1 answer: ${why}`);
