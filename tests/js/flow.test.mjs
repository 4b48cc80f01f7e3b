import assert from "node:assert/strict";
import test from "node:test";

import { Refused, SignedOut, Unreachable } from "../../review_app/viewer/api.js";
import { Flow, REST, bodyOf } from "../../review_app/viewer/flow.js";
import { Hand } from "../../review_app/viewer/hand.js";
import { markOf } from "../../review_app/viewer/queue.js";
import { FakeClock, FakeStorage, endlessSleep, settle } from "./fakes.mjs";

const MAY = { accept: true, reject: true, reprompt: true, escalate: true, send_again: false };
const edit = (id, revision = 1, more = {}) => ({
  ...{ id, revision, title: `hat-${id}`, round: 1, may: MAY, outputs: [{ id: 10 * id }], rounds: [{ id }], ...more },
});

/** A server in memory: so many edits wait; `fail` makes the next calls of a route fail. */
class FakeApi {
  constructor(count) {
    this.waiting = Array.from({ length: count }, (_, index) => index + 1);
    this.revisions = new Map();
    this.claimed = new Set();
    this.decisions = [];
    this.undone = [];
    this.undoKeys = [];
    this.released = [];
    this.failing = {};
  }
  fail(route, ...errors) {
    this.failing[route] = errors;
  }
  #check(route) {
    const error = this.failing[route]?.shift();
    if (error) throw error;
  }
  async claims({ count, leave_out, renew, filter }) {
    this.#check("claims");
    this.filter = filter;
    const free = this.waiting.filter((id) => !leave_out.includes(id) && !this.claimed.has(id)).slice(0, count);
    for (const id of free) this.claimed.add(id);
    const claims = free.map((id) => ({ token: `t${id}`, edit: edit(id, this.revisions.get(id) ?? 1) }));
    return { claims, renewed: renew, progress: { waiting: this.waiting.length, decided: 0 } };
  }
  async release(tokens) {
    this.#check("release");
    this.released.push(...tokens);
    for (const token of tokens) this.claimed.delete(Number(token.slice(1)));
  }
  async decide(body) {
    this.#check("decide");
    this.decisions.push(body);
    this.waiting = this.waiting.filter((id) => id !== body.edit);
    return { edit: body.edit, state: "approved" };
  }
  async undo({ edit: id = this.decisions.at(-1)?.edit ?? 1, key }) {
    this.undoKeys.push(key);
    this.#check("undo");
    this.undone.push(key);
    this.waiting.unshift(id);
    this.revisions.set(id, (this.revisions.get(id) ?? 1) + 1);
    return { edit: edit(id, this.revisions.get(id)), token: `u${id}`, until: 0 };
  }
  async edit(id) {
    return edit(id, 9);
  }
  async keepFresh() {}
}

function started(count, { api = new FakeApi(count), storage = new FakeStorage(), locks } = {}) {
  const seen = { shown: [], notices: [], isAsking: false };
  const clock = new FakeClock();
  let keys = 0;
  const flow = new Flow({
    ...{ api, storage, prefix: "outbox.", askedName: "asked", ahead: 4, sleep: endlessSleep() },
    hand: new Hand(storage, "claims.", "this", locks),
    now: clock.now,
    soon: (work) => work(),
    newKey: () => `k${(keys += 1)}`,
    calls: {
      show: () => seen.shown.push(flow.current?.edit.id ?? flow.rest),
      update: () => {},
      notice: (kind, text) => seen.notices.push(text),
      isAsking: () => seen.isAsking,
    },
  });
  const look = (ms = 500) => {
    flow.painted(markOf(flow.current));
    clock.pass(ms);
  };
  return { flow, api, storage, seen, look, pass: clock.pass };
}

