/**
 * Which claims a page holds, kept in the browser's storage: a page that died could not give them back, so the next one
 * does, and nobody waits half an hour for the edits that were in hand. A page that lives holds a lock of its name.
 */

export class Hand {
  /**
   * @param {Storage} storage
   * @param {string} prefix Of one desk and one person.
   * @param {string} page A name of this page, which no other has.
   * @param {LockManager | undefined} locks Missing where the browser does not trust the connection.
   */
  constructor(storage, prefix, page, locks) {
    Object.assign(this, { storage, prefix, page, locks });
    this.leaving = new Set();
    this.release = () => {};
    locks?.request(prefix + page, () => new Promise((resolve) => (this.release = resolve)));
  }

  /** @param {string[]} tokens What this page holds now; what it gives back counts as held until the server has heard of it. */
  write(tokens) {
    const held = [...tokens, ...this.leaving];
    if (held.length) this.storage.setItem(this.prefix + this.page, JSON.stringify(held));
    else this.storage.removeItem(this.prefix + this.page);
  }

  /**
   * Give claims back, with all that could not be given back before.
   * @param {string[]} tokens
   * @param {import("./api.js").Api} api
   * @param {() => string[]} held What this page holds besides.
   */
  async giveBack(tokens, api, held) {
    for (const token of tokens) this.leaving.add(token);
    this.write(held());
    const asked = [...this.leaving];
    if (!asked.length) return;
    await api.release(asked);
    for (const token of asked) this.leaving.delete(token);
    this.write(held());
  }

  /** What a page held that died: give it back before claiming, or this person would wait for themselves. */
  async giveBackOrphans(api) {
    for (const [name, tokens] of await this.orphans()) {
      await api.release(tokens);
      this.forget(name);
    }
  }

  /** The tokens of pages that are gone, by the name under which they are kept. */
  async orphans() {
    if (!this.locks) return new Map();
    const { held } = await this.locks.query();
    const alive = new Set([...held.map((lock) => lock.name), this.prefix + this.page]);
    const found = new Map();
    for (let index = 0; index < this.storage.length; index += 1) {
      const name = this.storage.key(index);
      if (name.startsWith(this.prefix) && !alive.has(name)) found.set(name, JSON.parse(this.storage.getItem(name)));
    }
    return found;
  }

  forget(name) {
    this.storage.removeItem(name);
  }
}
