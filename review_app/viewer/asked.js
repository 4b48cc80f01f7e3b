/**
 * The rounds that this person asked for and that are not back yet. Kept in the browser's storage, so that another page
 * knows of them, too; looked at from time to time, for one that fails comes into nobody's queue.
 */

const MOST = 20;
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
   * See how they stand; gives what has come to an end without coming back, in words.
   * @param {(id: number) => Promise<object>} fetchEdit
   */
  async look(fetchEdit) {
    const ended = [];
    for (const each of [...this.rounds]) {
      const { rounds } = await fetchEdit(each.edit);
      const last = rounds.at(-1);
      if (BEING_MADE.has(last.state)) continue;
      this.#keep(this.rounds.filter((other) => other !== each));
      if (!IN_THE_QUEUE.has(last.state)) ended.push(`Round ${last.round} of ${each.title}: ${last.state}`);
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
