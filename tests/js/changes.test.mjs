import assert from "node:assert/strict";
import test from "node:test";

import { changedRegions, differences, heat, veil } from "../../review_app/viewer/changes.js";

/** RGBA of a grey picture with white rectangles. */
function picture(width, height, ...rectangles) {
  const rgba = new Uint8ClampedArray(width * height * 4).fill(100);
  for (const [left, top, right, bottom] of rectangles) {
    for (let y = top; y < bottom; y += 1) rgba.fill(255, (y * width + left) * 4, (y * width + right) * 4);
  }
  return rgba;
}

test("the largest difference of a channel counts", () => {
  assert.deepEqual([...differences([10, 20, 30, 255, 0, 0, 0, 0], [13, 10, 30, 0, 0, 0, 9, 0])], [10, 9]);
});

test("what did not change stays clear on the heat map, and lies under the veil", () => {
  const found = Uint8Array.of(0, 5, 200);
  const hot = heat(found);
  assert.deepEqual([hot[3], hot[7], hot[11]], [0, 0, 210]);
  const grey = veil(found, [20, 21, 22]);
  assert.deepEqual([...grey.slice(0, 4)], [20, 21, 22, 215]);
  assert.ok(grey[7] > 150);
  assert.equal(grey[11], 0);
});

test("regions are boxes round what changed, the largest first", () => {
  const [width, height] = [480, 240];
  const found = differences(
    picture(width, height),
    picture(width, height, [20, 20, 50, 50], [300, 100, 400, 200]),
  );
  const regions = changedRegions(found, width, height);
  assert.equal(regions.length, 2);
  assert.deepEqual(regions[0].map((at, index) => at * [width, height][index % 2]), [300, 100, 400, 200]);
  assert.deepEqual(regions[1].map((at, index) => at * [width, height][index % 2]), [20, 20, 50, 50]);
});

test("noise makes no region", () => {
  const found = new Uint8Array(480 * 240).fill(20);
  found[7777] = 255;
  assert.deepEqual(changedRegions(found, 480, 240), []);
});
