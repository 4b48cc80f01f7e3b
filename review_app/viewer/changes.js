/** What changed between two pictures of the same size, for the heat map, the ghost and the hop from change to change. */

const NOISE = 12; // of 255: what re-encoding does to a picture is no change
const CELLS = 48; // along the longer side

/** The largest difference of any channel, per pixel, of two RGBA arrays. */
export function differences(one, other) {
  const found = new Uint8Array(one.length / 4);
  for (let pixel = 0, at = 0; pixel < found.length; pixel += 1, at += 4) {
    const red = Math.abs(one[at] - other[at]);
    const green = Math.abs(one[at + 1] - other[at + 1]);
    const blue = Math.abs(one[at + 2] - other[at + 2]);
    found[pixel] = Math.max(red, green, blue);
  }
  return found;
}

/** RGBA of the heat map: clear where nothing changed, then violet, red, yellow. */
export function heat(found) {
  const rgba = new Uint8ClampedArray(found.length * 4);
  for (let pixel = 0, at = 0; pixel < found.length; pixel += 1, at += 4) {
    if (found[pixel] < NOISE) continue;
    const much = Math.min(1, found[pixel] / 160);
    rgba[at] = 150 + 105 * much;
    rgba[at + 1] = 480 * (much - 0.45);
    rgba[at + 2] = 150 * (1 - 1.6 * much);
    rgba[at + 3] = 140 + 70 * much;
  }
  return rgba;
}

/** RGBA of a veil of that colour, [red, green, blue], over all that did not change. */
export function veil(found, [red, green, blue]) {
  const rgba = new Uint8ClampedArray(found.length * 4);
  for (let pixel = 0, at = 0; pixel < found.length; pixel += 1, at += 4) {
    rgba[at] = red;
    rgba[at + 1] = green;
    rgba[at + 2] = blue;
    rgba[at + 3] = 215 - 215 * Math.min(1, found[pixel] / (2 * NOISE));
  }
  return rgba;
}

/**
 * Boxes round what changed, in [0, 1] of the picture, the largest first; touching cells are one region.
 * @returns {number[][]} [left, top, right, bottom]
 */
export function changedRegions(found, width, height, most = 24) {
  const side = Math.max(1, Math.ceil(Math.max(width, height) / CELLS));
  const columns = Math.ceil(width / side);
  const rows = Math.ceil(height / side);
  const counts = new Uint32Array(columns * rows);
  for (let y = 0; y < height; y += 1) {
    const row = Math.floor(y / side) * columns;
    for (let x = 0; x < width; x += 1) {
      if (found[y * width + x] >= 2 * NOISE) counts[row + Math.floor(x / side)] += 1;
    }
  }
  const least = 0.04 * side * side;
  const isOpen = Array.from(counts, (count) => count > least);
  const regions = [];
  for (let start = 0; start < isOpen.length; start += 1) {
    if (isOpen[start]) regions.push(flood(isOpen, columns, rows, start));
  }
  regions.sort((one, other) => other.cells - one.cells);
  return regions.slice(0, most).map(({ box }) => [
    (box[0] * side) / width,
    (box[1] * side) / height,
    Math.min(1, (box[2] * side) / width),
    Math.min(1, (box[3] * side) / height),
  ]);
}

function flood(isOpen, columns, rows, start) {
  const box = [columns, rows, 0, 0];
  const rest = [start];
  let cells = 0;
  isOpen[start] = false;
  while (rest.length) {
    const cell = rest.pop();
    const x = cell % columns;
    const y = Math.floor(cell / columns);
    cells += 1;
    box[0] = Math.min(box[0], x);
    box[1] = Math.min(box[1], y);
    box[2] = Math.max(box[2], x + 1);
    box[3] = Math.max(box[3], y + 1);
    for (let down = Math.max(0, y - 1); down <= Math.min(rows - 1, y + 1); down += 1) {
      for (let right = Math.max(0, x - 1); right <= Math.min(columns - 1, x + 1); right += 1) {
        const next = down * columns + right;
        if (isOpen[next]) {
          isOpen[next] = false;
          rest.push(next);
        }
      }
    }
  }
  return { box, cells };
}
