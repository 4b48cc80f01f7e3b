import assert from "node:assert/strict";
import test from "node:test";

import { Lru } from "../../review_app/viewer/lru.js";

test("what was used longest ago goes first", () => {
  const cache = new Lru(2);
  cache.set("a", 1);
  cache.set("b", 2);
  cache.get("a");
  cache.set("c", 3);
  assert.deepEqual([cache.get("a"), cache.get("b"), cache.get("c")], [1, undefined, 3]);
});

test("the bound is on the weights, and the newest stays", () => {
  const cache = new Lru(10, (value) => value);
  cache.set("a", 4);
  cache.set("b", 4);
  cache.set("c", 4);
  assert.equal(cache.weight, 8);
  cache.set("huge", 99);
  assert.deepEqual([...cache.entries.keys()], ["huge"]);
});
