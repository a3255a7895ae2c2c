// The keys that a configuration file declares, out of a checked file: their secrets become hashes at once.
import { type DeclaredKey, declaredKey } from "../admission/keys/declared-key.ts";
import { parseSpan } from "../admission/keys/expiry.ts";
import { secretPrefix } from "../admission/keys/secret.ts";
import { properties } from "../admission/keys/wanted.ts";
import type { Assembly } from "./assemble.ts";

/** A secret is kept as a fast hash, which hides only what cannot be guessed; characters after the prefix. */
const leastChars = 32;

export function declaredKeys({ shape, secret, complain }: Pick<Assembly, "shape" | "secret" | "complain">) {
  const labels = new Map<string, number>();
  const hashes = new Map<string, number>();
  return shape.keys.flatMap(({ label, key: source, ...rest }, index): DeclaredKey[] => {
    const path = ["keys", index];
    const same = labels.get(label.toLowerCase());
    if (same !== undefined) complain([...path, "label"], `is the label of keys[${same}] already; give each its own`);
    labels.set(label.toLowerCase(), index);
    if (rest.expiresAt !== undefined && parseSpan(rest.expiresAt) !== undefined)
      complain(
        [...path, "expiresAt"],
        'must be a date, such as "2027-01-31": a file does not say from when a time counts',
      );
    const value = secret(source, [...path, "key"]);
    if (value === undefined) return [];
    if (!value.startsWith(secretPrefix) || value.length < secretPrefix.length + leastChars || value.includes(" ")) {
      complain([...path, "key"], `must be ${secretPrefix} and at least ${leastChars} random characters after it`);
      return [];
    }
    const said = { grants: [], limits: {}, budgets: [], priority: 0, ...properties(rest, 0), label };
    const declared = declaredKey(said, value);
    const twin = hashes.get(declared.hash);
    if (twin !== undefined) complain([...path, "key"], `is the secret of keys[${twin}] already; give each its own`);
    hashes.set(declared.hash, index);
    return [declared];
  });
}
