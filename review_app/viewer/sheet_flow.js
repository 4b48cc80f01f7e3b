/**
 * The work on a contact sheet: many claims at once, decisions on many out, and what comes back. It knows no page: what
 * is to be shown it says by calls, so that its tests need no browser.
 */

import { Refused, SignedOut } from "./api.js";
import { bodyOf } from "./flow.js";
import { Outbox, UNDO, waitMs } from "./outbox.js";
import { divide, itemOf } from "./sheet_items.js";

const RENEW_CLAIMS_MS = 10 * 60_000;
const LOOK_AGAIN_MS = 4000;
const TRY_AGAIN_MS = 30_000;
const TICKET_MARGIN_S = 5 * 60;
const PASSED_MOST = 9000; // the route takes 10,000 edits to leave out

/** Why nothing is on the sheet. */
export const REST = { LOADING: "loading", EMPTY: "empty", GIVEN_BACK: "given-back", OFFLINE: "offline", SIGNED_OUT: "signed-out", REFUSED: "refused" };

export class SheetFlow {
  /**
   * @param {object} options
   * @param {import("./api.js").Api} options.api
   * @param {import("./hand.js").Hand} options.hand
   * @param {Storage} options.storage
   * @param {string} options.prefix Of what is kept for this desk and person.
   * @param {number} options.most Edits on one sheet.
   * @param {() => number} options.now Milliseconds since some fixed moment.
   * @param {(milliseconds: number) => Promise<void>} options.sleep
   * @param {(work: () => void) => void} options.soon
   * @param {() => string} options.newKey A name for a decision that nothing else has.
   * @param {{sheet: () => void, items: (items: object[]) => void, counts: () => void,
   *   notice: (kind: string, text: string) => void}} options.calls `sheet`: other edits are on it; `items`: these have
   *   changed; `counts`: numbers or troubles have.
   */
  constructor({ api, hand, storage, prefix, most, now, sleep, soon, newKey, calls }) {
    Object.assign(this, { api, hand, most, now, sleep, newKey, calls });
    this.items = [];
    this.passed = [];
    this.bulks = [];
    this.underway = new Map(); // what a bulk is about, by its key, until the server has answered
    this.filter = null;
    this.round = 0;
    this.isLeft = false;
    this.rest = REST.LOADING;
    this.restMessage = "";
    this.progress = { waiting: 0, decided: 0 };
    this.failures = 0;
    this.lastUse = now();
    this.lastClaims = now();
    this.lastTry = now();
    this.outbox = new Outbox({
      ...{ storage, prefix, sleep, soon },
      send: (entry) => this.#send(entry),
      onSent: (entry, answer) => this.#sent(entry, answer.outcomes),
      onRefused: (entry, refusal) => this.#refused(entry, refusal),
      onChange: () => calls.counts(),
    });
  }

  get open() {
    return this.items.filter((item) => item.at === "open");
  }

  get tokens() {
    return this.open.map((item) => item.token).filter(Boolean);
  }

  /** Decisions that the server does not have yet. */
  get unsent() {
    return this.outbox.entries.reduce((sum, entry) => sum + entry.decisions.length, 0);
  }

  /** Begin, or begin anew with another filter: what was claimed by the old one is given back. */
  async start(filter) {
    this.filter = filter;
    this.passed = [];
    this.isLeft = false;
    this.outbox.comeBack();
    this.outbox.run();
    await this.#turn(REST.LOADING);
  }

  /** The next ones; what is undecided goes back to the queue, and comes round again at the end. */
  async loadNext() {
    const left = this.open.map((item) => item.edit.id);
    this.passed = [...this.passed, ...left].slice(-PASSED_MOST);
    await this.#turn(REST.LOADING);
  }

  /** Leave what is undecided to others. */
  async giveBack() {
    await this.#turn(REST.GIVEN_BACK);
  }

  /** The page is being left: what is on its way still goes out, but nothing more is claimed or shown here. */
  leave() {
    this.round += 1;
    this.isLeft = true;
    this.outbox.leave();
    this.release(this.tokens).catch(() => {});
  }

