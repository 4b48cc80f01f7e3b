/** What to ask for in the next round, from what was flagged in this one. */

const OF_THE_PICTURE = new Set(["text", "logo", "face"]);

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
 * @param {{prompt: string, flags: object[], picture: object | null, source: object | null, onOutput: boolean}} given
 *   `flags` are those to put right; what was kept is among them only if the person chose it.
 */
export function promptFor({ prompt, flags, picture, source, onOutput }) {
  const wrong = flags.filter((flag) => OF_THE_PICTURE.has(flag.kind));
  if (!picture || wrong.length === 0) return prompt;
  const at = (flag) => whereIs(flag.xyxy, flag.change === "lost" && source ? source : picture);
  if (onOutput) {
    const tasks = wrong.map((flag) => `${verb(flag)} ${nameOf(flag)} ${at(flag)}`);
    return `${sentence(tasks)}, keep everything else`;
  }
  const tasks = wrong.map((flag) => `${not(flag)} ${nameOf(flag)} ${at(flag)}`);
  return `${prompt.trim().replace(/[.;,]+$/, "")}. ${sentence(tasks)}.`;
}

/** The flags that a new round should put right: the chosen one, or all that the edit brought, altered or lost. */
export function toPutRight(flags, chosen) {
  if (chosen) return [chosen];
  return flags.filter((flag) => flag.change !== "kept" && OF_THE_PICTURE.has(flag.kind)).slice(0, 5);
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
