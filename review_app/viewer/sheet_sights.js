/**
 * What was on the screen, and for how long. Something was seen once its pictures are decoded, it is in view, and two
 * frames were painted since; before that no decision on many takes it.
 */
export class Sights {
  /**
   * @param {object} options
   * @param {() => Promise<void>} options.painted Resolves when what is in the page now has been painted.
   * @param {() => number} options.now In milliseconds.
   * @param {(sight: string) => void} options.onSeen
   */
  constructor({ painted, now, onSeen }) {
    Object.assign(this, { painted, now, onSeen });
    this.known = new Map();
  }

  /** Its pictures are decoded, or are no longer those that are shown. */
  setDecoded(sight, isDecoded) {
    this.#change(sight, { isDecoded });
  }

  setInView(sight, isInView) {
    this.#change(sight, { isInView });
  }

  has(sight) {
    return this.known.get(sight)?.isSeen ?? false;
  }

  /** For how long it was there to be seen, in milliseconds. */
  shownMs(sight) {
    const { shownMs = 0, since = null } = this.known.get(sight) ?? {};
    return Math.round(shownMs + (since === null ? 0 : this.now() - since));
  }

  /** It was painted elsewhere, large, for so long. */
  add(sight, shownMs) {
    const known = this.#of(sight);
    known.shownMs += shownMs;
    this.#see(sight, known);
  }

  /** The page shows nothing for now: another tab is in front, or a panel over all. */
  setHidden(isHidden) {
    this.isHidden = isHidden;
    for (const sight of this.known.keys()) this.#change(sight, {});
  }

  #of(sight) {
    if (!this.known.has(sight)) this.known.set(sight, { isDecoded: false, isInView: false, isSeen: false, shownMs: 0, since: null, turn: 0 });
    return this.known.get(sight);
  }

  #change(sight, change) {
    const known = Object.assign(this.#of(sight), change);
    const isThere = known.isDecoded && known.isInView && !this.isHidden;
    if (isThere && known.since === null) this.#wait(sight, known);
    if (isThere) return;
    known.turn += 1;
    if (known.since !== null) known.shownMs += this.now() - known.since;
    known.since = null;
  }

  async #wait(sight, known) {
    known.turn += 1;
    const { turn } = known;
    await this.painted();
    if (known.turn !== turn || known.since !== null) return;
    known.since = this.now();
    this.#see(sight, known);
  }

  #see(sight, known) {
    if (known.isSeen) return;
    known.isSeen = true;
    this.onSeen(sight);
  }
}
