import assert from "node:assert/strict";
import test from "node:test";

import { Gate, Queue, markOf } from "../../review_app/viewer/queue.js";

const claim = (id, revision = 1) => ({ token: `t${id}`, edit: { id, revision, outputs: [{ id: 10 * id }] } });
const ids = (queue) => queue.order.map((item) => item.edit.id);

function filled(...numbers) {
  const queue = new Queue(6);
  queue.add(numbers.map((id) => claim(id)));
  return queue;
}

test("what was claimed first comes first, and what is decided leaves the hand", () => {
  const queue = filled(1, 2, 3);
  assert.equal(queue.take().edit.id, 1);
  assert.deepEqual(ids(queue), [2, 3]);
  assert.deepEqual(queue.tokens, ["t2", "t3"]);
});

test("claims are asked for by two or more, and none while the hand is full", () => {
  assert.equal(new Queue(6).wanted, 6);
  assert.equal(filled(1, 2, 3, 4, 5).wanted, 0);
  assert.equal(filled(1, 2, 3, 4).wanted, 2);
  assert.equal(new Queue(1).wanted, 1);
});

test("what is in hand, or decided and on its way, is not taken in twice", () => {
  const queue = filled(1, 2);
  queue.add([claim(2), claim(3), claim(4)], (edit) => edit.id === 3);
  assert.deepEqual(ids(queue), [1, 2, 4]);
});

test("what was skipped is left out of claims until nothing else is there", () => {
  const queue = filled(1, 2);
  assert.equal(queue.skip().token, "t1");
  assert.deepEqual(queue.leaveOut, [2, 1]);
  assert.equal(queue.forgetSkipped(), true);
  assert.deepEqual(queue.leaveOut, [2]);
  assert.equal(queue.forgetSkipped(), false);
});

test("one can look ahead and back, and decide there", () => {
  const queue = filled(1, 2, 3);
  assert.equal(queue.go(-1), false);
  assert.equal(queue.go(1), true);
  assert.equal(queue.take().edit.id, 2);
  assert.equal(queue.current.edit.id, 3);
  assert.equal(queue.go(1), false);
  assert.equal(queue.take().edit.id, 3);
  assert.equal(queue.current.edit.id, 1);
});

test("what comes back is shown at once, and once", () => {
  const queue = filled(1, 2, 3);
  queue.go(2);
  queue.putFront({ edit: { id: 9, revision: 4, outputs: [] }, token: "t9", output: 0 });
  assert.equal(queue.current.edit.id, 9);
  queue.putFront({ edit: { id: 1, revision: 2, outputs: [] }, token: "new", output: 0 });
  assert.equal(queue.current.token, "new");
  assert.deepEqual([...ids(queue)].sort(), [1, 2, 3, 9]);
});

test("a claim that has ended leaves the hand, but not under the eyes", () => {
  const queue = filled(1, 2, 3);
  queue.go(1);
  queue.lose(["t1", "t2"]);
  assert.deepEqual(ids(queue), [2, 3]);
  assert.equal(queue.current.edit.id, 2);
});

test("ten decisions are remembered", () => {
  const queue = new Queue(6);
  for (let key = 1; key <= 12; key += 1) queue.remember({ key });
  assert.deepEqual(queue.decided.map((each) => each.key), [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  queue.forget(12);
  assert.equal(queue.decided.at(-1).key, 11);
});

test("the gate opens only for what it was closed for, and counts from the first paint", () => {
  const gate = new Gate();
  gate.close("1/1/10");
  gate.open("2/1/20", 100);
  assert.equal(gate.isOpen, false);
  gate.open("1/1/10", 200);
  gate.open("1/1/10", 900);
  assert.equal(gate.shownMs(1250.4), 1050);
  gate.close("2/1/20");
  assert.equal(gate.isOpen, false);
  assert.equal(gate.shownMs(2000), 0);
});

test("nothing opens the gate when nothing is shown", () => {
  const gate = new Gate();
  gate.close(null);
  gate.open(null, 1);
  assert.equal(gate.isOpen, false);
});

test("another revision or another output is something else to look at", () => {
  const edit = { id: 7, revision: 2, outputs: [{ id: 70 }, { id: 71 }] };
  const marks = [
    markOf({ edit, output: 0 }),
    markOf({ edit, output: 1 }),
    markOf({ edit: { ...edit, revision: 3 }, output: 0 }),
    markOf({ edit: { ...edit, outputs: [] }, output: 0 }),
  ];
  assert.equal(new Set(marks).size, 4);
  assert.equal(markOf(null), null);
});
