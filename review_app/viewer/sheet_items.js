/** The edits on the sheet: what each says of itself, and which of them a decision on many may take. */

/** An edit as it was claimed: `at` is "open", "sending" or "done"; `trouble` says what went wrong with it. */
export function itemOf({ edit, token }) {
  return { edit, token, output: 0, at: "open", decision: null, reason: "", state: null, trouble: "" };
}

/** What one looks at: another output is another sight, another revision of the same pictures is not. */
export function sightOf(item) {
  return `${item.edit.id}/${item.edit.outputs[item.output]?.id ?? ""}`;
}

/** What was found for sure, and the source did not have as it is: nobody accepts that among many. */
export function openSureFlags(item) {
  return flagsOf(item).filter((flag) => flag.level === "sure" && flag.change !== "kept");
}

export function flagsOf(item) {
  return item.edit.outputs[item.output]?.flags ?? [];
}

/**
 * Which items a decision takes, and how many it leaves out for which reason.
 * @param {object[]} items
 * @param {"accept" | "reject"} decision
 * @param {(item: object) => boolean} isSeen
 * @returns {{taken: object[], left: Map<string, number>}}
 */
export function divide(items, decision, isSeen) {
  const taken = [];
  const left = new Map();
  for (const item of items) {
    const why = whyNot(item, decision, isSeen);
    if (why) left.set(why, (left.get(why) ?? 0) + 1);
    else taken.push(item);
  }
  return { taken, left };
}

const WHY_NOT = ["unseen", "sure", "several", "not-allowed", "decided"];

function whyNot(item, decision, isSeen) {
  const { edit } = item;
  if (item.at !== "open") return "decided";
  if (!edit.may[decision]) return "not-allowed";
  if (decision === "accept" && edit.outputs.length > 1) return "several";
  if (decision === "accept" && openSureFlags(item).length) return "sure";
  return isSeen(item) ? null : "unseen";
}

/** "2 not seen yet, 1 with a sure flag" */
export function inWords(left, decision) {
  const words = {
    unseen: "not seen yet: scroll to them",
    sure: "with a sure flag: look at them one by one",
    several: "with several outputs to choose from",
    "not-allowed": `that you cannot ${decision}`,
    decided: "decided already",
  };
  return WHY_NOT.filter((why) => left.has(why)).map((why) => `${left.get(why)} ${words[why]}`).join("; ");
}

/** What stands below a picture: a sign and words. */
export function statusOf(item, isSeen) {
  const { edit } = item;
  if (item.at === "sending") return { name: "sending", sign: "…", words: item.decision === "accept" ? "accepting" : "rejecting" };
  if (item.at === "done") return doneStatus(item);
  if (item.trouble) return { name: "trouble", sign: "!", words: item.trouble };
  if (!edit.outputs.length) return { name: "failed", sign: "⚠", words: WITHOUT_OUTPUT[edit.state] ?? edit.state.replaceAll("_", " ") };
  if (edit.outputs.length > 1) return { name: "waiting", sign: "▤", words: `${edit.outputs.length} outputs to choose from` };
  return isSeen ? { name: "waiting", sign: "", words: edit.prompt } : { name: "waiting", sign: "○", words: "not seen yet" };
}

const WITHOUT_OUTPUT = {
  refused: "refused by the provider",
  in_doubt: "the answer was lost",
  failed: "failed",
};

function doneStatus({ decision, reason, state }) {
  if (state === "in_review") return { name: decision, sign: "◔", words: `you ${decision === "accept" ? "accepted" : "rejected"}; others decide, too` };
  if (decision === "accept") return { name: decision, sign: "✓", words: "accepted" };
  return { name: decision, sign: "✕", words: `rejected: ${reason.replaceAll("_", " ")}` };
}

/** Flags that are alike as one, the worst first: `{kind, change, level, count, lines}`. */
export function alike(flags) {
  const found = new Map();
  for (const flag of flags) {
    const name = `${flag.kind} ${flag.change} ${flag.level}`;
    const known = found.get(name) ?? { kind: flag.kind, change: flag.change, level: flag.level, count: 0, lines: [] };
    known.count += 1;
    known.lines.push(flag.line);
    found.set(name, known);
  }
  return [...found.values()].sort((one, other) => weight(other) - weight(one));
}

function weight({ change, level }) {
  return (change === "kept" ? 0 : 2) + (level === "sure" ? 1 : 0);
}

export const SORTS = [
  { name: "queue", label: "queue order" },
  { name: "flags", label: "flags first" },
  { name: "clean", label: "flags last" },
  { name: "prompt", label: "prompt" },
  { name: "name", label: "name" },
];

/** The items in another order; alike ones stay as they are in the queue. */
export function sorted(items, sort) {
  const words = { name: (item) => item.edit.title, prompt: (item) => item.edit.prompt }[sort];
  if (words) return [...items].sort((one, other) => words(one).localeCompare(words(other), "en", { numeric: true }));
  const sign = { flags: -1, clean: 1 }[sort];
  return sign ? [...items].sort((one, other) => sign * (worst(one) - worst(other))) : [...items];
}

/** Nothing is 0, a flag that was there before 1, and a sure one that is new 4. */
function worst(item) {
  return Math.max(0, ...flagsOf(item).map((flag) => 1 + weight(flag)));
}
