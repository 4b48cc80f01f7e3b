import assert from "node:assert/strict";
import test from "node:test";

import { costOf, dollars, doubtOf, leftOf, priceOf } from "../../review_app/viewer/prices.js";

const QUOTE = {
  ...{ provider: "openai", ai_model: "gpt-image-2.5-flare", low_usd: 0.0412, high_usd: 0.0731, unpriced: false },
  ...{ budget_left_usd: null, month_left_usd: null, is_over_budget: false, reused: false, problem: "" },
};

test("amounts are to the cent, and finer below ten cents", () => {
  assert.deepEqual([0, 0.0004, 0.041, 0.1, 12.3, 1234567.5].map(dollars), ["$0.00", "$0.0004", "$0.041", "$0.10", "$12.30", "$1,234,567.50"]);
});

test("a price has its range, its provider and its model", () => {
  assert.equal(priceOf(QUOTE), "About $0.041 to $0.073 at openai gpt-image-2.5-flare.");
  assert.equal(priceOf({ ...QUOTE, low_usd: 0.05, high_usd: 0.05, ai_model: null }), "About $0.050 at openai.");
  assert.equal(priceOf({ ...QUOTE, unpriced: true, low_usd: null, high_usd: null, ai_model: null }), "The price at openai is not known.");
  assert.equal(priceOf({ ...QUOTE, provider: "local", low_usd: 0, high_usd: 0 }), "Made on this machine, for nothing.");
  assert.equal(priceOf({ ...QUOTE, reused: true }), "The same was made before: its pictures come again, for nothing.");
});

test("what is left is the smaller of the batch's and the month's", () => {
  assert.equal(leftOf(QUOTE), "");
  assert.equal(leftOf({ ...QUOTE, budget_left_usd: 12.3 }), "$12.30 of the batch's budget is left.");
  assert.equal(leftOf({ ...QUOTE, budget_left_usd: 12.3, month_left_usd: 4 }), "$4.00 for this month is left.");
  assert.match(leftOf({ ...QUOTE, budget_left_usd: 0.05, is_over_budget: true }), /^Only \$0.050 of the batch's budget is left: .* approver/);
  assert.equal(leftOf({ ...QUOTE, high_usd: 0, budget_left_usd: 1 }), "");
});

test("what is not known is never nothing", () => {
  assert.deepEqual([costOf(0, 0), costOf(0.04, 0), costOf(0, 1), costOf(0.04, 2)], ["nothing", "$0.040", "not known", "$0.040 and 2 unknown"]);
  assert.equal(doubtOf({ doubtful_usd: null }), "It may have been billed; with how much is not known.");
  assert.equal(doubtOf({ doubtful_usd: 0.07 }), "Up to $0.070 may have been billed for it.");
});
