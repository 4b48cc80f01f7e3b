/** The panel that asks for another round: from what, how, by whom, and at which price. */

import { button, make } from "./dom.js";
import { isAlike } from "./geometry.js";
import { leftOf, priceOf } from "./prices.js";
import { promptFor, startsOnOutput, toPutRight } from "./prompts.js";

const TYPED_MS = 400; // after the last letter, the price is asked for again
const POINTS = /^(circle|mark|highlight|annotate|point (at|to)|outline)\b/i; // what is drawn lies round the mark, not in it
const LONGEST = 20_000; // characters, as the server takes them

export class Drawer {
  /**
   * @param {HTMLFormElement} root
   * @param {{send: (asked: object) => void, close: () => void, maskFlags: () => void, clearMask: () => void,
   *   estimate: (body: object) => Promise<object>}} calls
   */
  constructor(root, calls) {
    this.root = root;
    this.calls = calls;
    this.asks = 0;
    this.draft = null;
    this.prompt = make("textarea", { rows: 6, maxLength: LONGEST, "aria-label": "Instruction" });
    this.prompt.addEventListener("input", () => {
      this.isEdited = true;
      this.#askPrice(TYPED_MS);
    });
    this.note = make("input", { type: "text", placeholder: "Note, if you like", maxLength: 2000, "aria-label": "Note" });
    this.provider = make("select", { "aria-label": "Made by" });
    this.provider.addEventListener("change", () => this.#refill());
    this.price = make("p", { className: "price", role: "status" });
    root.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
  }

  get isOpen() {
    return !this.root.hidden;
  }

  /** @param {{edit: object, output: object | null, chosen: object | null, mask: object, reason?: string, note?: string}} given */
  open({ edit, output, chosen, mask, reason = "", note = "" }) {
    this.given = { edit, output, mask, reason };
    this.flags = output ? toPutRight(output.flags, chosen, reason) : [];
    this.onOutput = Boolean(output) && (startsOnOutput(this.flags, reason) || !edit.source);
    this.markAs = POINTS.test(edit.prompt) ? "markup" : "mask";
    this.quote = null;
    this.isEdited = false;
    this.note.value = note;
    this.root.hidden = false;
    this.#draw();
    this.#fill();
    this.#useDraft();
    this.#askPrice(0);
    this.prompt.focus();
    this.prompt.scrollTop = 0;
  }

  /** Close it; what was typed is there again if it is opened on the same edit, unless it was sent. */
  close({ isSent = false } = {}) {
    if (this.isOpen) this.draft = this.isEdited && !isSent ? { edit: this.given.edit.id, text: this.prompt.value } : null;
    this.asks += 1; // an answer that is on its way comes too late
    clearTimeout(this.typing);
    this.root.hidden = true;
  }

  /** The mask has changed. */
  refresh() {
    if (!this.isOpen) return;
    const isMarked = !this.given.mask.isEmpty;
    this.#drawMark();
    if (isMarked !== this.isMarked) this.#askPrice(0);
    this.isMarked = isMarked;
  }

  /** Ask for it, if it can be asked for so. */
  submit() {
    const { edit, output, mask, reason } = this.given;
    const mark = this.#mark;
    if (!this.prompt.value.trim() || (mark && !this.#canMark)) return;
    const size = this.onOutput ? output.picture : (startOf(edit) ?? output?.picture);
    this.calls.send({
      prompt: this.prompt.value.trim(),
      on_output: this.onOutput,
      provider: this.provider.value === edit.provider ? null : this.provider.value,
      note: this.note.value.trim(),
      reason,
      mask: mark === "mask" ? mask.png(size) : null,
      markup: mark === "markup" ? mask.outline(size) : null,
    });
  }

  #draw() {
    const { edit, output, mask, reason } = this.given;
    this.isMarked = !mask.isEmpty;
    this.markRow = make("div", { className: "mark" });
    const starts = [];
    if (output) starts.push(this.#radio("start", "this output", this.onOutput, () => this.#startFrom(true)));
    const start = edit.input ? "what this round started from" : "the source";
    if (startOf(edit)) starts.push(this.#radio("start", start, !this.onOutput, () => this.#startFrom(false)));
    const title = make("h2", {}, `Round ${edit.round + 1}`);
    if (reason) title.append(make("span", { className: "chip" }, reason.replaceAll("_", " ")));
    this.send = make("button", { type: "submit", className: "primary" }, "Ask for it", make("kbd", {}, "Ctrl ↵"));
    this.#drawProviders();
    this.root.replaceChildren(
      title,
      ...(starts.length > 1 ? [make("fieldset", {}, make("legend", {}, "Start from"), ...starts)] : []),
      make("label", {}, "Instruction", this.prompt),
      this.markRow,
      make("label", {}, "Made by", this.provider),
      make("label", {}, "Note", this.note),
      make("div", { className: "foot" }, this.price, make("div", { className: "row" }, this.send, button("Cancel", "Esc", this.calls.close))),
    );
    this.#drawMark();
  }

  #radio(name, words, checked, onchange) {
    return make("label", { className: "radio" }, make("input", { type: "radio", name, checked, onchange }), words);
  }

  #startFrom(onOutput) {
    this.onOutput = onOutput;
    this.#refill();
  }

  #refill() {
    if (!this.isEdited) this.#fill();
    this.#changed();
  }

  #changed() {
    this.#drawMark();
    this.#askPrice(0);
  }

