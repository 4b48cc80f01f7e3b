/** Decoded pictures, held ready so that the next edit is there at once. */

import { sleep } from "./dom.js";
import { Lru } from "./lru.js";

const MOST_PIXELS = 96e6; // four bytes each when decoded
const TRIES_BEFORE_ASKING = 2;
const TRIES_BEFORE_SAYING = 3;

export class Pictures {
  /** @param {(sha256: string) => void} onTrouble A picture does not come; it is tried again all the same. */
  constructor(onTrouble) {
    this.onTrouble = onTrouble;
    this.cache = new Lru(MOST_PIXELS, (held) => held.pixels);
  }

  /**
   * The picture as an element, and when it is decoded; if it never is, `ready` never resolves.
   * @param {"source" | "output"} side One picture can be both, and an element stands in one place only.
   * @param {{sha256: string, url: string, pixels_url: string, width: number, height: number}} picture
   * @param {() => Promise<string>} freshUrl Where to find it if its address has ended.
   * @returns {{image: HTMLImageElement, ready: Promise<void>, isReady: boolean}}
   */
  get(side, picture, freshUrl) {
    const name = `${side} ${picture.sha256}`;
    const held = this.cache.get(name);
    if (held) return held;
    const image = new Image();
    image.decoding = "sync"; // what is painted is painted with its pixels
    image.draggable = false;
    image.alt = side === "source" ? "Source" : "Output";
    image.dataset.side = side;
    const loading = { image, isReady: false, pixels: picture.width * picture.height };
    this.cache.set(name, loading);
    const isWanted = () => image.isConnected || this.cache.entries.get(name) === loading;
    loading.ready = this.#load(image, picture, freshUrl, isWanted);
    loading.ready.then(() => (loading.isReady = true));
    return loading;
  }

  /** Whether so many pixels more can be held beside those that are. */
  hasRoomFor(pixels) {
    return pixels <= MOST_PIXELS;
  }

  async #load(image, picture, freshUrl, isWanted) {
    let { url } = picture; // it may lead into a bucket that this browser cannot reach; the desk itself can
    for (let failures = 0; failures === 0 || isWanted(); failures += 1) {
      if (failures === 1) url = picture.pixels_url ?? url;
      if (failures >= TRIES_BEFORE_SAYING) this.onTrouble(picture.sha256);
      if (failures >= TRIES_BEFORE_ASKING) url = await freshUrl().catch(() => url);
      image.src = url;
      try {
        return await image.decode();
      } catch {
        await sleep(Math.min(4000, 250 * 2 ** failures));
      }
    }
    return new Promise(() => {});
  }
}
