import assert from "node:assert/strict";
import test from "node:test";

import { Refused, SignedOut, Unreachable } from "../../review_app/viewer/api.js";
import { Outbox, waitMs } from "../../review_app/viewer/outbox.js";
import { FakeStorage, endlessSleep, settle } from "./fakes.mjs";

const entry = (key, at = key) => ({ key: `k${key}`, at, edit: key, revision: 1 });

/** An outbox whose server answers as the test says; `answers` are used up one by one, then all is well. */
function outbox({ storage = new FakeStorage(), answers = [] } = {}) {
  const seen = { posted: [], sent: [], refused: [], slept: [] };
  const box = new Outbox({
    storage,
    prefix: "desk.ada.",
    send: async (each) => {
      seen.posted.push(each.key);
      const answer = answers.shift();
      if (answer instanceof Error) throw answer;
      return answer ? await answer : {};
    },
    sleep: endlessSleep(seen.slept),
    soon: (work) => work(),
    onSent: (each) => seen.sent.push(each.key),
    onRefused: (each, refusal) => seen.refused.push([each.key, refusal.code]),
    onChange: () => {},
  });
  return { box, seen, storage };
}

test("decisions go out in their order, and leave the storage when the server has them", async () => {
  const { box, seen, storage } = outbox();
  box.put(entry(1));
  assert.equal(storage.size, 1);
  box.put(entry(2));
  await settle();
  assert.deepEqual(seen.sent, ["k1", "k2"]);
  assert.equal(storage.size, 0);
  assert.equal(box.count, 0);
});

test("a lost network keeps them, waits longer each time, and goes on where it was", async () => {
  const { box, seen, storage } = outbox({ answers: [new Unreachable(""), new Unreachable(""), new TypeError("")] });
  box.put(entry(1));
  box.put(entry(2));
  await settle();
  assert.equal(box.trouble, "offline");
  assert.equal(storage.size, 2);
  for (let turn = 0; turn < 3; turn += 1) {
    box.wake();
    await settle();
  }
  assert.deepEqual(seen.slept, [500, 1000, 2000]);
  assert.deepEqual(seen.posted, ["k1", "k1", "k1", "k1", "k2"]);
  assert.equal(box.trouble, null);
  assert.equal(box.count, 0);
});

test("the waits have an end", () => {
  assert.equal(waitMs(1), 500);
  assert.equal(waitMs(30), 5_000);
});

test("a page that is opened again sends what the last one could not", async () => {
  const storage = new FakeStorage();
  storage.set("desk.eve.k9", JSON.stringify(entry(9)));
  storage.set("desk.ada.k2", JSON.stringify(entry(2)));
  storage.set("desk.ada.k1", JSON.stringify(entry(1)));
  const { box, seen } = outbox({ storage });
  assert.equal(box.count, 2);
  box.run();
  await settle();
  assert.deepEqual(seen.sent, ["k1", "k2"]);
  assert.deepEqual([...storage.keys()], ["desk.eve.k9"]);
});

test("an ended ticket stops the sending, keeps everything, and signing in goes on", async () => {
  const { box, seen, storage } = outbox({ answers: [new SignedOut("")] });
  box.put(entry(1));
  await settle();
  assert.equal(box.trouble, "signed-out");
  assert.deepEqual(seen.slept, []);
  assert.equal(storage.size, 1);
  box.wake();
  await settle();
  assert.deepEqual(seen.sent, ["k1"]);
});

test("what the server refuses comes back, and does not hold up the others", async () => {
  const { box, seen } = outbox({ answers: [new Refused("somebody was faster", { code: "conflict" })] });
  box.put(entry(1));
  box.put(entry(2));
  await settle();
  assert.deepEqual(seen.refused, [["k1", "conflict"]]);
  assert.deepEqual(seen.sent, ["k2"]);
  assert.equal(box.count, 0);
});

test("only what was never sent can be taken back here; the rest may be with the server", async () => {
  const { box, storage } = outbox({ answers: [new Unreachable("")] });
  box.put(entry(1));
  box.put(entry(2));
  await settle();
  assert.equal(box.takeBack("k1"), false);
  assert.equal(box.takeBack("k2"), true);
  assert.equal(box.takeBack("k3"), false);
  assert.deepEqual([...storage.keys()], ["desk.ada.k1"]);
});

test("that it may be with the server is known after a reload, too", async () => {
  const { box, storage } = outbox({ answers: [new Unreachable("")] });
  box.put(entry(1));
  await settle();
  assert.equal(outbox({ storage }).box.takeBack("k1"), false);
});

test("it knows which edits have a decision on its way, at which revision", () => {
  const { box } = outbox({ answers: [new Promise(() => {})] });
  box.put(entry(1));
  assert.equal(box.holds({ id: 1, revision: 1 }), true);
  assert.equal(box.holds({ id: 1, revision: 2 }), false);
});

test("what takes a decision back waits behind it, and is counted by itself", async () => {
  const { box, seen } = outbox({ answers: [new Unreachable("")] });
  box.put(entry(1));
  await settle();
  box.put({ ...entry(2), decision: "undo", edit: 1, revision: undefined });
  assert.deepEqual([box.count, box.undoing], [2, 1]);
  box.wake();
  await settle();
  assert.deepEqual(seen.sent, ["k1", "k2"]);
  assert.equal(box.undoing, 0);
});
