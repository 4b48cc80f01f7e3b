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
