/** The panel that asks why an edit is rejected; and from there, for another round that does better. */

import { make } from "./dom.js";

export class Reasons {
  /**
   * @param {HTMLElement} root
   * @param {{reject: (reason: string, note: string) => void, ask: (reason: string, note: string) => void}} calls
   */
  constructor(root, calls) {
    this.root = root;
    this.calls = calls;
    this.note = make("input", { type: "text", placeholder: "Note, if you like", maxLength: 2000, "aria-label": "Note" });
    this.note.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.isComposing) this.choose();
    });
  }

  get isOpen() {
    return !this.root.hidden;
  }

  /**
   * @param {string[]} reasons
   * @param {boolean} canAsk Whether another round may be asked for.
   */
  open(reasons, canAsk) {
    this.reasons = reasons;
    this.canAsk = canAsk;
    this.at = 0;
    this.note.value = "";
    this.rows = reasons.map((reason, index) => this.#row(reason, index));
    const again = canAsk ? [make("p", { className: "hint" }, "⇧ 1 to 9, or E, asks for another round for that reason")] : [];
    this.root.replaceChildren(
      make("h2", {}, "Reject, because"),
      make("div", { className: "rows" }, ...this.rows),
      make("label", { className: "note" }, make("kbd", {}, "N"), this.note),
      make("div", {}, make("p", { className: "hint" }, "1 to 9 rejects · ↑ ↓ and Enter · Esc goes back"), ...again),
    );
    this.root.hidden = false;
    this.move(0);
  }

  close() {
    this.root.hidden = true;
  }

  move(by) {
    this.at = (this.at + by + this.reasons.length) % this.reasons.length;
    this.rows.forEach((row, index) => row.classList.toggle("chosen", index === this.at));
    this.rows[this.at].scrollIntoView({ block: "nearest" });
  }

  /** Reject for this reason. */
  choose(index = this.at) {
    if (index < this.reasons.length) this.calls.reject(this.reasons[index], this.note.value.trim());
  }

  /** Ask for another round for this reason. */
  ask(index = this.at) {
    if (this.canAsk && index < this.reasons.length) this.calls.ask(this.reasons[index], this.note.value.trim());
  }

  #row(reason, index) {
    const key = index < 9 ? String(index + 1) : "";
    const name = reason.replaceAll("_", " ");
    const reject = make("button", { type: "button", onclick: () => this.choose(index) }, make("kbd", {}, key), make("span", {}, name));
    const again = { type: "button", className: "again", onclick: () => this.ask(index), "aria-label": `Ask again: ${name}`, title: "Ask for another round for this reason" };
    return make("div", { className: "reason" }, reject, this.canAsk ? make("button", again, "Ask again") : null);
  }
}
