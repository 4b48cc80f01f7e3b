/** Which key does what on the contact sheet, and in the close look over it. */

import { plainKey } from "./keys.js";

const MOVES = new Set(["arrowright", "arrowleft", "arrowdown", "arrowup", "home", "end", "pageup", "pagedown"]);

const SHEET = {
  a: { name: "accept" },
  r: { name: "reject" },
  u: { name: "undo" },
  s: { name: "give-back" },
  l: { name: "load-next" },
  c: { name: "hold-source" },
  " ": { name: "toggle" },
  enter: { name: "look" },
  escape: { name: "clear" },
  1: { name: "view", view: "output" },
  2: { name: "view", view: "source" },
  3: { name: "view", view: "both" },
  "+": { name: "size", by: 1 },
  "=": { name: "size", by: 1 },
  "-": { name: "size", by: -1 },
  "?": { name: "help" },
};

const LOOK = {
  a: { name: "accept" },
  r: { name: "reject" },
  u: { name: "undo" },
  escape: { name: "close" },
  enter: { name: "close" },
  arrowright: { name: "look-on", by: 1 },
  arrowleft: { name: "look-on", by: -1 },
  ",": { name: "output", by: -1 },
  ".": { name: "output", by: 1 },
  1: { name: "mode", mode: "side" },
  2: { name: "mode", mode: "wipe" },
  3: { name: "mode", mode: "blink" },
  4: { name: "mode", mode: "ghost" },
  5: { name: "mode", mode: "heat" },
  f: { name: "fit" },
  0: { name: "actual-size" },
  "+": { name: "zoom", by: 1.25 },
  "=": { name: "zoom", by: 1.25 },
  "-": { name: "zoom", by: 0.8 },
  h: { name: "toggle-flags" },
  "?": { name: "help" },
};

/** Held down, these go on; all others count once. */
const REPEATABLE = new Set(["move", "size", "look-on", "zoom"]);

/** All keys as the help shows them: [keys, what they do]. */
export const HELP = [
  ["Select", [
    ["Click", "this one"],
    ["Shift + click", "up to here"],
    ["Ctrl + click", "this one, too, or not"],
    ["Drag", "all in the rectangle"],
    ["Ctrl + A", "all that is undecided"],
    ["Arrows, Home, End", "go to another"],
    ["Space", "select it, or not"],
    ["Shift + arrows", "select up to there"],
    ["Esc", "select nothing"],
  ]],
  ["Decide", [
    ["A", "accept what is selected and was seen"],
    ["R, then 1 to 9", "reject it, for a reason"],
    ["U", "take the last decision back, as a whole"],
    ["L", "load the next; the undecided go back"],
    ["S", "give the undecided back to the queue"],
  ]],
  ["Look", [
    ["Enter, double click", "look at one closely"],
    ["1 2 3", "output, source, both"],
    ["C, held down", "the sources"],
    ["+ −", "larger and smaller"],
  ]],
  ["In the close look", [
    ["→ ←", "the next and the previous one"],
    ["A, R", "accept or reject this one, flags or not"],
    ["1 2 3 4 5", "side by side, wipe, blink, ghost, heat map"],
    ["F  0  +  −", "fit, 100 %, zoom in, zoom out"],
    [", .", "previous and next output"],
    ["H", "show or hide the flags"],
    ["Esc", "back to the sheet"],
  ]],
];

/**
 * What a key press asks for; null if it is not for us.
 * @param {{key: string, code?: string, shiftKey?: boolean, ctrlKey?: boolean, metaKey?: boolean, altKey?: boolean,
 *   repeat?: boolean, isComposing?: boolean}} event
 * @param {{panel: "reject" | "help" | null, isLooking: boolean, isTyping: boolean, control: string | null}} where
 *   The open panel; whether letters go into a field; what the focus is on: "button", "slider" or null.
 */
export function actionFor(event, where) {
  if (event.altKey || event.isComposing) return null;
  const key = plainKey(event);
  if (event.ctrlKey || event.metaKey) {
    const isAll = key === "a" && !event.shiftKey && !where.isTyping && !where.panel && !where.isLooking;
    return isAll ? { name: "all" } : null;
  }
  if (where.isTyping) return where.panel && key === "escape" ? { name: "close" } : null;
  if (where.control === "slider" && MOVES.has(key)) return null;
  if (where.control === "button" && (key === "enter" || key === " ")) return event.repeat ? { name: "nothing" } : null;
  const action = where.panel ? panelAction(key, where.panel) : openAction(key, event, where);
  return action && event.repeat && !REPEATABLE.has(action.name) ? { name: "nothing" } : action;
}

function openAction(key, event, { isLooking }) {
  if (isLooking) return LOOK[key] ?? (/^[a-z0-9]$/.test(key) ? { name: "nothing" } : null);
  if (MOVES.has(key)) return { name: "move", key, extends: event.shiftKey === true };
  return SHEET[key] ?? null;
}

function panelAction(key, panel) {
  if (key === "escape" || (panel === "help" && key === "?")) return { name: "close" };
  if (panel === "help") return key === "tab" || key === "shift" ? null : { name: "nothing" };
  if (/^[1-9]$/.test(key)) return { name: "reason", index: Number(key) - 1 };
  if (key === "arrowdown") return { name: "reason-move", by: 1 };
  if (key === "arrowup") return { name: "reason-move", by: -1 };
  if (key === "enter") return { name: "reason-chosen" };
  if (key === "n") return { name: "reason-note" };
  return key.length === 1 ? { name: "nothing" } : null;
}
