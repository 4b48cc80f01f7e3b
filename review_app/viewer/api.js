/** The desk's HTTP routes, as the person who is signed in. */

/** The server has answered, and the answer is no. */
export class Refused extends Error {
  constructor(message, { code = "", edit = null } = {}) {
    super(message);
    this.code = code;
    this.edit = edit;
  }
}

/** Nobody answered, or nobody who could: worth another try. */
export class Unreachable extends Error {}

/** The ticket has ended, and there is no other. */
export class SignedOut extends Error {}

const TIMEOUT_MS = 20_000;
const RENEWED_AT_MOST_EVERY_S = 60;

export class Api {
  /**
   * @param {object} options
   * @param {string} options.base Such as "/api/page".
   * @param {typeof fetch} options.fetch
   * @param {() => Promise<{ticket: string, expires_at: number} | null>} options.askPage A new ticket from the page,
   *   which knows who is signed in; null if it has none.
   */
  constructor({ base, fetch, askPage }) {
    this.base = base;
    this.fetch = fetch;
    this.askPage = askPage;
    this.ticket = "";
    this.expiresAt = 0;
    this.renewing = null;
    this.askedAt = -Infinity;
  }

  useTicket(ticket, expiresAt) {
    this.ticket = ticket;
    this.expiresAt = expiresAt;
  }

  claims(body) {
    return this.#call("POST", "/claims", body);
  }

  /** What another round would cost. */
  estimate(body) {
    return this.#call("POST", "/estimate", body);
  }

  decide(body) {
    return this.#call("POST", "/decisions", body);
  }

  decideMany(body) {
    return this.#call("POST", "/decisions/bulk", body);
  }

  undo(body) {
    return this.#call("POST", "/undo", body);
  }

  undoMany(body) {
    return this.#call("POST", "/undo/bulk", body);
  }

  edit(id) {
    return this.#call("GET", `/edits/${id}`);
  }

  /** Give claims back; also while the page is being left. */
  release(tokens) {
    return this.#call("POST", "/claims/release", { tokens }, { keepalive: true });
  }

  /** Renew the ticket if it ends within so many seconds; not each second where this clock is ahead of the server's. */
  async keepFresh(now_s, margin_s) {
    if (this.expiresAt - now_s >= margin_s || Math.abs(now_s - this.askedAt) < RENEWED_AT_MOST_EVERY_S) return;
    this.askedAt = now_s;
    await this.#renew();
  }

  async #call(method, path, body, { keepalive = false, isSecondTry = false } = {}) {
    const answer = await this.#fetch(method, path, body, keepalive);
    if (answer.status === 401 && !isSecondTry) {
      await this.#renew();
      return this.#call(method, path, body, { keepalive, isSecondTry: true });
    }
    const said = await answer.json().catch(() => null);
    if (answer.ok && said !== null) return said;
    const message = said?.error ?? `the server answered ${answer.status}`;
    if (answer.status === 401) throw new SignedOut(message);
    if (answer.status >= 500 || answer.status === 429 || said === null) throw new Unreachable(message);
    throw new Refused(message, said);
  }

  async #fetch(method, path, body, keepalive) {
    const headers = { Authorization: `Bearer ${this.ticket}` };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    try {
      return await this.fetch(this.base + path, {
        ...{ method, headers, keepalive, credentials: "omit", cache: "no-store" },
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch {
      throw new Unreachable("the desk cannot be reached");
    }
  }

  /** A new ticket: by the old one while that holds, else from the page. */
  async #renew() {
    this.renewing ??= this.#newTicket().finally(() => (this.renewing = null));
    await this.renewing;
  }

  async #newTicket() {
    const answer = await this.#fetch("POST", "/session");
    if (answer.ok) {
      const { ticket, expires_at } = await answer.json();
      this.useTicket(ticket, expires_at);
      return;
    }
    if (answer.status >= 500) throw new Unreachable(`the server answered ${answer.status}`);
    const given = await this.askPage();
    if (!given) throw new SignedOut("sign in again");
    this.useTicket(given.ticket, given.expires_at);
  }
}
