// Changes members of a JSON object in its bytes, so that every other byte stays as the client wrote it.
import { type Member, type ObjectPlace, objectAt } from "../json-members.ts";

/** The bytes with `start` up to `end` replaced by `text`. */
export const spliced = (body: Buffer, start: number, end: number, text: string): Buffer =>
  Buffer.concat([body.subarray(0, start), Buffer.from(text), body.subarray(end)]);

/** A member's place; of doubled names the last, which is the one that JSON.parse takes. */
export const memberOf = ({ members }: ObjectPlace, name: string): Member | undefined =>
  members.findLast((member) => member.name === name);

/**
 * The object with one member set to a value, given as JSON text. Gives `body` itself where it is no JSON object. A
 * doubled member is set everywhere, since not every parser takes the last one.
 */
export function withMember(body: Buffer, name: string, value: string): Buffer {
  const object = objectAt(body);
  if (object === undefined) return body;
  const places = object.members.filter((member) => member.name === name);
  if (places.length === 0) {
    const comma = object.members.length > 0 ? "," : "";
    return spliced(body, object.close, object.close, `${comma}${JSON.stringify(name)}:${value}`);
  }
  let changed = body;
  for (const { start, end } of places.reverse()) changed = spliced(changed, start, end, value);
  return changed;
}
