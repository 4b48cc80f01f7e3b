import assert from "node:assert/strict";
import test from "node:test";

import { promptFor, startsOnOutput, toPutRight, whereIs } from "../../review_app/viewer/prompts.js";

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

const because = (reason, { flags = [], onOutput, prompt = "make the hat red", own } = {}) => {
  const wrong = toPutRight(flags, null, reason);
  const given = { prompt, flags: wrong, picture: PICTURE, source: PICTURE, reason, own };
  return promptFor({ ...given, onOutput: onOutput ?? startsOnOutput(wrong, reason) });
};

test("a reason to reject says what to do better", () => {
  assert.equal(because("wrong edit"), "make the hat red. This was not done as asked: do exactly this, and nothing else.");
  assert.equal(
    because("source changed", { flags: [NIKE, SALE] }),
    "make the hat red. Keep the product exactly as it is in the source: shape, colours, texture, text and logos. " +
      "Keep the logo 'Nike' in the middle and do not add the text 'SALE' top left.",
  );
  assert.equal(because("artefacts", { flags: [SALE] }), "Clean up the smears, seams and doubled edges, keep everything else");
  assert.equal(because("wrong edit", { flags: [SALE], onOutput: true }), because("wrong edit"));
  assert.equal(because("other"), "make the hat red");
  assert.equal(because("other", { flags: [SALE] }), "Remove the text 'SALE' top left, keep everything else");
});

test("a reason about one kind of flag leaves the others alone", () => {
  assert.equal(because("logo", { flags: [SALE, NIKE, FACE] }), "make the hat red. Add no logo, and keep those of the source exactly as they are. Keep the logo 'Nike' in the middle.");
  assert.equal(because("face", { flags: [SALE, FACE] }), "Remove the face bottom right, keep everything else");
});

test("garbled text is to be written as the instruction has it, or left out", () => {
  const prompt = "add the text \"Summer sale\" and '50 %'";
  assert.equal(because("garbled text", { prompt }), `${prompt}. Write 'Summer sale' and '50 %' exactly, or leave it out.`);
  assert.equal(because("garbled text"), "make the hat red. Write every text exactly as it is in the source, or leave it out.");
  assert.equal(because("garbled text", { onOutput: true }), "Remove the garbled text, keep everything else");
});

test("a desk's own reason has general words, or its own", () => {
  assert.equal(because("too dark"), "make the hat red. The last picture was rejected, because: too dark. Put that right.");
  assert.equal(because("too dark", { own: { "too dark": "Make it brighter." } }), "make the hat red. Make it brighter.");
  assert.equal(because("too dark", { onOutput: true, own: { "too dark": "Make it brighter." } }), "Make it brighter, keep everything else");
  assert.equal(because("toString"), "make the hat red. The last picture was rejected, because: toString. Put that right.");
});

test("the engine on this machine is told boxes, and nothing that it would not understand", () => {
  const local = (flags, onOutput, more = {}) =>
    promptFor({ prompt: "make the hat red", flags, picture: PICTURE, source: PICTURE, onOutput, isLocal: true, ...more });
  assert.equal(local([SALE, FACE, NIKE], true), "Remove the text in the box 10,10,200,100 and remove the object in the box 700,700,880,880");
  assert.equal(local([NIKE], true), "make the hat red");
  assert.equal(local([SALE], false, { reason: "wrong edit" }), "make the hat red");
  assert.equal(local([], false, { reason: "too dark", own: { "too dark": "make it brighter by 10%" } }), "make the hat red. make it brighter by 10%.");
});
