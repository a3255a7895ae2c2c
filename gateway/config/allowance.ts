// Limits of callers, budgets and Redis, as the gateway uses them, out of a checked file and the environment.
import type { LimitSettings } from "../admission/identity.ts";
import type { Assembly } from "./assemble.ts";
import type { Config } from "./config.ts";
import type { FileShape } from "./schema.ts";

type Optional<T> = { readonly [Name in keyof T]?: T[Name] | undefined };

/** Absent limits stay absent. */
const stated = (limits: Optional<LimitSettings>): LimitSettings =>
  Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined));

export function rateLimits({ rateLimits: shape }: FileShape): Config["rateLimits"] {
  return {
    default: stated(shape.default),
    perUser: stated(shape.perUser),
    perModel: shape.perModel.map(({ model, ...limits }) => ({ model, ...stated(limits) })),
    total: stated(shape.total),
    outputTokens: shape.outputTokens,
    expireSeconds: shape.expire,
  };
}

/** The Redis that gateways share; none where no address is given. */
export function redisSettings({ shape, variables, secret, complain }: Assembly): Config["redis"] {
  const { url: source, onFailure } = shape.redis;
  const url = variables.REDIS_URL ?? (source === undefined ? undefined : secret(source, ["redis", "url"]));
  if (url === undefined) return undefined;
  const fault = faultIn(url);
  if (fault === undefined) return { url, onFailure };
  complain(["redis", "url"], fault);
  return undefined;
}

/** What is wrong with an address, in words that show nothing of it; the client of Redis would throw at each of these. */
function faultIn(address: string): string | undefined {
  if (!URL.canParse(address) || !/^rediss?:\/\//i.test(address)) {
    return "must be a redis:// or rediss:// address, such as redis://127.0.0.1:6379";
  }
  const { pathname, username, password } = new URL(address);
  if (!/^(?:\/\d*)?$/.test(pathname)) {
    return "may have only the number of a database after its host, such as redis://127.0.0.1:6379/2";
  }
  try {
    decodeURIComponent(username + password);
  } catch {
    return "has a % in its user or password that stands for no character; write a % itself as %25";
  }
  return undefined;
}
