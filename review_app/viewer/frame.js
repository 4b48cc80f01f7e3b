/** What the review screen and the contact sheet share: their place in Streamlit's page, and their way to the desk. */

import { Api } from "./api.js";
import { make, newKey, sleep } from "./dom.js";
import { REST } from "./flow.js";
import { Hand } from "./hand.js";
import { openStorage, ownerPrefix } from "./storage.js";

const LEAST_PX = 480;
const MARGIN_PX = 12;
const TICK_MS = 1000;
const NOTICE_MS = { info: 4000, warning: 10_000 }; // what is no information and no warning stays
const PAGE_ANSWERS_MS = 8000;

/** The `mount` of a component: Streamlit calls it when it draws, and again when data changes; gives what takes it down. */
export function mounter(Kind) {
  const there = new WeakMap();
  return (component) => {
    const root = component.parentElement;
    const frame = there.get(root) ?? new Kind(root, component);
    there.set(root, frame);
    frame.update(component);
    return () => {
      frame.destroy();
      there.delete(root);
    };
  };
}

/** Whoever extends it sets `flow` and `home`, which has the focus, and does `act`, `key` and `putAway`, which closes what is open. */
export class Frame {
  constructor(root, { data }) {
    this.parts = Object.fromEntries([...root.querySelectorAll("[data-part]")].map((each) => [each.dataset.part, each]));
    this.storage = openStorage();
    this.api = new Api({ base: data.api, fetch: (...given) => fetch(...given), askPage: () => this.#askPage() });
    this.owner = ownerPrefix(data.desk, data.person);
    this.hand = new Hand(this.storage, `picturedesk.claims.${this.owner}`, newKey(), navigator.locks);
  }

  /** Streamlit has new data: perhaps another filter, always a ticket. */
  update(component) {
    const { data } = component;
    this.component = component;
    this.fallbackReasons = data.reasons ?? [];
    this.api.useTicket(data.ticket, data.expires_at);
    this.pageAnswered?.({ ticket: data.ticket, expires_at: data.expires_at });
    fitWindow(this.parts.desk);
    const filter = JSON.stringify(data.filter);
    if (filter !== this.filter) {
      this.filter = filter;
      this.putAway();
      this.flow.start(data.filter);
      this.home.focus({ preventScroll: true });
    } else if (this.flow.outbox.trouble === "signed-out" || this.flow.rest === REST.SIGNED_OUT) this.flow.wake();
  }

  destroy() {
    this.stopped.abort();
    clearInterval(this.ticking);
    this.sizing.disconnect();
    this.closing.disconnect();
    this.flow.leave();
    this.hand.release();
  }

  /** Hear keys and what happens to the window; gives the signal that ends it. */
  listen() {
    this.stopped = new AbortController();
    const { signal } = this.stopped;
    this.parts.keys.addEventListener("click", () => this.act({ name: "help" }), { signal });
    this.parts.unsent.addEventListener("click", () => this.flow.wake(), { signal });
    window.addEventListener("keydown", (event) => this.key(event), { capture: true, signal });
    window.addEventListener("online", () => this.flow.wake(), { signal });
    window.addEventListener("pagehide", () => this.flow.leave(), { signal });
    window.addEventListener("pageshow", (event) => event.persisted && this.flow.start(this.flow.filter), { signal });
    window.addEventListener("resize", () => fitWindow(this.parts.desk), { signal });
    this.closing = new MutationObserver(() => this.#closeConnectionError());
    this.closing.observe(document.body, { childList: true });
    this.sizing = new ResizeObserver(() => fitWindow(this.parts.desk));
    this.sizing.observe(document.body);
    this.ticking = setInterval(() => {
      if (document.visibilityState === "visible") this.flow.tick(Date.now() / 1000);
    }, TICK_MS);
    return signal;
  }

  /**
   * Say something in a banner, in the place of the one before; it goes by itself.
   * @param {"info" | "warning" | "error"} kind
   * @param {string} text
   * @param {{stays?: boolean, isKept?: boolean}} how `stays`: as long as the edit it is about; `isKept`: until it is closed.
   */
  notice(kind, text, { stays = false, isKept = false } = {}) {
    const banner = make("div", { className: `banner ${kind}${stays ? " stays" : ""}` }, make("span", {}, text));
    banner.append(make("button", { type: "button", "aria-label": "Close", onclick: () => banner.remove() }, "×"));
    this.parts.banners.replaceChildren(banner);
    if (NOTICE_MS[kind] && !stays && !isKept) setTimeout(() => banner.remove(), NOTICE_MS[kind]);
  }

  /** Say it to who listens to the screen. */
  say(words) {
    this.parts.spoken.textContent = words;
  }

  /** The sheet of keys, from sections of [title, [[keys, words], ...]]; gives its button to close it. */
  drawHelp(sections, close, ...more) {
    const rows = (each) => each.flatMap(([keys, words]) => [make("dt", {}, make("kbd", {}, keys)), make("dd", {}, words)]);
    const drawn = sections.map(([title, each]) => make("section", {}, make("h3", {}, title), make("dl", {}, ...rows(each))));
    const columns = make("div", { className: "columns" }, ...drawn);
    this.parts.help.replaceChildren(make("div", { className: "sheet" }, make("h2", {}, "Keys"), columns, ...more, close));
    this.parts.help.hidden = false;
    close.focus();
  }

  /** Ask Streamlit to run the page again, which knows who is signed in. */
  #askPage() {
    const answered = new Promise((resolve) => (this.pageAnswered = resolve));
    this.component.setStateValue("ticket_wanted", Date.now());
    return Promise.race([answered, sleep(PAGE_ANSWERS_MS).then(() => null)]);
  }

  /** Streamlit locks the page when its server is gone; here one goes on with what is in hand. */
  #closeConnectionError() {
    if (!closeConnectionError()) return;
    this.notice("warning", "No connection to the desk. Go on: decisions are kept here and sent when it is back.");
  }
}

/** Make it as high as the window leaves room for: all decisions are in sight without scrolling. */
function fitWindow(desk) {
  const top = desk.getBoundingClientRect().top + window.scrollY;
  const height = `${Math.max(LEAST_PX, Math.floor(window.innerHeight - top - MARGIN_PX))}px`;
  if (desk.style.height !== height) desk.style.height = height;
}

/** Streamlit locks the page when its server is gone; whether it had, and no longer does. */
function closeConnectionError() {
  const dialog = document.querySelector('body > [data-testid="stDialog"]');
  if (!dialog?.textContent.includes("Connection error")) return false;
  dialog.querySelector('button[aria-label="Close"]')?.click();
  return true;
}
