// What several gateways do in Redis, each step atomic and by Redis' own clock.
import type { RedisScript } from "../../state/redis.ts";

/*
 * Keys (one hash tag, so that a cluster keeps them together):
 *   {tollgate}:c:<rule>          a minute: u used, a the last second seen, 0…60 what was counted in each second
 *   {tollgate}:c:<rule>          what is open: h
 *   {tollgate}:c:<rule>:<start>  a calendar period: u used, h held by reservations
 *   {tollgate}:holders           gateways that live, by the time at which they are taken for dead
 *   {tollgate}:held:<holder>     what a gateway holds of each counter; given back when it is dead
 *   {tollgate}:told:<gateway>    the number of its last settlement, so that one sent twice counts once
 *   {tollgate}:carried:<folder>  what was copied of a data folder's own counts
 */
const tag = "{tollgate}";
export const counterKey = (name: string): string => `${tag}:c:${name}`;
export const carriedKey = (folder: string): string => `${tag}:carried:${folder}`;

/** Windows outlive their last second by as much again. */
const minuteMillis = 130_000;

const shared = `
local HOLDERS = '${tag}:holders'
local function heldBy(holder) return '${tag}:held:' .. holder end
local function clock()
  local t = redis.call('TIME')
  local second = tonumber(t[1])
  return second, second * 1000 + math.floor(tonumber(t[2]) / 1000)
end
local function text(number) return string.format('%.0f', number) end
local function forget(holder)
  local held = redis.call('HGETALL', heldBy(holder))
  for i = 1, #held, 2 do
    if redis.call('EXISTS', held[i]) == 1 then redis.call('HINCRBY', held[i], 'h', text(0 - tonumber(held[i + 1]))) end
  end
  redis.call('DEL', heldBy(holder))
  redis.call('ZREM', HOLDERS, holder)
end
local function reap(now)
  for _, dead in ipairs(redis.call('ZRANGEBYSCORE', HOLDERS, '-inf', text(now))) do forget(dead) end
end
local function hold(holder, key, amount, ttl)
  redis.call('HINCRBY', key, 'h', amount)
  redis.call('HINCRBY', heldBy(holder), key, amount)
  if ttl ~= '0' then redis.call('PEXPIRE', key, ttl) end
end
local function advance(key, second)
  local got = redis.call('HMGET', key, 'u', 'a')
  local used, at = tonumber(got[1] or '0'), tonumber(got[2] or '0')
  if second <= at then return used, at end
  if used > 0 and second - at < 61 then
    local seconds = {}
    for one = at + 1, second do seconds[#seconds + 1] = text(one % 61) end
    for _, count in ipairs(redis.call('HMGET', key, unpack(seconds))) do
      if count then used = used - tonumber(count) end
    end
    redis.call('HDEL', key, unpack(seconds))
  else
    redis.call('DEL', key)
    used = 0
  end
  redis.call('HSET', key, 'u', text(used), 'a', text(second))
  redis.call('PEXPIRE', key, ${minuteMillis})
  return used, second
end
local function count(key, amount, at)
  redis.call('HINCRBY', key, 'u', amount)
  redis.call('HINCRBY', key, text(at % 61), amount)
end
local function present(key)
  local got = redis.call('HMGET', key, 'u', 'h')
  return tonumber(got[1] or '0') + tonumber(got[2] or '0')
end
`;

/**
 * Takes from every counter or from none. KEYS: counters. ARGV: holder, then for each counter its sort (`minute`,
 * `period`, `open`), limit (negative: none), amount, and time to live in ms (0: for good).
 * Gives -1 where the holder is not known; else 1 or 0, the time in ms, what each counter has now, and, for a refusal,
 * what each counter lets wait in ms (-1: has room, -2: never).
 */
