// What is wrong with a configuration, as one sentence that never shows a value.

/** Keys and list positions from the root of the file. */
export type Path = readonly PropertyKey[];

export interface ConfigProblem {
  /** The file as the operator knows it, or `environment`. */
  readonly source: string;
  /** Counted from 1. */
  readonly line?: number;
  readonly column?: number;
  /** Key path or variable name, e.g. `backends[0].baseUrl`; "" where the whole source is meant. */
  readonly key: string;
  /** What has to be, and how to get there; follows the key, or the file, in a sentence without its full stop. */
  readonly message: string;
}

/** The problem as people read it: `gateway/config.yaml:7:5: backends[0].baseUrl must be ….` */
export function sentence({ source, line, column, key, message }: ConfigProblem): string {
  const place = line === undefined ? source : `${source}:${line}:${column ?? 1}`;
  return `${place}: ${key === "" ? "" : `${key} `}${message}${message.endsWith("?") ? "" : "."}`;
}

/** `backends[0].baseUrl`. A key that does not look like one (it may be a secret gone astray) becomes `…`. */
export function keyPath(path: Path): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else text += `${text === "" ? "" : "."}${showsSafely(String(step)) ? String(step) : "…"}`;
  }
  return text;
}

/** Whether a key can be repeated in a message: short words, nothing that an API key could be. */
export function showsSafely(key: string): boolean {
  return /^[A-Za-z]+([_.-]?[A-Za-z]+)*[0-9]{0,3}$/.test(key) && key.length <= 40 && !resemblesSecret(key);
}

/** Whether a text has the look of a credential: the usual prefixes, or a long run without a break. */
export function resemblesSecret(text: string): boolean {
  return /^(sk|pk|rk|gsk|xai|ghp|Bearer)[-_ ]/i.test(text) || /[A-Za-z0-9+/=]{32}/.test(text);
}
