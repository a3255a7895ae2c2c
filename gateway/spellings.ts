// What is known of the names of headers, by the way they are spelt: a few dozen come again and again, and each is looked at once.

/** How many are remembered. */
const most = 500;
const longest = 64;

/** Gives what `look` gives, which must depend on the name alone, and never be `undefined`. What it throws is thrown each time. */
export function spellings<Known extends NonNullable<unknown>>(look: (name: string) => Known): (name: string) => Known {
  const seen = new Map<string, Known>();
  return (name) => {
    const known = seen.get(name);
    if (known !== undefined) return known;
    const found = look(name);
    if (name.length <= longest && seen.size < most) seen.set(name, found);
    return found;
  };
}
