import assert from "node:assert/strict";
import test from "node:test";

import {
  FIT,
  MOST_ZOOM,
  actualSize,
  clamp,
  fitScale,
  focusOn,
  grown,
  isAlike,
  isStacked,
  isWhole,
  labelPlaces,
  onto,
  panBy,
  place,
  toPane,
  toPicture,
  wipeCut,
  zoomAt,
} from "../../review_app/viewer/geometry.js";

const PANE = { width: 600, height: 400 };
const PICTURE = { width: 1200, height: 400 };
const near = (found, expected) =>
  [found].flat().forEach((value, index) => assert.ok(Math.abs(value - [expected].flat()[index]) < 1e-6, `${found}`));

test("fit shows the whole picture in the middle", () => {
  assert.equal(fitScale(PANE, PICTURE), 0.5);
  assert.deepEqual(place(FIT, PANE, PICTURE), { scale: 0.5, left: 0, top: 100 });
});

test("a small picture is made no more than four times as large", () => {
  assert.equal(fitScale(PANE, { width: 10, height: 10 }), 4);
});

test("a point goes to the picture and back", () => {
  const view = zoomAt(FIT, PANE, PICTURE, [100, 150], 3);
  const [x, y] = toPicture(view, PANE, PICTURE, [123, 231]);
  near(toPane(view, PANE, PICTURE, [x, y, x, y]).slice(0, 2), [123, 231]);
});

test("zooming keeps the point under the pointer", () => {
  const point = [450, 220];
  const before = toPicture(FIT, PANE, PICTURE, point);
  const view = zoomAt(FIT, PANE, PICTURE, point, 4);
  near(toPicture(view, PANE, PICTURE, point), before);
});

test("zoom ends at fit and at thirty-two times, and fit is centred", () => {
  const close = zoomAt(FIT, PANE, PICTURE, [0, 0], 1000);
  assert.equal(close.zoom, MOST_ZOOM);
  assert.deepEqual(zoomAt(close, PANE, PICTURE, [17, 31], 1e-6), FIT);
});

test("the picture cannot be pushed out of its pane", () => {
  const view = panBy(clamp({ zoom: 4, x: 0.5, y: 0.5 }, PANE, PICTURE), PANE, PICTURE, 1e5, 1e5);
  const at = place(view, PANE, PICTURE);
  near([at.left, at.top], [0, 0]);
  assert.deepEqual(panBy(FIT, PANE, PICTURE, 50, 50), FIT);
});

test("one view shows the same place of two pictures of different size", () => {
  const half = { width: 600, height: 200 };
  const view = zoomAt(FIT, PANE, PICTURE, [450, 220], 4);
  const one = toPicture(view, PANE, PICTURE, [300, 200]);
  const other = toPicture(view, PANE, half, [300, 200]);
  near(other, [one[0] / 2, one[1] / 2]);
});

test("100 % is one pixel for one pixel of the screen", () => {
  near(place(actualSize(FIT, PANE, PICTURE), PANE, PICTURE).scale, 1);
  near(place(actualSize(FIT, PANE, { width: 4800, height: 1600 }, 2), PANE, { width: 4800, height: 1600 }).scale, 0.5);
});

test("a flag is shown in the middle with its surroundings", () => {
  const view = focusOn([300, 100, 340, 120], PANE, PICTURE);
  const box = toPane(view, PANE, PICTURE, [300, 100, 340, 120]);
  near([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2], [300, 200]);
  near(box[2] - box[0], 120);
});

test("the wipe's line cuts the picture, not the pane", () => {
  near(wipeCut(0.25, FIT, PANE, PICTURE), 25);
  near(wipeCut(0.5, FIT, PANE, { width: 400, height: 400 }), 50);
  assert.equal(wipeCut(0, FIT, PANE, { width: 400, height: 400 }), 0);
});

test("boxes go from one size to another, and grow within the picture", () => {
  assert.deepEqual(onto([10, 20, 30, 40], { width: 100, height: 100 }, { width: 200, height: 50 }), [20, 10, 60, 20]);
  assert.deepEqual(grown([2, 200, 102, 220], PICTURE), [0, 190, 112, 230]);
  assert.equal(isWhole([0, 0, 1200, 400], PICTURE), true);
  assert.equal(isWhole([0, 0, 1199, 400], PICTURE), false);
  assert.equal(isAlike({ width: 1024, height: 768 }, { width: 512, height: 384 }), true);
  assert.equal(isAlike({ width: 1024, height: 768 }, { width: 1024, height: 1024 }), false);
});

test("labels of boxes in one place do not cover each other", () => {
  const boxes = [
    [100, 100, 200, 150],
    [100, 100, 200, 150],
    [110, 100, 200, 150],
    [110, 100, 200, 150],
  ];
  const places = labelPlaces(boxes, [80, 80, 80, 80], PANE);
  for (const [index, one] of places.entries()) {
    for (const other of places.slice(index + 1)) {
      assert.ok(Math.abs(one[0] - other[0]) >= 80 || Math.abs(one[1] - other[1]) >= 18, `${one} over ${other}`);
    }
  }
});

test("a label covers no other box where there is room beside it", () => {
  const places = labelPlaces(
    [
      [100, 100, 300, 140],
      [100, 145, 220, 165],
    ],
    [80, 80],
    PANE,
  );
  assert.deepEqual(places, [[100, 80], [100, 167]]);
});

test("a label stays within the pane", () => {
  assert.deepEqual(labelPlaces([[580, 2, 600, 10]], [80], PANE), [[520, 12]]);
});

test("banners stand below each other, and what is nearly as large beside each other stays there", () => {
  const stage = { width: 1000, height: 600 };
  assert.equal(isStacked(stage, { width: 2400, height: 300 }, 8), true);
  assert.equal(isStacked(stage, { width: 1000, height: 1000 }, 8), false);
  assert.equal(isStacked({ width: 622, height: 648 }, { width: 1024, height: 1024 }, 8), false);
  assert.equal(isStacked(stage, { width: 300, height: 2400 }, 8), false);
  assert.equal(isStacked(stage, { width: 24, height: 16 }, 8), false);
});
