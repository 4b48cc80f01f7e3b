/** What the browser gives to the modules, in memory. */

/** Its storage; a test may look into it as into any map. */
export class FakeStorage extends Map {
  get length() {
    return this.size;
  }
  key(index) {
    return [...this.keys()][index];
  }
  getItem(name) {
    return this.get(name) ?? null;
  }
  setItem(name, text) {
    this.set(name, text);
  }
  removeItem(name) {
    this.delete(name);
  }
}

/** A clock that goes on only when it is told to. */
export class FakeClock {
  constructor(now = 1000) {
    this.time = now;
  }
  now = () => this.time;
  pass = (ms) => (this.time += ms);
}

/** A sleep that nobody wakes from but by what else is waited for; it writes down how long. */
export function endlessSleep(slept = []) {
  return (ms) => {
    slept.push(ms);
    return new Promise(() => {});
  };
}

/** Until all that could go on has gone on. */
export const settle = () => new Promise((resolve) => setImmediate(resolve));
