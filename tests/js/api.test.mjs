import assert from "node:assert/strict";
import test from "node:test";

import { Api, Refused, SignedOut, Unreachable } from "../../review_app/viewer/api.js";

const json = (status, body) => new Response(JSON.stringify(body), { status });

/** An API whose server gives these answers one by one; an Error is a network that fails. */
function api(answers, askPage = async () => null) {
  const asked = [];
  const fetch = async (url, options) => {
    asked.push([options.method, url, options.headers.Authorization]);
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const opened = new Api({ base: "/api/page", fetch, askPage });
  opened.useTicket("old", 1000);
  return { api: opened, asked };
}

test("every call carries the ticket in its header and nowhere else", async () => {
  const { api: opened, asked } = api([json(200, { claims: [] })]);
  assert.deepEqual(await opened.claims({ count: 1 }), { claims: [] });
  assert.deepEqual(asked, [["POST", "/api/page/claims", "Bearer old"]]);
});

test("a ticket that has ended is renewed, and the call made again", async () => {
  const { api: opened, asked } = api([
    json(401, { error: "ended" }),
    json(200, { ticket: "new", expires_at: 2000 }),
    json(200, { state: "approved" }),
  ]);
  assert.equal((await opened.decide({})).state, "approved");
  assert.deepEqual(asked.map((each) => each[1]), ["/api/page/decisions", "/api/page/session", "/api/page/decisions"]);
  assert.equal(asked[2][2], "Bearer new");
  assert.equal(opened.expiresAt, 2000);
});

test("where the old ticket buys no new one, the page is asked", async () => {
  const { api: opened, asked } = api(
    [json(401, {}), json(401, {}), json(200, { ok: true })],
    async () => ({ ticket: "page", expires_at: 3000 }),
  );
  await opened.undo({});
  assert.equal(asked[2][2], "Bearer page");
});

test("where the page has none either, somebody must sign in", async () => {
  const { api: opened } = api([json(401, {}), json(401, {})]);
  await assert.rejects(opened.undo({}), SignedOut);
});

test("calls that fail together renew once", async () => {
  const { api: opened, asked } = api([
    json(401, {}),
    json(401, {}),
    json(200, { ticket: "new", expires_at: 2000 }),
    json(200, {}),
    json(200, {}),
  ]);
  await Promise.all([opened.edit(1), opened.edit(2)]);
  assert.equal(asked.filter((each) => each[1] === "/api/page/session").length, 1);
});

test("a ticket near its end is renewed before it fails", async () => {
  const { api: opened, asked } = api([json(200, { ticket: "new", expires_at: 2000 })]);
  await opened.keepFresh(500, 300);
  assert.equal(asked.length, 0);
  await opened.keepFresh(800, 300);
  assert.equal(opened.ticket, "new");
});

test("a clock that is ahead of the server's does not ask for a ticket each second", async () => {
  const answers = Array.from({ length: 60 }, () => json(200, { ticket: "new", expires_at: 1000 }));
  const { api: opened, asked } = api(answers);
  for (let second = 0; second < 60; second += 1) await opened.keepFresh(900 + second, 300);
  assert.equal(asked.length, 1);
  await opened.keepFresh(960, 300);
  assert.equal(asked.length, 2);
});

test("a conflict carries what the edit is now", async () => {
  const { api: opened } = api([json(409, { error: "eve was faster", code: "conflict", edit: { id: 3 } })]);
  await assert.rejects(opened.decide({}), (error) => {
    assert.ok(error instanceof Refused);
    assert.deepEqual([error.message, error.code, error.edit.id], ["eve was faster", "conflict", 3]);
    return true;
  });
});

for (const [what, answer] of [
  ["a network that fails", new TypeError("failed to fetch")],
  ["a server that is busy", json(503, { error: "busy", code: "busy" })],
  ["an answer that is none", new Response("<html>proxy</html>", { status: 200 })],
]) {
  test(`${what} is worth another try`, async () => {
    await assert.rejects(api([answer]).api.edit(1), Unreachable);
  });
}
