/**
 * The work of one reviewer: claims ahead, decisions out, and what comes back. It knows no page: what is to be shown
 * it says by calls, so that its tests need no browser.
 */

import { Refused, SignedOut } from "./api.js";
import { Asked } from "./asked.js";
import { Outbox, UNDO, waitMs } from "./outbox.js";
import { Gate, Queue, markOf } from "./queue.js";

const RENEW_CLAIMS_MS = 10 * 60_000;
const LOOK_AGAIN_MS = 4000;
const TRY_AGAIN_MS = 30_000;
const COUNTED_MS = 2500;
const LOOK_AT_ASKED_MS = 8000;
const TICKET_MARGIN_S = 5 * 60;

/** What the queue is doing while nothing is in hand. */
export const REST = { LOADING: "loading", EMPTY: "empty", OFFLINE: "offline", SIGNED_OUT: "signed-out", REFUSED: "refused" };

export class Flow {
  /**
   * @param {object} options
   * @param {import("./api.js").Api} options.api
   * @param {import("./hand.js").Hand} options.hand
   * @param {Storage} options.storage
   * @param {string} options.prefix Of what is on its way for this desk and person.
   * @param {string} options.askedName Of what they have asked for.
   * @param {number} options.ahead
   * @param {() => number} options.now Milliseconds since some fixed moment.
   * @param {(milliseconds: number) => Promise<void>} options.sleep
   * @param {(work: () => void) => void} options.soon Does it when what is current had the time to be painted.
   * @param {() => string} options.newKey A name for a decision that nothing else has.
   * @param {{show: () => void, update: () => void, notice: (kind: string, text: string, how?: object) => void,
   *   isAsking?: () => boolean}} options.calls `show`: something else is current; `update`: counts or troubles have
   *   changed; `isAsking`: whether somebody writes in a panel on what is current.
   */
  constructor({ api, hand, storage, prefix, askedName, ahead, now, sleep, soon, newKey, calls }) {
    Object.assign(this, { api, hand, now, soon, sleep, newKey, calls });
    this.queue = new Queue(ahead);
    this.gate = new Gate();
    this.filter = null;
    this.isLeft = false;
    this.round = 0;
    this.rest = REST.LOADING;
    this.restMessage = "";
    this.progress = { waiting: 0, decided: 0 };
    this.lastUse = now();
    this.lastClaims = now();
    this.lastTry = now();
    this.failures = 0;
    this.sentAt = [];
    this.asked = new Asked(storage, askedName);
    this.lastLook = now();
    this.outbox = new Outbox({
      ...{ storage, prefix, sleep, soon },
      send: (entry) => (entry.decision === UNDO ? api.undo(bodyOf(entry)) : api.decide(bodyOf(entry))),
      onSent: (entry, answer) => this.#sent(entry, answer),
      onRefused: (entry, refusal) => this.#broughtBack(entry, refusal),
      onChange: () => calls.update(),
    });
  }

  get current() {
    return this.queue.current;
  }

  /** Begin, or begin anew with another filter: what was claimed by the old one is given back. */
  async start(filter) {
    this.round += 1;
    this.filter = filter;
    this.isLeft = false;
    this.outbox.comeBack();
    this.outbox.run();
    this.giveBack(this.queue.clear());
    this.rest = REST.LOADING;
    this.#show();
    await this.refill();
  }

  /** The page is being left: what is on its way still goes out, but nothing more is claimed or shown here. */
  leave() {
    this.round += 1;
    this.isLeft = true;
    this.outbox.leave();
    this.giveBack(this.queue.clear());
  }

  /** Give claims back now, or before the next are asked for. */
  giveBack(tokens) {
    this.release(tokens).catch(() => {});
  }

  /** Give claims back; until the server has heard of it, they count as held. */
  release(tokens) {
    return this.hand.giveBack(tokens, this.api, () => this.queue.tokens);
  }

