/** The pictures: side by side or over each other, zoomed and moved together, with flags and the mask over them. */

import { changedRegions, differences, heat, veil } from "./changes.js";
import { draw, make } from "./dom.js";
import {
  FIT,
  actualSize,
  focusOn,
  grown,
  isAlike,
  isStacked,
  panBy,
  place,
  toPicture,
  wipeCut,
  zoomAt,
} from "./geometry.js";
import { Lru } from "./lru.js";
import { drawMarks, onSide } from "./marks.js";
import { Mask } from "./mask.js";

const WORKING_SIDE = 768; // of the copies that are compared
const GAP = 8; // between two panes, as the style sheet has it
const BLINK_MS = 600;

export class Stage {
  /**
   * @param {HTMLElement} root
   * @param {() => void} onChange The zoom, a choice or the mask has changed.
   */
  constructor(root, onChange) {
    this.root = root;
    this.onChange = onChange;
    this.mode = "side";
    this.tool = "pan";
    this.brush = 40;
    this.split = 0.5;
    this.view = FIT;
    this.panes = [];
    this.isStacked = false;
    this.hidden = new Set();
    this.areFlagsShown = true;
    this.chosen = null;
    this.region = null;
    this.mask = new Mask();
    this.ring = make("div", { className: "ring", hidden: true });
    this.compared = new Lru(4);
    this.isMotionReduced = matchMedia("(prefers-reduced-motion: reduce)");
    this.size = { width: 1, height: 1 };
    this.resizing = new ResizeObserver(([entry]) => {
      this.size = { width: entry.contentRect.width, height: entry.contentRect.height };
      this.layout();
    });
    this.resizing.observe(root);
    this.#listen();
  }

  destroy() {
    this.resizing.disconnect();
    clearInterval(this.blinking);
  }

  /**
   * Show these pictures; either may be missing.
   * @param {{source: object | null, output: object | null, images: object, flags: object[], message: Node | null}} shown
   *   `images` has an element for each picture; `message` stands where the output would.
   */
  show(shown) {
    this.shown = shown;
    this.view = FIT;
    this.chosen = null;
    this.region = null;
    this.regions = null;
    this.setTool("pan");
    if (this.frame) this.mask.start(this.frame);
    this.arrange();
  }

  /** Show nothing. */
  clear() {
    clearInterval(this.blinking);
    this.shown = null;
    this.panes = [];
    this.chosen = null;
    this.root.replaceChildren();
    this.onChange();
  }

  /** The picture whose pixels the mask counts in. */
  get frame() {
    return this.shown?.output ?? this.shown?.source ?? null;
  }

  get canCompare() {
    return Boolean(this.shown?.source && this.shown?.output);
  }

  setMode(mode) {
    this.mode = mode;
    this.arrange();
  }

  setTool(tool) {
    if (this.tool === tool) return;
    this.tool = tool;
    this.root.dataset.tool = tool;
    this.layout();
  }

  toggleKind(kind) {
    if (!this.hidden.delete(kind)) this.hidden.add(kind);
    this.layout();
  }

  toggleFlags() {
    this.areFlagsShown = !this.areFlagsShown;
    this.layout();
  }

  fit() {
    this.#move(FIT);
  }

  actualSize() {
    this.#onFirst((pane, picture) => actualSize(this.view, pane, picture, devicePixelRatio));
  }

