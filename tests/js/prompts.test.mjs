import assert from "node:assert/strict";
import test from "node:test";

import { promptFor, toPutRight, whereIs } from "../../review_app/viewer/prompts.js";

const PICTURE = { width: 900, height: 900 };
const flag = (kind, change, label, xyxy) => ({ kind, change, label, xyxy });
const SALE = flag("text", "introduced", "SALE", [10, 10, 200, 100]);
const FACE = flag("face", "introduced", "", [700, 700, 880, 880]);
const NIKE = flag("logo", "lost", "Nike", [400, 400, 500, 500]);
const asked = (flags, onOutput) =>
  promptFor({ prompt: "make the hat red.", flags, picture: PICTURE, source: PICTURE, onOutput });

test("a place has a name", () => {
  assert.equal(whereIs([0, 0, 100, 100], PICTURE), "top left");
  assert.equal(whereIs([400, 0, 500, 100], PICTURE), "at the top");
  assert.equal(whereIs([0, 400, 100, 500], PICTURE), "on the left");
  assert.equal(whereIs([400, 400, 500, 500], PICTURE), "in the middle");
  assert.equal(whereIs([800, 850, 2000, 900], PICTURE), "bottom right");
});

test("on the output, what came is to be removed", () => {
  assert.equal(asked([SALE], true), "Remove the text 'SALE' top left, keep everything else");
});

test("several flags make one sentence", () => {
  assert.equal(
    asked([SALE, FACE, NIKE], true),
    "Remove the text 'SALE' top left, remove the face bottom right and bring back the logo 'Nike' in the middle, " +
      "keep everything else",
  );
});

test("from the source, the prompt stays and says what not to do", () => {
  assert.equal(asked([SALE], false), "make the hat red. Do not add the text 'SALE' top left.");
  assert.equal(asked([NIKE], false), "make the hat red. Keep the logo 'Nike' in the middle.");
});

test("without anything to put right the prompt stays as it was", () => {
  assert.equal(asked([], true), "make the hat red.");
  assert.equal(asked([flag("quality", "introduced", "blurred", [0, 0, 9, 9])], true), "make the hat red.");
});

test("what was kept is put right only if somebody chose it", () => {
  const kept = flag("text", "kept", "OLD", [0, 0, 10, 10]);
  assert.deepEqual(toPutRight([kept, SALE], null), [SALE]);
  assert.deepEqual(toPutRight([kept, SALE], kept), [kept]);
  assert.equal(asked([kept], true), "Remove the text 'OLD' top left, keep everything else");
});
