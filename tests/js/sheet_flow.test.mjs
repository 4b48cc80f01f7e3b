import assert from "node:assert/strict";
import test from "node:test";

import { Refused, SignedOut, Unreachable } from "../../review_app/viewer/api.js";
import { Hand } from "../../review_app/viewer/hand.js";
import { REST, SheetFlow } from "../../review_app/viewer/sheet_flow.js";
import { FakeStorage } from "./fakes.mjs";

const settle = async () => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};
const MAY = { accept: true, reject: true };
const edit = (id, revision = 1) => ({ id, revision, title: `hat-${id}`, state: "in_review", may: MAY, outputs: [{ id: 10 * id, flags: [] }] });
const SEEN = { isSeen: () => true, shownMs: () => 700 };

/** A server in memory: so many edits wait; `failing` makes the next calls of a route fail; `taken` are other people's. */
class FakeApi {
  constructor(count) {
    this.waiting = new Map(Array.from({ length: count }, (_, index) => [index + 1, 1]));
    this.claimed = new Set();
    this.taken = new Set();
    this.made = new Map();
    this.failing = {};
    this.calls = [];
  }
  #check(route, body) {
    this.calls.push([route, body]);
    const error = this.failing[route]?.shift();
    if (error) throw error;
  }
  async claims(body) {
    this.#check("claims", body);
    const free = [...this.waiting.keys()].filter((id) => !body.leave_out.includes(id) && !this.claimed.has(id)).slice(0, body.count);
    for (const id of free) this.claimed.add(id);
    const claims = free.map((id) => ({ token: `t${id}`, edit: edit(id, this.waiting.get(id)) }));
    return { claims, renewed: body.renew.filter((token) => this.claimed.has(Number(token.slice(1)))), progress: { waiting: this.waiting.size, decided: 0 } };
  }
  async release(tokens) {
    this.#check("release", tokens);
    for (const token of tokens) this.claimed.delete(Number(token.slice(1)));
  }
  async decideMany({ decisions }) {
    this.#check("decideMany", decisions);
    return { outcomes: decisions.map((each) => this.#decide(each)) };
  }
  async decide(body) {
    this.#check("decide", body);
    return this.#decide(body);
  }
  #decide({ edit: id, decision, key }) {
    if (this.taken.has(id)) return { edit: id, error: `edit ${id}: ben is looking at it`, code: "conflict" };
    if (!this.made.has(key)) this.made.set(key, id);
    this.waiting.delete(id);
    this.claimed.delete(id);
    return { edit: id, state: decision === "accept" ? "approved" : "rejected" };
  }
  async undoMany({ edits, key }) {
    this.#check("undoMany", { edits, key });
    return { outcomes: edits.map((id) => ({ edit: id, token: `t${id}`, until: 0, now: edit(id, 3) })) };
  }
  async edit(id) {
    return edit(id, 2);
  }
  async keepFresh() {}
  bodies(route) {
    return this.calls.filter(([name]) => name === route).map(([, body]) => body);
  }
}

function sheet(count, { most = 5, storage = new FakeStorage(), api = new FakeApi(count) } = {}) {
  const told = { notices: [], sheets: 0 };
  const time = { now: 0 };
  let keys = 0;
  const flow = new SheetFlow({
    ...{ api, storage, most, prefix: "out.", hand: new Hand(storage, "claims.", "page", undefined), now: () => time.now },
    ...{ sleep: () => new Promise((resolve) => setImmediate(resolve)), soon: (work) => setImmediate(work), newKey: () => `a key ${(keys += 1)}` },
    calls: { sheet: () => (told.sheets += 1), items: () => {}, counts: () => {}, notice: (kind, text) => told.notices.push(`${kind}: ${text}`) },
  });
  return { flow, api, storage, told, time };
}

const ids = (items) => items.map((item) => item.edit.id);

