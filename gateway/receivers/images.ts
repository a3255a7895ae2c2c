// Images: generated, edited, varied.
import type { Media } from "../../instrumentation/index.ts";
import { answerReader } from "./answer.ts";
import { base64Size } from "./base64.ts";
import type { Dialect, Reading } from "./dialect.ts";
import { errorIn } from "./failure.ts";
import { countIn, type JsonObject, objectIn, textIn } from "./json.ts";
import type { Receiver } from "./receiver.ts";
import { commonFacts } from "./request.ts";
import { tokensIn } from "./tokens.ts";

/** Bytes of one image that came as base64; `undefined` where the answer only says where it lies. */
function sizeOf(image: JsonObject | undefined): number | undefined {
  const encoded = image?.b64_json;
  return typeof encoded === "string" ? base64Size(encoded) : countIn(encoded);
}

function look(said: JsonObject): Pick<Media, "imageSize" | "imageQuality"> {
  const imageSize = textIn(said.size);
  const imageQuality = textIn(said.quality);
  return { ...(imageSize !== undefined && { imageSize }), ...(imageQuality !== undefined && { imageQuality }) };
}

function mediaOf(said: JsonObject, made: readonly unknown[]): Media {
  const sizes = made.map((image) => sizeOf(objectIn(image))).filter((size) => size !== undefined);
  return {
    images: made.length,
    ...(sizes.length > 0 && { imageBytes: sizes.reduce((sum, size) => sum + size, 0) }),
    ...look(said),
  };
}

function read(value: unknown): Reading {
  const said = objectIn(value);
  if (said === undefined) return {};
  const type = textIn(said.type);
  const over = type?.endsWith(".completed") === true;
  const made = over ? [said] : Array.isArray(said.data) ? said.data : undefined;
  const stated = tokensIn(said.usage);
  // Where the provider tells no parts, all output is the image itself (OpenAI's reference of image usage).
  const tokens =
    stated?.output !== undefined && objectIn(objectIn(said.usage)?.output_tokens_details) === undefined
      ? { ...stated, imageOutput: stated.output }
      : stated;
  const error = errorIn(said);
  return {
    ...(tokens !== undefined && { tokens }),
    ...(made !== undefined && { media: mediaOf(said, made) }),
    ...(error !== undefined && { error }),
    ...(over && { over }),
  };
}

const dialect: Dialect = {
  read,
  // The first picture, be it a partial one, is what the client waits for.
  isToken: (value) => sizeOf(objectIn(value)) !== undefined,
  wanted: {
    type: "value",
    usage: "value",
    size: "value",
    quality: "value",
    b64_json: "base64",
    data: [{ b64_json: "base64" }],
    error: "value",
    message: "value",
    code: "value",
  },
  everyEvent: true,
};

const receiver = (path: string, body: Receiver["body"]): Receiver => ({
  operation: "image",
  serviceType: "text_to_image",
  path,
  methods: ["POST"],
  upstreamMode: "other",
  body,
  metered: true,
  readRequest(request) {
    const asked = objectIn(request) ?? {};
    const media = look(asked);
    // A form's number is text.
    const choices = typeof asked.n === "string" ? countIn(Number(asked.n)) : undefined;
    return {
      ...commonFacts(request),
      ...(choices !== undefined && choices > 1 && { choices }),
      ...(Object.keys(media).length > 0 && { media }),
    };
  },
  readAnswer: (head, request) => answerReader(dialect, head, request),
});

export const images: readonly Receiver[] = [
  receiver("/v1/images/generations", "json"),
  receiver("/v1/images/edits", "json-or-multipart"),
  receiver("/v1/images/variations", "multipart"),
];