  async #turn(rest) {
    this.round += 1;
    const { tokens } = this;
    this.items = [];
    this.rest = rest;
    this.release(tokens).catch(() => {});
    this.calls.sheet();
    if (rest === REST.LOADING) await this.fill();
  }

  /** Give claims back; until the server has heard of it, they count as held. */
  release(tokens) {
    return this.hand.giveBack(tokens, this.api, () => this.tokens);
  }

  #writeHand() {
    this.hand.write(this.tokens);
  }

  /** Claim a sheet of edits, and go on trying while nobody answers. */
  async fill() {
    if (this.isLeft || this.filling === this.round || !this.filter || this.items.length) return;
    this.filling = this.round;
    const { round } = this;
    while (round === this.round && !this.items.length) {
      try {
        await this.#claim(round);
        this.failures = 0;
        break;
      } catch (error) {
        if (round === this.round && !(await this.#waitAfter(error))) break;
      }
    }
    if (this.filling === round) this.filling = null;
  }

  async #claim(round) {
    await this.hand.giveBackOrphans(this.api);
    if (this.hand.leaving.size) await this.release([]);
    const sending = this.outbox.entries.flatMap((entry) => entry.decisions.map((each) => each.edit));
    const ask = (passed) => this.api.claims({ filter: this.filter, count: this.most, leave_out: [...sending, ...passed], renew: [] });
    let answer = await ask(this.passed);
    if (!answer.claims.length && this.passed.length && round === this.round) {
      this.passed = [];
      answer = await ask([]);
      if (answer.claims.length) this.calls.notice("info", "Nothing else waits: what was left undecided comes round again.");
    }
    if (round !== this.round) {
      this.release(answer.claims.map((claim) => claim.token)).catch(() => {});
      return;
    }
    this.#takeIn(answer);
  }

  #takeIn(answer) {
    this.lastClaims = this.now();
    this.items = answer.claims.map(itemOf);
    this.progress = answer.progress;
    this.rest = REST.EMPTY;
    this.#writeHand();
    this.calls.sheet();
  }

  /** Gives whether it is worth another try. */
  async #waitAfter(error) {
    this.restMessage = error.message;
    this.rest = error instanceof Refused ? REST.REFUSED : error instanceof SignedOut ? REST.SIGNED_OUT : REST.OFFLINE;
    this.calls.sheet();
    if (this.rest !== REST.OFFLINE) return false;
    this.failures += 1;
    await Promise.race([this.sleep(waitMs(this.failures)), new Promise((wake) => (this.wakeUp = wake))]);
    return true;
  }

  /** The network is back, somebody signed in, or somebody asks to look again. */
  wake() {
    this.wakeUp?.();
    this.outbox.wake();
    if (this.rest !== REST.GIVEN_BACK) this.fill();
  }

  /** To be called every second or so: keeps the ticket and the claims, and looks for more where nothing is left. */
  async tick(now_s) {
    const idle = this.now() - this.lastClaims;
    if (!this.items.length && this.rest === REST.EMPTY && idle > LOOK_AGAIN_MS) await this.fill();
    if (this.outbox.trouble === "signed-out" || this.rest === REST.SIGNED_OUT) {
      if (this.now() - this.lastTry > TRY_AGAIN_MS) this.#tryAgain();
      return;
    }
    await this.api.keepFresh(now_s, TICKET_MARGIN_S).catch(() => {});
    if (this.tokens.length && idle > RENEW_CLAIMS_MS && this.lastUse > this.lastClaims) await this.renew();
  }

  #tryAgain() {
    this.lastTry = this.now();
    this.wake();
  }

  /** Somebody looks at the sheet: its claims are to be kept. */
  use() {
    this.lastUse = this.now();
  }

  /** Keep the claims; those that have ended are named. */
  async renew() {
    const { round } = this;
    const asked = this.tokens;
    this.lastClaims = this.now();
    const answer = await this.api.claims({ filter: this.filter, count: 0, leave_out: [], renew: asked }).catch(() => null);
    if (!answer || round !== this.round) return;
    this.progress = answer.progress;
    const held = new Set(answer.renewed);
    const lost = this.open.filter((item) => asked.includes(item.token) && !held.has(item.token));
    for (const item of lost) Object.assign(item, { token: null, trouble: "no longer claimed; others may take it" });
    this.#writeHand();
    if (lost.length) this.calls.items(lost);
    this.calls.counts();
  }

  /**
   * Decide on as many of these as one may; gives those, and how many are left out for which reason.
   * @param {object[]} items
   * @param {"accept" | "reject"} decision
   * @param {{isSeen: (item: object) => boolean, shownMs: (item: object) => number, reason?: string, note?: string}} how
   */
  decide(items, decision, { isSeen, shownMs, reason = "", note = "" }) {
    const divided = divide(items, decision, isSeen);
    if (divided.taken.length) this.#put(divided.taken, decision, { shownMs, reason, note, isAlone: false });
    return divided;
  }

  /** Decide on the one that was looked at closely, flags or not; gives whether it was let through. */
  decideAlone(item, decision, { shownMs, reason = "", note = "" }) {
    if (item.at !== "open" || !item.edit.may[decision]) return false;
    this.#put([item], decision, { shownMs, reason, note, isAlone: true });
    return true;
  }

  #put(items, decision, { shownMs, reason, note, isAlone }) {
    this.use();
    const key = this.newKey();
    const decisions = items.map((item) => ({
      ...{ edit: item.edit.id, decision, revision: item.edit.revision, claim: item.token, shown_ms: shownMs(item) },
      ...{ output: item.edit.outputs[item.output]?.id ?? null, key: `${key}/${item.edit.id}`, reason, note },
      title: item.edit.title,
    }));
    for (const item of items) Object.assign(item, { at: "sending", decision, reason, trouble: "" });
    this.bulks.push({ key, items });
    this.underway.set(key, items);
    this.#count(items.length);
    this.#writeHand();
    this.outbox.put({ key, at: Date.now(), isAlone, decisions });
    this.calls.items(items);
  }

  async #send(entry) {
    if (entry.decision === UNDO) return this.api.undoMany({ edits: entry.edits, key: entry.key });
    if (entry.isAlone) return { outcomes: [await this.api.decide(bodyOf(entry.decisions[0]))] };
    const answer = await this.api.decideMany({ decisions: entry.decisions.map(bodyOf) });
    const failed = answer.outcomes.find((each) => each.error);
    // Nobody is here to be told: it stays stored, and is sent once more by the page that can tell. No row counts twice.
    if (failed && this.isLeft) throw new Refused(failed.error, failed);
    return answer;
  }

  async #sent(entry, outcomes) {
    if (entry.decision === UNDO) {
      this.#undone(entry, outcomes);
      return;
    }
    const states = new Map(outcomes.filter((each) => !each.error).map((each) => [each.edit, each.state]));
    const changed = this.#itemsOf(entry).filter((item) => states.has(item.edit.id));
    for (const item of changed) Object.assign(item, { at: "done", state: states.get(item.edit.id), token: null });
    this.calls.items(changed);
    const errors = new Map(outcomes.filter((each) => each.error).map((each) => [each.edit, each.error]));
    this.#spare(entry, [...errors.keys()]);
    if (errors.size) await this.#bringBack(entry, errors);
    this.underway.delete(entry.key);
  }

  /** The server takes none of it. */
  async #refused(entry, refusal) {
    if (entry.decision === UNDO) {
      this.calls.notice("warning", `Nothing was taken back: ${refusal.message}`);
      return;
    }
    this.#spare(entry, entry.decisions.map((each) => each.edit));
    await this.#bringBack(entry, new Map(entry.decisions.map((each) => [each.edit, refusal.message])), refusal.edit);
    this.underway.delete(entry.key);
  }

  /** What the server does not take is open again, as it is now, and says why. */
  async #bringBack(entry, errors, known = null) {
    this.#count(-errors.size);
    const failed = entry.decisions.filter((each) => errors.has(each.edit));
    const which = failed.length === 1 ? failed[0].title : `${failed.length} edits`;
    this.calls.notice("error", `Not kept (${failed[0].decision}): ${which}. ${errors.get(failed[0].edit)}`);
    for (const item of this.#itemsOf(entry).filter((each) => errors.has(each.edit.id))) {
      const trouble = `not kept: ${errors.get(item.edit.id)}`;
      const edit = known ?? (await this.api.edit(item.edit.id).catch(() => null)) ?? item.edit;
      Object.assign(item, { edit, output: 0, at: "open", decision: null, trouble });
      this.calls.items([item]);
    }
    this.#writeHand();
  }

  /** None of a bulk that was sent from another page, or before this one was loaded. */
  #itemsOf(entry) {
    return this.underway.get(entry.key) ?? [];
  }

  /** Take back the last decision as a whole: here, while it was not sent; else on the server, behind what is on its way. */
  undo() {
    this.use();
    const last = this.bulks.pop();
    if (!last) {
      this.calls.notice("info", "There is nothing to take back on this sheet.");
      return;
    }
    if (this.outbox.takeBack(last.key)) {
      this.underway.delete(last.key);
      this.#reopen(last.items, new Map());
      return;
    }
    const items = last.items.filter((item) => item.at !== "open"); // the others were refused, and are back already
    if (this.outbox.trouble) this.calls.notice("info", "It is taken back as soon as there is a connection.");
    if (items.length) this.#putUndo(undoKey(last), items.map((item) => item.edit.id), items);
  }

  #putUndo(key, edits, items) {
    this.underway.set(key, items);
    this.outbox.put({ key, at: Date.now(), decision: UNDO, decisions: [], edits });
  }

  /** What the server has not taken is not to be taken back: it may be somebody else's by now. */
  #spare(entry, refused) {
    const undo = this.outbox.entries.find((each) => each.key === undoKey(entry));
    if (!undo || !refused.length || !this.outbox.takeBack(undo.key)) return;
    const edits = undo.edits.filter((id) => !refused.includes(id));
    if (edits.length) this.#putUndo(undo.key, edits, this.#itemsOf(undo).filter((item) => edits.includes(item.edit.id)));
  }

  /** The server has taken decisions back: here are their edits again. */
  #undone(entry, outcomes) {
    const known = new Map(this.#itemsOf(entry).map((item) => [item.edit.id, item]));
    this.underway.delete(entry.key);
    const back = new Map(outcomes.filter((each) => !each.error).map((each) => [each.edit, each]));
    this.#reopen([...back].map(([id, { now, token }]) => known.get(id) ?? itemOf({ edit: now, token })), back);
    const standing = outcomes.filter((each) => each.error);
    if (standing.length) this.calls.notice("warning", `${standing.length} could not be taken back. ${standing[0].error}`);
  }

  #reopen(items, back) {
    if (this.isLeft) {
      this.release([...back.values()].map((each) => each.token).filter(Boolean)).catch(() => {});
      return;
    }
    for (const item of items) {
      const { now, token } = back.get(item.edit.id) ?? { now: item.edit, token: item.token };
      Object.assign(item, { edit: now, token, at: "open", decision: null, state: null, trouble: "" });
    }
    this.#count(-items.length);
    const here = new Set(this.items.map((item) => item.edit.id));
    const elsewhere = items.filter((item) => !here.has(item.edit.id));
    if (elsewhere.length) {
      this.items = [...elsewhere, ...this.items];
      this.calls.sheet();
    }
    this.#writeHand();
    this.calls.items(items);
    this.calls.notice("info", `Taken back: ${items.length}.`);
  }

  #count(by) {
    const { waiting, decided } = this.progress;
    this.progress = { waiting: Math.max(0, waiting - by), decided: Math.max(0, decided + by) };
  }
}

function undoKey({ key }) {
  return `undo-${key}`;
}