  #fill() {
    const { edit, output, reason } = this.given;
    this.prompt.value = promptFor({
      ...{ prompt: edit.prompt, flags: this.flags, onOutput: this.onOutput, reason, own: edit.reject_prompts ?? {} },
      ...{ picture: output?.picture ?? null, source: edit.source, isLocal: this.provider.value === "local" },
    });
  }

  #useDraft() {
    if (this.draft?.edit !== this.given.edit.id) return;
    this.prompt.value = this.draft.text;
    this.isEdited = true;
  }

  /** Who could make it: those of the desk that can be asked; who cannot says why when it is pointed at. */
  #drawProviders() {
    const { edit } = this.given;
    const chosen = this.quote ? this.provider.value : edit.provider;
    const offers = this.quote?.providers ?? [{ name: edit.provider, ai_model: edit.ai_model, problem: "" }];
    this.provider.replaceChildren(
      ...offers.map(({ name, ai_model, problem }) => {
        const words = [name, ai_model].filter(Boolean).join(", ");
        const disabled = Boolean(problem) && name !== edit.provider;
        return make("option", { value: name, title: problem, disabled, selected: name === chosen }, problem ? `${words} (not set up)` : words);
      }),
    );
  }

  /** What is marked and what for; what has the focus stays in place. */
  #drawMark() {
    const { mask } = this.given;
    const hasChoice = !mask.isEmpty && this.#canMark && Boolean(this.#offer?.takes_markup);
    const shape = `${mask.isEmpty} ${hasChoice}`;
    if (this.markRow.dataset.shape !== shape) this.markRow.replaceChildren(...this.#markParts(hasChoice));
    this.markRow.dataset.shape = shape;
    if (mask.isEmpty) return;
    this.small.width = 72;
    this.small.height = Math.max(1, Math.round((72 * mask.canvas.height) / mask.canvas.width));
    this.small.getContext("2d").drawImage(mask.canvas, 0, 0, this.small.width, this.small.height);
    this.markWords.textContent = this.#markInWords();
  }

  #markParts(hasChoice) {
    this.markWords = make("span", { className: "hint" });
    this.small = document.createElement("canvas");
    if (this.given.mask.isEmpty) {
      this.markWords.textContent = "The whole picture. For a region only, mark it with the tools above.";
      return this.flags.length ? [this.markWords, button("Mark the flags", "", this.calls.maskFlags)] : [this.markWords];
    }
    const clear = button("Clear", "", this.calls.clearMask);
    return [this.small, this.markWords, clear, ...(hasChoice ? [this.#markChoice()] : [])];
  }

  /** What the mark is for, where whoever makes it can be shown one that only points. */
  #markChoice() {
    const choose = (markAs) => () => {
      this.markAs = markAs;
      this.#changed();
    };
    return make(
      "fieldset",
      {},
      this.#radio("mark", "change only this", this.#mark === "mask", choose("mask")),
      this.#radio("mark", "point at this", this.#mark === "markup", choose("markup")),
    );
  }

  #markInWords() {
    if (!this.#canMark) return "The mark fits the output only: start from it.";
    if (this.#mark === "markup") return "It is outlined in red for whoever makes it: write “what is outlined”. All of the picture may change.";
    const isTold = this.#offer?.takes_mask ?? true;
    return isTold
      ? "Only the marked region changes."
      : `Only the marked region changes: ${this.provider.value} takes no marks and draws all of it, and the rest is put back.`;
  }

  get #offer() {
    return this.quote?.providers.find((each) => each.name === this.provider.value);
  }

  /** What is sent of the mark: "mask", "markup", or null without one. */
  get #mark() {
    if (this.given.mask.isEmpty) return null;
    return this.markAs === "markup" && this.#offer?.takes_markup ? "markup" : "mask";
  }

  /** The mask counts in the output's pixels: it fits a source of the same proportions only. */
  get #canMark() {
    const { edit, output } = this.given;
    const start = startOf(edit);
    return this.onOutput || !output || (start && isAlike(start, output.picture));
  }

  #askPrice(wait_ms) {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.#fetchPrice(), wait_ms);
  }

  async #fetchPrice() {
    const { edit, output } = this.given;
    const ask = (this.asks += 1);
    const isMuch = this.prompt.value.length > LONGEST;
    const body = { edit: edit.id, prompt: isMuch ? "" : this.prompt.value, on_output: this.onOutput };
    if (output) body.output = output.id;
    if (this.#mark) body.mark = this.#mark;
    if (this.provider.value !== edit.provider) body.provider = this.provider.value;
    try {
      const quote = await this.calls.estimate(body);
      if (ask === this.asks) this.#drawQuote(quote);
    } catch (error) {
      if (ask === this.asks) this.#drawPrice([`The price is not known: ${error.message}`]);
    }
  }

  #drawQuote(quote) {
    const isFirst = this.quote === null;
    this.quote = quote;
    if (isFirst) this.#drawProviders();
    this.#drawMark();
    this.#drawPrice([priceOf(quote), leftOf(quote)], quote.is_over_budget ? "short" : "");
    if (quote.problem) this.price.append(make("span", { className: "short", title: quote.problem }, this.#problemOf(quote)));
  }

  /** Why it would be refused; without the instruction, which stands above. */
  #problemOf({ problem }) {
    const quoted = `"${this.prompt.value.trim().replace(/[.;,\s]+$/, "").toLowerCase()}`;
    const isQuoted = problem.toLowerCase().startsWith(quoted);
    return `It would be refused: ${isQuoted ? problem.slice(quoted.length).replace(/^[^"]*"[:\s]*/, "") : problem}`;
  }

  #drawPrice(lines, className = "") {
    const [price, left] = lines;
    this.price.replaceChildren(make("strong", {}, price));
    if (left) this.price.append(make("span", { className }, left));
  }
}

/** The picture that a round begins with that does not begin with the output. */
function startOf(edit) {
  return edit.input ?? edit.source;
}
