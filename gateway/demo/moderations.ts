// Moderations: a few plain words raise a flag, everything else passes.
import type { Moderation, ModerationCreateResponse } from "openai/resources/moderations";
import { hash, seeded } from "./dice.ts";
import { json, type Route, type Stage } from "./endpoint.ts";
import { type Fields, fieldsIn } from "./fields.ts";
import { modelFor } from "./models.ts";
import { missing, wrongType } from "./refusal.ts";

type Category = keyof Moderation.Categories;

const signs: Readonly<Record<Category, RegExp>> = {
  harassment: /\b(?:idiot|stupid|loser)\b/i,
  "harassment/threatening": /\b(?:i will hurt|you will regret)\b/i,
  hate: /\bi hate (?:them|those people)\b/i,
  "hate/threatening": /\bget rid of (?:them|those people)\b/i,
  illicit: /\b(?:steal|counterfeit|launder)\b/i,
  "illicit/violent": /\b(?:build|make) a bomb\b/i,
  "self-harm": /\b(?:hurt|harm) myself\b/i,
  "self-harm/instructions": /\bhow to (?:hurt|harm) (?:oneself|yourself)\b/i,
  "self-harm/intent": /\bi (?:want|am going) to (?:hurt|harm) myself\b/i,
  sexual: /\b(?:porn|erotic)\b/i,
  "sexual/minors": /$^/,
  violence: /\b(?:kill|attack|murder|bomb)\b/i,
  "violence/graphic": /\b(?:gore|mutilat\w+)\b/i,
};
const categories = Object.keys(signs) as Category[];
/** Categories that are looked for in pictures, too. */
const seen = new Set<string>([
  "self-harm",
  "self-harm/intent",
  "self-harm/instructions",
  "sexual",
  "violence",
  "violence/graphic",
]);

interface Input {
  readonly text: string;
  readonly kinds: readonly ("text" | "image")[];
}

/** One input per text; a list of typed parts is one input together. */
function inputsIn({ input }: Fields): readonly Input[] {
  if (input === undefined || input === null) throw missing("input");
  const ofText = (text: string): Input => ({ text, kinds: ["text"] });
  if (typeof input === "string") return [ofText(input)];
  if (!Array.isArray(input) || input.length === 0) throw wrongType("input", "a string or a list");
  if (input.every((entry) => typeof entry === "string")) return input.map(ofText);
  const parts = input.map(fieldsIn);
  const texts = parts.map(({ text }) => text).filter((text) => typeof text === "string");
  const kinds = [
    ...(texts.length > 0 ? (["text"] as const) : []),
    ...(parts.some(({ type }) => type === "image_url") ? (["image"] as const) : []),
  ];
  if (kinds.length === 0) throw wrongType("input", "a list of strings, or of parts of type text or image_url");
  return [{ text: texts.join("\n"), kinds }];
}

function judge({ text, kinds }: Input): Moderation {
  const next = seeded(hash(text));
  const each = <T>(of: (category: Category) => T) =>
    Object.fromEntries(categories.map((category) => [category, of(category)])) as Record<Category, T>;
  const found = each((category) => signs[category].test(text));
  return {
    flagged: Object.values(found).includes(true),
    categories: found,
    category_scores: each((category) => (found[category] ? 0.6 + next() * 0.39 : next() * 0.01)),
    category_applied_input_types: each((category) =>
      kinds.filter((kind) => kind === "text" || seen.has(category)),
    ) as Moderation.CategoryAppliedInputTypes,
  };
}

export const moderationRoutes = ({ dice }: Stage): readonly Route[] => [
  {
    method: "POST",
    path: "/moderations",
    answer({ body }) {
      const answer: ModerationCreateResponse = {
        id: dice.id("modr-"),
        model: modelFor("moderation", body, "demo-moderation"),
        results: inputsIn(body).map(judge),
      };
      return json(answer, 60);
    },
  },
];
