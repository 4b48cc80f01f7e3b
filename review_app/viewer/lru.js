/** A cache with a bound: what was used longest ago goes first. */
export class Lru {
  /**
   * @param {number} most The weights of all entries together stay at or below this; the newest stays in any case.
   * @param {(value: any) => number} weigh
   */
  constructor(most, weigh = () => 1) {
    this.most = most;
    this.weigh = weigh;
    this.entries = new Map();
  }

  get(key) {
    const value = this.entries.get(key);
    if (value !== undefined) {
      this.entries.delete(key);
      this.entries.set(key, value);
    }
    return value;
  }

  set(key, value) {
    this.entries.delete(key);
    this.entries.set(key, value);
    while (this.entries.size > 1 && this.weight > this.most) this.entries.delete(this.entries.keys().next().value);
  }

  get weight() {
    let sum = 0;
    for (const value of this.entries.values()) sum += this.weigh(value);
    return sum;
  }
}
