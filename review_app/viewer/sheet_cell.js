/** One edit on the sheet: its pictures, its flags in short, and what became of it. */

import { make, sleep } from "./dom.js";
import { alike, flagsOf, statusOf } from "./sheet_items.js";

const TRIES = 4;
const WAIT_MS = 300;
const FLAGS_SHOWN = 3;

/** What the edit did, in one sign; the help says which. */
const CHANGE_SIGNS = { introduced: "+", altered: "≠", lost: "−", kept: "=" };

export class Cell {
  /**
   * @param {object} item
   * @param {{isDecoded: (cell: Cell, isDecoded: boolean) => void, freshEdit: (id: number) => Promise<object>}} calls
   */
  constructor(item, calls) {
    this.calls = calls;
    this.pictures = make("div", { className: "pictures" });
    this.marks = make("div", { className: "marks" });
    this.name = make("span", { className: "name" });
    this.sign = make("b", { "aria-hidden": "true" });
    this.words = make("span");
    const status = make("span", { className: "status" }, this.sign, this.words);
    const caption = make("div", { className: "caption" }, this.name, status);
    const check = make("span", { className: "check", "aria-hidden": "true" }, "✓");
    this.element = make("div", { className: "cell", role: "option", id: `edit-${item.edit.id}` }, this.pictures, check, this.marks, caption);
    this.element.dataset.id = String(item.edit.id);
    this.images = {};
    this.loaded = "";
    this.setItem(item);
  }

  /** Another edit, or the same one as it is now. */
  setItem(item) {
    const isSame = this.item === item && this.edit === item.edit && this.output === item.output;
    Object.assign(this, { item, edit: item.edit, output: item.output });
    if (isSame) return;
    this.loaded = "";
    this.name.textContent = item.edit.title;
    this.element.title = [item.edit.title, ...flagsOf(item).map((flag) => flag.line)].join("\n");
    this.marks.replaceChildren(...flagMarks(flagsOf(item)));
  }

  /** What became of it, and whether it is selected. */
  update({ isSelected, isSeen }) {
    const { name, sign, words } = statusOf(this.item, isSeen);
    const state = `${name} ${sign} ${words} ${isSelected}`;
    if (state === this.state) return;
    this.state = state;
    this.sign.textContent = sign;
    this.words.textContent = words;
    this.element.dataset.status = name;
    this.element.setAttribute("aria-selected", String(isSelected));
    this.element.setAttribute("aria-label", inWords(this.item, words));
  }

  /**
   * Load what is to be shown, once.
   * @param {("source" | "output")[]} sides
   * @param {number} previewSide In pixels.
   */
  async load(sides, previewSide) {
    const wanted = `${sides} ${previewSide}`;
    if (this.loaded === wanted) return;
    this.loaded = wanted;
    const shown = sides.map((side) => [side, this.#picture(side)]);
    const isWanted = () => this.loaded === wanted;
    this.pictures.replaceChildren(...shown.map(([side, picture]) => this.#pane(side, picture)));
    this.calls.isDecoded(this, false);
    const done = await Promise.all(shown.filter(([, picture]) => picture).map(([side, picture]) => this.#decode(side, picture, previewSide, isWanted)));
    if (!isWanted()) return;
    this.element.classList.toggle("broken", done.includes(false));
    if (done.includes(false)) this.loaded = "";
    else if (sides.includes("output") || !this.#picture("output")) this.calls.isDecoded(this, true);
  }

  #picture(side) {
    return side === "source" ? this.edit.source : (this.edit.outputs[this.output]?.picture ?? null);
  }

  #pane(side, picture) {
    if (!picture) return make("p", { className: "none" }, side === "output" && this.edit.error ? this.edit.error : `no ${side}`);
    this.images[side] ??= make("img", { alt: "", draggable: false, decoding: "async" });
    return make("figure", {}, this.images[side], make("figcaption", { "aria-hidden": "true" }, side));
  }

  /** Gives whether the picture came; null if another is wanted by now. */
  async #decode(side, picture, previewSide, isWanted) {
    const image = this.images[side];
    let { url } = picture;
    for (let failures = 0; failures < TRIES && isWanted(); failures += 1) {
      image.src = `${url}&side=${previewSide}`;
      try {
        await image.decode();
        return isWanted() ? true : null;
      } catch {
        await sleep(WAIT_MS * 2 ** failures);
        if (isWanted() && failures > 0) url = (await this.#freshUrl(picture).catch(() => null)) ?? url;
      }
    }
    return isWanted() ? false : null;
  }

  /** Its address has ended: the edit's present answer has another. */
  async #freshUrl({ sha256 }) {
    const { source, outputs } = await this.calls.freshEdit(this.edit.id);
    return [source, ...outputs.map((each) => each.picture)].find((each) => each?.sha256 === sha256)?.url;
  }
}

function flagMarks(flags) {
  const groups = alike(flags);
  const shown = groups.slice(0, FLAGS_SHOWN).map(({ kind, change, level, count }) =>
    make("span", { className: `badge ${kind} ${change} ${level === "sure" ? "sure" : "likely"}` },
      make("i", {}, kind[0].toUpperCase()), make("em", {}, kind), CHANGE_SIGNS[change], count > 1 ? ` ×${count}` : ""));
  const more = groups.length - FLAGS_SHOWN;
  return more > 0 ? [...shown, make("span", { className: "badge more" }, `+${more}`)] : shown;
}

function inWords(item, status) {
  const flags = alike(flagsOf(item)).map(({ kind, change, level, count }) => `${count > 1 ? `${count} ` : ""}${kind} ${change}${level === "sure" ? ", sure" : ""}`);
  return [item.edit.title, flags.join("; ") || "no flags", status].join(". ");
}
