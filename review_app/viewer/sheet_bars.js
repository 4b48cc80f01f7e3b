/** The rows of buttons over and below the sheet. */

import { button, make, setPressed } from "./dom.js";
import { SORTS } from "./sheet_items.js";
import { SIZES } from "./sheet_layout.js";

const VIEWS = [
  { name: "output", label: "Output", key: "1" },
  { name: "source", label: "Source", key: "2" },
  { name: "both", label: "Both", key: "3" },
];

export class SheetTools {
  /**
   * @param {HTMLElement} root
   * @param {(action: object) => void} act Takes what a key would ask for.
   */
  constructor(root, act) {
    this.views = VIEWS.map(({ name, label, key }) => [name, button(label, key, () => act({ name: "view", view: name }))]);
    this.size = make("input", { type: "range", min: SIZES.least, max: SIZES.most, step: SIZES.step, "aria-label": "Size of the pictures" });
    this.size.addEventListener("input", () => act({ name: "size", to: Number(this.size.value) }));
    this.sort = make("select", { "aria-label": "Order" }, ...SORTS.map(({ name, label }) => make("option", { value: name }, label)));
    this.sort.addEventListener("change", () => act({ name: "sort", sort: this.sort.value }));
    this.selected = make("span", { className: "selected", role: "status" });
    root.replaceChildren(
      make("div", { className: "group", role: "group", "aria-label": "Show" }, ...this.views.map((each) => each[1])),
      make("label", { className: "size", title: "Size: + and −" }, make("span", { "aria-hidden": "true" }, "▫"), this.size, make("span", { "aria-hidden": "true" }, "◻")),
      make("label", { className: "sort" }, make("span", {}, "Order"), this.sort),
      make("span", { className: "space" }),
      this.selected,
      make("div", { className: "group", role: "group", "aria-label": "Select" },
        button("All", "Ctrl A", () => act({ name: "all" }), { title: "Select all" }),
        button("Unflagged", "", () => act({ name: "unflagged" }), { title: "Select what has no flag, or only flags of what was there before" }),
        button("None", "Esc", () => act({ name: "clear" }), { title: "Select nothing" })),
    );
  }

  update({ view, size, sort }, selected, count) {
    for (const [name, each] of this.views) setPressed(each, name === view);
    if (Number(this.size.value) !== size) this.size.value = size;
    this.sort.value = sort;
    const text = count ? `${selected} of ${count} selected` : "";
    if (this.selected.textContent !== text) this.selected.textContent = text;
  }
}

export class SheetDecisions {
  /** @param {(action: object) => void} act */
  constructor(root, act) {
    this.accept = button("Accept", "A", () => act({ name: "accept" }), { className: "accept" });
    this.reject = button("Reject", "R", () => act({ name: "reject" }), { className: "reject" });
    this.look = button("Look closely", "Enter", () => act({ name: "look" }));
    this.undo = button("Undo", "U", () => act({ name: "undo" }));
    this.back = button("Give back", "S", () => act({ name: "give-back" }), { title: "Leave the undecided to others" });
    this.next = button("Load next", "L", () => act({ name: "load-next" }));
    root.replaceChildren(this.accept, this.reject, this.look, make("span", { className: "space" }), this.undo, this.back, this.next);
  }

  /**
   * @param {{selected: number, accept: number, reject: number, count: number, open: number, most: number,
   *   canUndo: boolean}} now How many are selected, and how many of them can be accepted and rejected as they are.
   */
  update({ selected, accept, reject, count, open, most, canUndo }) {
    for (const [each, label, taken] of [[this.accept, "Accept", accept], [this.reject, "Reject", reject]]) {
      each.disabled = !selected;
      each.firstChild.textContent = [label, selected ? taken : "", selected > taken ? `of ${selected}` : ""].filter((word) => word !== "").join(" ");
    }
    this.look.disabled = !count;
    this.undo.disabled = !canUndo;
    this.back.disabled = !open;
    this.next.firstChild.textContent = `Load next ${most}`;
    this.next.classList.toggle("primary", !open);
  }
}
