/**
 * Decisions on their way, and what takes them back again. Each is written to the browser's storage before it is sent, and stays there until the
 * server has answered: a lost network, a restarted server and a closed page lose none. Each has a key of its own, so
 * that one which is sent twice counts once.
 */

import { Refused, SignedOut } from "./api.js";

export const UNDO = "undo";

export class Outbox {
  /**
   * @param {object} options
   * @param {Storage} options.storage
   * @param {string} options.prefix Of the names in storage: of one desk and one person.
   * @param {(entry: object) => Promise<object>} options.send Throws Refused for what the server will never take,
   *   SignedOut if somebody has to sign in first, and anything else for what is worth another try.
   * @param {(milliseconds: number) => Promise<void>} options.sleep
   * @param {(work: () => void) => void} options.soon Does it a little later: what is on the screen comes first.
   * @param {(entry: object, answer: object) => void} options.onSent
   * @param {(entry: object, refusal: Refused) => void} options.onRefused
   * @param {() => void} options.onChange
   */
  constructor({ storage, prefix, send, sleep, soon, onSent, onRefused, onChange }) {
    Object.assign(this, { storage, prefix, send, sleep, soon, onSent, onRefused, onChange });
    this.entries = stored(storage, prefix);
    this.trouble = null;
    this.isRunning = false;
    this.isLeft = false;
    this.untold = [];
    this.wakeUp = () => {};
  }

  /** Send a decision, sooner or later. `entry.key` names it. */
  put(entry) {
    this.entries.push(entry);
    this.#write(entry);
    this.onChange();
    this.soon(() => this.run());
  }

  /** Take a decision back that was not sent yet; gives whether it was so. */
  takeBack(key) {
    const entry = this.entries.find((each) => each.key === key);
    if (!entry || entry.isTried) return false;
    this.#drop(entry);
    this.onChange();
    return true;
  }

  /** Whether a decision on this edit, at this revision, is on its way. */
  holds(edit) {
    return this.entries.some((each) => each.edit === edit.id && each.revision === edit.revision);
  }

  get count() {
    return this.entries.length;
  }

  /** How many of them take a decision back that the server may have. */
  get undoing() {
    return this.entries.filter((each) => each.decision === UNDO).length;
  }

  /** Nobody looks any more: what the server refuses from now on stays stored, for the page that can say so. */
  leave() {
    this.isLeft = true;
  }

  comeBack() {
    this.isLeft = false;
    this.entries.push(...this.untold.splice(0));
  }

  /** Try again at once: the network is back, or somebody signed in. */
  wake() {
    this.wakeUp();
    this.run();
  }

  /** Send all that is there, one after the other. */
  async run() {
    if (this.isRunning) return;
    this.isRunning = true;
    let failures = 0;
    while (this.entries.length > 0) {
      failures = (await this.#sendFirst()) ? 0 : failures + 1;
      if (this.trouble === "signed-out") break;
      if (failures > 0) await this.#pause(waitMs(failures));
    }
    this.isRunning = false;
  }

  async #sendFirst() {
    const [entry] = this.entries;
    if (!entry.isTried) {
      entry.isTried = true; // from now on it may be with the server, whatever we hear
      this.#write(entry);
    }
    try {
      const answer = await this.send(entry);
      this.#done(entry);
      this.onSent(entry, answer);
    } catch (error) {
      if (!(error instanceof Refused)) return this.#inTrouble(error instanceof SignedOut ? "signed-out" : "offline");
      if (this.isLeft) {
        this.untold.push(entry);
        this.entries = this.entries.filter((each) => each !== entry);
        return true;
      }
      this.#done(entry);
      this.onRefused(entry, error);
    }
    return true;
  }

  #done(entry) {
    this.trouble = null;
    this.#drop(entry);
    this.onChange();
  }

  #inTrouble(trouble) {
    this.trouble = trouble;
    this.onChange();
    return false;
  }

  #pause(milliseconds) {
    return Promise.race([this.sleep(milliseconds), new Promise((resolve) => (this.wakeUp = resolve))]);
  }

  #drop(entry) {
    this.entries = this.entries.filter((each) => each.key !== entry.key);
    this.storage.removeItem(this.prefix + entry.key);
  }

  #write(entry) {
    this.storage.setItem(this.prefix + entry.key, JSON.stringify(entry));
  }
}

/** How long to wait after so many failures: half a second, doubled up to five. */
export function waitMs(failures) {
  return Math.min(5_000, 250 * 2 ** failures);
}

function stored(storage, prefix) {
  const found = [];
  for (let index = 0; index < storage.length; index += 1) {
    const name = storage.key(index);
    if (name.startsWith(prefix)) found.push(JSON.parse(storage.getItem(name)));
  }
  return found.sort((one, other) => one.at - other.at);
}
