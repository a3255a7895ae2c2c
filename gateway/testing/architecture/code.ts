// Leaves of TypeScript source only its code: comments, and the text in strings, become blanks.

const comment = /\/\/[^\n]*|\/\*[\s\S]*?\*\//y;
const quoted = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/y;
const expression = /\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/y;
/** From a backtick, or the end of a `${}`, to the next of either. */
const template = /[`}](?:\\[\s\S]|\$(?!\{)|[^`\\$])*(?:`|\$\{)/y;

/** A slash after one of these begins a regular expression; after anything else it divides. */
const beforeExpression = /(?:^|[=(,:[!&|?{};+>\n]|\breturn)\s*$/;

const blank = (text: string): string => text.replace(/[^\n]/g, " ");

/** The text with the same length and lines; quotes stay, and so does the code within a template's `${}`. */
export function code(text: string): string {
  let kept = "";
  /** For each open template, how many braces are open in its `${}`. */
  const braces: number[] = [];
  const take = (token: RegExp): string | undefined => {
    token.lastIndex = kept.length;
    return token.exec(text)?.[0];
  };
  while (kept.length < text.length) {
    const character = text.charAt(kept.length);
    const inner = braces.at(-1);
    let part: string | undefined;
    if (character === "/") {
      part = take(comment) ?? (beforeExpression.test(kept.slice(-80)) ? take(expression) : undefined);
      if (part !== undefined) part = blank(part);
    } else if (character === '"' || character === "'") {
      part = take(quoted);
      if (part !== undefined) part = character + blank(part.slice(1, -1)) + character;
    } else if (character === "`" || (character === "}" && inner === 0)) {
      part = take(template);
      if (character === "}") braces.pop();
      if (part?.endsWith("${")) braces.push(0);
      if (part !== undefined) part = blank(part);
    } else if (inner !== undefined && (character === "{" || character === "}")) {
      braces[braces.length - 1] = inner + (character === "{" ? 1 : -1);
    }
    kept += part ?? character;
  }
  return kept;
}