test("a sheet is claimed, decided in one request, and what is left goes back when the next is loaded", async () => {
  const { flow, api, storage } = sheet(8);
  await flow.start({ batch: "autumn" });
  assert.deepEqual(ids(flow.items), [1, 2, 3, 4, 5]);
  flow.decide(flow.items.slice(0, 3), "accept", SEEN);
  assert.deepEqual(flow.items.map((item) => item.at), ["sending", "sending", "sending", "open", "open"]);
  assert.equal(flow.unsent, 3);
  await settle();
  const [sent] = api.bodies("decideMany");
  assert.deepEqual(sent[0], { edit: 1, decision: "accept", revision: 1, output: 10, claim: "t1", shown_ms: 700, key: "a key 1/1" });
  assert.deepEqual(flow.items.map((item) => item.at), ["done", "done", "done", "open", "open"]);
  assert.deepEqual([flow.progress, flow.unsent, storage.getItem("out.a key 1")], [{ waiting: 5, decided: 3 }, 0, null]);
  await flow.loadNext();
  assert.deepEqual(ids(flow.items), [6, 7, 8]);
  assert.deepEqual(api.bodies("release")[0], ["t4", "t5"]);
  await flow.loadNext();
  assert.deepEqual(ids(flow.items), [4, 5, 6, 7, 8], "what was left comes round again");
});

test("giving back frees what is undecided, and claims nothing", async () => {
  const { flow, api, storage } = sheet(5);
  await flow.start({});
  flow.decide(flow.items.slice(0, 1), "reject", { ...SEEN, reason: "logo" });
  await flow.giveBack();
  await settle();
  assert.deepEqual([[...api.claimed], flow.items, flow.rest], [[], [], REST.GIVEN_BACK]);
  assert.equal(api.bodies("decideMany")[0][0].reason, "logo");
  assert.equal(storage.size, 0);
  await flow.tick(0);
  assert.equal(api.bodies("claims").length, 1);
});

test("a lost network and a restarted server lose nothing and decide nothing twice", async () => {
  const { flow, api } = sheet(5);
  await flow.start({});
  api.failing.decideMany = [new Unreachable("gone"), new Unreachable("gone"), new SignedOut("sign in")];
  flow.decide(flow.items, "accept", SEEN);
  await settle();
  assert.equal(flow.outbox.trouble, "signed-out");
  assert.equal(flow.unsent, 5);
  flow.wake();
  await settle();
  assert.deepEqual([api.made.size, flow.unsent, flow.outbox.trouble], [5, 0, null]);
});

test("what was not sent when the page closed is sent by the next page, which claims none of it", async () => {
  const storage = new FakeStorage();
  const api = new FakeApi(5);
  const first = sheet(5, { storage, api });
  await first.flow.start({});
  api.failing.decideMany = Array.from({ length: 500 }, () => new SignedOut("the page is gone"));
  first.flow.decide(first.flow.items.slice(0, 2), "accept", SEEN);
  await settle();
  first.flow.leave();
  api.failing = {};
  const second = sheet(5, { storage, api });
  await second.flow.start({});
  await settle();
  assert.deepEqual(ids(second.flow.items), [3, 4, 5]);
  assert.deepEqual([...api.made.values()], [1, 2]);
});

test("a row that the server does not take is open again, as it is now, and says why", async () => {
  const { flow, api, told } = sheet(5);
  await flow.start({});
  api.taken.add(2);
  flow.decide(flow.items.slice(0, 3), "accept", SEEN);
  await settle();
  assert.deepEqual(flow.items.map((item) => item.at), ["done", "open", "done", "open", "open"]);
  assert.deepEqual([flow.items[1].edit.revision, flow.items[1].trouble], [2, "not kept: edit 2: ben is looking at it"]);
  assert.deepEqual(told.notices, ["error: Not kept (accept): hat-2. edit 2: ben is looking at it"]);
  assert.equal(flow.progress.waiting, 3);
});

test("undo takes a bulk back as a whole: here while it is unsent, else on the server", async () => {
  const { flow, api, told } = sheet(5);
  await flow.start({});
  flow.decide(flow.items, "accept", SEEN);
  flow.undo();
  await settle();
  assert.deepEqual([api.bodies("decideMany"), flow.open.length], [[], 5]);
  flow.decide(flow.items.slice(0, 4), "accept", SEEN);
  await settle();
  flow.undo();
  await settle();
  assert.deepEqual(api.bodies("undoMany"), [{ edits: [1, 2, 3, 4], key: "undo-a key 2" }]);
  assert.deepEqual(flow.items.map((item) => [item.at, item.edit.revision, item.token]).slice(3), [["open", 3, "t4"], ["open", 1, "t5"]]);
  assert.equal(flow.progress.waiting, 5);
  flow.undo();
  assert.equal(told.notices.at(-1), "info: There is nothing to take back on this sheet.");
});