  #writeHand() {
    this.hand.write(this.queue.tokens);
  }

  /** Claim what is missing. */
  async refill() {
    if (this.isLeft || this.refilling === this.round || !this.filter || !this.queue.wanted) return;
    this.refilling = this.round;
    const { round } = this;
    try {
      await this.#claim(round);
      this.failures = 0;
    } catch (error) {
      if (round === this.round) await this.#inTrouble(error);
    } finally {
      if (this.refilling === round) this.refilling = null;
    }
    if (round === this.round && (this.failures > 0 || this.isAgain)) {
      this.isAgain = false;
      await this.refill();
    }
  }

  async #claim(round) {
    await this.hand.giveBackOrphans(this.api);
    if (this.hand.leaving.size) await this.release([]);
    const asked = this.queue.tokens;
    const answer = await this.api.claims({
      filter: this.filter,
      count: this.queue.wanted,
      leave_out: [...this.queue.leaveOut, ...this.outbox.entries.map((entry) => entry.edit).filter(Boolean)],
      renew: asked,
    });
    if (round !== this.round) {
      this.giveBack(answer.claims.map((claim) => claim.token));
      return;
    }
    this.#takeIn(answer, asked);
  }

  #takeIn(answer, asked) {
    const before = markOf(this.current);
    this.lastClaims = this.now();
    this.queue.lose(asked.filter((token) => !answer.renewed.includes(token)));
    this.queue.add(answer.claims, (edit) => this.outbox.holds(edit));
    for (const { edit } of answer.claims) this.asked.isBack(edit);
    this.progress = this.#counted(answer.progress);
    this.rest = REST.LOADING;
    if (!this.current && this.queue.forgetSkipped()) this.isAgain = true;
    else if (!this.current) this.rest = REST.EMPTY;
    this.#writeHand();
    if (markOf(this.current) !== before || !this.current) this.#show();
    else this.calls.update();
  }

  async #inTrouble(error) {
    this.restMessage = error.message;
    if (error instanceof Refused) this.rest = REST.REFUSED;
    else if (error instanceof SignedOut) this.rest = REST.SIGNED_OUT;
    else {
      this.rest = REST.OFFLINE;
      this.failures += 1;
    }
    if (this.current) this.calls.update();
    else this.#show();
    if (this.failures) await Promise.race([this.sleep(waitMs(this.failures)), new Promise((wake) => (this.wakeUp = wake))]);
  }

  /** The network is back, somebody signed in, or somebody asks to look again. */
  wake() {
    this.wakeUp?.();
    this.outbox.wake();
    return this.refill();
  }

  /** To be called every second or so: keeps the ticket and the claims, and looks for more where nothing is left. */
  async tick(now_s) {
    const idle = this.now() - this.lastClaims;
    if (!this.current && this.rest === REST.EMPTY && idle > LOOK_AGAIN_MS) await this.refill();
    if (this.outbox.trouble === "signed-out" || this.rest === REST.SIGNED_OUT) {
      if (this.now() - this.lastTry > TRY_AGAIN_MS) await this.#tryAgain();
      return;
    }
    await this.api.keepFresh(now_s, TICKET_MARGIN_S).catch(() => {});
    if (this.asked.count && this.now() - this.lastLook > LOOK_AT_ASKED_MS) await this.#lookAtAsked();
    if (this.queue.tokens.length && idle > RENEW_CLAIMS_MS && this.lastUse > this.lastClaims) await this.#renewClaims();
  }

  /** Whoever was signed out may have signed in elsewhere. */
  async #tryAgain() {
    this.lastTry = this.now();
    await this.wake();
  }

  /** What was asked for, and has failed or passed by itself, comes into no queue: say so. */
  async #lookAtAsked() {
    this.lastLook = this.now();
    const { words } = this.asked;
    const ended = await this.asked.look((id) => this.api.edit(id)).catch(() => []);
    if (ended.length) this.calls.notice("warning", ended.join(" "), { isKept: true });
    if (words !== this.asked.words) this.current ? this.calls.update() : this.#show();
  }

  async #renewClaims() {
    const { round } = this;
    const asked = this.queue.tokens;
    this.lastClaims = this.now();
    const answer = await this.api.claims({ filter: this.filter, count: 0, leave_out: [], renew: asked }).catch(() => null);
    if (answer && round === this.round) this.#takeIn(answer, asked);
  }

  /** What is current is on the screen. */
  painted(mark) {
    this.gate.open(mark, this.now());
    this.calls.update();
  }

  /**
   * Decide on what is on the screen; gives whether it was let through.
   * @param {string} decision
   * @param {{reason?: string, note?: string, prompt?: string, on_output?: boolean, provider?: string | null,
   *   mask?: string | null, markup?: string | null}} more
   */
  decide(decision, more = {}) {
    const item = this.current;
    if (!item || !this.gate.isOpen || this.gate.mark !== markOf(item)) return false;
    const shown_ms = this.gate.shownMs(this.now());
    this.queue.take();
    const { notice, ...kept } = item;
    const entry = {
      ...{ key: this.newKey(), at: Date.now(), title: item.edit.title, decision, shown_ms },
      ...{ edit: item.edit.id, revision: item.edit.revision, round: item.edit.round, claim: item.token ?? null },
      ...{ output: item.edit.outputs[item.output]?.id ?? null, ...more },
    };
    this.queue.remember({ key: entry.key, edit: entry.edit, decision, item: kept });
    this.#count(decision, 1);
    this.outbox.put(entry);
    this.#next();
    return true;
  }

  /** Leave the current edit for later, and for others; what can only be looked at is put away. */
  skip() {
    const item = this.current;
    if (!item) return;
    if (Object.values(item.edit.may).some(Boolean)) this.queue.skip();
    else this.queue.take();
    this.giveBack([item.token].filter(Boolean));
    this.#next();
  }

  go(by) {
    if (this.queue.go(by)) this.#show();
  }

  /** Look at another output of the current edit. */
  showOutput(by) {
    const item = this.current;
    const next = item && item.output + by;
    if (!item || next < 0 || next >= item.edit.outputs.length) return;
    item.output = next;
    this.#show();
  }

  /** Take back the last decision: here, while it was not sent; else on the server, behind what is on its way. */
  undo() {
    this.lastUse = this.now();
    const last = this.queue.decided.at(-1);
    if (last) this.queue.forget(last.key);
    if (last && this.outbox.takeBack(last.key)) {
      this.#count(last.decision, -1);
      this.queue.putFront(last.item);
      this.#show();
      return;
    }
    if (this.outbox.trouble) this.calls.notice("info", "It is taken back as soon as there is a connection.");
    this.outbox.put({
      ...{ key: last ? undoKey(last) : this.newKey(), at: Date.now(), decision: UNDO },
      ...{ edit: last?.edit ?? null, takes_back: last?.decision ?? null },
    });
  }

  /** The server has taken a decision back: here is its edit again. */
  #undone(entry, answer) {
    this.sentAt.pop();
    this.#count(entry.takes_back, -1);
    this.asked.isBack(answer.edit);
    this.#bringBack({ edit: answer.edit, token: answer.token, output: 0 });
  }

  #next() {
    this.lastUse = this.now();
    if (!this.current && this.rest === REST.EMPTY) this.rest = REST.LOADING;
    this.#show();
    this.soon(() => {
      this.#writeHand();
      this.refill();
    });
  }

  #show() {
    this.gate.close(markOf(this.current));
    this.calls.show();
  }

  /** The server counts every other second: what was decided since is not in its numbers. */
  #counted({ waiting, decided }) {
    this.sentAt = this.sentAt.filter((at) => this.now() - at < COUNTED_MS);
    const since = Math.min(waiting, this.outbox.count - this.outbox.undoing + this.sentAt.length);
    return { waiting: waiting - since, decided: decided + since };
  }

  #sent(entry, answer) {
    this.wakeUp?.(); // the desk is there: nothing has to wait for its next try
    if (entry.decision === UNDO) {
      this.#undone(entry, answer);
      return;
    }
    if (entry.decision === "re-prompt") this.asked.add({ id: entry.edit, title: entry.title, round: entry.round });
    this.sentAt.push(this.now());
    this.calls.update();
    if (!this.current) this.refill();
  }

  /** The server does not take a decision: show the edit again, as it is now, and say why. */
  async #broughtBack(entry, refusal) {
    if (entry.decision === UNDO) {
      this.calls.notice("warning", `Nothing was taken back: ${refusal.message}`);
      return;
    }
    this.queue.forget(entry.key);
    this.outbox.takeBack(undoKey(entry)); // it was never made, and is back already
    this.#count(entry.decision, -1);
    const notice = `Your decision was not kept (${entry.decision}). ${refusal.message}`;
    const edit = refusal.edit ?? (await this.api.edit(entry.edit).catch(() => null));
    if (!edit) {
      this.calls.notice("error", `${entry.title}: ${notice}`);
      return;
    }
    this.#bringBack({ edit, token: null, output: 0, notice });
  }

  /** Show this now; next, while somebody writes: the rest of their sentence would be keys that decide on it. */
  #bringBack(item) {
    if (this.isLeft) {
      this.giveBack([item.token].filter(Boolean));
      return;
    }
    if (this.calls.isAsking?.() && this.queue.putNext(item)) {
      this.calls.notice(item.notice ? "warning" : "info", item.notice ?? `${item.edit.title} is back, and comes next.`);
      this.calls.update();
      return;
    }
    this.queue.putFront(item);
    this.#show();
  }

  #count(decision, by) {
    const isEnd = decision === "accept" || decision === "reject";
    const waiting = Math.max(0, this.progress.waiting - (decision ? by : 0));
    this.progress = { waiting, decided: Math.max(0, this.progress.decided + (isEnd ? by : 0)) };
  }
}

/** What goes to the server of a decision, or of what takes one back. */
export function bodyOf(entry) {
  const names = entry.decision === UNDO ? ["edit", "key"] : SAID;
  const said = names.map((name) => [name, entry[name]]);
  return Object.fromEntries(said.filter(([, value]) => value !== null && value !== undefined && value !== ""));
}

const SAID = [
  ...["edit", "decision", "revision", "output", "claim", "shown_ms", "key", "reason", "note", "prompt", "on_output"],
  ...["provider", "mask", "markup"],
];

function undoKey({ key }) {
  return `undo-${key}`;
}