test("edits are claimed ahead, and the first is shown", async () => {
  const { flow, seen, storage } = started(9);
  await flow.start({ batch: "autumn" });
  assert.deepEqual(flow.queue.tokens, ["t1", "t2", "t3", "t4"]);
  assert.deepEqual(seen.shown, ["loading", 1]);
  assert.equal(storage.getItem("claims.this"), JSON.stringify(["t1", "t2", "t3", "t4"]));
});

test("nothing is decided before it was painted, and nothing twice", async () => {
  const { flow, api, look } = started(9);
  await flow.start({});
  assert.equal(flow.decide("accept"), false);
  look();
  assert.equal(flow.decide("accept"), true);
  assert.equal(flow.decide("accept"), false);
  await settle();
  assert.deepEqual(api.decisions.map((each) => each.edit), [1]);
  assert.equal(flow.current.edit.id, 2);
});

test("a decision says what was on the screen, and for how long", async () => {
  const { flow, api, look } = started(9);
  await flow.start({});
  look(1234);
  flow.decide("reject", { reason: "logo", note: "" });
  await settle();
  assert.deepEqual(api.decisions, [
    { edit: 1, decision: "reject", revision: 1, output: 10, claim: "t1", shown_ms: 1234, key: "k1", reason: "logo" },
  ]);
});

test("what is undone before it is sent never reaches the server", async () => {
  const { flow, api, look } = started(9);
  await flow.start({});
  api.fail("decide", new Unreachable(""));
  for (let edits = 0; edits < 2; edits += 1) {
    look();
    flow.decide("accept");
    await settle();
  }
  flow.undo();
  assert.equal(flow.current.edit.id, 2);
  flow.wake();
  await settle();
  assert.deepEqual(api.decisions.map((each) => each.edit), [1]);
});

test("what the server has is undone there, one after the other, and shown as it is then", async () => {
  const { flow, api, look } = started(9);
  await flow.start({});
  for (let edits = 0; edits < 2; edits += 1) {
    look();
    flow.decide("accept");
    await settle();
  }
  flow.undo();
  flow.undo();
  await settle();
  assert.equal(flow.current.edit.id, 1);
  assert.equal(flow.current.edit.revision, 2);
  assert.equal(flow.current.token, "u1");
  assert.deepEqual(flow.queue.decided, []);
  assert.deepEqual(api.waiting.slice(0, 2), [1, 2]);
});

test("a decision that may be with the server is undone when the server has answered", async () => {
  const { flow, api, look, seen } = started(9);
  await flow.start({});
  api.fail("decide", new Unreachable(""));
  look();
  flow.decide("accept");
  await settle();
  flow.undo();
  await settle();
  assert.deepEqual(seen.notices, ["It is taken back as soon as there is a connection."]);
  assert.deepEqual([flow.outbox.count, flow.outbox.undoing], [2, 1]);
  assert.notEqual(flow.current.edit.id, 1);
  flow.wake();
  await settle();
  assert.deepEqual(api.decisions.map((each) => each.edit), [1]);
  assert.deepEqual(api.undone, ["undo-k1"]);
  assert.equal(flow.current.edit.id, 1);
  assert.equal(flow.outbox.count, 0);
});

test("what the server has is taken back later if it cannot be reached, under one name, also by the next page", async () => {
  const { flow, api, storage, look } = started(9);
  await flow.start({});
  look();
  flow.decide("accept");
  await settle();
  assert.deepEqual(api.decisions.map((each) => each.edit), [1]);
  api.fail("undo", new Unreachable(""), new Unreachable(""));
  flow.undo();
  await settle();
  assert.deepEqual([flow.current.edit.id, flow.outbox.undoing, flow.outbox.trouble], [2, 1, "offline"]);
  flow.leave();
  const next = started(9, { api, storage });
  assert.equal(next.flow.outbox.undoing, 1);
  await next.flow.start({});
  await settle();
  assert.deepEqual(api.undone, []);
  next.flow.wake();
  await settle();
  assert.deepEqual(api.undone, ["undo-k1"]);
  assert.deepEqual([next.flow.current.edit.id, next.flow.current.edit.revision], [1, 2]);
  assert.equal([...storage.keys()].filter((name) => name.startsWith("outbox.")).length, 0);
});