test("a bulk of the sheet before comes back to the front of this one", async () => {
  const { flow } = sheet(8);
  await flow.start({});
  flow.decide(flow.items, "accept", SEEN);
  await settle();
  await flow.loadNext();
  flow.undo();
  await settle();
  assert.deepEqual(ids(flow.items), [1, 2, 3, 4, 5, 6, 7, 8]);
});

test("undo waits behind what is on its way, over a lost network, and spares what the server did not take", async () => {
  const { flow, api, told } = sheet(5);
  await flow.start({});
  api.taken.add(2);
  api.failing.decideMany = [new SignedOut("sign in")];
  flow.decide(flow.items.slice(0, 3), "accept", SEEN);
  await settle();
  flow.undo();
  assert.deepEqual([flow.unsent, flow.outbox.undoing, told.notices], [3, 1, ["info: It is taken back as soon as there is a connection."]]);
  api.failing.undoMany = [new Unreachable("the desk cannot be reached")];
  flow.wake();
  await settle();
  assert.deepEqual(api.bodies("undoMany").at(-1), { edits: [1, 3], key: "undo-a key 1" });
  assert.deepEqual([flow.open.length, flow.items[1].trouble, flow.outbox.count], [5, "not kept: edit 2: ben is looking at it", 0]);
});

test("a row that is refused when nobody looks any more is told by the next page", async () => {
  const storage = new FakeStorage();
  const api = new FakeApi(3);
  const first = sheet(3, { storage, api });
  await first.flow.start({});
  api.taken.add(2);
  first.flow.decide(first.flow.items.slice(0, 2), "accept", SEEN);
  first.flow.leave();
  await settle();
  assert.deepEqual([first.told.notices, storage.has("out.a key 1")], [[], true]);
  const second = sheet(3, { storage, api });
  await second.flow.start({});
  await settle();
  assert.deepEqual(second.told.notices, ["error: Not kept (accept): hat-2. edit 2: ben is looking at it"]);
  assert.deepEqual([[...api.made.values()], storage.has("out.a key 1")], [[1], false]);
});

test("one that was looked at closely is decided by itself, and a refusal brings what the server has", async () => {
  const { flow, api } = sheet(5);
  await flow.start({});
  assert.equal(flow.decideAlone(flow.items[0], "accept", SEEN), true);
  await settle();
  assert.deepEqual([api.bodies("decide").length, flow.items[0].at, flow.items[0].state], [1, "done", "approved"]);
  api.failing.decide = [new Refused("it moved on", { code: "conflict", edit: edit(2, 7) })];
  flow.decideAlone(flow.items[1], "accept", SEEN);
  await settle();
  assert.deepEqual([flow.items[1].at, flow.items[1].edit.revision, flow.items[1].trouble], ["open", 7, "not kept: it moved on"]);
  assert.equal(flow.decideAlone(flow.items[0], "accept", SEEN), false, "it is decided already");
});

test("claims are renewed while the sheet is used, and those that ended are named", async () => {
  const { flow, api, time } = sheet(5);
  await flow.start({});
  time.now = 11 * 60_000;
  await flow.tick(0);
  assert.equal(api.bodies("claims").length, 1, "nobody is there");
  flow.use();
  api.claimed.delete(3);
  await flow.tick(0);
  assert.deepEqual(api.bodies("claims")[1].renew, ["t1", "t2", "t3", "t4", "t5"]);
  assert.deepEqual(flow.items.map((item) => item.token), ["t1", "t2", null, "t4", "t5"]);
});

test("while nobody answers a sheet is asked for again, and a refusal says why there is none", async () => {
  const { flow, api } = sheet(5);
  api.failing.claims = [new Unreachable("gone"), new Unreachable("gone")];
  await flow.start({});
  assert.equal(flow.items.length, 5);
  api.failing.claims = [new Refused("there is no such batch", { code: "not_found" })];
  await flow.start({ batch: "gone" });
  assert.deepEqual([flow.rest, flow.restMessage, flow.items], [REST.REFUSED, "there is no such batch", []]);
});
