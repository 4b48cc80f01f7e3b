import assert from "node:assert/strict";
import test from "node:test";

import { alike, divide, inWords, itemOf, sorted, statusOf } from "../../review_app/viewer/sheet_items.js";
import { actionFor } from "../../review_app/viewer/sheet_keys.js";
import { indicesIn, layoutOf, previewSide, step } from "../../review_app/viewer/sheet_layout.js";
import { Selection } from "../../review_app/viewer/sheet_selection.js";
import { Sights } from "../../review_app/viewer/sheet_sights.js";

const MAY = { accept: true, reject: true };
const flag = (change, level, kind = "text") => ({ kind, change, level, line: `${kind} ${change}` });
const item = (id, { flags = [], outputs = 1, ...more } = {}) =>
  itemOf({
    token: `t${id}`,
    edit: { id, title: `hat-${id}`, prompt: "red", state: "in_review", may: MAY, outputs: Array.from({ length: outputs }, (_, n) => ({ id: 10 * id + n, flags })), ...more },
  });
const settle = () => new Promise((resolve) => setImmediate(resolve));

test("accept takes what was seen and has nothing sure against it, and says what it leaves out", () => {
  const items = [
    item(1),
    item(2, { flags: [flag("introduced", "flag")] }),
    item(3, { flags: [flag("kept", "sure")] }),
    item(4, { flags: [flag("introduced", "sure")] }),
    item(5, { flags: [flag("lost", "sure")] }),
    item(6, { outputs: 2 }),
    item(7),
    item(8, { may: { accept: false, reject: true } }),
    { ...item(9), at: "done" },
  ];
  const { taken, left } = divide(items, "accept", (each) => each.edit.id !== 7);
  assert.deepEqual(taken.map((each) => each.edit.id), [1, 2, 3]);
  assert.deepEqual(Object.fromEntries(left), { sure: 2, several: 1, unseen: 1, "not-allowed": 1, decided: 1 });
  assert.match(inWords(left, "accept"), /^1 not seen yet.*; 2 with a sure flag.*; 1 with several outputs.*; 1 that you cannot accept; 1 decided already$/);
});

test("reject takes flagged ones and those with several outputs, but nothing unseen", () => {
  const items = [item(1, { flags: [flag("introduced", "sure")] }), item(2, { outputs: 3 }), item(3)];
  const { taken, left } = divide(items, "reject", (each) => each.edit.id !== 3);
  assert.deepEqual(taken.map((each) => each.edit.id), [1, 2]);
  assert.deepEqual([...left], [["unseen", 1]]);
});

test("each state has words and a sign of its own", () => {
  const done = (decision, more) => statusOf({ ...item(1), at: "done", decision, ...more }, true);
  assert.deepEqual(statusOf(item(1), false), { name: "waiting", sign: "○", words: "not seen yet" });
  assert.equal(statusOf(item(1), true).words, "red");
  assert.equal(done("accept", { state: "approved" }).words, "accepted");
  assert.equal(done("accept", { state: "in_review" }).words, "you accepted; others decide, too");
  assert.deepEqual(done("reject", { state: "rejected", reason: "wrong_edit" }), { name: "reject", sign: "✕", words: "rejected: wrong edit" });
  assert.equal(statusOf(item(1, { outputs: 0, state: "refused" }), true).words, "refused by the provider");
  assert.equal(statusOf({ ...item(1), trouble: "not kept: it moved on" }, true).words, "not kept: it moved on");
});

test("flags that are alike are one mark, the worst first", () => {
  const flags = [flag("kept", "sure"), flag("introduced", "flag"), flag("introduced", "sure"), flag("introduced", "sure")];
  assert.deepEqual(alike(flags).map(({ change, level, count }) => `${change} ${level} ${count}`), ["introduced sure 2", "introduced flag 1", "kept sure 1"]);
});

test("another order leaves alike ones as they were", () => {
  const items = [item(1), item(2, { flags: [flag("kept", "flag")] }), item(3, { flags: [flag("lost", "sure")] }), item(10), item(9)];
  const ids = (sort) => sorted(items, sort).map((each) => each.edit.id);
  assert.deepEqual(ids("queue"), [1, 2, 3, 10, 9]);
  assert.deepEqual(ids("flags"), [3, 2, 1, 10, 9]);
  assert.deepEqual(ids("clean"), [1, 10, 9, 2, 3]);
  assert.deepEqual(ids("name"), [1, 2, 3, 9, 10]);
});

test("a selection grows from where it began, as in a file manager", () => {
  const selection = new Selection();
  const chosen = () => [...selection.chosen].sort((one, other) => one - other);
  selection.order([1, 2, 3, 4, 5, 6]);
  selection.only(2);
  selection.extend(4);
  assert.deepEqual(chosen(), [2, 3, 4]);
  selection.extend(1);
  assert.deepEqual(chosen(), [1, 2], "from the same beginning the other way");
  selection.toggle(6);
  selection.extend(5, { adds: true });
  assert.deepEqual(chosen(), [1, 2, 5, 6]);
  selection.toggle(1);
  assert.deepEqual(chosen(), [2, 5, 6]);
  selection.order([6, 5, 3]);
  assert.deepEqual([chosen(), selection.at], [[5, 6], 6], "what is gone is not selected, and the cursor is on what is there");
  selection.all();
  selection.drop([5]);
  assert.deepEqual(chosen(), [3, 6]);
  selection.clear();
  assert.deepEqual(chosen(), []);
});

