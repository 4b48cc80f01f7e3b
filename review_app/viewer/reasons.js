/** The panel that asks why an edit is rejected. */

import { make } from "./dom.js";

export class Reasons {
  /**
   * @param {HTMLElement} root
   * @param {(reason: string, note: string) => void} onChosen
   */
  constructor(root, onChosen) {
    this.root = root;
    this.onChosen = onChosen;
    this.note = make("input", { type: "text", placeholder: "Note, if you like", maxLength: 2000, "aria-label": "Note" });
    this.note.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.isComposing) this.choose();
    });
  }

  get isOpen() {
    return !this.root.hidden;
  }

  /** @param {string[]} reasons */
  open(reasons) {
    this.reasons = reasons;
    this.at = 0;
    this.note.value = "";
    this.buttons = reasons.map((reason, index) => this.#row(reason, index));
    this.root.replaceChildren(
      make("h2", {}, "Reject, because"),
      make("div", { className: "rows" }, ...this.buttons),
      make("label", { className: "note" }, make("kbd", {}, "N"), this.note),
      make("p", { className: "hint" }, "1 to 9 rejects · ↑ ↓ and Enter · Esc goes back"),
    );
    this.root.hidden = false;
    this.move(0);
  }

  close() {
    this.root.hidden = true;
  }

  move(by) {
    this.at = (this.at + by + this.reasons.length) % this.reasons.length;
    this.buttons.forEach((row, index) => row.classList.toggle("chosen", index === this.at));
    this.buttons[this.at].scrollIntoView({ block: "nearest" });
  }

  choose(index = this.at) {
    if (index < this.reasons.length) this.onChosen(this.reasons[index], this.note.value.trim());
  }

  #row(reason, index) {
    const key = index < 9 ? String(index + 1) : "";
    const words = make("span", {}, reason.replaceAll("_", " "));
    return make("button", { type: "button", onclick: () => this.choose(index) }, make("kbd", {}, key), words);
  }
}
