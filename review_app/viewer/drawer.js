/** The panel that asks for another round. */

import { button, make } from "./dom.js";
import { isAlike } from "./geometry.js";
import { promptFor, toPutRight } from "./prompts.js";

export class Drawer {
  /**
   * @param {HTMLFormElement} root
   * @param {{send: (asked: object) => void, close: () => void, maskFlags: () => void, clearMask: () => void}} calls
   */
  constructor(root, calls) {
    this.root = root;
    this.calls = calls;
    this.prompt = make("textarea", { rows: 6, maxLength: 32000, "aria-label": "Instruction" });
    this.prompt.addEventListener("input", () => (this.isEdited = true));
    this.prompt.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.#submit(event);
    });
    this.note = make("input", { type: "text", placeholder: "Note, if you like", maxLength: 2000, "aria-label": "Note" });
    root.addEventListener("submit", (event) => this.#submit(event));
  }

  get isOpen() {
    return !this.root.hidden;
  }

  /** @param {{edit: object, output: object | null, chosen: object | null, mask: object}} given */
  open({ edit, output, chosen, mask }) {
    this.given = { edit, output, mask };
    this.flags = output ? toPutRight(output.flags, chosen) : [];
    this.onOutput = Boolean(output) && this.flags.some((flag) => flag.change !== "lost");
    this.isEdited = false;
    this.note.value = "";
    this.root.hidden = false;
    this.#draw();
    this.#fill();
    this.prompt.focus();
  }

  close() {
    this.root.hidden = true;
  }

  /** The mask has changed. */
  refresh() {
    if (this.isOpen) this.#drawMask();
  }

  #draw() {
    const { edit, output } = this.given;
    this.maskRow = make("div", { className: "mask-row" });
    const starts = [];
    if (output) starts.push(this.#start("this output", true));
    if (edit.input) starts.push(this.#start("what this round started from", false));
    else if (edit.source) starts.push(this.#start("the source", false));
    this.send = make("button", { type: "submit", className: "primary" }, "Ask for it", make("kbd", {}, "Ctrl ↵"));
    this.root.replaceChildren(
      make("h2", {}, `Round ${edit.round + 1}`),
      make("fieldset", {}, make("legend", {}, "Start from"), ...starts),
      make("label", {}, "Instruction", this.prompt),
      this.maskRow,
      make("label", {}, "Note", this.note),
      make("p", { className: "hint" }, costLine(edit)),
      make("div", { className: "row" }, this.send, button("Cancel", "Esc", this.calls.close)),
    );
    this.#drawMask();
  }

  #start(words, onOutput) {
    const radio = make("input", { type: "radio", name: "start", checked: this.onOutput === onOutput });
    radio.addEventListener("change", () => {
      this.onOutput = onOutput;
      if (!this.isEdited) this.#fill();
      this.#drawMask();
    });
    return make("label", { className: "radio" }, radio, words);
  }

  #fill() {
    const { edit, output } = this.given;
    this.prompt.value = promptFor({
      ...{ prompt: edit.prompt, flags: this.flags, onOutput: this.onOutput },
      ...{ picture: output?.picture ?? null, source: edit.source },
    });
  }

  #drawMask() {
    const { mask } = this.given;
    if (mask.isEmpty) {
      const hint = "The whole picture. To change a region only, mark it:";
      const rectangle = make("span", { className: "hint" }, "or draw with the tools above the picture");
      const children = [make("span", { className: "hint" }, hint)];
      if (this.flags.length) children.push(button("Mark the flags", "", this.calls.maskFlags));
      this.maskRow.replaceChildren(...children, rectangle);
      return;
    }
    const small = document.createElement("canvas");
    small.width = 72;
    small.height = Math.round((72 * mask.canvas.height) / mask.canvas.width);
    small.getContext("2d").drawImage(mask.canvas, 0, 0, small.width, small.height);
    const words = this.#canMask ? "Only the marked region changes." : "The mark fits the output only: start from it.";
    const clear = button("Clear", "", this.calls.clearMask);
    this.maskRow.replaceChildren(small, make("span", { className: "hint" }, words), clear);
  }

  /** The mask counts in the output's pixels: it fits a source of the same proportions only. */
  get #canMask() {
    const { edit, output } = this.given;
    const start = edit.input ?? edit.source;
    return this.onOutput || !output || (start && isAlike(start, output.picture));
  }

  #submit(event) {
    event.preventDefault();
    const { edit, output, mask } = this.given;
    if (!this.prompt.value.trim() || (!mask.isEmpty && !this.#canMask)) return;
    const size = this.onOutput ? output.picture : (edit.input ?? edit.source ?? output?.picture);
    this.calls.send({
      prompt: this.prompt.value.trim(),
      on_output: this.onOutput,
      note: this.note.value.trim(),
      mask: mask.isEmpty ? null : mask.png(size),
    });
  }
}

function costLine(edit) {
  if (edit.unpriced) return "The price of this provider is not known.";
  return edit.cost_usd ? `This round cost $${edit.cost_usd.toFixed(edit.cost_usd < 0.1 ? 3 : 2)}.` : "This round cost nothing.";
}
