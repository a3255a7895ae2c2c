// Sources of tokens as the gateway uses them, out of a checked file and JWT_ACCESS_SECRET.
import type { Assembly } from "./assemble.ts";
import type { JwtSource } from "./config.ts";
import type { Path } from "./problem.ts";
import type { FileShape } from "./schema.ts";

/** A key for HS256 is at least as long as the hash (RFC 7518, §3.2), bytes. */
const leastSecret = 32;
const tooShort = `is too short for HS256; it needs at least ${leastSecret} bytes`;

/** The file's sources, and one more where the environment has the secret of a platform whose tokens are HS256. */
export function jwtSources({ shape, variables, secret, complain }: Assembly): readonly JwtSource[] {
  const listed = shape.jwt.flatMap((entry, index) => fromFile(entry, ["jwt", index], { secret, complain }) ?? []);
  const { JWT_ACCESS_SECRET: shared } = variables;
  if (shared === undefined) return listed;
  const usual = { audience: [], clockTolerance: 30, claims: { user: "sub" }, grants: [] };
  return [...listed, { ...usual, secret: shared, algorithms: ["HS256"] }];
}

function fromFile(
  entry: FileShape["jwt"][number],
  path: Path,
  { secret, complain }: Pick<Assembly, "secret" | "complain">,
): JwtSource | undefined {
  const { issuer, audience = [], secret: source, jwksUrl, clockTolerance, userClaim, teamClaim, grants } = entry;
  if ((source === undefined) === (jwksUrl === undefined)) {
    complain(path, "needs a secret or a jwksUrl, and not both");
    return undefined;
  }
  const fitting = source === undefined ? (["RS256", "ES256"] as const) : (["HS256"] as const);
  const algorithms = entry.algorithms ?? fitting;
  const odd = algorithms.find((one) => !fitting.some((other) => other === one));
  if (odd !== undefined) {
    const means = source === undefined ? "a public key" : "a secret";
    complain([...path, "algorithms"], `has ${odd}, which does not go with ${means}; here go ${fitting.join(", ")}`);
  }
  const usual = {
    ...(issuer !== undefined && { issuer }),
    audience: typeof audience === "string" ? [audience] : audience,
    algorithms,
    clockTolerance,
    claims: { user: userClaim, ...(teamClaim !== undefined && { team: teamClaim }) },
    grants,
  };
  if (jwksUrl !== undefined) return { ...usual, jwksUrl };
  const value = source === undefined ? undefined : secret(source, [...path, "secret"]);
  if (value === undefined) return undefined;
  if (Buffer.byteLength(value) < leastSecret) complain([...path, "secret"], tooShort);
  return { ...usual, secret: value };
}
