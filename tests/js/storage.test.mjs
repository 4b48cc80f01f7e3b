import assert from "node:assert/strict";
import test from "node:test";

import { ownerPrefix } from "../../review_app/viewer/storage.js";

test("what one person left unsent is never read as another's", () => {
  const people = ["ada@a.co", "ada@a.co.uk", "ada", "ada.b", "ada/b", "ada%2Fb", "Ada", ""];
  for (const one of people) {
    for (const other of people) {
      const name = `${ownerPrefix("desk", other)}k1`;
      assert.equal(name.startsWith(ownerPrefix("desk", one)), one === other, `${one} ${other}`);
    }
  }
});
