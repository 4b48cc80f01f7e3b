/** What there is to know about an edit, beside its pictures. */

import { make } from "./dom.js";
import { costOf, dollars } from "./prices.js";

/**
 * @param {HTMLElement} root
 * @param {object} edit
 * @param {object | null} output The one on the screen.
 * @param {{onOutput: (index: number) => void, onFlag: (flag: object) => void}} calls
 */
export function drawSide(root, edit, output, calls) {
  root.replaceChildren(
    ...[
      outputs(edit, output, calls.onOutput),
      section("Asked for", make("p", { className: "prompt" }, edit.prompt)),
      flags(output, edit.reasons, calls.onFlag),
      rounds(edit),
      lines("Why it is here", otherReasons(edit, output)),
      facts(edit, output),
    ].filter(Boolean),
  );
}

/** Show which flag is chosen. */
export function markFlag(root, output, chosen) {
  root.querySelectorAll(".flag").forEach((row, index) => {
    const isChosen = Boolean(output) && output.flags[index] === chosen;
    if (row.classList.toggle("chosen", isChosen)) row.scrollIntoView({ block: "nearest" });
  });
}

function section(title, ...children) {
  return make("section", {}, make("h2", {}, title), ...children);
}

function outputs(edit, output, onOutput) {
  if (edit.outputs.length < 2) return null;
  const buttons = edit.outputs.map((each, index) => {
    const image = make("img", { src: each.picture.small_url, alt: "", draggable: false });
    const name = make("span", {}, each.name || `Output ${index + 1}`);
    const pressed = String(each === output);
    return make("button", { type: "button", "aria-pressed": pressed, onclick: () => onOutput(index) }, image, name);
  });
  const keys = make("span", { className: "keys" }, make("kbd", {}, ","), make("kbd", {}, "."));
  return make("section", {}, make("h2", {}, `${edit.outputs.length} outputs`, keys), make("div", { className: "outputs" }, ...buttons));
}

/** Why it is here, besides the flags, which say so themselves. */
function otherReasons(edit, output) {
  const said = new Set(output?.flags.map((flag) => flag.line));
  return edit.reasons.filter((reason) => !said.has(reason));
}

function flags(output, reasons, onFlag) {
  if (!output) return null;
  if (!output.flags.length) return section("Flags", make("p", { className: "hint" }, "none"));
  const why = new Set(reasons);
  const rows = output.flags.map((flag) =>
    make(
      "button",
      { type: "button", className: `flag ${flag.kind} ${flag.change} ${flag.level}`, onclick: () => onFlag(flag) },
      make("i", { "aria-hidden": "true" }),
      make(why.has(flag.line) ? "strong" : "span", {}, flag.line),
    ));
  const isWhy = output.flags.some((flag) => why.has(flag.line));
  const title = make("span", {}, `Flags (${rows.length})${isWhy ? ", bold: why it is here" : ""}`);
  const keys = make("span", { className: "keys" }, make("kbd", {}, "↓"), make("kbd", {}, "↑"));
  return make("section", {}, make("h2", {}, title, keys), make("div", { className: "flags" }, ...rows));
}

function rounds(edit) {
  const all = edit.rounds ?? [];
  if (all.length < 2) return null;
  const said = make("p", { className: "prompt" });
  const buttons = all.map((round) => {
    const show = () => {
      said.textContent = `Round ${round.round}, ${round.state.replaceAll("_", " ")}: ${round.prompt}`;
    };
    const image = round.picture_url_small
      ? make("img", { src: round.picture_url_small, alt: "", draggable: false })
      : make("i", { className: "none" });
    const label = `Round ${round.round}, ${round.state.replaceAll("_", " ")}`;
    const isThis = round.id === edit.id ? { "aria-current": "step" } : {};
    return make("button", { type: "button", "aria-label": label, onclick: show, onmouseenter: show, ...isThis }, image, make("span", {}, String(round.round)));
  });
  return section("Rounds", make("div", { className: "rounds" }, ...buttons), said);
}

function lines(title, texts) {
  if (!texts?.length) return null;
  return section(title, make("ul", {}, ...texts.map((text) => make("li", {}, text))));
}

function facts(edit, output) {
  const rows = [
    ["Edit", history(edit)],
    ["Source", edit.source && size(edit.source)],
    ["Output", output && size(output.picture)],
    ["Recipe", edit.recipe],
    ["Goes to", edit.destinations?.join(", ")],
    ["Made by", [edit.provider, edit.ai_model].filter(Boolean).join(", ")],
    ["Asked by", edit.asked_by],
    ["Approved by", edit.approvals?.join(", ")],
    ["Escalated by", edit.escalated_by],
    ["Cost", (edit.cost_usd || edit.unpriced || edit.state !== "in_doubt") && costOf(edit.cost_usd, edit.unpriced)],
    ["All rounds", edit.round > 1 && costOf(edit.asset_cost_usd, edit.asset_unpriced)],
    ["In doubt", edit.state === "in_doubt" && (edit.doubtful_usd === null ? "not known how much" : `up to ${dollars(edit.doubtful_usd)}`)],
  ];
  const shown = rows.filter(([, value]) => value).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
  return section("Facts", make("dl", {}, ...shown));
}

/** Elsewhere, so that what is in hand stays. */
function history(edit) {
  return make("a", { href: `asset?edit=${edit.id}`, target: "_blank", rel: "noopener" }, `${edit.id}, its history`);
}

function size(picture) {
  const kind = picture.media_type.replace("image/", "").toUpperCase();
  const kilobytes = picture.bytes / 1000;
  const weight = kilobytes < 1000 ? `${Math.ceil(kilobytes)} kB` : `${(kilobytes / 1000).toFixed(1)} MB`;
  return `${picture.width} × ${picture.height}, ${kind}, ${weight}`;
}
