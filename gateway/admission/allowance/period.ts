// Calendar periods in UTC: when the one that holds an instant began, and when it ends.
import type { BudgetPeriod } from "../identity.ts";

const day = 86_400_000;

/** Unix milliseconds of the beginning of the period that holds `at`. Weeks begin on Monday; `total` began at 0. */
export function periodStart(period: BudgetPeriod, at: number): number {
  switch (period) {
    case "day":
      return Math.floor(at / day) * day;
    case "week": {
      // 1970 began on a Thursday.
      const monday = 4 * day;
      return Math.floor((at - monday) / (7 * day)) * 7 * day + monday;
    }
    case "month": {
      const date = new Date(at);
      return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1);
    }
    case "total":
      return 0;
  }
}

/** Unix milliseconds of the end of the period that began at `start`, which is the beginning of the next; never for `total`. */
export function periodEnd(period: BudgetPeriod, start: number): number {
  switch (period) {
    case "day":
      return start + day;
    case "week":
      return start + 7 * day;
    case "month": {
      const date = new Date(start);
      return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
    }
    case "total":
      return Number.POSITIVE_INFINITY;
  }
}
