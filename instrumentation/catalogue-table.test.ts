import { expect, test } from "vitest";
import { catalogueTable } from "./catalogue-table.ts";

test("METRICS.md is the catalogue", async () => {
  await expect(catalogueTable()).toMatchFileSnapshot("./METRICS.md");
});
