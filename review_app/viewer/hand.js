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
    this.release = () => {};
    locks?.request(prefix + page, () => new Promise((resolve) => (this.release = resolve)));
  }

  /** @param {string[]} tokens What this page holds now. */
  write(tokens) {
    if (tokens.length) this.storage.setItem(this.prefix + this.page, JSON.stringify(tokens));
    else this.storage.removeItem(this.prefix + this.page);
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