  zoom(factor) {
    this.#onFirst((pane, picture) =>
      zoomAt(this.view, pane, picture, [pane.width / 2, pane.height / 2], factor));
  }

  pan(dx, dy) {
    this.#onFirst((pane, picture) => panBy(this.view, pane, picture, dx, dy));
  }

  flip() {
    if (this.mode !== "blink" || !this.canCompare) return;
    clearInterval(this.blinking);
    this.#flip();
  }

  /** Choose a flag and show it large. */
  focusFlag(flag) {
    this.chosen = flag;
    this.region = null;
    this.areFlagsShown = true;
    this.hidden.delete(flag.kind);
    const side = flag.change === "lost" ? "source" : "output";
    const on = this.panes.find((pane) => pane.side === side) ?? this.panes.at(-1);
    const found = on && onSide(on.side, [flag], on.picture, this.shown.source)[0];
    this.#move(found ? focusOn(found.box, this.#paneSize, on.picture) : FIT);
  }

  /** Show the next region that changed; gives [number, of how many], or null if nothing did or another is shown. */
  async focusChange(by) {
    if (!this.canCompare) return null;
    const { shown } = this;
    const { regions } = await this.#compare();
    if (shown !== this.shown) return null;
    this.regions ??= regions;
    const count = this.regions.length;
    if (!count) return null;
    const before = this.regions.indexOf(this.region);
    const next = before < 0 ? (by > 0 ? 0 : count - 1) : (before + by + count) % count;
    this.region = this.regions[next];
    this.chosen = null;
    const on = this.panes.at(-1);
    this.#move(focusOn(this.#regionOn(on.picture), this.#paneSize, on.picture));
    return [next + 1, count];
  }

  /** Mask these flags, with a rim. */
  maskFlags(flags) {
    for (const { box } of onSide("both", flags, this.frame, this.shown.source)) this.mask.fill(grown(box, this.frame));
    this.layout();
  }

  clearMask() {
    this.mask.clear();
    this.layout();
  }

  resizeBrush(factor) {
    this.brush = Math.min(400, Math.max(4, this.brush * factor));
    this.#drawRing();
  }

  /** Put up the panes of the mode. */
  arrange() {
    clearInterval(this.blinking);
    if (!this.shown) return;
    const { source, output, images } = this.shown;
    for (const image of Object.values(images)) if (image) image.removeAttribute("style");
    const mode = this.canCompare ? this.mode : "side";
    this.root.dataset.mode = mode;
    if (mode === "side") this.panes = this.#sideBySide(source, output, images);
    else this.panes = [this.#together(mode, output, images)];
    this.root.replaceChildren(...this.panes.map((pane) => pane.element), this.ring);
    if (!this.canCompare && this.shown.message) this.root.append(this.shown.message);
    if (mode === "blink") this.#startBlinking();
    this.layout();
  }

  #sideBySide(source, output, images) {
    const panes = [];
    if (source) panes.push(this.#pane("source", source, "Source", [images.source]));
    if (output) panes.push(this.#pane("output", output, "Output", [images.output]));
    return panes;
  }

  #together(mode, output, images) {
    const layers = { wipe: [images.source, images.output], blink: [images.source, images.output] }[mode];
    const words = { wipe: "Source | Output", blink: "Output", ghost: "Output, the unchanged faded", heat: "Changes" };
    if (layers) {
      images.source.style.objectFit = isAlike(this.shown.source, output) ? "fill" : "contain";
      const pane = this.#pane("both", output, words[mode], layers);
      if (mode === "wipe") this.#addGrip(pane);
      return pane;
    }
    const over = document.createElement("canvas");
    const pane = this.#pane("both", output, words[mode], [images.output, over]);
    if (mode === "heat") images.output.style.filter = "grayscale(1) brightness(0.55)";
    this.#paintChanges(over, mode);
    return pane;
  }

  #pane(side, picture, title, layers) {
    const pane = { side, picture };
    pane.layer = make("div", { className: "layer" }, ...layers);
    pane.frames = draw("svg", { class: "frames", "aria-hidden": "true" });
    pane.labels = make("div", { className: "labels", "aria-hidden": "true" });
    pane.tag = make("span", { className: "tag" }, title);
    pane.element = make("div", { className: "pane" }, pane.layer, pane.frames, pane.labels, pane.tag);
    pane.element.dataset.side = side;
    return pane;
  }

  #addGrip(pane) {
    pane.grip = make("div", { className: "grip", role: "slider", tabIndex: 0, "aria-label": "Wipe" });
    pane.grip.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -0.02, ArrowRight: 0.02, ArrowDown: -0.02, ArrowUp: 0.02 }[event.key];
      if (by) this.#wipe(this.split + by);
    });
    pane.element.append(pane.grip);
  }

  #wipe(split) {
    this.split = Math.min(1, Math.max(0, split));
    this.layout();
  }

  #startBlinking() {
    if (!this.isMotionReduced.matches) this.blinking = setInterval(() => this.#flip(), BLINK_MS);
  }

  #flip() {
    const { output } = this.shown.images;
    const isHidden = output.style.visibility !== "hidden";
    output.style.visibility = isHidden ? "hidden" : "visible";
    this.panes[0].tag.textContent = isHidden ? "Source" : "Output";
  }

  /** Both pictures, small, and what differs. */
  async #compare() {
    const { source, output, images } = this.shown;
    const name = `${source.sha256} ${output.sha256}`;
    const known = this.compared.get(name);
    if (known) return known;
    const scale = Math.min(1, WORKING_SIDE / Math.max(output.width, output.height));
    const width = Math.max(1, Math.round(output.width * scale));
    const height = Math.max(1, Math.round(output.height * scale));
    const copies = await Promise.all([readable(source, images.source), readable(output, images.output)]);
    const found = differences(...copies.map((each) => pixels(each, width, height)));
    const compared = { found, width, height, regions: changedRegions(found, width, height) };
    this.compared.set(name, compared);
    return compared;
  }

  async #paintChanges(canvas, mode) {
    const { shown } = this;
    await Promise.all([shown.images.source.decode(), shown.images.output.decode()]).catch(() => {});
    if (shown !== this.shown || !shown.images.output.naturalWidth || !shown.images.source.naturalWidth) return;
    const compared = await this.#compare().catch(() => null);
    if (shown !== this.shown || !compared) return;
    const { found, width, height } = compared;
    const rgba = mode === "heat" ? heat(found) : veil(found, colour(getComputedStyle(this.root).backgroundColor));
    canvas.width = width;
    canvas.height = height;
    canvas.getContext("2d").putImageData(new ImageData(rgba, width, height), 0, 0);
  }

  /** Put everything where the view says. */
  layout() {
    this.#stack();
    for (const pane of this.panes) this.#layoutPane(pane);
    const last = this.panes.at(-1);
    if (last && this.mask.canvas.parentNode !== last.layer) last.layer.append(this.mask.canvas);
    this.mask.canvas.hidden = this.mask.isEmpty && this.tool === "pan";
    this.onChange();
  }

  #stack() {
    const wanted = this.panes.length === 2 && isStacked(this.size, this.shown.output, GAP);
    if (wanted === this.isStacked) return;
    this.isStacked = wanted;
    this.root.classList.toggle("stacked", wanted);
  }

  #layoutPane(pane) {
    const size = this.#paneSize;
    const at = place(this.view, size, pane.picture);
    const { style } = pane.layer;
    style.width = `${Math.round(pane.picture.width * at.scale)}px`;
    style.height = `${Math.round(pane.picture.height * at.scale)}px`;
    style.translate = `${Math.round(at.left)}px ${Math.round(at.top)}px`;
    style.imageRendering = at.scale > 3 ? "pixelated" : "auto";
    const visible = this.areFlagsShown ? this.shown.flags.filter((flag) => !this.hidden.has(flag.kind)) : [];
    const region = this.region && this.#regionOn(pane.picture);
    drawMarks(pane.frames, pane.labels, onSide(pane.side, visible, pane.picture, this.shown.source), {
      ...{ view: this.view, pane: size, picture: pane.picture, chosen: this.chosen, region },
    });
    if (pane.grip) this.#layoutGrip(pane, size);
  }

  #layoutGrip(pane, size) {
    pane.grip.style.left = `${100 * this.split}%`;
    pane.grip.setAttribute("aria-valuenow", String(Math.round(100 * this.split)));
    const cut = wipeCut(this.split, this.view, size, pane.picture);
    this.shown.images.output.style.clipPath = `inset(0 0 0 ${cut}%)`;
  }

  /** Screen pixels per picture pixel, in percent. */
  get percent() {
    const pane = this.panes.at(-1);
    return pane ? Math.round(100 * place(this.view, this.#paneSize, pane.picture).scale * devicePixelRatio) : null;
  }

  #regionOn(picture) {
    return this.region.map((at, index) => at * (index % 2 ? picture.height : picture.width));
  }

  /** The panes share the stage; asking the browser instead would make it lay out the page for each picture. */
  get #paneSize() {
    const count = this.panes.length + (this.canCompare || !this.shown?.message ? 0 : 1);
    const share = (length) => Math.max(1, (length - GAP * (count - 1)) / count);
    const { width, height } = this.size;
    return this.isStacked ? { width, height: share(height) } : { width: share(width), height: Math.max(1, height) };
  }

  #move(view) {
    this.view = view;
    this.layout();
  }

  #onFirst(change) {
    const pane = this.panes.at(-1);
    if (pane) this.#move(change(this.#paneSize, pane.picture));
  }

  #listen() {
    this.root.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.root.addEventListener("pointerdown", (event) => this.#down(event));
    this.root.addEventListener("pointermove", (event) => this.#moveRing(event));
    this.root.addEventListener("pointerleave", () => (this.ring.hidden = true));
    this.root.addEventListener("dblclick", () => (this.view.zoom > 1 ? this.fit() : this.actualSize()));
  }

  #wheel(event) {
    const pane = this.#paneOf(event);
    if (!pane) return;
    event.preventDefault();
    const point = this.#pointIn(pane, event);
    const factor = Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015));
    this.#move(zoomAt(this.view, this.#paneSize, pane.picture, point, factor));
  }

  /** The size of the brush, where it would paint. */
  #moveRing(event) {
    this.ring.hidden = this.tool !== "brush" && this.tool !== "eraser";
    if (this.ring.hidden) return;
    const box = this.root.getBoundingClientRect();
    this.ringAt = [event.clientX - box.left, event.clientY - box.top];
    this.#drawRing();
  }

  #drawRing() {
    if (!this.ringAt) return;
    this.ring.style.width = this.ring.style.height = `${this.brush}px`;
    this.ring.style.translate = `${this.ringAt[0] - this.brush / 2}px ${this.ringAt[1] - this.brush / 2}px`;
  }

  #paneOf(event) {
    const path = event.composedPath();
    return this.panes.find((pane) => path.includes(pane.element)) ?? null;
  }

  #pointIn(pane, event) {
    const box = pane.element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  /** The pixel of the frame under the pointer, whichever pane it is in. */
  #spot(pane, event) {
    const [x, y] = toPicture(this.view, this.#paneSize, pane.picture, this.#pointIn(pane, event));
    return [(x / pane.picture.width) * this.frame.width, (y / pane.picture.height) * this.frame.height];
  }

  #down(event) {
    const pane = this.#paneOf(event);
    if (event.button !== 0 || !pane) return;
    const drag = event.composedPath().includes(pane.grip) ? this.#dragWipe(pane) : this.#dragTool(pane, event);
    this.root.setPointerCapture(event.pointerId);
    const dragging = new AbortController(); // a listener that stays would hold on to the pictures of its edit
    const { signal } = dragging;
    const end = () => {
      dragging.abort();
      if (this.tool !== "pan") this.mask.look(); // erased, or a box without height: there may be nothing
      this.layout();
    };
    this.root.addEventListener("pointermove", drag, { signal });
    for (const name of ["pointerup", "pointercancel"]) this.root.addEventListener(name, end, { signal });
  }

  #dragWipe(pane) {
    return (event) => this.#wipe(this.#pointIn(pane, event)[0] / this.#paneSize.width);
  }

  #dragTool(pane, first) {
    if (this.tool === "pan") return this.#dragView(pane, first);
    return this.tool === "rectangle" ? this.#dragRectangle(pane, first) : this.#dragBrush(pane, first);
  }

  #dragView(pane, first) {
    let [x, y] = [first.clientX, first.clientY];
    return (event) => {
      this.#move(panBy(this.view, this.#paneSize, pane.picture, event.clientX - x, event.clientY - y));
      [x, y] = [event.clientX, event.clientY];
    };
  }

  #dragRectangle(pane, first) {
    const from = this.#spot(pane, first);
    this.mask.keep();
    return (event) => {
      const to = this.#spot(pane, event);
      this.mask.restore();
      this.mask.fill([
        ...[Math.min(from[0], to[0]), Math.min(from[1], to[1])],
        ...[Math.max(from[0], to[0]), Math.max(from[1], to[1])],
      ]);
      this.layout();
    };
  }

  #dragBrush(pane, first) {
    let from = this.#spot(pane, first);
    const paint = (event) => {
      const to = this.#spot(pane, event);
      const { scale } = place(this.view, this.#paneSize, this.frame);
      this.mask.stroke(from, to, this.brush / scale, this.tool === "eraser");
      from = to;
      this.layout();
    };
    paint(first);
    return paint;
  }
}

/** The picture as an element whose pixels may be read: what came from the bucket itself hides them. */
async function readable(picture, shown) {
  if (picture.pixels_url === picture.url) return shown;
  const image = new Image();
  image.src = picture.pixels_url;
  await image.decode();
  return image;
}

function pixels(image, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0, width, height);
  return context.getImageData(0, 0, width, height).data;
}

/** Red, green and blue of a computed colour, "rgb(31, 36, 33)". */
function colour(words) {
  return (words.match(/\d+/g) ?? [128, 128, 128]).slice(0, 3).map(Number);
}
