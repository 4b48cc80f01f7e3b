/**
 * The rounds that this person asked for and that are not back yet. Kept in the browser's storage, so that another page
 * knows of them, too; looked at from time to time, for one that fails comes into nobody's queue.
 */

const MOST = 20;
const AT_ONCE = 3;
const BEING_MADE = new Set(["queued", "sending", "produced"]);
const IN_THE_QUEUE = new Set(["in_review", "refused", "in_doubt"]);

export class Asked {
  /**
   * @param {Storage} storage
   * @param {string} name Under which they are kept: of one desk and one person.
   */
  constructor(storage, name) {
    Object.assign(this, { storage, name });
    this.rounds = JSON.parse(storage.getItem(name) ?? "[]");
  }

  get count() {
    return this.rounds.length;
  }

  /** @param {object} edit The edit whose next round was asked for. */
  add(edit) {
    const round = { edit: edit.id, title: edit.title, round: edit.round + 1 };
    this.#keep([...this.rounds.filter((each) => each.edit !== edit.id), round].slice(-MOST));
  }

  /** The asset is in hand again: a later round of it, or the same because nothing was asked for after all. */
  isBack(edit) {
    const ids = new Set([edit.id, ...(edit.rounds ?? []).map((round) => round.id)]);
    if (this.rounds.some((each) => ids.has(each.edit))) this.#keep(this.rounds.filter((each) => !ids.has(each.edit)));
  }

  /**
   * See how some of them stand, each in its turn; gives what has come to an end without coming back, in words.
   * @param {(id: number) => Promise<object>} fetchEdit
   */
  async look(fetchEdit) {
    const ended = [];
    for (const each of this.rounds.slice(0, AT_ONCE)) {
      const { rounds } = await fetchEdit(each.edit);
      const last = rounds.at(-1);
      const others = this.rounds.filter((other) => other.edit !== each.edit);
      this.#keep(BEING_MADE.has(last.state) ? [...others, each] : others);
      if (!BEING_MADE.has(last.state) && !IN_THE_QUEUE.has(last.state)) ended.push(endOf(each, last));
    }
    return ended;
  }

  /** "Round 2 of hat is being made, and comes back to you."; "" if there is none. */
  get words() {
    if (this.count === 0) return "";
    const [{ round, title }] = this.rounds;
    if (this.count === 1) return `Round ${round} of ${title} is being made, and comes back to you.`;
    return `${this.count} rounds that you asked for are being made, and come back to you.`;
  }

  #keep(rounds) {
    this.rounds = rounds;
    if (rounds.length) this.storage.setItem(this.name, JSON.stringify(rounds));
    else this.storage.removeItem(this.name);
  }
}

function endOf({ title }, { round, state }) {
  const has = state === "failed" ? "failed" : `been ${state}`;
  const how = state === "approved" ? "the policy has approved it" : `it has ${has}, and is in nobody's queue: find it by Search`;
  return `Round ${round} of ${title}: ${how}.`;
}
