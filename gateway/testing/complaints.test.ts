import { describe, expect, test } from "vitest";
import { json } from "./answers.ts";
import { CutOff } from "./byte-reader.ts";
import { fakeBackend } from "./fake-backend.ts";
import { rawRequest } from "./raw-client.ts";

describe("the backend complains, and close throws, about", () => {
  test.each([
    ["a hop-by-hop field", [["TE", "trailers"]], "te must not arrive here: trailers"],
    ["a connection option", [["Connection", "x-secret"]], "connection: x-secret"],
    [
      "two lengths",
      [
        ["Content-Length", "0"],
        ["Content-Length", "0"],
      ],
      "content-length is repeated",
    ],
    [
      "two framings",
      [
        ["Content-Length", "0"],
        ["Transfer-Encoding", "chunked"],
      ],
      "beside transfer-encoding",
    ],
    ["a foreign host", [["Host", "example.com"]], "host is example.com"],
    [
      "two hosts",
      [
        ["Host", "a"],
        ["Host", "b"],
      ],
      "2 host fields",
    ],
    ["baggage", [["Baggage", "a=b"]], "baggage must not arrive here"],
    ["a cookie where it was told so", [["Cookie", "a=b"]], "cookie must not arrive here"],
    ["another key than the backend's", [["Authorization", "Bearer client"]], "authorization is"],
    ["a secret in any field", [["X-Any", "a client-secret here"]], "a secret leaked"],
    ["a folded field", [["X-A", "1\r\n 2"]], "not a header field"],
  ] as const)("%s", async (_, headers, complaint) => {
    const strict = await fakeBackend({
      forbids: ["cookie"],
      authorization: "Bearer backend",
      secrets: ["client-secret"],
      otherwise: json({}),
    });
    const clean = { headers: [["Authorization", "Bearer backend"]] } as const;
    expect((await rawRequest(strict.url, clean)).status).toBe(200);
    expect(strict.complaints).toEqual([]);
    await rawRequest(strict.url, { headers }).catch(() => undefined);
    expect(strict.complaints.join("\n")).toContain(complaint);
    await expect(strict.close()).rejects.toThrow(complaint);
  });

  test("a request that nothing is scripted for", async () => {
    const unscripted = await fakeBackend();
    await expect(rawRequest(unscripted.url)).rejects.toThrow(CutOff);
    await expect(unscripted.close()).rejects.toThrow("nothing is scripted");
  });
});
