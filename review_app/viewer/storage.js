/** The browser's storage; where it is forbidden or full, memory, which ends with the page. */

export function openStorage(open = () => window.localStorage) {
  try {
    const storage = open();
    storage.getItem("picturedesk");
    return new Kept(storage);
  } catch {
    return new Kept(new Memory());
  }
}

/** What the names of one person's things on one desk begin with, and nobody else's: ada@a.co is no part of ada@a.co.uk. */
export function ownerPrefix(desk, person) {
  return `${desk}.${encodeURIComponent(person)}/`;
}

class Kept {
  constructor(storage) {
    this.storage = storage;
  }

  get length() {
    return this.storage.length;
  }

  key(index) {
    return this.storage.key(index);
  }

  getItem(name) {
    return this.storage.getItem(name);
  }

  setItem(name, text) {
    try {
      this.storage.setItem(name, text);
    } catch {
      // Full: the decision is in memory all the same, and is sent from there.
    }
  }

  removeItem(name) {
    this.storage.removeItem(name);
  }
}

class Memory {
  constructor() {
    this.texts = new Map();
  }

  get length() {
    return this.texts.size;
  }

  key(index) {
    return [...this.texts.keys()][index];
  }

  getItem(name) {
    return this.texts.get(name) ?? null;
  }

  setItem(name, text) {
    this.texts.set(name, text);
  }

  removeItem(name) {
    this.texts.delete(name);
  }
}
