import assert from "node:assert/strict";
import test from "node:test";

import { HELP, MODES, TOOLS, actionFor } from "../../review_app/viewer/keys.js";

const SCREEN = { panel: null, isTyping: false, control: null };
const press = (key, where = {}, more = {}) => actionFor({ key, ...more }, { ...SCREEN, ...where });

test("one key per decision", () => {
  assert.deepEqual(press("a"), { name: "decide", decision: "accept" });
  assert.deepEqual(press("r"), { name: "decide", decision: "reject" });
  assert.deepEqual(press("e"), { name: "decide", decision: "reprompt" });
  assert.deepEqual(press("x"), { name: "decide", decision: "escalate" });
  assert.deepEqual(press("u"), { name: "undo" });
  assert.deepEqual(press("s"), { name: "skip" });
});

test("Caps Lock decides as well, Shift does not", () => {
  assert.equal(press("A").name, "decide");
  assert.equal(press("A", {}, { shiftKey: true }).name, "nothing");
});

test("a key that is held down decides once", () => {
  for (const key of ["a", "r", "e", "x", "g", "u", "s"]) assert.equal(press(key, {}, { repeat: true }).name, "nothing");
  assert.equal(press("arrowdown", {}, { repeat: true }).name, "flag");
});

test("the browser's own shortcuts stay the browser's", () => {
  for (const held of ["ctrlKey", "metaKey", "altKey"]) assert.equal(press("r", {}, { [held]: true }), null);
  assert.equal(press("Tab"), null);
  assert.equal(press("F5"), null);
});

test("Streamlit's R and C are ours, everywhere but in a field", () => {
  for (const panel of [null, "reject", "reprompt", "help"]) {
    for (const key of ["r", "c"]) assert.notEqual(press(key, { panel }), null);
  }
});

test("typing never triggers a key; Escape closes the panel", () => {
  const typing = { panel: "reprompt", isTyping: true };
  for (const key of "abcdefghijklmnopqrstuvwxyz0123456789?,. ") assert.equal(press(key, typing), null);
  assert.equal(press("Enter", typing), null);
  assert.deepEqual(press("Enter", typing, { ctrlKey: true }), { name: "ask" });
  assert.equal(press("Enter", typing, { ctrlKey: true, repeat: true }).name, "nothing");
  assert.equal(press("Enter", { isTyping: true }, { ctrlKey: true }), null);
  assert.deepEqual(press("Escape", typing), { name: "close" });
  assert.equal(press("Escape", { isTyping: true }), null);
});

test("in the reject panel numbers choose the reason, and nothing else decides", () => {
  const open = { panel: "reject" };
  assert.deepEqual(press("1", open), { name: "reason", index: 0 });
  assert.deepEqual(press("9", open), { name: "reason", index: 8 });
  assert.deepEqual(press("ArrowDown", open), { name: "reason-move", by: 1 });
  assert.deepEqual(press("Enter", open), { name: "reason-chosen" });
  assert.deepEqual(press("!", open, { code: "Digit1", shiftKey: true }), { name: "reason-ask", index: 0 });
  assert.deepEqual(press("e", open), { name: "reason-ask" });
  assert.equal(press("e", open, { repeat: true }).name, "nothing");
  assert.equal(press("a", open).name, "nothing");
  assert.equal(press("0", open).name, "nothing");
  assert.deepEqual(press("Escape", open), { name: "close" });
});

test("a button in focus keeps Enter and Space, but does not repeat", () => {
  assert.equal(press("Enter", { control: "button" }), null);
  assert.equal(press(" ", { control: "button" }), null);
  assert.equal(press("Enter", { control: "button" }, { repeat: true }).name, "nothing");
  assert.equal(press("a", { control: "button" }).name, "decide");
  assert.equal(press("ArrowLeft", { control: "slider" }), null);
});

test("numbers choose the view, letters the tool", () => {
  assert.deepEqual(MODES.map((mode) => press(mode.key).mode), ["side", "wipe", "blink", "ghost", "heat"]);
  assert.deepEqual(TOOLS.map((tool) => press(tool.key).tool), ["pan", "rectangle", "brush", "eraser"]);
});

test("Shift turns round, or moves the picture", () => {
  assert.equal(press("n").by, 1);
  assert.equal(press("N", {}, { shiftKey: true }).by, -1);
  assert.equal(press("C", {}, { shiftKey: true }).by, -1);
  assert.equal(press("ArrowUp", {}, { shiftKey: true }).name, "pan");
  assert.equal(press("ArrowUp").name, "flag");
});

test("on a Cyrillic keyboard the places of the keys count", () => {
  assert.equal(press("ф", {}, { code: "KeyA" }).decision, "accept");
});

test("no key has two meanings, and the help knows them all", () => {
  const help = HELP.flatMap(([, rows]) => rows.map(([keys]) => keys)).join(" ");
  for (const key of "AREXGUSFHICNKMBDV".split("")) assert.match(help, new RegExp(`\\b${key}\\b`));
  const meanings = [..."arexgusfhicnkmbdv12345"].map((key) => JSON.stringify(press(key)));
  assert.equal(new Set(meanings).size, meanings.length);
});
