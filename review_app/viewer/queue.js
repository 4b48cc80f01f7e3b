/** The edits in hand: claimed by this person, the current one first to be decided, the others ready behind it. */

/** How many of the latest decisions can be undone, as on the server. */
const REMEMBERED = 10;

export class Queue {
  /** @param {number} ahead How many edits to hold at once. */
  constructor(ahead) {
    this.ahead = ahead;
    this.items = [];
    this.at = 0;
    this.skipped = [];
    this.decided = [];
  }

  get current() {
    return this.items[this.at] ?? null;
  }

  /** The items in the order in which they will come, the current one first. */
  get order() {
    return [...this.items.slice(this.at), ...this.items.slice(0, this.at)];
  }

  /** How many to claim now; several at a time, so that not each decision costs a claim. */
  get wanted() {
    const missing = this.ahead - this.items.length;
    return missing >= Math.min(2, this.ahead) ? missing : 0;
  }

  get tokens() {
    return this.items.map((item) => item.token).filter(Boolean);
  }

  /** Edits that a claim must not bring: those in hand, and those that were skipped. */
  get leaveOut() {
    return [...this.items.map((item) => item.edit.id), ...this.skipped];
  }

  /**
   * Take in what was claimed, but nothing twice.
   * @param {{edit: object, token: string}[]} claims
   * @param {(edit: object) => boolean} isDecided Whether a decision on the edit, as it is there, is on its way.
   */
  add(claims, isDecided = () => false) {
    for (const { edit, token } of claims) {
      if (isDecided(edit) || this.items.some((item) => item.edit.id === edit.id)) continue;
      this.items.push({ edit, token, output: 0 });
    }
  }

  /** Take the current item out of hand. */
  take() {
    const [item] = this.items.splice(this.at, 1);
    if (this.at >= this.items.length) this.at = 0;
    return item ?? null;
  }

  /** Show this item now; one on the same edit that was in hand gives way. */
  putFront(item) {
    const before = this.items.findIndex((each) => each.edit.id === item.edit.id);
    if (before >= 0) {
      this.items.splice(before, 1);
      if (before < this.at) this.at -= 1;
    }
    this.items.splice(this.at, 0, item);
  }

  /** Show this item next. Gives whether it can be: the current item may be on the same edit, and has to give way. */
  putNext(item) {
    if (!this.current || this.current.edit.id === item.edit.id) return false;
    const { current } = this;
    this.items = this.items.filter((each) => each.edit.id !== item.edit.id);
    this.at = this.items.indexOf(current);
    this.items.splice(this.at + 1, 0, item);
    return true;
  }

  /** Leave the current item for later. */
  skip() {
    const item = this.take();
    if (item) this.skipped.push(item.edit.id);
    return item;
  }

  /** Nothing else is left: what was skipped comes round again. Gives whether there was something. */
  forgetSkipped() {
    const had = this.skipped.length > 0;
    this.skipped = [];
    return had;
  }

  /** Look at another item in hand; gives whether there is one. */
  go(by) {
    const next = this.at + by;
    if (next < 0 || next >= this.items.length) return false;
    this.at = next;
    return true;
  }

  /** These claims have ended: let go of their edits. The current item stays, its decision will tell. */
  lose(tokens) {
    const lost = new Set(tokens);
    const { current } = this;
    this.items = this.items.filter((item) => item === current || !lost.has(item.token));
    this.at = Math.max(0, this.items.indexOf(current));
  }

  /** Let go of everything; gives the tokens. */
  clear() {
    const { tokens } = this;
    this.items = [];
    this.at = 0;
    this.skipped = [];
    return tokens;
  }

  /** Remember a decision, to undo it. */
  remember(decision) {
    this.decided = [...this.decided, decision].slice(-REMEMBERED);
  }

  forget(key) {
    this.decided = this.decided.filter((each) => each.key !== key);
  }
}

/** Lets a decision through only when what it is about has been painted, and once. */
export class Gate {
  constructor() {
    this.mark = null;
    this.since = null;
  }

  /** Something else is to be shown. */
  close(mark) {
    this.mark = mark;
    this.since = null;
  }

  /** It is on the screen now. */
  open(mark, now) {
    if (mark !== null && mark === this.mark && this.since === null) this.since = now;
  }

  get isOpen() {
    return this.since !== null;
  }

  /** How long it has been on the screen, in milliseconds. */
  shownMs(now) {
    return this.since === null ? 0 : Math.round(now - this.since);
  }
}

/** What is on the screen: another output of the edit, or another revision, is something else. */
export function markOf(item) {
  if (!item) return null;
  return `${item.edit.id}/${item.edit.revision}/${item.edit.outputs[item.output]?.id ?? ""}`;
}