test("what cannot be taken back says so, and nothing else is held up", async () => {
  const { flow, api, look, seen } = started(9);
  await flow.start({});
  look();
  flow.decide("accept");
  await settle();
  api.fail("undo", new Refused("it was exported", { code: "conflict" }));
  flow.undo();
  look();
  flow.decide("accept");
  await settle();
  assert.deepEqual(seen.notices, ["Nothing was taken back: it was exported"]);
  assert.deepEqual(api.decisions.map((each) => each.edit), [1, 2]);
});

test("a round that was asked for is known until it is back", async () => {
  const { flow, api, look, seen, pass } = started(2);
  await flow.start({});
  look();
  flow.decide("re-prompt", { prompt: "greener" });
  await settle();
  assert.equal(flow.asked.words, "Round 2 of hat-1 is being made, and comes back to you.");
  const now = (state) => edit(1, 2, { rounds: [{ id: 1, round: 1, state: "superseded" }, { id: 9, round: 2, state }] });
  api.edit = async () => now("sending");
  pass(9000);
  await flow.tick(0);
  assert.equal(flow.asked.count, 1);
  api.edit = async () => now("failed");
  pass(9000);
  await flow.tick(0);
  assert.deepEqual(seen.notices, ["Round 2 of hat-1: it has failed, and is in nobody's queue: find it by Search."]);
  assert.equal(flow.asked.count, 0);
});

test("a round that comes back, or is taken back, is waited for no longer", async () => {
  const { flow, api, look } = started(1);
  await flow.start({});
  look();
  flow.decide("re-prompt", { prompt: "greener" });
  await settle();
  api.claims = async ({ renew }) => ({
    claims: [{ token: "t9", edit: edit(9, 1, { round: 2, rounds: [{ id: 1 }, { id: 9 }] }) }],
    ...{ renewed: renew, progress: { waiting: 1, decided: 0 } },
  });
  await flow.refill();
  assert.deepEqual([flow.current.edit.id, flow.asked.words], [9, ""]);
  flow.asked.add(edit(1));
  flow.asked.add(edit(2));
  assert.equal(flow.asked.words, "2 rounds that you asked for are being made, and come back to you.");
  flow.queue.decided = [{ key: "k5", edit: 2, decision: "re-prompt", item: { edit: edit(2) } }];
  flow.undo();
  await settle();
  assert.equal(flow.asked.count, 1);
});

test("an undo after a reload whose answer got lost is asked for again by the same name", async () => {
  const { flow, api } = started(9);
  await flow.start({});
  api.fail("undo", new Unreachable(""));
  flow.undo();
  await settle();
  flow.wake();
  await settle();
  const [lost, again] = api.undoKeys;
  assert.equal(again, lost);
  assert.deepEqual(api.undone, [lost]);
});

test("an undo after a reload waits for what the page before could not send", async () => {
  const storage = new FakeStorage();
  storage.set("outbox.k8", JSON.stringify({ key: "k8", at: 1, edit: 8, revision: 1, decision: "accept", isTried: true }));
  const { flow, api } = started(9, { storage });
  api.fail("decide", new Unreachable(""));
  await flow.start({});
  flow.undo();
  await settle();
  assert.deepEqual(api.undone, []);
  flow.wake();
  await settle();
  assert.deepEqual(api.decisions.map((each) => each.edit), [8]);
  assert.equal(flow.current.edit.id, 8);
});

test("a decision that was refused is not undone: the last one on its edit is somebody else's", async () => {
  const { flow, api, look } = started(9);
  await flow.start({});
  api.fail("decide", new Unreachable(""), new Refused("eve was faster", { code: "conflict", edit: edit(1, 5) }));
  look();
  flow.decide("accept");
  await settle();
  flow.undo();
  api.undo = async () => assert.fail("undone");
  flow.wake();
  await settle();
  await settle();
  assert.equal(flow.current.edit.revision, 5);
});

