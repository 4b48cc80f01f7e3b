/** The two rows of buttons: what one sees, and what one decides. Each is made once and then kept up to date. */

import { button, make, setPressed } from "./dom.js";
import { MODES, TOOLS } from "./keys.js";
import { KINDS } from "./marks.js";

const DECIDE = [
  { name: "accept", may: "accept", label: "Accept", key: "A" },
  { name: "send-again", may: "send_again", label: "Send again", key: "G" },
  { name: "reject", may: "reject", label: "Reject", key: "R" },
  { name: "reprompt", may: "reprompt", label: "Re-prompt", key: "E" },
  { name: "escalate", may: "escalate", label: "Escalate", key: "X" },
];

export class ViewBar {
  /** @param {(action: object) => void} act Takes what a key would ask for. */
  constructor(root, act) {
    const of = (entries, make_) => Object.fromEntries(entries.map((each) => [each.name, make_(each)]));
    this.modes = of(MODES, (mode) => button(mode.label, mode.key, () => act({ name: "mode", mode: mode.name })));
    this.tools = of(TOOLS, (tool) => button(tool.label, tool.key, () => act({ name: "tool", tool: tool.name })));
    this.clear = button("Clear", "", () => act({ name: "clear-mask" }));
    this.zoom = make("span", { className: "zoom" });
    this.kinds = Object.fromEntries(
      KINDS.map((kind) => [kind, make("button", { type: "button", className: `kind ${kind}`, onclick: () => act({ name: "toggle-kind", kind }) })]),
    );
    root.replaceChildren(
      group("Compare", ...Object.values(this.modes)),
      group(
        "Zoom",
        button("Fit", "F", () => act({ name: "fit" })),
        button("100 %", "0", () => act({ name: "actual-size" })),
        this.zoom,
      ),
      group("Mark a region", ...Object.values(this.tools), this.clear),
      make("span", { className: "space" }),
      make("div", { className: "kinds", role: "group", "aria-label": "Flags" }, ...Object.values(this.kinds)),
    );
  }

  update(stage, flags) {
    for (const [name, each] of Object.entries(this.modes)) {
      setPressed(each, stage.mode === name);
      each.disabled = !stage.canCompare && name !== "side";
    }
    for (const [name, each] of Object.entries(this.tools)) setPressed(each, stage.tool === name);
    this.clear.hidden = stage.mask.isEmpty;
    this.zoom.textContent = stage.percent === null ? "" : `${stage.percent} %`;
    for (const [kind, each] of Object.entries(this.kinds)) {
      const count = flags.filter((flag) => flag.kind === kind).length;
      each.hidden = count === 0;
      each.title = `${kind}: ${count}`;
      each.replaceChildren(make("span", {}, kind), String(count));
      setPressed(each, stage.areFlagsShown && !stage.hidden.has(kind));
    }
  }
}

export class DecisionBar {
  /** @param {(action: object) => void} act */
  constructor(root, act) {
    this.root = root;
    this.buttons = DECIDE.map(({ name, may, label, key }) => {
      const made = button(label, key, () => act({ name: "decide", decision: name }), { className: name });
      return { made, may };
    });
    this.skip = button("Skip", "S", () => act({ name: "skip" }));
    this.undo = button("Undo", "U", () => act({ name: "undo" }));
    root.replaceChildren(...this.buttons.map((each) => each.made), make("span", { className: "space" }), this.skip, this.undo);
  }

  update(edit) {
    for (const { made, may } of this.buttons) {
      const isAllowed = Boolean(edit?.may?.[may]);
      made.disabled = !isAllowed;
      if (may === "send_again") made.hidden = !isAllowed;
      if (may === "accept") made.hidden = Boolean(edit?.may?.send_again);
    }
    this.skip.disabled = !edit;
  }

  setArmed(isArmed) {
    this.root.dataset.armed = String(isArmed);
  }
}

function group(label, ...children) {
  return make("div", { className: "group", role: "group", "aria-label": label }, ...children);
}
