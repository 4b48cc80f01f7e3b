/** The grid of pictures: which are loaded, which are in view, and what the pointer selects. */

import { make } from "./dom.js";
import { Cell } from "./sheet_cell.js";
import { GAP, indicesIn, layoutOf, previewSide } from "./sheet_layout.js";

const NEAR = "500px 0px"; // so far ahead of the view, pictures are loaded
const HALF = 0.5;
const DRAG_PX = 6;
const EDGE_PX = 40;
const SCROLL_PX = 14;

export class Grid {
  /**
   * @param {HTMLElement} scroller
   * @param {HTMLElement} root
   * @param {{decoded: (item: object, isDecoded: boolean) => void, inView: (item: object, isInView: boolean) => void,
   *   click: (id: number, event: MouseEvent) => void, open: (id: number) => void,
   *   drag: (ids: number[], event: PointerEvent, isFirst: boolean) => void,
   *   freshEdit: (id: number) => Promise<object>}} calls
   */
  constructor(scroller, root, calls) {
    Object.assign(this, { scroller, root, calls });
    this.cells = new Map();
    this.order = [];
    this.size = 0;
    this.view = "output";
    this.near = new Set();
    this.marquee = make("div", { className: "marquee", hidden: true });
    this.nearing = new IntersectionObserver((entries) => this.#neared(entries), { root: scroller, rootMargin: NEAR });
    this.viewing = new IntersectionObserver((entries) => this.#viewed(entries), { root: scroller, threshold: HALF });
    this.sizing = new ResizeObserver(() => this.#layout());
    this.sizing.observe(scroller);
    this.#listen();
  }

  destroy() {
    for (const observer of [this.nearing, this.viewing, this.sizing]) observer.disconnect();
    clearInterval(this.scrolling);
  }

  /** Show these items, in this order. */
  show(items) {
    const ids = new Set(items.map((item) => item.edit.id));
    for (const [id, cell] of this.cells) if (!ids.has(id)) this.#drop(id, cell);
    this.order = items.map((item) => item.edit.id);
    for (const item of items) {
      const known = this.cells.get(item.edit.id);
      if (known) known.setItem(item);
      else this.#add(item);
    }
    this.root.replaceChildren(...this.order.map((id) => this.cells.get(id).element), this.marquee);
    this.#loadNear();
  }

  /** These have changed. */
  refresh(items) {
    for (const item of items) this.cells.get(item.edit.id)?.setItem(item);
    this.#loadNear();
  }

  /** @param {(item: object) => {isSelected: boolean, isSeen: boolean}} factsOf */
  update(factsOf, ids = this.order) {
    for (const id of ids) {
      const cell = this.cells.get(id);
      cell?.update(factsOf(cell.item));
    }
  }

  /** @param {{size: number, view: "output" | "source" | "both"}} how */
  arrange({ size, view }) {
    const top = this.scroller.scrollTop / Math.max(1, this.root.scrollHeight);
    Object.assign(this, { size, view });
    this.#layout();
    this.scroller.scrollTop = top * this.root.scrollHeight;
    this.#loadNear();
  }

  /** Where the cursor is. */
  point(id) {
    this.root.querySelector(".cell.at")?.classList.remove("at");
    const element = this.cells.get(id)?.element;
    element?.classList.add("at");
    if (element) this.root.setAttribute("aria-activedescendant", element.id);
    else this.root.removeAttribute("aria-activedescendant");
  }

  reveal(id) {
    this.cells.get(id)?.element.scrollIntoView({ block: "nearest" });
  }

  get columns() {
    return this.layout?.columns ?? 1;
  }

  /** Whole rows in sight. */
  get rows() {
    return Math.max(1, Math.floor(this.scroller.clientHeight / ((this.layout?.height ?? 1) + GAP)));
  }

  #add(item) {
    const cell = new Cell(item, {
      isDecoded: (of, isDecoded) => this.calls.decoded(of.item, isDecoded),
      freshEdit: this.calls.freshEdit,
    });
    this.cells.set(item.edit.id, cell);
    this.nearing.observe(cell.element);
    this.viewing.observe(cell.element);
  }

  #drop(id, cell) {
    this.nearing.unobserve(cell.element);
    this.viewing.unobserve(cell.element);
    this.calls.inView(cell.item, false);
    this.near.delete(cell);
    this.cells.delete(id);
  }

  #layout() {
    const width = this.scroller.clientWidth;
    if (!width || !this.size) return;
    this.layout = layoutOf(width - 4, this.size, this.view === "both");
    this.root.style.setProperty("--columns", this.layout.columns);
    this.root.style.setProperty("--cell-height", `${this.layout.height}px`);
    this.root.classList.toggle("tiny", this.size < 150);
    this.root.dataset.view = this.view;
  }

