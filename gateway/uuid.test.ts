import { randomFillSync } from "node:crypto";
import { expect, test } from "vitest";
import { uuids } from "./uuid.ts";

test("each octet stands in its place, but for the version and the variant", () => {
  const uuid = uuids((bytes) => {
    for (let i = 0; i < bytes.length; i += 1) bytes[i] = i * 17;
  });
  expect(uuid()).toBe("00112233-4455-4677-8899-aabbccddeeff");
  const full = uuids((bytes) => void bytes.fill(0xff));
  expect(full()).toBe("ffffffff-ffff-4fff-bfff-ffffffffffff");
});

test("no two are alike, however many, and all have the form of version 4", () => {
  let draws = 0;
  const uuid = uuids((bytes) => {
    draws += 1;
    randomFillSync(bytes);
  });
  const made = Array.from({ length: 10_000 }, uuid);
  expect(new Set(made).size).toBe(10_000);
  expect(
    made.filter((one) => !/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(one)),
  ).toEqual([]);
  expect(draws).toBe(40);
});
