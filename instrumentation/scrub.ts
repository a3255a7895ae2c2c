// Finds what looks like a secret in a text, and takes it out.

/** What stands in a secret's place. */
export const redacted = "[redacted]";

/** Secrets with a shape of their own. Each begins at a word's start; all run in linear time. */
const shapes = new RegExp(
  `(?<![A-Za-z0-9])(?:${[
    // OpenAI, Anthropic, OpenRouter, DeepSeek, Stripe; also cut short, or masked with asterisks by the provider
    "[spr]k[-_](?:proj|ant|or|svcacct|admin|live|test|lf)[-_][\\w*.-]*",
    "[spr]k[-_](?=[\\w*-]{0,64}[\\dA-Z*]|[\\w-]{16})[\\w*-]{5,}",
    // Groq, xAI, Perplexity, NVIDIA, Hugging Face, Replicate, Together, Fireworks, Cerebras, npm, PyPI, GitLab, Vault…
    "(?:gsk|xai|pplx|nvapi|hf|r8|tgp_v1|fw|csk|npm|pypi|glpat|gldt|hvs|dop_v1|shp(?:at|ca|pa|ss)|sntry[su]|whsec|lin_api|dckr_pat|rpa)[-_.][\\w-]{16,}",
    // The gateway's own keys, also cut short
    "tg-(?=[a-z]*[\\dA-Z])[0-9A-Za-z]{16,}[\\w-]*",
    "gh[pousr]_\\w{8,}",
    "github_pat_\\w{8,}",
    "AIza[\\w-]{16,}",
    "ya29\\.[\\w-]{8,}",
    "GOCSPX-[\\w-]{8,}",
    "xox[a-z](?:\\.xox[a-z])?-[\\w-]{6,}",
    "xapp-[\\w-]{8,}",
    "(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}",
    "SG\\.[\\w-]{12,}\\.[\\w-]{12,}",
    "key-[0-9a-f]{32}",
    // JWT and JWE, whole or cut short
    "eyJ[\\w-]{8,}(?:\\.[\\w-]*){0,4}",
    "hooks\\.slack\\.com/(?:services|workflows)/[\\w/]+",
    "discord(?:app)?\\.com/api/webhooks/\\d+/[\\w-]+",
  ].join("|")})`,
  "g",
);
const pem = /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)/g;
const scheme = /\b(bearer|basic)\s+(?=[^\s"'\\]{0,64}[\d._~+/=*-]|[^\s"'\\]{16})[\w.~+/=*-]{4,}/gi;
const userInfo = /\b([a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/"'\\]{1,512}@/gi;
/** `api_key=…`, `"client_secret": "…"`, `Authorization: …`, `API key provided: …`; a plain number is no secret. */
const named =
  /((?:api[ _-]?key|apikey|access[ _-]?key|private[ _-]?key|secret|token(?!s)|passw(?:or)?d|passwd|passphrase|pwd|credentials?|authorization|cookie|signature|(?<![\w-])(?:key|sig|auth))[\w-]{0,20}(?: \w{1,12}){0,2}\\?["']?\s{0,4}[:=]\s{0,4})(?!\[redacted|\/\/|[\w-]{1,40}\s{0,4}[:=]\s|\d{1,12}(?:\.\d{1,12})?(?![\w.-]))(?:(\\?")[^"\\]{1,512}(?=["\\])|(')[^'\\]{1,512}(?=')|(?:(?:bearer|basic|token) )?[^\s"'\\,;&}\])]{4,512})/gi;

/** One quick look that tells nearly every harmless text; whatever the patterns above find begins with one of these. */
const trigger =
  /[spr]k[-_]|key|secret|token|pass|pwd|credential|auth|cookie|sig|bearer|basic|:\/\/|eyJ|tg-|gsk|xai|pplx|nvapi|hf[-_.]|r8[-_.]|tgp_|fw[-_.]|npm|pypi|gl(?:pat|dt)|hvs|dop_|shp|sntry|whsec|lin_|dckr|rpa|gh[pousr]_|github_|AIza|ya29|gocspx|xox|xapp|A(?:KI|SI|BI|CC)A|SG\.|hooks\.|discord|BEGIN /i;

/**
 * A text without the secrets that can be told by their shape or their name: keys of well-known providers, bearer
 * tokens, JWTs, private keys, URLs with a password, `secret=value`. For names and ids, where a long hash is
 * legitimate (a hashed user, a session). The same text comes back when there is nothing to do.
 */
export function scrubName(text: string): string {
  if (!trigger.test(text)) return text;
  return text
    .replace(pem, redacted)
    .replace(shapes, redacted)
    .replace(scheme, `$1 ${redacted}`)
    .replace(userInfo, `$1${redacted}@`)
    .replace(
      named,
      (_, name: string, double: string = "", single: string = "") => `${name}${double}${single}${redacted}`,
    );
}