test("a conflict brings the edit back, with what happened", async () => {
  const { flow, api, look } = started(9);
  await flow.start({});
  api.fail("decide", new Refused("eve was faster", { code: "conflict", edit: edit(1, 5) }));
  look();
  flow.decide("accept");
  await settle();
  assert.equal(flow.current.edit.revision, 5);
  assert.match(flow.current.notice, /not kept \(accept\)\. eve was faster/);
  assert.equal(flow.gate.isOpen, false);
  assert.deepEqual(flow.queue.decided, []);
});

test("while somebody writes about an edit, what comes back comes next", async () => {
  const { flow, api, look, seen } = started(9);
  await flow.start({});
  api.fail("decide", new Refused("eve was faster", { code: "conflict", edit: edit(1, 5) }));
  look();
  flow.decide("accept");
  look();
  seen.isAsking = true;
  await settle();
  assert.equal(flow.current.edit.id, 2);
  assert.equal(flow.gate.isOpen, true);
  assert.match(seen.notices[0], /eve was faster/);
  seen.isAsking = false;
  flow.decide("re-prompt", { prompt: "a cap" });
  assert.deepEqual([flow.current.edit.id, flow.current.edit.revision], [1, 5]);
  assert.match(flow.current.notice, /eve was faster/);
});

test("a refusal without the edit fetches it", async () => {
  const { flow, api, look } = started(9);
  await flow.start({});
  api.fail("decide", new Refused("a viewer may not", { code: "forbidden" }));
  look();
  flow.decide("accept");
  await settle();
  assert.deepEqual([flow.current.edit.id, flow.current.edit.revision], [1, 9]);
});

test("what is skipped is given back, and comes round at the end", async () => {
  const { flow, api, look } = started(3);
  await flow.start({});
  flow.skip();
  assert.deepEqual(api.released, ["t1"]);
  await settle();
  assert.deepEqual(flow.queue.order.map((item) => item.edit.id), [2, 3]);
  for (let edits = 0; edits < 2; edits += 1) {
    look();
    flow.decide("accept");
    await settle();
  }
  await settle();
  assert.equal(flow.current.edit.id, 1);
});

test("an empty queue says so, and looks again", async () => {
  const { flow, api, seen, pass } = started(0);
  await flow.start({});
  assert.deepEqual(seen.shown, ["loading", "empty"]);
  api.waiting.push(7);
  await flow.tick(0);
  assert.equal(flow.current, null);
  pass(5000);
  await flow.tick(0);
  assert.equal(flow.current.edit.id, 7);
});

test("another filter gives back what was claimed by the old one", async () => {
  const { flow, api } = started(9);
  await flow.start({ kind: null });
  await flow.start({ kind: "logo" });
  assert.deepEqual(api.released, ["t1", "t2", "t3", "t4"]);
  assert.deepEqual(api.filter, { kind: "logo" });
  assert.equal(flow.current.edit.id, 1);
});

test("an answer to the old filter that comes late is given back", async () => {
  const { flow, api } = started(9);
  const late = flow.start({ kind: null });
  await flow.start({ kind: "logo" });
  await late;
  assert.equal(new Set(flow.queue.tokens).size, 4);
  assert.deepEqual(api.released, ["t1", "t2", "t3", "t4"]);
  assert.deepEqual(flow.queue.tokens, ["t5", "t6", "t7", "t8"]);
});

test("without a connection the screen says so, and goes on when it is back", async () => {
  const { flow, api, seen } = started(9);
  api.fail("claims", new Unreachable(""));
  const begun = flow.start({});
  await settle();
  assert.equal(flow.rest, REST.OFFLINE);
  flow.wake();
  await begun;
  assert.equal(flow.current.edit.id, 1);
  assert.deepEqual(seen.shown, ["loading", "offline", 1]);
});

