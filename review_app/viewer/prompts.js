/** What to ask for in the next round: from what was flagged in this one, and from the reason to reject it. */

const OF_THE_PICTURE = new Set(["text", "logo", "face"]);
const QUOTED = /"([^"]{1,80})"|“([^”]{1,80})”|'([^']{1,80})'(?!\w)/g;

/** Which kind of flag a reason is about. */
const KIND_OF = { "garbled text": "text", misspelled: "text", logo: "logo", "logo distorted": "logo", face: "face" };

/** What a reason asks for: of the source, after the instruction; and of the output, by itself if there are words for it. */
const WORDS = {
  "wrong edit": ["This was not done as asked: do exactly this, and nothing else", null],
  "source changed": [
    "Keep the product exactly as it is in the source: shape, colours, texture, text and logos",
    "Restore the product as it is in the source: shape, colours, texture, text and logos",
  ],
  "garbled text": ["Write every text exactly as it is in the source, or leave it out", "Remove the garbled text"],
  logo: ["Add no logo, and keep those of the source exactly as they are", "Remove the logo that was added"],
  face: ["Keep every face exactly as it is in the source, and add none", "Restore every face as it is in the source"],
  artefacts: [
    "Make a clean picture, without smears, seams, halos or doubled edges",
    "Clean up the smears, seams and doubled edges",
  ],
};

/** Where a box lies, in words: "top left", "at the bottom", "in the middle". */
export function whereIs(xyxy, picture) {
  const third = (at, length) => Math.min(2, Math.max(0, Math.floor((3 * at) / length)));
  const down = ["top", "", "bottom"][third((xyxy[1] + xyxy[3]) / 2, picture.height)];
  const across = ["left", "", "right"][third((xyxy[0] + xyxy[2]) / 2, picture.width)];
  if (down && across) return `${down} ${across}`;
  if (down) return `at the ${down}`;
  return across ? `on the ${across}` : "in the middle";
}

/** What a flag is about, as a prompt calls it: "the text 'SALE'". */
export function nameOf(flag) {
  return flag.label ? `the ${flag.kind} '${flag.label}'` : `the ${flag.kind}`;
}

/**
 * The prompt that the re-prompt panel begins with.
 * @param {{prompt: string, flags: object[], picture: object | null, source: object | null, onOutput: boolean,
 *   reason?: string, own?: Record<string, string>, isLocal?: boolean}} given
 *   `flags` are those to put right; what was kept is among them only if the person chose it. `own` has the desk's own
 *   words for a reason. `isLocal`: for the engine on this machine, which takes boxes and few words.
 */
export function promptFor({ prompt, flags, picture, source, onOutput, reason = "", own = {}, isLocal = false }) {
  const wrong = picture ? flags.filter((flag) => OF_THE_PICTURE.has(flag.kind)) : [];
  if (isLocal && !of(own, reason)) return onOutput ? byBoxes(wrong) || prompt : prompt;
  const at = (flag) => whereIs(flag.xyxy, flag.change === "lost" && source ? source : picture);
  if (onOutput) {
    const tasks = isOfFlags(reason) ? wrong.map((flag) => `${verb(flag)} ${nameOf(flag)} ${at(flag)}`) : [];
    const task = of(own, reason) ?? (tasks.length ? sentence(tasks) : of(WORDS, reason)?.[1]);
    if (task) return `${bare(task)}, keep everything else`;
  }
  const tasks = onOutput ? [] : wrong.map((flag) => `${not(flag)} ${nameOf(flag)} ${at(flag)}`);
  const said = [of(own, reason) ?? ofTheSource(reason, prompt), tasks.length ? sentence(tasks) : null].filter(Boolean);
  return said.length ? [prompt, ...said].map((each) => `${bare(each)}.`).join(" ") : prompt;
}

/** The flags that a new round should put right: the chosen one, or all that the edit brought, altered or lost. */
export function toPutRight(flags, chosen, reason = "") {
  if (chosen) return [chosen];
  const kind = of(KIND_OF, reason);
  const isMeant = (flag) => OF_THE_PICTURE.has(flag.kind) && (!kind || flag.kind === kind);
  return flags.filter((flag) => flag.change !== "kept" && isMeant(flag)).slice(0, 5);
}

/** Whether a round that is asked for with this reason starts from the output: there, something small is to be put right. */
export function startsOnOutput(flags, reason = "") {
  if (!isOfFlags(reason)) return reason === "artefacts";
  return flags.some((flag) => flag.change !== "lost");
}

/** Whether a reason says no more than the flags do: then they are named. */
function isOfFlags(reason) {
  return !reason || reason === "other" || of(KIND_OF, reason) !== undefined;
}

/** As the engine on this machine takes it: "Remove the text in the box 10,20,200,300". */
function byBoxes(flags) {
  const tasks = flags
    .filter((flag) => verb(flag) === "remove")
    .map((flag) => `remove the ${flag.kind === "text" ? "text" : "object"} in the box ${flag.xyxy.map(Math.round).join(",")}`);
  const joined = tasks.join(" and ");
  return joined && joined[0].toUpperCase() + joined.slice(1);
}

function ofTheSource(reason, prompt) {
  if (of(KIND_OF, reason) === "text") {
    const texts = [...prompt.matchAll(QUOTED)].map((found) => found[1] ?? found[2] ?? found[3]);
    if (texts.length) return `Write ${texts.map((text) => `'${text}'`).join(" and ")} exactly, or leave it out`;
  }
  if (!reason || reason === "other") return null;
  return of(WORDS, reason)?.[0] ?? `The last picture was rejected, because: ${reason}. Put that right`;
}

/** An entry of a table; not what every object has, for reasons are the desk's own words. */
function of(table, name) {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

function verb(flag) {
  if (flag.change === "lost") return "bring back";
  return flag.change === "altered" ? "restore" : "remove";
}

function not(flag) {
  if (flag.change === "introduced") return "do not add";
  return flag.change === "kept" ? "remove" : "keep";
}

function sentence(tasks) {
  const joined = tasks.length > 1 ? `${tasks.slice(0, -1).join(", ")} and ${tasks.at(-1)}` : tasks[0];
  return joined[0].toUpperCase() + joined.slice(1);
}

function bare(text) {
  return text.trim().replace(/[.;,]+$/, "");
}
