import assert from "node:assert/strict";
import test from "node:test";

import { Asked } from "../../review_app/viewer/asked.js";
import { FakeStorage } from "./fakes.mjs";

const hat = (id) => ({ id, title: `hat-${id}`, round: 1 });

/** Edits by id, as the server knows them; their last round is in the state that is given. */
const server = (states, seen = []) => async (id) => {
  seen.push(id);
  return { rounds: [{ id, round: 1, state: "superseded" }, { id: 100 + id, round: 2, state: states[id] ?? "queued" }] };
};

test("what was asked for is known to the next page, and forgotten when it is back", () => {
  const storage = new FakeStorage();
  new Asked(storage, "asked").add(hat(1));
  const next = new Asked(storage, "asked");
  assert.equal(next.words, "Round 2 of hat-1 is being made, and comes back to you.");
  next.isBack({ id: 7, rounds: [{ id: 6 }, { id: 7 }] });
  assert.equal(next.count, 1);
  next.isBack({ id: 101, rounds: [{ id: 1 }, { id: 101 }] });
  assert.deepEqual([next.count, next.words, storage.size], [0, "", 0]);
});

test("asked for twice, it is waited for once", () => {
  const asked = new Asked(new FakeStorage(), "asked");
  asked.add(hat(1));
  asked.add(hat(1));
  assert.equal(asked.count, 1);
});

test("a few are looked at, each in its turn", async () => {
  const asked = new Asked(new FakeStorage(), "asked");
  for (let id = 1; id <= 5; id += 1) asked.add(hat(id));
  const seen = [];
  for (let turn = 0; turn < 2; turn += 1) await asked.look(server({}, seen));
  assert.deepEqual(seen, [1, 2, 3, 4, 5, 1]);
  assert.equal(asked.count, 5);
});

test("what waits for a decision comes by itself; what has ended otherwise is told", async () => {
  const asked = new Asked(new FakeStorage(), "asked");
  for (const id of [1, 2, 3]) asked.add(hat(id));
  const told = await asked.look(server({ 1: "in_review", 2: "failed", 3: "approved" }));
  assert.deepEqual(told, [
    "Round 2 of hat-2: it has failed, and is in nobody's queue: find it by Search.",
    "Round 2 of hat-3: the policy has approved it.",
  ]);
  assert.equal(asked.count, 0);
});
