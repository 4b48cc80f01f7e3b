/**
 * The region that a re-prompt is about, painted over the picture: sent as a PNG whose alpha is 0 where to edit, or as an
 * outline of it on a transparent ground.
 */

const MOST_SIDE = 1024;
const LINE = 0.008; // of the long side: how thick an outline is
const RED = "#ff0000";

export class Mask {
  constructor() {
    this.canvas = document.createElement("canvas");
    this.canvas.className = "mask";
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.isEmpty = true;
  }

  /** A clear mask for a picture of that size. */
  start(picture) {
    const scale = Math.min(1, MOST_SIDE / Math.max(picture.width, picture.height));
    this.canvas.width = Math.max(1, Math.round(picture.width * scale));
    this.canvas.height = Math.max(1, Math.round(picture.height * scale));
    this.picture = picture;
    this.isEmpty = true;
  }

  clear() {
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.isEmpty = true;
  }

  /** A filled box, in pixels of the picture. */
  fill(box) {
    const [left, top, right, bottom] = box.map((at) => at * this.#scale);
    this.#ink("source-over");
    this.context.fillRect(left, top, right - left, bottom - top);
    this.isEmpty = false;
  }

  /** A stroke of a round brush, in pixels of the picture. */
  stroke(from, to, width, isEraser) {
    const scale = this.#scale;
    this.#ink(isEraser ? "destination-out" : "source-over");
    this.context.lineWidth = Math.max(1, width * scale);
    this.context.lineCap = "round";
    this.context.beginPath();
    this.context.moveTo(from[0] * scale, from[1] * scale);
    this.context.lineTo(to[0] * scale + 0.01, to[1] * scale);
    this.context.stroke();
    if (!isEraser) this.isEmpty = false;
  }

  keep() {
    this.kept = this.context.getImageData(0, 0, this.canvas.width, this.canvas.height);
  }

  restore() {
    this.context.putImageData(this.kept, 0, 0);
  }

  /** After the eraser: whether anything is left. */
  look() {
    const { data } = this.context.getImageData(0, 0, this.canvas.width, this.canvas.height);
    this.isEmpty = true;
    for (let at = 3; at < data.length && this.isEmpty; at += 4) if (data[at] > 127) this.isEmpty = false;
  }

  /** A data URL of the PNG, in the size of the picture that it is for. */
  png({ width, height }) {
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.fillRect(0, 0, width, height);
    context.globalCompositeOperation = "destination-out";
    context.drawImage(this.canvas, 0, 0, width, height);
    return canvas.toDataURL("image/png");
  }

  /** A data URL of a PNG that is transparent but for a red line around the region. */
  outline({ width, height }) {
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d");
    const line = Math.max(3, LINE * Math.max(width, height));
    for (let step = 0; step < 24; step += 1) {
      const angle = (2 * Math.PI * step) / 24;
      context.drawImage(this.canvas, line * Math.cos(angle), line * Math.sin(angle), width, height);
    }
    context.globalCompositeOperation = "source-in";
    context.fillStyle = RED;
    context.fillRect(0, 0, width, height);
    context.globalCompositeOperation = "destination-out";
    context.drawImage(this.canvas, 0, 0, width, height);
    return canvas.toDataURL("image/png");
  }

  get #scale() {
    return this.canvas.width / this.picture.width;
  }

  #ink(operation) {
    this.context.globalCompositeOperation = operation;
    this.context.strokeStyle = this.context.fillStyle = "#ff2fa0";
  }
}
