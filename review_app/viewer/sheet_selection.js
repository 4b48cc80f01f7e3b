/** What is selected, as in a file manager: by ids, so that it outlives another order. */
export class Selection {
  constructor() {
    this.ids = [];
    this.chosen = new Set();
    this.at = null;
    this.anchor = null;
  }

  /** These are on the sheet now, in this order; what is not there any more is not selected either. */
  order(ids) {
    this.ids = ids;
    const there = new Set(ids);
    this.chosen = new Set([...this.chosen].filter((id) => there.has(id)));
    if (!there.has(this.at)) this.at = ids[0] ?? null;
    if (!there.has(this.anchor)) this.anchor = this.at;
  }

  get index() {
    return this.ids.indexOf(this.at);
  }

  has(id) {
    return this.chosen.has(id);
  }

  /** This one and no other. */
  only(id) {
    this.#go(id);
    this.chosen = new Set([id]);
  }

  toggle(id) {
    this.#go(id);
    if (!this.chosen.delete(id)) this.chosen.add(id);
  }

  /** From where the last selection began up to here; `adds` keeps what else is selected. */
  extend(id, { adds = false } = {}) {
    const ends = [this.ids.indexOf(this.anchor), this.ids.indexOf(id)].sort((one, other) => one - other);
    const range = this.ids.slice(Math.max(0, ends[0]), ends[1] + 1);
    this.chosen = new Set([...(adds ? this.chosen : []), ...range]);
    this.at = id;
  }

  /** These, and those that were selected before. */
  set(ids, before = []) {
    this.chosen = new Set([...before, ...ids]);
    if (ids.length) this.#go(ids.at(-1));
  }

  /** These, and the cursor stays. */
  all(ids = this.ids) {
    this.chosen = new Set(ids);
  }

  clear() {
    this.chosen = new Set();
    this.anchor = this.at;
  }

  /** Look at another one, without a selection. */
  move(id) {
    this.#go(id);
  }

  /** These are decided: select them no more. */
  drop(ids) {
    for (const id of ids) this.chosen.delete(id);
  }

  #go(id) {
    this.at = id;
    this.anchor = id;
  }
}
