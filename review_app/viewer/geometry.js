/**
 * Where pictures stand. A view is shared by all panes, whatever the size of their pictures:
 * `zoom` 1 fits the picture into its pane, and `x`, `y` in [0, 1] is the place of the picture in the pane's middle.
 * Sizes are {width, height}: of a pane in CSS pixels, of a picture in its own. Boxes are [left, top, right, bottom].
 */

export const FIT = Object.freeze({ zoom: 1, x: 0.5, y: 0.5 });
export const MOST_ZOOM = 32;

/** CSS pixels per picture pixel at zoom 1; a small picture is not blown up beyond four times. */
export function fitScale(pane, picture) {
  return Math.min(pane.width / picture.width, pane.height / picture.height, 4);
}

/** Two panes stand below each other if that shows the picture so much larger: a banner in half the width is a line. */
const STACKED = 1.5;

/** Whether the panes of source and output stand below each other in a stage of that size. */
export function isStacked(stage, picture, gap) {
  const beside = fitScale({ width: (stage.width - gap) / 2, height: stage.height }, picture);
  const below = fitScale({ width: stage.width, height: (stage.height - gap) / 2 }, picture);
  return below > STACKED * beside;
}

/** Left and top of the picture in the pane, and CSS pixels per picture pixel. */
export function place(view, pane, picture) {
  const scale = fitScale(pane, picture) * view.zoom;
  return {
    scale,
    left: pane.width / 2 - view.x * picture.width * scale,
    top: pane.height / 2 - view.y * picture.height * scale,
  };
}

/** The pixel of the picture under a point of the pane. */
export function toPicture(view, pane, picture, point) {
  const at = place(view, pane, picture);
  return [(point[0] - at.left) / at.scale, (point[1] - at.top) / at.scale];
}

/** A box of the picture, in CSS pixels of the pane. */
export function toPane(view, pane, picture, box) {
  const at = place(view, pane, picture);
  return [
    at.left + box[0] * at.scale,
    at.top + box[1] * at.scale,
    at.left + box[2] * at.scale,
    at.top + box[3] * at.scale,
  ];
}

/** The view that shows as much of the picture as fits: its edges come no farther in than the pane's. */
export function clamp(view, pane, picture) {
  const zoom = Math.min(MOST_ZOOM, Math.max(1, view.zoom));
  const scale = fitScale(pane, picture) * zoom;
  const within = (at, side, length) => {
    const half = side / 2 / (length * scale);
    return half >= 0.5 ? 0.5 : Math.min(1 - half, Math.max(half, at));
  };
  return { zoom, x: within(view.x, pane.width, picture.width), y: within(view.y, pane.height, picture.height) };
}

/** Zoom by a factor, with the point of the pane staying where it is. */
export function zoomAt(view, pane, picture, point, factor) {
  const [x, y] = toPicture(view, pane, picture, point);
  const zoom = Math.min(MOST_ZOOM, Math.max(1, view.zoom * factor));
  const scale = fitScale(pane, picture) * zoom;
  const moved = {
    zoom,
    x: (x - (point[0] - pane.width / 2) / scale) / picture.width,
    y: (y - (point[1] - pane.height / 2) / scale) / picture.height,
  };
  return clamp(moved, pane, picture);
}

/** Move the picture by so many CSS pixels. */
export function panBy(view, pane, picture, dx, dy) {
  const { scale } = place(view, pane, picture);
  const moved = { zoom: view.zoom, x: view.x - dx / (picture.width * scale), y: view.y - dy / (picture.height * scale) };
  return clamp(moved, pane, picture);
}

/** One picture pixel on one pixel of the screen, round the same middle. */
export function actualSize(view, pane, picture, devicePixelRatio = 1) {
  return clamp({ ...view, zoom: 1 / devicePixelRatio / fitScale(pane, picture) }, pane, picture);
}

/** A box in the middle, as large as a third of the pane, but never beyond three times its own size. */
export function focusOn(box, pane, picture) {
  const width = Math.max(1, box[2] - box[0]);
  const height = Math.max(1, box[3] - box[1]);
  const fit = fitScale(pane, picture);
  const scale = Math.min(pane.width / (3 * width), pane.height / (3 * height), Math.max(3, fit));
  const middle = { x: (box[0] + box[2]) / 2 / picture.width, y: (box[1] + box[3]) / 2 / picture.height };
  return clamp({ zoom: scale / fit, ...middle }, pane, picture);
}

/** How much of the picture's width, in percent, is left of the wipe's line at `split` in [0, 1] of the pane. */
export function wipeCut(split, view, pane, picture) {
  const [x] = toPicture(view, pane, picture, [split * pane.width, 0]);
  return Math.min(100, Math.max(0, (100 * x) / picture.width));
}

/** A box of one picture on another of another size. */
export function onto(box, from, to) {
  const x = to.width / from.width;
  const y = to.height / from.height;
  return [box[0] * x, box[1] * y, box[2] * x, box[3] * y];
}

/** Whether a box is the whole picture: such a flag needs no frame. */
export function isWhole(box, picture) {
  return box[0] <= 0 && box[1] <= 0 && box[2] >= picture.width && box[3] >= picture.height;
}

/** The box with a rim of a tenth of its longer side, and no less than 8 pixels, within the picture. */
export function grown(box, picture) {
  const rim = Math.max(8, 0.1 * Math.max(box[2] - box[0], box[3] - box[1]));
  return [
    Math.max(0, Math.floor(box[0] - rim)),
    Math.max(0, Math.floor(box[1] - rim)),
    Math.min(picture.width, Math.ceil(box[2] + rim)),
    Math.min(picture.height, Math.ceil(box[3] + rim)),
  ];
}

/** Whether two pictures have the same proportions, to one percent. */
export function isAlike(one, other) {
  const ratio = (one.width / one.height) * (other.height / other.width);
  return ratio > 0.99 && ratio < 1.01;
}

/**
 * Where labels stand: above the box, else below it, else inside, else lower; never over each other where that can be
 * had, and not over another box if there is a place beside it.
 * @param {number[][]} boxes In CSS pixels of the pane.
 * @param {number[]} widths Of the labels.
 * @returns {number[][]} Left and top of each label.
 */
export function labelPlaces(boxes, widths, pane, height = 18) {
  const taken = [];
  return boxes.map((box, index) => {
    const left = Math.max(0, Math.min(box[0], pane.width - widths[index]));
    const tries = [box[1] - height - 2, box[3] + 2, box[1] + 2];
    for (let row = 1; row <= 8; row += 1) tries.push(box[3] + 2 + row * (height + 1));
    const isIn = (top) => top >= 0 && top + height <= pane.height;
    const isClear = (top, others) =>
      others.every((t) => left >= t[2] || left + widths[index] <= t[0] || top >= t[3] || top + height <= t[1]);
    const others = boxes.filter((other) => other !== box && !covers(other, box));
    const top =
      tries.find((at) => isIn(at) && isClear(at, taken) && isClear(at, others)) ??
      tries.find((at) => isIn(at) && isClear(at, taken)) ??
      Math.max(0, Math.min(pane.height - height, box[1]));
    taken.push([left, top, left + widths[index], top + height]);
    return [left, top];
  });
}

function covers(outer, inner) {
  return outer[0] <= inner[0] && outer[1] <= inner[1] && outer[2] >= inner[2] && outer[3] >= inner[3];
}