  #neared(entries) {
    for (const { target, isIntersecting } of entries) {
      const cell = this.cells.get(Number(target.dataset.id));
      if (cell && isIntersecting) this.near.add(cell);
      else if (cell) this.near.delete(cell);
    }
    this.#loadNear();
  }

  #loadNear() {
    const sides = this.view === "both" ? ["source", "output"] : [this.view];
    const side = previewSide(this.size, devicePixelRatio);
    for (const cell of this.near) cell.load(sides, side);
  }

  #viewed(entries) {
    for (const { target, intersectionRatio } of entries) {
      const cell = this.cells.get(Number(target.dataset.id));
      if (cell) this.calls.inView(cell.item, intersectionRatio >= HALF);
    }
  }

  #listen() {
    this.root.addEventListener("click", (event) => {
      const id = idAt(event);
      if (id !== null && !this.wasDragged) this.calls.click(id, event);
    });
    this.root.addEventListener("dblclick", (event) => {
      const id = idAt(event);
      if (id !== null) this.calls.open(id);
    });
    this.scroller.addEventListener("pointerdown", (event) => this.#down(event));
    this.scroller.addEventListener("pointermove", (event) => this.#drag(event));
    for (const name of ["pointerup", "pointercancel"]) this.scroller.addEventListener(name, () => this.#up());
  }

  #down(event) {
    this.wasDragged = false;
    const isOnScrollbar = event.offsetX > this.scroller.clientWidth && event.target === this.scroller;
    if (event.button !== 0 || event.pointerType === "touch" || isOnScrollbar) return;
    this.start = this.#placeOf(event);
  }

  #drag(event) {
    if (!this.start) return;
    const [x, y] = this.#placeOf(event);
    if (!this.wasDragged && Math.hypot(x - this.start[0], y - this.start[1]) < DRAG_PX) return;
    const isFirst = !this.wasDragged;
    this.wasDragged = true;
    if (isFirst) this.scroller.setPointerCapture(event.pointerId);
    this.#scrollAtEdge(event);
    const rectangle = [Math.min(x, this.start[0]), Math.min(y, this.start[1]), Math.max(x, this.start[0]), Math.max(y, this.start[1])];
    this.#drawMarquee(rectangle);
    this.calls.drag(indicesIn(this.layout, rectangle, this.order.length).map((index) => this.order[index]), event, isFirst);
  }

  /** A rectangle that is drawn to the edge scrolls on, also while the pointer rests. */
  #scrollAtEdge(event) {
    clearInterval(this.scrolling);
    const { top, bottom } = this.scroller.getBoundingClientRect();
    const by = event.clientY > bottom - EDGE_PX ? SCROLL_PX : event.clientY < top + EDGE_PX ? -SCROLL_PX : 0;
    if (by) this.scrolling = setInterval(() => {
      const before = this.scroller.scrollTop;
      this.scroller.scrollTop += by;
      if (this.scroller.scrollTop !== before) this.#drag(event);
    }, 16);
  }

  #up() {
    clearInterval(this.scrolling);
    this.start = null;
    this.marquee.hidden = true;
  }

  #placeOf(event) {
    const { left, top } = this.root.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  #drawMarquee([left, top, right, bottom]) {
    this.marquee.hidden = false;
    this.marquee.style.translate = `${left}px ${top}px`;
    this.marquee.style.width = `${right - left}px`;
    this.marquee.style.height = `${bottom - top}px`;
  }
}

function idAt(event) {
  const cell = event.target.closest(".cell");
  return cell ? Number(cell.dataset.id) : null;
}