const blobs = /[A-Za-z0-9+/_-]{20,}={0,2}/g;
/** Ids that providers give to requests and objects: worth keeping, and no secret. */
const knownId =
  /(?:^|[^A-Za-z0-9])(?:req|chatcmpl|cmpl|resp|rs|msg|file|batch|asst|thread|run|call|ft|ftjob|vs|upload|gen)[-_][A-Za-z0-9_-]*$/;

/** The same, and long runs that look random (hex, base64, base62). A judgement: words and model names stay. */
export function scrub(text: string): string {
  const shapeless = scrubName(text);
  if (shapeless.length < 20) return shapeless;
  return shapeless.replace(blobs, (blob) => (looksRandom(blob) && !knownId.test(blob) ? redacted : blob));
}

function looksRandom(blob: string): boolean {
  const runs = blob.split(/[^A-Za-z0-9]+/).filter((run) => run.length >= 20);
  const whole = blob.replace(/[^A-Za-z0-9]+/g, "");
  if (whole.length >= 32) runs.push(whole);
  return runs.some((run) => {
    const { upper, lower, digit, switches } = texture(run);
    // Hex and base36: long, in one piece, with digits. A counter or a date has no letters.
    if (run.length >= 32 && digit >= 2 && upper + lower >= 1 && blob.includes(run)) return true;
    // Base62 and base64: the three kinds of character change places far more often than in words.
    return upper > 0 && lower > 0 && digit > 0 && switches >= 0.4 * (run.length - 1);
  });
}

function texture(run: string): { upper: number; lower: number; digit: number; switches: number } {
  const counts = [0, 0, 0];
  let switches = 0;
  let before = -1;
  for (let index = 0; index < run.length; index++) {
    const code = run.charCodeAt(index);
    const kind = code <= 57 ? 2 : code <= 90 ? 0 : 1;
    counts[kind] = (counts[kind] ?? 0) + 1;
    if (before !== -1 && kind !== before) switches++;
    before = kind;
  }
  const [upper = 0, lower = 0, digit = 0] = counts;
  return { upper, lower, digit, switches };
}

const organisation = /(?<![A-Za-z0-9])(?:org|proj)[-_][A-Za-z0-9]{8,}/g;
const addresses: readonly RegExp[] = [
  // loopback, private (RFC 1918), shared (RFC 6598) and link-local IPv4
  /(?<![\w.])(?:127|10|192\.168|169\.254|172\.(?:1[6-9]|2\d|3[01])|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7]))(?:\.\d{1,3}){2,3}(?::\d{1,5})?(?![\w.]\d)/g,
  // IPv6 loopback, unique local (RFC 4193) and link-local
  /(?<![\w:])\[?(?:::1|(?:f[cd][0-9a-f]{2}|fe[89ab][0-9a-f])(?::[0-9a-f]{0,4}){2,7})(?:%\w+)?\]?(?::\d{1,5})?(?![\w:])/gi,
  /(?<![\w.-])(?:(?:[\w-]{1,63}\.){1,8}(?:internal|local|localdomain|lan|corp|intranet|svc|home\.arpa)|localhost)(?::\d{1,5}|(?![\w-]))(?!\.\w)/gi,
  // what the resolver or the socket says: getaddrinfo ENOTFOUND vllm-0, connect ECONNREFUSED host:port
  /(?<=\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT) )\S+/g,
  // a URL whose host has no dot: a name of our own network
  /(?<=\bhttps?:\/\/)[\w-]{1,63}(?::\d{1,5})?(?=[/\s"'?#,)]|$)/gi,
];
const addressTrigger =
  /\d\.\d|::|f[cde][0-9a-f]{2}:|local|internal|\.(?:lan|corp|svc)|intranet|home\.arpa|E[A-Z_]{4,} |:\/\//i;

/** The longest message that a record keeps, characters. */
const messageChars = 200;
/** How much of a message is looked at; a word cut off at its end is given up whole. */
const inspectedChars = 4096;

/**
 * A backend's error text, fit to be kept: without secrets, internal addresses and the names of our organisation there,
 * and at most 200 characters. It is cut after redaction, so that no half of a secret survives the cut.
 */
export function scrubMessage(text: string): string {
  const whole = text.length <= inspectedChars ? text : text.slice(0, inspectedChars).replace(/\S+$/, redacted);
  let safe = scrub(whole).replace(organisation, redacted);
  if (addressTrigger.test(safe)) for (const address of addresses) safe = safe.replace(address, "[address]");
  if (safe.length <= messageChars) return safe;
  return `${safe.slice(0, messageChars - 1).replace(/[\uD800-\uDBFF]$/, "")}…`;
}
