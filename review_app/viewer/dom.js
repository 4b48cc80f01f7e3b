/** Elements. Text goes in as text only: prompts, names and what was read in pictures come from others. */

/** An element with properties and children; strings become text. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

/** An SVG element. */
export function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A button that shows its key. */
export function button(label, key, onclick, properties = {}) {
  const shown = key ? [make("span", {}, label), make("kbd", { "aria-hidden": "true" }, key)] : [label];
  const shortcut = key ? { "aria-keyshortcuts": key } : {};
  return make("button", { type: "button", onclick, ...shortcut, ...properties }, ...shown);
}

export function setPressed(element, isPressed) {
  element.setAttribute("aria-pressed", String(isPressed));
}

/** Resolves after what is in the page now has been painted. */
export function painted() {
  return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
}

export const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Whether letters go into it. */
export function isField(target) {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || /^(TEXTAREA|SELECT)$/.test(target.tagName)) return true;
  return target.tagName === "INPUT" && !/^(radio|checkbox|button|range)$/.test(target.type);
}

/** What takes some keys for itself: "slider", "button" or null. */
export function controlOf(target) {
  if (!(target instanceof HTMLElement)) return null;
  if (target.getAttribute("role") === "slider" || /^(radio|range)$/.test(target.type)) return "slider";
  return /^(BUTTON|A)$/.test(target.tagName) ? "button" : null;
}

/** A name that nothing else has. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
