/** Where the pictures of the sheet are: equal cells, left to right, top to bottom. Lengths are in CSS pixels. */

export const GAP = 10;
export const SIZES = { least: 96, most: 400, step: 8, usual: 192 };

const PADDING = 6; // round the picture, as the style sheet has it
const CAPTION = 44; // two lines below it
const SMALL_SIDE = 160;
const LARGE_SIDE = 640;

/**
 * @param {number} width Of the grid.
 * @param {number} size Side of a picture.
 * @param {boolean} areBoth Whether each cell has two pictures.
 */
export function layoutOf(width, size, areBoth) {
  const pictures = areBoth ? 2 * size + PADDING : size;
  const least = Math.min(width, pictures + 2 * PADDING);
  const columns = Math.max(1, Math.floor((width + GAP) / (least + GAP)));
  return { columns, width: (width - GAP * (columns - 1)) / columns, height: size + 2 * PADDING + CAPTION };
}

/** Which cells a rectangle of the grid touches. */
export function indicesIn(layout, [left, top, right, bottom], count) {
  const across = between(left, right, layout.width, layout.columns);
  const down = between(top, bottom, layout.height, Math.ceil(count / layout.columns));
  return down.flatMap((row) => across.map((column) => row * layout.columns + column)).filter((index) => index < count);
}

function between(from, to, length, count) {
  return Array.from({ length: count }, (_, index) => index).filter((index) => {
    const start = index * (length + GAP);
    return start < to && start + length > from;
  });
}

/** Where a key leads from a cell. `rows` are those in sight. */
export function step(key, index, { columns, rows, count }) {
  const by = { arrowright: 1, arrowleft: -1, arrowdown: columns, arrowup: -columns, pagedown: columns * rows, pageup: -columns * rows };
  if (key === "home") return 0;
  if (key === "end") return count - 1;
  const next = index + (by[key] ?? 0);
  if (next >= 0 && next < count) return next;
  // Beyond the last row: to its end, if there is a row below; beyond the first: stay.
  const isRowBelow = Math.floor(index / columns) < Math.floor((count - 1) / columns);
  if (key === "pageup") return index % columns;
  return next >= count && (key === "pagedown" || (key === "arrowdown" && isRowBelow)) ? count - 1 : index;
}

/** The preview that is sharp enough for a picture of that size. */
export function previewSide(size, pixelRatio) {
  return size * pixelRatio <= SMALL_SIDE ? SMALL_SIDE : LARGE_SIDE;
}