export const take: RedisScript = {
  text: `${shared}
local second, now = clock()
reap(now)
if not redis.call('ZSCORE', HOLDERS, ARGV[1]) then return {-1} end
local function waitFor(key, amount, at)
  local seconds = {}
  for age = 60, 0, -1 do seconds[#seconds + 1] = text((at - age) % 61) end
  local counts = redis.call('HMGET', key, unpack(seconds))
  for i = 1, 61 do
    if counts[i] then amount = amount - tonumber(counts[i]) end
    if amount <= 0 then return (at - 61 + i + 61) * 1000 - now end
  end
  return 60000
end
local reply, waits, refused, ats = {1, text(now)}, {}, false, {}
for i = 1, #KEYS do
  local sort, limit, amount = ARGV[i * 4 - 2], tonumber(ARGV[i * 4 - 1]), tonumber(ARGV[i * 4])
  local used
  if sort == 'minute' then used, ats[i] = advance(KEYS[i], second) else used = present(KEYS[i]) end
  reply[#reply + 1] = text(used)
  waits[i] = '-1'
  if limit >= 0 and used + amount > limit then
    refused = true
    if amount > limit then waits[i] = '-2'
    elseif sort == 'minute' then waits[i] = text(waitFor(KEYS[i], used + amount - limit, ats[i]))
    else waits[i] = '0' end
  end
end
if refused then
  reply[1] = 0
  for i = 1, #waits do reply[#reply + 1] = waits[i] end
  return reply
end
for i = 1, #KEYS do
  local amount = ARGV[i * 4]
  if amount ~= '0' then
    if ats[i] then count(KEYS[i], amount, ats[i]) else hold(ARGV[1], KEYS[i], amount, ARGV[i * 4 + 1]) end
  end
end
return reply
`,
};

/**
 * Settles reservations, once for each number. KEYS: counters. ARGV: gateway, number, holder, then for each counter its
 * sort, what is no longer held, what was used (for a minute: more or less than was counted), the second in which it was
 * counted (-1: now), and time to live in ms.
 */
export const settle: RedisScript = {
  text: `${shared}
local told = '${tag}:told:' .. ARGV[1]
if tonumber(redis.call('GET', told) or '0') >= tonumber(ARGV[2]) then return 0 end
redis.call('SET', told, ARGV[2], 'EX', 86400)
local second, now = clock()
reap(now)
local lives = redis.call('ZSCORE', HOLDERS, ARGV[3])
for i = 1, #KEYS do
  local key, sort, held, used, at, ttl =
    KEYS[i], ARGV[i * 5 - 1], tonumber(ARGV[i * 5]), ARGV[i * 5 + 1], tonumber(ARGV[i * 5 + 2]), ARGV[i * 5 + 3]
  if sort == 'minute' then
    local _, last = advance(key, second)
    if at < 0 then count(key, used, last)
    elseif last - at < 61 then
      local counted = tonumber(redis.call('HGET', key, text(at % 61)) or '0')
      count(key, text(0 - math.min(counted, 0 - tonumber(used))), at)
    end
  else
    if lives and held ~= 0 then
      redis.call('HINCRBY', key, 'h', text(0 - held))
      if redis.call('HINCRBY', heldBy(ARGV[3]), key, text(0 - held)) == 0 then redis.call('HDEL', heldBy(ARGV[3]), key) end
    end
    if used ~= '0' then
      redis.call('HINCRBY', key, 'u', used)
      if ttl ~= '0' then redis.call('PEXPIRE', key, ttl) end
    end
  end
end
return 1
`,
};

/**
 * A gateway says that it is there, and what it holds. KEYS: counters. ARGV: who it was (empty: nobody; what it held is
 * given back), who it is (empty: it leaves), ms until it is taken for dead, then for each counter what it holds and
 * time to live in ms. Gives the time in ms.
 */
export const greet: RedisScript = {
  text: `${shared}
local second, now = clock()
reap(now)
if ARGV[1] ~= '' then forget(ARGV[1]) end
if ARGV[2] ~= '' then
  redis.call('ZADD', HOLDERS, text(now + tonumber(ARGV[3])), ARGV[2])
  for i = 1, #KEYS do hold(ARGV[2], KEYS[i], ARGV[i * 2 + 2], ARGV[i * 2 + 3]) end
end
return text(now)
`,
};

/** A gateway still lives. ARGV: holder, ms until it is taken for dead. Gives 0 where it was taken for dead. */
export const beat: RedisScript = {
  text: `${shared}
local second, now = clock()
reap(now)
if not redis.call('ZSCORE', HOLDERS, ARGV[1]) then return 0 end
redis.call('ZADD', HOLDERS, text(now + tonumber(ARGV[2])), ARGV[1])
return 1
`,
};

/** What counters have. KEYS: counters. ARGV: the sort of each. */
export const look: RedisScript = {
  text: `${shared}
local second, now = clock()
reap(now)
local reply = {}
for i = 1, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 0 then reply[i] = '0'
  elseif ARGV[i] == 'minute' then reply[i] = text((advance(KEYS[i], second)))
  else reply[i] = text(present(KEYS[i])) end
end
return reply
`,
};