test("who is signed out is told, and nothing is tried until they are back", async () => {
  const { flow, api } = started(9);
  api.fail("claims", new SignedOut(""));
  await flow.start({});
  assert.equal(flow.rest, REST.SIGNED_OUT);
  await flow.wake();
  assert.equal(flow.current.edit.id, 1);
});

test("who was signed out is tried again every half minute: they may have signed in elsewhere", async () => {
  const { flow, api, look, pass } = started(9);
  await flow.start({});
  api.fail("decide", new SignedOut(""));
  look();
  flow.decide("accept");
  await settle();
  assert.equal(flow.outbox.trouble, "signed-out");
  await flow.tick(0);
  await settle();
  assert.equal(flow.outbox.count, 1);
  pass(31_000);
  await flow.tick(0);
  await settle();
  assert.deepEqual(api.decisions.map((each) => each.edit), [1]);
  assert.equal(flow.outbox.trouble, null);
});

test("claims that could not be given back are given back before others are asked for", async () => {
  const { flow, api, storage } = started(9);
  await flow.start({});
  api.fail("release", new Unreachable(""));
  flow.skip();
  await settle();
  assert.deepEqual(api.released, []);
  assert.ok(storage.getItem("claims.this").includes("t1"));
  flow.skip();
  await settle();
  assert.deepEqual(api.released, ["t1", "t2"]);
  assert.ok(!storage.getItem("claims.this").includes("t1"));
});

test("what a dead page held is given back first; what a living one holds is not", async () => {
  const storage = new FakeStorage();
  storage.set("claims.dead", JSON.stringify(["t1", "t2"]));
  storage.set("claims.alive", JSON.stringify(["t3"]));
  const locks = { request: () => {}, query: async () => ({ held: [{ name: "claims.alive" }] }) };
  const { flow, api } = started(9, { storage, locks });
  api.claimed = new Set([1, 2, 3]);
  await flow.start({});
  assert.deepEqual(api.released, ["t1", "t2"]);
  assert.deepEqual(flow.queue.tokens, ["t1", "t2", "t4", "t5"]);
  assert.deepEqual([...storage.keys()].sort(), ["claims.alive", "claims.this"]);
});

test("a page that was left claims nothing more when its last decision has arrived", async () => {
  const { flow, api, look } = started(9);
  await flow.start({});
  look();
  flow.decide("accept");
  flow.leave();
  await settle();
  assert.deepEqual(api.decisions.map((each) => each.edit), [1]);
  assert.deepEqual([...api.claimed], [1]);
  await flow.start({});
  assert.equal(flow.queue.tokens.length, 4);
});

test("what is refused after the page was left is told on the next one", async () => {
  const { flow, api, look, storage } = started(9);
  await flow.start({});
  api.fail("decide", new Refused("eve was faster", { code: "conflict", edit: edit(1, 5) }));
  look();
  flow.decide("accept");
  flow.leave();
  await settle();
  const next = started(9, { storage });
  next.api.fail("decide", new Refused("eve was faster", { code: "conflict", edit: edit(1, 5) }));
  await next.flow.start({});
  await settle();
  assert.match(next.flow.current.notice, /eve was faster/);
  assert.ok(![...storage.keys()].some((name) => name.startsWith("outbox.")));
});

test("only what is said goes to the server", () => {
  const kept = { key: "k", at: 5, title: "t", isTried: true, edit: 1, round: 2, reason: "", mask: null, shown_ms: 0 };
  assert.deepEqual(bodyOf({ ...kept, provider: "local" }), { edit: 1, shown_ms: 0, key: "k", provider: "local" });
  assert.deepEqual(bodyOf({ ...kept, decision: "undo", takes_back: "accept" }), { edit: 1, key: "k" });
});
