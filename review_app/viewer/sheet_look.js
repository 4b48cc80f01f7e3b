/** A close look at one edit: both pictures, byte for byte, over the sheet. */

import { button, make, painted, setPressed } from "./dom.js";
import { MODES } from "./keys.js";
import { Pictures } from "./pictures.js";
import { flagsOf, sightOf, statusOf } from "./sheet_items.js";
import { Stage } from "./stage.js";

export class Look {
  /**
   * @param {Record<string, HTMLElement>} parts
   * @param {{act: (action: object) => void, freshEdit: (id: number) => Promise<object>, changed: () => void,
   *   notice: (kind: string, text: string) => void}} calls
   */
  constructor(parts, calls) {
    Object.assign(this, { parts, calls });
    this.item = null;
    this.since = null;
    this.stage = new Stage(parts.stage, () => this.#drawTools());
    this.pictures = new Pictures(() => calls.notice("warning", "A picture cannot be loaded; it is tried again."));
    this.modes = MODES.map(({ name, label, key }) => [name, button(label, key, () => calls.act({ name: "mode", mode: name }))]);
    this.zoom = make("span", { className: "zoom" });
    parts.lookTools.replaceChildren(
      group("Compare", ...this.modes.map((each) => each[1])),
      group("Zoom", button("Fit", "F", () => calls.act({ name: "fit" })), button("100 %", "0", () => calls.act({ name: "actual-size" })), this.zoom),
    );
    this.accept = button("Accept", "A", () => calls.act({ name: "accept" }), { className: "accept" });
    this.reject = button("Reject", "R", () => calls.act({ name: "reject" }), { className: "reject" });
    const moves = [[-1, "Previous", "←"], [1, "Next", "→"]].map(([by, label, key]) => button(label, key, () => calls.act({ name: "look-on", by })));
    parts.lookDecide.replaceChildren(this.accept, this.reject, make("span", { className: "space" }), ...moves);
    parts.lookClose.addEventListener("click", () => calls.act({ name: "close" }));
  }

  destroy() {
    this.stage.destroy();
  }

  get isOpen() {
    return this.item !== null;
  }

  /** Both pictures are on the screen. */
  get isArmed() {
    return this.since !== null;
  }

  /** For how long they have been, in milliseconds. */
  get shownMs() {
    return this.since === null ? 0 : Math.round(performance.now() - this.since);
  }

  async open(item) {
    this.item = item;
    this.since = null;
    this.parts.look.hidden = false;
    const { edit } = item;
    const output = edit.outputs[item.output] ?? null;
    const source = edit.source && this.#picture("source", edit.source);
    const made = output && this.#picture("output", output.picture);
    const loading = [source, made].filter(Boolean);
    if (loading.some((each) => !each.isReady)) this.parts.stage.setAttribute("aria-busy", "true");
    this.stage.show({
      ...{ source: edit.source, output: output?.picture ?? null, flags: flagsOf(item) },
      images: { source: source?.image ?? null, output: made?.image ?? null },
      message: output ? null : make("div", { className: "pane message" }, make("h2", {}, "There is no output"), make("pre", {}, edit.error ?? "")),
    });
    this.parts.lookTitle.textContent = edit.title;
    this.parts.lookLink.href = `asset?edit=${edit.id}`;
    this.refresh();
    const sight = sightOf(item);
    await Promise.all(loading.map((each) => each.ready));
    if (this.item !== item || sightOf(item) !== sight) return;
    this.parts.stage.removeAttribute("aria-busy");
    await painted();
    if (this.item !== item || sightOf(item) !== sight) return;
    this.since = performance.now();
    this.refresh();
    this.calls.changed();
  }

  /** Its state, and what it says. */
  refresh() {
    const { item } = this;
    if (!item) return;
    const { edit } = item;
    const { sign, words } = statusOf(item, true);
    const outputs = edit.outputs.length > 1 ? [`output ${item.output + 1} of ${edit.outputs.length}`] : [];
    const chips = [edit.batch, edit.recipe, ...outputs].filter(Boolean).map((text) => make("span", { className: "chip" }, text));
    if (item.at !== "open" || item.trouble) chips.push(make("span", { className: "chip loud" }, `${sign} ${words}`));
    this.parts.lookChips.replaceChildren(...chips);
    const lines = flagsOf(item).map((flag) => make("span", { className: `flag ${flag.kind} ${flag.change}` }, make("i", { "aria-hidden": "true" }), flag.line));
    this.parts.lookSaid.replaceChildren(make("p", { className: "asked" }, edit.prompt), ...lines);
    this.accept.disabled = !this.isArmed || item.at !== "open" || !edit.may.accept;
    this.reject.disabled = !this.isArmed || item.at !== "open" || !edit.may.reject;
  }

  showOutput(by) {
    const next = this.item.output + by;
    if (next < 0 || next >= this.item.edit.outputs.length) return;
    this.item.output = next;
    this.open(this.item);
  }

  setMode(mode) {
    this.stage.setMode(mode);
    this.#drawTools();
  }

  close() {
    this.item = null;
    this.since = null;
    this.parts.look.hidden = true;
    this.stage.clear();
  }

  #picture(side, picture) {
    const { id } = this.item.edit;
    return this.pictures.get(side, picture, async () => {
      const now = await this.calls.freshEdit(id);
      return [now.source, ...now.outputs.map((each) => each.picture)].find((each) => each?.sha256 === picture.sha256)?.pixels_url ?? picture.pixels_url;
    });
  }

  #drawTools() {
    if (!this.modes) return;
    for (const [name, each] of this.modes) {
      setPressed(each, this.stage.mode === name);
      each.disabled = !this.stage.canCompare && name !== "side";
    }
    this.zoom.textContent = this.stage.percent === null ? "" : `${this.stage.percent} %`;
  }
}

function group(label, ...children) {
  return make("div", { className: "group", role: "group", "aria-label": label }, ...children);
}
