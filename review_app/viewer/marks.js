/** Flags over the pictures: a frame with a dark halo, and a label. */

import { draw, make } from "./dom.js";
import { isWhole, labelPlaces, onto, toPane } from "./geometry.js";

export const KINDS = ["logo", "text", "face", "quality", "detector"];

const LONGEST = 22; // letters of a label's own words, so that what the edit did to it stays in sight

const LETTER_PX = 6.7; // mean width of a letter of the labels, so that no layout is needed to place them

/** The flags that belong on a side, with their box in pixels of `picture`, the picture shown there. */
export function onSide(side, flags, picture, source) {
  return flags.flatMap((flag) => {
    const box = boxOn(side, flag, picture, source);
    return box && !isWhole(box, picture) ? [{ flag, box }] : [];
  });
}

function boxOn(side, flag, picture, source) {
  const onSource = flag.source_xyxy ?? (flag.change === "lost" ? flag.xyxy : null);
  if (side === "source") return flag.change === "lost" || flag.change === "altered" ? onSource : null;
  if (flag.change !== "lost") return flag.xyxy;
  // Where both pictures share a frame, what was lost is shown where it was.
  return side === "both" && source && onSource ? onto(onSource, source, picture) : null;
}

/** Short words for a label. */
export function labelOf(flag) {
  const words = flag.label.length > LONGEST ? `${flag.label.slice(0, LONGEST - 1).trimEnd()}…` : flag.label;
  const name = flag.kind === "quality" || flag.kind === "detector" ? words : `${flag.kind} ${words}`;
  return `${name.trim()} · ${flag.change} ${flag.score.toFixed(2)}`;
}

/**
 * Draw flags into a pane.
 * @param {SVGElement} frames
 * @param {HTMLElement} labels
 * @param {{flag: object, box: number[]}[]} shown
 * @param {{view: object, pane: object, picture: object, chosen: object | null, region: number[] | null}} at
 */
export function drawMarks(frames, labels, shown, { view, pane, picture, chosen, region }) {
  const placed = shown.map(({ flag, box }) => ({ flag, box: toPane(view, pane, picture, box) }));
  frames.replaceChildren(...placed.flatMap(({ flag, box }) => framesOf(box, classesOf(flag, chosen))));
  if (region) frames.append(...framesOf(toPane(view, pane, picture, region), "region"));
  const named = placed.filter(({ flag, box }) => (flag.change !== "kept" || flag === chosen) && isIn(box, pane));
  const texts = named.map(({ flag }) => labelOf(flag));
  const widths = texts.map((text) => Math.min(260, 14 + LETTER_PX * text.length));
  const places = labelPlaces(named.map(({ box }) => box), widths, pane);
  labels.replaceChildren(
    ...named.map(({ flag }, index) => {
      const label = make("span", { className: `label ${classesOf(flag, chosen)}` }, texts[index]);
      label.style.translate = `${places[index][0]}px ${places[index][1]}px`;
      return label;
    }),
  );
}

function framesOf(box, classes) {
  const [left, top, right, bottom] = box.map((at) => Math.round(at * 2) / 2);
  const size = { x: left, y: top, width: Math.max(1, right - left), height: Math.max(1, bottom - top), rx: 2 };
  return [draw("rect", { ...size, class: `halo ${classes}` }), draw("rect", { ...size, class: `frame ${classes}` })];
}

function classesOf(flag, chosen) {
  return [flag.kind, flag.change, flag.level === "sure" ? "sure" : "weak", flag === chosen ? "chosen" : ""]
    .filter(Boolean)
    .join(" ");
}

function isIn(box, pane) {
  return box[2] > 0 && box[3] > 0 && box[0] < pane.width && box[1] < pane.height;
}
