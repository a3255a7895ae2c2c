// Keeps what was made for a path of label values, found again by one short look-up a step.

export type Step = string | number | undefined;

interface Branch<T> {
  branches: Map<Step, Branch<T>> | undefined;
  made: T | undefined;
}

const branch = <T>(): Branch<T> => ({ branches: undefined, made: undefined });

/**
 * A tree instead of one joined key: the values are hashed already, while joining and hashing some 150 characters for
 * every exchange costs more. Steps that vary most come last, where they need no branch of their own. Past `max` entries
 * all are forgotten and made anew when wanted, so that memory is bounded. `make` gets the context of the look-up.
 */
export function groups<T extends object, C>(
  max: number,
  make: (context: C) => T,
): (path: readonly Step[], context: C) => T {
  let root = branch<T>();
  let size = 0;
  return (path, context) => {
    let node = root;
    for (let index = 0; index < path.length; index++) {
      node.branches ??= new Map();
      let next = node.branches.get(path[index]);
      if (next === undefined) {
        next = branch();
        node.branches.set(path[index], next);
      }
      node = next;
    }
    if (node.made !== undefined) return node.made;
    const made = make(context);
    node.made = made;
    if (++size >= max) {
      root = branch();
      size = 0;
    }
    return made;
  };
}
