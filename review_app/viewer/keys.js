/** Which key does what. */

export const MODES = [
  { name: "side", label: "Side", key: "1" },
  { name: "wipe", label: "Wipe", key: "2" },
  { name: "blink", label: "Blink", key: "3" },
  { name: "ghost", label: "Ghost", key: "4" },
  { name: "heat", label: "Heat", key: "5" },
];

export const TOOLS = [
  { name: "pan", label: "Move", key: "V" },
  { name: "rectangle", label: "Box", key: "M" },
  { name: "brush", label: "Brush", key: "B" },
  { name: "eraser", label: "Eraser", key: "D" },
];

/** Decisions and what else needs both pictures to have been seen. */
export const DECISIONS = {
  a: "accept",
  r: "reject",
  e: "reprompt",
  x: "escalate",
  g: "send-again",
};

const PLAIN = {
  u: { name: "undo" },
  s: { name: "skip" },
  arrowright: { name: "go", by: 1 },
  arrowleft: { name: "go", by: -1 },
  arrowdown: { name: "flag", by: 1 },
  arrowup: { name: "flag", by: -1 },
  n: { name: "flag", by: 1 },
  c: { name: "change", by: 1 },
  f: { name: "fit" },
  0: { name: "actual-size" },
  "+": { name: "zoom", by: 1.25 },
  "=": { name: "zoom", by: 1.25 },
  "-": { name: "zoom", by: 0.8 },
  h: { name: "toggle-flags" },
  k: { name: "mask-flag" },
  delete: { name: "clear-mask" },
  backspace: { name: "clear-mask" },
  "[": { name: "brush-size", by: 0.8 },
  "]": { name: "brush-size", by: 1.25 },
  ",": { name: "output", by: -1 },
  ".": { name: "output", by: 1 },
  "?": { name: "help" },
  i: { name: "toggle-side" },
  escape: { name: "close" },
};

const SHIFTED = {
  n: { name: "flag", by: -1 },
  c: { name: "change", by: -1 },
  arrowright: { name: "pan", dx: -80, dy: 0 },
  arrowleft: { name: "pan", dx: 80, dy: 0 },
  arrowdown: { name: "pan", dx: 0, dy: -80 },
  arrowup: { name: "pan", dx: 0, dy: 80 },
};

/** Held down, these go on; all others count once. */
const REPEATABLE = new Set(["go", "flag", "change", "zoom", "pan", "brush-size"]);

/** All keys as the help shows them: [keys, what they do]. */
export const HELP = [
  ["Decide", [
    ["A", "accept"],
    ["R, then 1 to 9", "reject, for a reason"],
    ["R, Shift + 1 to 9", "ask again, for that reason"],
    ["E", "re-prompt: ask for another round"],
    ["X", "escalate to an approver"],
    ["G", "send again what got no answer"],
    ["U", "undo the last decision"],
    ["S", "skip; it comes round again"],
  ]],
  ["Look", [
    ["1 2 3 4 5", "side by side, wipe, blink, ghost, heat map"],
    ["Space", "blink by hand"],
    ["F  0  +  −", "fit, 100 %, zoom in, zoom out"],
    ["Shift + arrows", "move the picture"],
    ["↓ ↑ or N", "next and previous flag"],
    ["C", "next changed region; Shift + C goes back"],
    ["H", "show or hide the flags"],
    [", .", "previous and next output"],
    ["→ ←", "next and previous edit, undecided"],
    ["I", "show or hide the details"],
  ]],
  ["Mark a region for the re-prompt", [
    ["K", "the chosen flag, or all new ones"],
    ["M  B  D  V", "rectangle, brush, eraser, move"],
    ["[ ]", "smaller and larger brush"],
    ["Delete", "clear the mask"],
  ]],
];

/**
 * What a key press asks for; null if it is not for us.
 * @param {{key: string, code?: string, shiftKey?: boolean, ctrlKey?: boolean, metaKey?: boolean, altKey?: boolean,
 *   repeat?: boolean, isComposing?: boolean}} event
 * @param {{panel: string | null, isTyping: boolean, control: string | null}} where The open panel; whether letters go
 *   into a field; what the focus is on: "button", "slider" or null.
 */
export function actionFor(event, where) {
  const key = plainKey(event);
  const isSending = key === "enter" && (event.ctrlKey || event.metaKey) && where.panel === "reprompt";
  if (isSending) return { name: event.repeat ? "nothing" : "ask" };
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return null;
  if (where.isTyping) return where.panel && key === "escape" ? { name: "close" } : null;
  if (where.control === "slider" && key.startsWith("arrow")) return null;
  if (where.control === "button" && (key === "enter" || key === " ")) return event.repeat ? { name: "nothing" } : null;
  if (key === "tab" || key === "shift") return null;
  const action = where.panel ? panelAction(key, where.panel, event) : screenAction(key, event.shiftKey === true);
  if (action && event.repeat && !REPEATABLE.has(action.name)) return { name: "nothing" };
  return action;
}

function panelAction(key, panel, event) {
  if (key === "escape" || (panel === "help" && key === "?")) return { name: "close" };
  if (panel === "reject") return reasonAction(key, event);
  // Below a panel no key decides, and none reaches Streamlit, which would run again on R.
  return /^[a-z0-9?]$/.test(key) ? { name: "nothing" } : null;
}

function reasonAction(key, event) {
  const digit = event.shiftKey && /^Digit([1-9])$/.exec(event.code ?? ""); // with Shift, the key is another character
  if (digit) return { name: "reason-ask", index: Number(digit[1]) - 1 };
  if (key === "e") return { name: "reason-ask" };
  if (/^[1-9]$/.test(key)) return { name: "reason", index: Number(key) - 1 };
  if (key === "arrowdown") return { name: "reason-move", by: 1 };
  if (key === "arrowup") return { name: "reason-move", by: -1 };
  if (key === "enter") return { name: "reason-chosen" };
  if (key === "n") return { name: "reason-note" };
  return key.length === 1 ? { name: "nothing" } : null;
}

function screenAction(key, isShifted) {
  if (isShifted && SHIFTED[key]) return SHIFTED[key];
  if (DECISIONS[key]) return isShifted ? { name: "nothing" } : { name: "decide", decision: DECISIONS[key] };
  const mode = MODES.find((each) => each.key === key);
  if (mode) return { name: "mode", mode: mode.name };
  const tool = TOOLS.find((each) => each.key.toLowerCase() === key);
  if (tool) return { name: "tool", tool: tool.name };
  if (key === " ") return { name: "flip" };
  return PLAIN[key] ?? null;
}

/** The key in small letters; on a keyboard without Latin letters, the letter that stands at that place elsewhere. */
export function plainKey(event) {
  const key = event.key.toLowerCase();
  const isForeign = key.length === 1 && key.charCodeAt(0) > 127;
  return isForeign && /^Key[A-Z]$/.test(event.code ?? "") ? event.code.slice(3).toLowerCase() : key;
}