test("a rectangle touches the cells that lie under it", () => {
  const layout = layoutOf(430, 88, false); // four columns of 100 with gaps of 10, rows of 144
  assert.deepEqual(layout, { columns: 4, width: 100, height: 144 });
  assert.deepEqual(indicesIn(layout, [105, 10, 225, 20], 10), [1, 2]);
  assert.deepEqual(indicesIn(layout, [0, 100, 5, 400], 10), [0, 4, 8]);
  assert.deepEqual(indicesIn(layout, [0, 300, 430, 500], 10), [8, 9], "no more than there are");
  assert.deepEqual(indicesIn(layout, [101, 0, 109, 500], 10), [], "between two columns");
  assert.equal(layoutOf(430, 88, true).columns, 2);
  assert.equal(layoutOf(50, 400, true).columns, 1);
});

test("arrows stay on the sheet", () => {
  const at = { columns: 4, rows: 2, count: 10 };
  const from = (index, ...keys) => keys.reduce((now, key) => step(key, now, at), index);
  assert.equal(from(0, "arrowdown", "arrowright"), 5);
  assert.equal(from(6, "arrowdown"), 9, "there is a row below, but not so long");
  assert.equal(from(9, "arrowdown"), 9);
  assert.equal(from(1, "arrowup"), 1);
  assert.deepEqual([from(5, "home"), from(5, "end"), from(1, "pagedown"), from(9, "pageup"), from(5, "pageup")], [0, 9, 9, 1, 1]);
});

test("small pictures need no large preview", () => {
  assert.deepEqual([previewSide(160, 1), previewSide(168, 1), previewSide(96, 2)], [160, 640, 640]);
});

test("something is seen when it is decoded, in view, and painted since; and for as long as it is there", async () => {
  let now = 0;
  const frames = [];
  const seen = [];
  const sights = new Sights({ painted: () => new Promise((resolve) => frames.push(resolve)), now: () => now, onSeen: (sight) => seen.push(sight) });
  const paint = async () => {
    for (const frame of frames.splice(0)) frame();
    await settle();
  };
  sights.setInView("a", true);
  await paint();
  assert.equal(sights.has("a"), false, "not decoded");
  sights.setDecoded("a", true);
  sights.setInView("a", false);
  await paint();
  assert.equal(sights.has("a"), false, "scrolled away before it was painted");
  sights.setHidden(true);
  sights.setInView("a", true);
  await paint();
  assert.equal(sights.has("a"), false, "behind another tab");
  sights.setHidden(false);
  assert.equal(sights.has("a"), false);
  await paint();
  assert.deepEqual([sights.has("a"), seen], [true, ["a"]]);
  now = 500;
  sights.setInView("a", false);
  now = 900;
  assert.equal(sights.shownMs("a"), 500);
  sights.setInView("a", true);
  await paint();
  now = 1000;
  sights.add("a", 50);
  assert.deepEqual([sights.shownMs("a"), sights.has("a"), seen.length], [650, true, 1]);
  sights.add("b", 70);
  assert.deepEqual([sights.has("b"), sights.shownMs("b"), sights.has("c")], [true, 70, false]);
});

test("keys: one for each thing, none that decides while it is held, and none under a panel", () => {
  const at = { panel: null, isLooking: false, isTyping: false, control: null };
  const press = (key, more = {}, where = {}) => actionFor({ key, ...more }, { ...at, ...where });
  assert.deepEqual(press("a"), { name: "accept" });
  assert.deepEqual(press("a", { ctrlKey: true }), { name: "all" });
  assert.deepEqual(press("a", { metaKey: true }), { name: "all" });
  assert.deepEqual(press("a", { repeat: true }), { name: "nothing" });
  assert.equal(press("r", { ctrlKey: true }), null, "the browser's own");
  assert.deepEqual(press("ArrowDown", { shiftKey: true, repeat: true }), { name: "move", key: "arrowdown", extends: true });
  assert.deepEqual(press("Ф", { code: "KeyA" }), { name: "accept" });
  assert.equal(press("a", {}, { isTyping: true }), null);
  assert.equal(press("ArrowLeft", {}, { control: "slider" }), null);
  assert.equal(press("Enter", {}, { control: "button" }), null);
  assert.deepEqual(press("3", {}, { panel: "reject" }), { name: "reason", index: 2 });
  assert.deepEqual(press("a", {}, { panel: "reject" }), { name: "nothing" });
  assert.deepEqual(press("a", {}, { panel: "help" }), { name: "nothing" });
  assert.deepEqual(press("Escape", {}, { panel: "help", isLooking: true }), { name: "close" });
  assert.deepEqual(press("ArrowRight", {}, { isLooking: true }), { name: "look-on", by: 1 });
  assert.deepEqual(press("s", {}, { isLooking: true }), { name: "nothing" });
  assert.equal(press("a", { ctrlKey: true }, { isLooking: true }), null);
});
