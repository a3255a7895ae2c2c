// The shape of a source of tokens in a configuration file.
import * as z from "zod";
import { grantsSchema } from "./key-schema.ts";
import { secretSource } from "./secret.ts";
import { duration, says, text } from "./values.ts";

const algorithms = ["HS256", "RS256", "ES256"] as const;

const claim = () => text("must be the name of a claim, such as sub");

export const jwtSchema = z.strictObject(
  {
    issuer: text("must be the issuer as its tokens spell it, such as https://login.example.com/")
      .optional()
      .describe("What the claim `iss` must be."),
    audience: z
      .union(
        [
          text("must name an audience"),
          z.array(text("must name an audience")).min(1, "is an empty list; name an audience"),
        ],
        says("must be an audience or a list of audiences"),
      )
      .optional()
      .describe("What the claim `aud` must hold; one of them, where it is a list."),
    secret: secretSource()
      .optional()
      .describe("The issuer's secret, at least 32 bytes, for HS256. Not beside jwksUrl."),
    jwksUrl: z
      .string(says("must be the address of the issuer's keys, such as https://login.example.com/keys"))
      .regex(/^https?:\/\/|\$\{/i, "must be an absolute http or https URL")
      .refine((value) => !/^https?:\/\//i.test(value) || URL.canParse(value), "must be an absolute http or https URL")
      .optional()
      .describe("Where the issuer publishes its keys (JWKS), for RS256 and ES256. Not beside secret."),
    algorithms: z
      .array(z.enum(algorithms, says(`must be one of ${algorithms.join(", ")}`)), says("must be a list of algorithms"))
      .min(1, "is an empty list; remove it, or name an algorithm")
      .optional()
      .describe("Algorithms that are taken: HS256 with a secret, RS256 and ES256 with jwksUrl, unless it says fewer."),
    clockTolerance: duration()
      .prefault("30s")
      .describe("How far the issuer's clock may be off, for the claims `exp` and `nbf`."),
    userClaim: claim().prefault("sub").describe("The claim that names the user."),
    teamClaim: claim().optional().describe("The claim that names the user's team."),
    grants: grantsSchema().prefault([]).describe("What its users may use besides inference."),
  },
  says("must be a source of tokens with secret or jwksUrl"),
);
