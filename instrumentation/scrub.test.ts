import { describe, expect, test } from "vitest";
import { scrub, scrubMessage, scrubName } from "./scrub.ts";

/** A small deterministic random source (mulberry32), so that a failure can be repeated. */
function dice(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
const roll = dice(20_261_121);
const lower = "abcdefghijklmnopqrstuvwxyz";
const upper = lower.toUpperCase();
const digits = "0123456789";
const base62 = lower + upper + digits;
const text = (alphabet: string, length: number) =>
  Array.from({ length }, () => alphabet[Math.floor(roll() * alphabet.length)]).join("");
const between = (least: number, most: number) => least + Math.floor(roll() * (most - least + 1));
const jwtPart = (from: object | string) => Buffer.from(JSON.stringify(from)).toString("base64url");

/** Each makes one secret: the whole of it, and the part that must never be seen again. */
const shapes: Record<string, () => { whole: string; secret?: string }> = {
  openai: () => ({ whole: `sk-${text(base62, 48)}` }),
  "openai project": () => ({ whole: `sk-proj-${text(`${base62}-_`, between(20, 150))}` }),
  anthropic: () => ({ whole: `sk-ant-api03-${text(`${base62}-_`, 80)}AA` }),
  openrouter: () => ({ whole: `sk-or-v1-${text("0123456789abcdef", 64)}` }),
  deepseek: () => ({ whole: `sk-${text("0123456789abcdef", 32)}` }),
  "stripe live": () => ({ whole: `sk_live_${text(base62, 24)}` }),
  "the gateway's own": () => ({ whole: `tg-${text(base62, 49)}` }),
  groq: () => ({ whole: `gsk_${text(base62, 52)}` }),
  xai: () => ({ whole: `xai-${text(base62, 80)}` }),
  nvidia: () => ({ whole: `nvapi-${text(`${base62}-_`, 64)}` }),
  "hugging face": () => ({ whole: `hf_${text(base62, 34)}` }),
  perplexity: () => ({ whole: `pplx-${text(base62, 48)}` }),
  google: () => ({ whole: `AIza${text(`${base62}-_`, 35)}` }),
  "google oauth": () => ({ whole: `ya29.${text(`${base62}-_`, 60)}` }),
  github: () => ({ whole: `gh${text("pousr", 1)}_${text(base62, 36)}` }),
  "github fine-grained": () => ({ whole: `github_pat_${text(base62, 22)}_${text(base62, 59)}` }),
  gitlab: () => ({ whole: `glpat-${text(`${base62}-_`, 20)}` }),
  slack: () => ({ whole: `xox${text("bpas", 1)}-${text(digits, 12)}-${text(digits, 12)}-${text(base62, 24)}` }),
  "slack webhook": () => {
    const secret = text(base62, 24);
    return { whole: `https://hooks.slack.com/services/T${text(upper, 8)}/B${text(upper, 8)}/${secret}`, secret };
  },
  "aws key id": () => ({ whole: `AKIA${text(upper + digits, 16)}` }),
  "aws secret": () => {
    const secret = text(`${base62}+/`, 40);
    return { whole: `aws_secret_access_key=${secret}`, secret };
  },
  "azure (hex)": () => ({ whole: text("0123456789abcdef", 32) }),
  npm: () => ({ whole: `npm_${text(base62, 36)}` }),
  sendgrid: () => ({ whole: `SG.${text(base62, 22)}.${text(base62, 43)}` }),
  jwt: () => {
    const whole = `${jwtPart({ alg: "HS256" })}.${jwtPart({ sub: text(base62, 12) })}.${text(`${base62}-_`, 43)}`;
    return { whole };
  },
  bearer: () => {
    const secret = text(`${base62}._~+/-`, between(16, 90));
    return { whole: `Authorization: Bearer ${secret}`, secret };
  },
  basic: () => {
    const secret = Buffer.from(`user:${text(base62, 12)}`).toString("base64");
    return { whole: `Basic ${secret}`, secret };
  },
  "url with a password": () => {
    const secret = text(`${base62}!$:@`, 14);
    return { whole: `postgres://root:${secret}@db.example.com/x`, secret };
  },
  "key=value": () => {
    const name = ["api_key", "apikey", "X-Api-Key", "client_secret", "password", "access_token", "token"];
    const secret = `${text(lower, 4)}${text(`${base62}!$%^*`, between(4, 40))}`;
    return { whole: `${name[between(0, 6)]}${["=", ": ", " = "][between(0, 2)]}${secret}`, secret };
  },
  "json member": () => {
    const secret = text(`${base62} !`, between(8, 30)).trim();
    return { whole: `{"password": "${secret}"}`, secret };
  },
  "escaped json member": () => {
    const secret = text(base62, between(8, 30));
    return { whole: `{\\"api_key\\":\\"${secret}\\"}`, secret };
  },
  "query parameter": () => {
    const secret = text(base62, 20);
    return { whole: `https://api.example.com/v1?a=1&key=${secret}&b=2`, secret };
  },
  "private key": () => {
    const secret = text(`${base62}+/`, 64);
    return { whole: `-----BEGIN RSA PRIVATE KEY-----\n${secret}\n-----END RSA PRIVATE KEY-----`, secret };
  },
};

const surroundings: readonly ((secret: string) => string)[] = [
  (secret) => secret,
  (secret) => `Incorrect API key provided: ${secret}. You can find your API key at https://platform.openai.com.`,
  (secret) => `{"error":{"message":"bad key ${secret}","code":"invalid_api_key"}}`,
  (secret) => `(${secret})`,
  (secret) => `'${secret}', refused`,
  (secret) => `first line\n${secret}\nthird line`,
  (secret) => `${"words and ".repeat(30)}${secret} end`,
];

describe.each(Object.entries(shapes))("%s", (_, make) => {
  test("leaves nothing behind, wherever it stands", () => {
    for (let round = 0; round < 300; round++) {
      const { whole, secret = whole } = make();
      for (const put of surroundings) {
        const given = put(whole);
        const safe = scrub(given);
        // Not even eight characters of it in a row may survive, past the prefix that names its kind.
        const tail = secret.slice(-8);
        expect(safe, given).not.toContain(secret);
        expect(safe, given).not.toContain(tail);
        expect(safe, given).toContain("[redacted]");
        expect(scrub(safe), given).toBe(safe);
        expect(scrubMessage(given), given).not.toContain(tail);
      }
    }
  });
});

test("bare random text of 40 characters is nearly always taken for a key", () => {
  let missed = 0;
  for (let round = 0; round < 2000; round++) {
    if (!scrub(`the value ${text(`${base62}+/`, 40)} is wrong`).includes("[redacted]")) missed++;
  }
  expect(missed / 2000).toBeLessThan(0.02);
});

test.each([
  "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
  "max_tokens: 4096 is too large; total_tokens=123, token count: 77",
  "The model `DeepSeek-R1-Distill-Qwen-32B-Instruct` does not exist",
  "accounts/fireworks/models/llama-v3p1-405b-instruct",
  "ft:gpt-4o-mini-2024-07-18:acme::9pQrStUv",
  "meta-llama/Meta-Llama-3.1-70B-Instruct-Turbo",
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.6613.119 Safari/537.36",
  "OpenAI/JS 7.55.0",
  "9f1c0a52-3d5e-4a0b-8a7e-0d0a0d9a8f11",
  "Request chatcmpl-AbC123dEf456GhI789jKl012MnO34 (req_011CSHoEeqs5C35K2UUqR7Fy) failed",
  "The bearer token is missing",
  "Invalid value for 'response_format': expected one of text, json_object",
  "risk-management",
  "tg-prod-eu-west-1",
  "tg-internationalization",
  "task-2024-q1-planning",
  "internationalization-and-localization-of-the-documentation",
  "https://api.example.com/v1/chat/completions?api-version=2024-10-21",
])("%s stays as it is", (harmless) => {
  expect(scrub(harmless)).toBe(harmless);
});

test("a private key goes from a name as well, whole or cut short", () => {
  const key = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\n-----END EC PRIVATE KEY-----";
  expect(scrubName(`a ${key} b`)).toBe("a [redacted] b");
  expect(scrubName(`a ${key.slice(0, -30)}`)).toBe("a [redacted]");
});

test("a key of the gateway's own goes from a name as well, whole or cut short", () => {
  for (let round = 0; round < 300; round++) {
    const key = `tg-${text(base62, 49)}`;
    expect(scrubName(`user ${key}!`)).toBe("user [redacted]!");
    expect(scrubName(`tg-4${key.slice(3, 20)}…`)).toBe("[redacted]…");
  }
});

test("a hashed user stays in a name and goes from free text", () => {
  const hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
  expect(scrubName(hash)).toBe(hash);
  expect(scrub(hash)).toBe("[redacted]");
});

describe("a message", () => {
  test.each([
    ["connect ECONNREFUSED 10.0.3.7:8000", "connect ECONNREFUSED [address]"],
    ["connect ECONNREFUSED 127.0.0.1:9", "connect ECONNREFUSED [address]"],
    ["getaddrinfo ENOTFOUND vllm-0", "getaddrinfo ENOTFOUND [address]"],
    ["upstream 192.168.1.20 and 172.20.0.3:80 and 169.254.169.254", "upstream [address] and [address] and [address]"],
    ["at [::1]:8000 or fd12:3456::1", "at [address] or [address]"],
    ["from llm.prod.svc.cluster.local:8000", "from [address]"],
    ["see http://vllm:8000/v1/models", "see http://[address]/v1/models"],
    ["http://localhost:11434/api failed", "http://[address]/api failed"],
    [
      "Rate limit reached for gpt-4o in organization org-AbCdEf1234567890",
      "Rate limit reached for gpt-4o in organization [redacted]",
    ],
  ])("%s", (given, expected) => {
    expect(scrubMessage(given)).toBe(expected);
  });

  test.each([
    "See https://platform.openai.com/docs for more",
    "Served from 8.8.8.8",
    "version 1.10.0.1 is local to the request",
    "the internal error was logged",
  ])("%s stays as it is", (harmless) => {
    expect(scrubMessage(harmless)).toBe(harmless);
  });

  test("is cut to 200 characters after redaction, so that no half of a key is left", () => {
    for (let at = 100; at <= 210; at++) {
      const key = `sk-proj-${text(base62, 100)}`;
      const cut = scrubMessage(`${"word ".repeat(50).slice(0, at)} ${key} and more ${"x y ".repeat(40)}`);
      expect(cut.length).toBeLessThanOrEqual(200);
      expect(cut).not.toContain(key.slice(8, 14));
    }
  });

  test("a key cut off at the end of what is looked at does not survive", () => {
    for (let at = 4070; at <= 4100; at++) {
      // Many redactions shrink the text, so that its far end comes within the first 200 characters.
      const many = `${`sk-proj-${text(base62, 1000)} `.repeat(3)}${"sk-".padEnd(at - 3027, "A1")} `;
      const key = text(base62, 200);
      expect(scrubMessage(many + key)).not.toContain(key.slice(0, 6));
    }
  });

  test("is never cut within a character", () => {
    expect(scrubMessage(`${"a ".repeat(99)}😀😀😀`).isWellFormed()).toBe(true);
  });
});

test("a hostile text costs little", () => {
  const hostile = [
    "sk-",
    "a.",
    "key ",
    "eyJ",
    "://",
    "x@",
    "token:",
    "1.",
    "::",
    "-----BEGIN PRIVATE KEY-----",
    "aB1-",
    "api key a b ",
  ];
  for (const piece of hostile) {
    const given = piece.repeat(Math.ceil(4096 / piece.length));
    scrubMessage(given);
    const began = performance.now();
    scrubMessage(given);
    expect(performance.now() - began, piece).toBeLessThan(50);
  }
});
