// Images: made from words, edited, varied; always a PNG of the size that was asked for.
import type { ImageEditStreamEvent, ImageGenStreamEvent, ImagesResponse } from "openai/resources/images";
import { type Answer, type Beat, type Call, json, type Route, type Stage } from "./endpoint.ts";
import { flagField, requiredText, textField, wholeField } from "./fields.ts";
import { modelFor } from "./models.ts";
import { tokensOf } from "./pieces.ts";
import { png } from "./png.ts";
import { missing, wrongValue } from "./refusal.ts";

type Kind = "generation" | "edit" | "variation";

/** Tokens of one square picture, as the published guide for gpt-image models has them. */
const tokensOfQuality = { low: 272, medium: 1056, high: 4160 } as const;
const secondsOfQuality = { low: 2, medium: 4, high: 8 } as const;
/** Of a picture that is given. */
const inputTokens = 194;
const largestSide = 2048;

export const imageRoutes = (stage: Stage): readonly Route[] => [
  { method: "POST", path: "/images/generations", answer: (call) => make("generation", call, stage) },
  { method: "POST", path: "/images/edits", answer: (call) => make("edit", call, stage) },
  { method: "POST", path: "/images/variations", answer: (call) => make("variation", call, stage) },
];

async function make(kind: Kind, call: Call, stage: Stage): Promise<Answer> {
  const { body } = call;
  modelFor("image", body, "demo-image");
  const prompt = kind === "variation" ? "" : requiredText(body, "prompt");
  const given = kind === "generation" ? 0 : picturesIn(call);
  const count = wholeField(body, "n", 1, 10) ?? 1;
  const { width, height, size } = sizeIn(textField(body, "size"));
  const quality = qualityIn(textField(body, "quality"));
  const partials = wholeField(body, "partial_images", 0, 3) ?? 0;

  const picture = async () => (await png(width, height, stage.dice)).toString("base64");
  const output = Math.ceil((tokensOfQuality[quality] * width * height) / 1024 ** 2) * count;
  const text = tokensOf(prompt);
  const usage = {
    input_tokens: text + given * inputTokens,
    input_tokens_details: { text_tokens: text, image_tokens: given * inputTokens },
    output_tokens: output,
    total_tokens: text + given * inputTokens + output,
  };
  const look = { background: "opaque", output_format: "png", quality, size } as const;
  const wait = secondsOfQuality[quality] * 1000 * stage.dice.between(0.7, 1.3);

  if (!flagField(body, "stream")) {
    const data = await Promise.all(Array.from({ length: count }, async () => ({ b64_json: await picture() })));
    const details = { output_tokens_details: { image_tokens: output, text_tokens: 0 } };
    const answer: ImagesResponse = { created: stage.now(), ...look, data, usage: { ...usage, ...details } };
    return json(answer, wait);
  }
  const word = kind === "edit" ? "image_edit" : "image_generation";
  const beats: Beat[] = [];
  for (let index = 0; index < partials; index++) {
    const name = `${word}.partial_image` as const;
    const frame = { created_at: stage.now(), ...look, partial_image_index: index };
    const event = { type: name, b64_json: await picture(), ...frame } as ImageGenStreamEvent | ImageEditStreamEvent;
    beats.push({ wait: wait / (partials + 1), name, data: event });
  }
  const name = `${word}.completed` as const;
  const frame = { created_at: stage.now(), ...look, usage };
  const event = { type: name, b64_json: await picture(), ...frame } as ImageGenStreamEvent | ImageEditStreamEvent;
  beats.push({ wait: wait / (partials + 1), name, data: event });
  return { kind: "events", beats, done: false };
}

/** How many pictures came along: files of a form, or, in JSON, references. */
function picturesIn({ files, body }: Call): number {
  const uploaded = files.filter(({ field }) => field === "image").length;
  const referred = Array.isArray(body.images) ? body.images.length : 0;
  if (uploaded + referred === 0) throw missing("image");
  return uploaded + referred;
}

function sizeIn(asked = "auto"): { readonly width: number; readonly height: number; readonly size: string } {
  const size = asked === "auto" ? "1024x1024" : asked;
  const [, width = 0, height = 0] = (/^(\d{1,4})x(\d{1,4})$/.exec(size) ?? []).map(Number);
  const good = (side: number) => side >= 16 && side <= largestSide;
  if (!good(width) || !good(height)) throw wrongValue("size", `auto or a size up to ${largestSide}x${largestSide}`);
  return { width, height, size };
}

function qualityIn(asked = "auto"): keyof typeof tokensOfQuality {
  if (asked === "low" || asked === "medium" || asked === "high") return asked;
  if (asked === "auto" || asked === "standard") return "medium";
  if (asked === "hd") return "high";
  throw wrongValue("quality", "low, medium, high or auto");
}
