/** The contact sheet: puts the parts together. Streamlit calls `mount` when it draws, and again when data changes. */

import { button, controlOf, isField, make, newKey, painted, sleep } from "./dom.js";
import { Frame, mounter } from "./frame.js";
import { Reasons } from "./reasons.js";
import { SheetDecisions, SheetTools } from "./sheet_bars.js";
import { REST, SheetFlow } from "./sheet_flow.js";
import { Grid } from "./sheet_grid.js";
import { divide, flagsOf, inWords, sightOf, SORTS, sorted } from "./sheet_items.js";
import { HELP, actionFor } from "./sheet_keys.js";
import { SIZES, step } from "./sheet_layout.js";
import { Look } from "./sheet_look.js";
import { Selection } from "./sheet_selection.js";
import { Sights } from "./sheet_sights.js";

const SOON_MS = 20;
const HOW = "picturedesk.sheet.how";
const VIEWS = ["output", "source", "both"];

class Sheet extends Frame {
  constructor(root, component) {
    super(root, component);
    const { data } = component;
    this.home = this.parts.grid;
    this.how = readHow(this.storage);
    this.most = data.ahead;
    this.inView = new Set();
    this.selection = new Selection();
    const freshEdit = (id) => this.api.edit(id);
    this.sights = new Sights({ painted, now: () => performance.now(), onSeen: () => this.#updateSoon() });
    this.grid = new Grid(this.parts.scroller, this.parts.grid, {
      decoded: (item, isDecoded) => this.#decoded(item, isDecoded),
      inView: (item, isInView) => this.#inView(item, isInView),
      click: (id, event) => this.#click(id, event),
      open: (id) => this.#look(id),
      drag: (ids, event, isFirst) => this.#drag(ids, event, isFirst),
      freshEdit,
    });
    const act = (action) => this.act(action);
    this.tools = new SheetTools(this.parts.tools, act);
    this.decisions = new SheetDecisions(this.parts.decide, act);
    this.look = new Look(this.parts, { act, freshEdit, changed: () => this.#update(), notice: (...said) => this.notice(...said) });
    this.reasons = new Reasons(this.parts.reasons, { reject: (reason, note) => this.#decide("reject", { reason, note }), ask: () => {} });
    this.flow = new SheetFlow({
      ...{ api: this.api, hand: this.hand, storage: this.storage, prefix: `picturedesk.sheet.outbox.${this.owner}` },
      ...{ most: data.ahead, now: () => performance.now(), sleep, soon: (work) => setTimeout(work, SOON_MS), newKey },
      calls: {
        sheet: () => this.#show(),
        items: (items) => this.#changed(items),
        counts: () => this.#drawCounts(),
        notice: (...said) => this.notice(...said),
      },
    });
    this.grid.arrange(this.how);
    this.#listenToSheet();
  }

  destroy() {
    super.destroy();
    this.grid.destroy();
    this.look.destroy();
  }

  /** Do what a key or a button asks for. */
  act(action) {
    const { stage } = this.look;
    const does = {
      accept: () => this.#decide("accept", {}),
      reject: () => this.#askReason(),
      reason: () => this.reasons.choose(action.index),
      "reason-move": () => this.reasons.move(action.by),
      "reason-chosen": () => this.reasons.choose(),
      "reason-note": () => this.reasons.note.focus(),
      undo: () => this.flow.undo(),
      "give-back": () => this.flow.giveBack(),
      "load-next": () => this.flow.loadNext(),
      "hold-source": () => this.#holdSource(true),
      toggle: () => this.#select(() => this.selection.at !== null && this.selection.toggle(this.selection.at)),
      all: () => this.#select(() => this.selection.all(idsOf(this.flow.open))),
      unflagged: () => this.#select(() => this.selection.all(idsOf(this.flow.open.filter(isUnflagged)))),
      clear: () => this.#select(() => this.selection.clear()),
      move: () => this.#move(action),
      look: () => this.#look(this.selection.at),
      "look-on": () => this.#lookOn(action.by),
      output: () => this.#showOutput(action.by),
      view: () => this.#arrange({ view: action.view }),
      size: () => this.#arrange({ size: action.to ?? this.how.size + 3 * SIZES.step * action.by }),
      sort: () => this.#sort(action.sort),
      mode: () => this.look.setMode(action.mode),
      fit: () => stage.fit(),
      "actual-size": () => stage.actualSize(),
      zoom: () => stage.zoom(action.by),
      "toggle-flags": () => stage.toggleFlags(),
      help: () => this.#openHelp(),
      close: () => this.putAway(),
    };
    this.flow.use();
    does[action.name]?.();
  }

  get #items() {
    return this.flow?.items ?? [];
  }

  #item(id) {
    return this.#items.find((item) => item.edit.id === id);
  }

  get #selected() {
    return this.#items.filter((item) => this.selection.has(item.edit.id));
  }

  #isSeen(item) {
    return this.sights.has(sightOf(item));
  }

  /** Decide on the one that is looked at closely, or on what is selected. */
  #decide(decision, more) {
    this.#closePanel();
    if (this.look.isOpen) this.#decideAlone(decision, more);
    else if (!this.selection.chosen.size) this.notice("info", "Nothing is selected: click a picture, draw a rectangle, or press Ctrl + A.");
    else this.#decideMany(decision, more);
  }

  #decideMany(decision, more) {
    const isSeen = (item) => this.#isSeen(item);
    const shownMs = (item) => this.sights.shownMs(sightOf(item));
    const { taken, left } = this.flow.decide(this.#selected, decision, { isSeen, shownMs, ...more });
    this.#select(() => this.selection.drop(taken.map((item) => item.edit.id)));
    const done = decision === "accept" ? "Accepted" : "Rejected";
    const out = [...left.values()].reduce((sum, count) => sum + count, 0);
    const words = out ? ` Left out: ${inWords(left, decision)}.` : "";
    this.notice(out ? "warning" : "info", `${done} ${taken.length}.${words}`);
  }

  #decideAlone(decision, more) {
    const { item, isArmed, shownMs } = this.look;
    if (!isArmed) return;
    this.sights.add(sightOf(item), shownMs);
    if (!this.flow.decideAlone(item, decision, { shownMs: () => shownMs, ...more })) {
      const isDecided = item.at !== "open";
      this.notice("info", isDecided ? "It is decided already; on the sheet, U takes it back." : `You cannot ${decision} this edit as it is.`);
      return;
    }
    this.selection.drop([item.edit.id]);
    this.say(`${decision}: ${item.edit.title}`);
    if (!this.#lookOn(1)) this.putAway();
  }

  #askReason() {
    const items = this.look.isOpen ? [this.look.item] : this.#selected;
    if (this.look.isOpen && !this.look.isArmed) return;
    const all = () => true;
    if (!divide(items, "reject", all).taken.length) {
      this.#decide("reject", { reason: "" });
      return;
    }
    this.reasons.open(this.#commonReasons(items), false);
    this.#setPanel("reject");
    this.parts.desk.focus({ preventScroll: true });
    this.say("Choose a reason, 1 to 9");
  }

  /** Those that each of the edits knows: a recipe may have its own. */
  #commonReasons(items) {
    const lists = items.map((item) => item.edit.reject_reasons).filter((list) => list?.length);
    if (!lists.length) return this.fallbackReasons;
    const common = lists[0].filter((reason) => lists.every((list) => list.includes(reason)));
    return common.length ? common : this.fallbackReasons;
  }

  #click(id, event) {
    this.#select(() => {
      const isCheck = event.target.closest(".check");
      if (event.shiftKey) this.selection.extend(id, { adds: event.ctrlKey || event.metaKey });
      else if (event.ctrlKey || event.metaKey || isCheck) this.selection.toggle(id);
      else this.selection.only(id);
    });
    this.parts.grid.focus({ preventScroll: true });
  }

  #drag(ids, event, isFirst) {
    if (isFirst) this.before = event.ctrlKey || event.metaKey || event.shiftKey ? [...this.selection.chosen] : [];
    this.#select(() => this.selection.set(ids, this.before));
  }

  #move({ key, extends: isExtended }) {
    const { index, ids } = this.selection;
    if (!ids.length) return;
    const { columns, rows } = this.grid;
    const id = ids[step(key, Math.max(0, index), { columns, rows, count: ids.length })];
    this.#select(() => (isExtended ? this.selection.extend(id) : this.selection.move(id)));
    this.grid.reveal(id);
  }

  #select(change) {
    change();
    this.#update();
  }

  #look(id) {
    const item = this.#item(id);
    if (!item) return;
    this.#select(() => this.selection.move(id));
    this.#openLook(item);
    this.parts.lookClose.focus({ preventScroll: true });
  }

  #openLook(item) {
    this.#leaveLook();
    this.look.open(item);
    this.#setPanel(null);
    this.sights.setHidden(true);
    this.say(`${item.edit.title}: ${flagsOf(item).map((flag) => flag.line).join("; ") || "no flags"}`);
  }

  /** The next or the previous one; gives whether there is one. */
  #lookOn(by) {
    const next = this.selection.ids[this.selection.index + by];
    if (next === undefined || !this.look.isOpen) return false;
    this.#select(() => this.selection.move(next));
    this.grid.reveal(next);
    this.#openLook(this.#item(next));
    return true;
  }

  /** It was painted large for so long. */
  #leaveLook() {
    if (this.look.isArmed) this.sights.add(sightOf(this.look.item), this.look.shownMs);
  }

  #showOutput(by) {
    const { item } = this.look;
    this.#leaveLook();
    this.sights.setInView(sightOf(item), false);
    this.look.showOutput(by);
    this.grid.refresh([item]);
  }

  #decoded(item, isDecoded) {
    const sight = sightOf(item);
    this.sights.setInView(sight, this.inView.has(item.edit.id));
    this.sights.setDecoded(sight, isDecoded);
  }

  #inView(item, isInView) {
    if (isInView) this.inView.add(item.edit.id);
    else this.inView.delete(item.edit.id);
    this.sights.setInView(sightOf(item), isInView);
  }

  #arrange(change) {
    const size = Math.min(SIZES.most, Math.max(SIZES.least, change.size ?? this.how.size));
    this.how = { ...this.how, ...change, size };
    this.storage.setItem(HOW, JSON.stringify(this.how));
    this.grid.arrange(this.how);
    if (this.selection.at !== null) this.grid.reveal(this.selection.at);
    this.#update();
  }

  /** While the key is down, the sources are there to be seen. */
  #holdSource(isHeld) {
    if (isHeld === Boolean(this.isHeld)) return;
    this.isHeld = isHeld;
    this.grid.arrange({ ...this.how, view: isHeld ? "source" : this.how.view });
    this.say(isHeld ? "source" : this.how.view);
  }

  #sort(sort) {
    this.how = { ...this.how, sort };
    this.storage.setItem(HOW, JSON.stringify(this.how));
    this.#show();
    this.parts.grid.focus({ preventScroll: true });
  }

  /** Other edits are on the sheet, or the same ones in another order. */
  #show() {
    if (!this.flow) return;
    const items = sorted(this.#items, this.how.sort);
    if (this.look.isOpen && !items.includes(this.look.item)) this.putAway();
    this.selection.order(items.map((item) => item.edit.id));
    this.grid.show(items);
    if (!items.includes(this.firstItem)) this.parts.scroller.scrollTop = 0;
    [this.firstItem] = items;
    this.#drawRest();
    this.#update();
    this.#drawCounts();
    if (items.length) this.say(`${items.length} edits on the sheet`);
  }

  #changed(items) {
    this.grid.refresh(items);
    this.#updateSoon();
    this.#drawCounts();
  }

  /** Many things change in one frame: draw them once. */
  #updateSoon() {
    this.updating ??= setTimeout(() => this.#update(), SOON_MS);
  }

  #update() {
    clearTimeout(this.updating);
    this.updating = null;
    if (!this.flow) return;
    this.grid.update((item) => ({ isSelected: this.selection.has(item.edit.id), isSeen: this.#isSeen(item) }));
    this.grid.point(this.selection.at);
    const count = this.#items.length;
    const selected = this.#selected;
    const taken = (decision) => divide(selected, decision, (item) => this.#isSeen(item)).taken.length;
    this.tools.update(this.how, selected.length, count);
    this.decisions.update({
      ...{ selected: selected.length, accept: taken("accept"), reject: taken("reject") },
      ...{ count, open: this.flow.open.length, most: this.most, canUndo: this.flow.bulks.length > 0 },
    });
    this.look.refresh();
  }

  #drawCounts() {
    if (!this.flow) return;
    const { waiting, decided } = this.flow.progress;
    const count = this.#items.length;
    const here = count - this.flow.open.length;
    this.parts.progress.textContent = `${count ? `${here} of ${count} here decided · ` : ""}${waiting} waiting, ${decided} decided`;
    this.parts.bar.value = waiting + decided ? decided / (waiting + decided) : 1;
    const { trouble, undoing } = this.flow.outbox;
    const { unsent } = this.flow;
    const parts = [[unsent, "unsent"], [undoing, "to take back"]].filter(([number]) => number);
    this.parts.unsent.hidden = !parts.length || !trouble;
    this.parts.unsent.textContent = parts.map((part) => part.join(" ")).join(", ") + ({ offline: ": no connection", "signed-out": ": sign in again" }[trouble] ?? "");
    this.parts.unsent.classList.toggle("trouble", Boolean(trouble));
  }

  #drawRest() {
    const { rest, desk } = this.parts;
    const isEmpty = this.#items.length === 0;
    rest.hidden = !isEmpty;
    desk.classList.toggle("resting", isEmpty);
    desk.dataset.rest = isEmpty ? this.flow.rest : "";
    if (!isEmpty) return;
    const { waiting, decided } = this.flow.progress;
    const isFiltered = Object.values(this.flow.filter ?? {}).some(Boolean);
    const [title, words] = {
      [REST.LOADING]: [`Fetching the next ${this.most}`, ""],
      [REST.EMPTY]: waiting
        ? ["Nothing is free for you", `${waiting} are in other hands, or wait for an approver. They come when they are free.`]
        : ["Nothing waits for a decision", `${decided} decided. ${isFiltered ? "What is chosen at the left hides the others." : "New edits appear here by themselves."}`],
      [REST.GIVEN_BACK]: ["Given back", "What was undecided is in the queue again, for you and others."],
      [REST.OFFLINE]: ["No connection to the desk", "Your decisions are kept in this browser and sent when it is back."],
      [REST.SIGNED_OUT]: ["Sign in again", "Your decisions are kept in this browser and sent when you are back."],
      [REST.REFUSED]: ["These edits cannot be shown", this.flow.restMessage],
    }[this.flow.rest];
    rest.dataset.rest = this.flow.rest;
    rest.replaceChildren(make("h2", {}, title), make("p", {}, words), ...this.#restButtons());
  }

  #restButtons() {
    const { rest } = this.flow;
    if (rest === REST.SIGNED_OUT) return [button("Reload the page", "", () => location.reload(), { className: "primary" })];
    if (rest === REST.GIVEN_BACK) return [button(`Load ${this.most}`, "L", () => this.act({ name: "load-next" }), { className: "primary" })];
    return rest === REST.OFFLINE ? [button("Try now", "", () => this.flow.wake())] : [];
  }

  #openHelp() {
    const signs = make("p", { className: "hint" },
      "Flags: L logo, T text, F face, Q quality, D detector; + introduced, ≠ altered, − lost, = was there before. Filled: sure; framed: likely.");
    this.drawHelp(HELP, button("Close", "Esc", () => this.#closePanel()), signs);
    this.#setPanel("help");
  }

  /** What is in front: a panel, or the close look. */
  putAway() {
    if (this.panel) this.#closePanel();
    else if (this.look.isOpen) {
      this.#leaveLook();
      this.look.close();
      this.#setPanel(null);
      this.sights.setHidden(document.visibilityState !== "visible");
      this.parts.grid.focus({ preventScroll: true });
      this.#update();
    }
  }

  /** What is behind the one in front cannot be reached by Tab either. */
  #setPanel(panel) {
    this.panel = panel;
    if (panel) this.parts.banners.replaceChildren();
    const { look, help, desk } = this.parts;
    const front = panel === "help" ? help : this.look.isOpen ? look : null;
    for (const part of desk.children) {
      const isOver = part === front || part === this.parts.banners || part === this.parts.spoken || part === this.parts.reasons;
      part.inert = front !== null && !isOver;
    }
  }

  #closePanel() {
    this.#setPanel(null);
    this.reasons.close();
    this.parts.help.hidden = true;
    (this.look.isOpen ? this.parts.lookClose : this.parts.grid).focus({ preventScroll: true });
  }

  #listenToSheet() {
    const signal = this.listen();
    for (const part of [this.parts.tools, this.parts.decide]) part.addEventListener("click", (event) => this.#backToGrid(event), { signal });
    for (const name of ["pointerdown", "wheel"]) this.parts.desk.addEventListener(name, () => this.flow.use(), { signal, passive: true });
    window.addEventListener("keyup", (event) => event.key.toLowerCase() === "c" && this.#holdSource(false), { capture: true, signal });
    window.addEventListener("blur", () => this.#holdSource(false), { signal });
    document.addEventListener("visibilitychange", () => this.sights.setHidden(this.look.isOpen || document.visibilityState !== "visible"), { signal });
  }

  /** Whoever clicks a button by mouse goes on with the grid; whoever came to it by Tab stays there. */
  #backToGrid(event) {
    const isByMouse = event.detail > 0 && event.target.closest("button");
    if (isByMouse && !this.panel && !this.look.isOpen) this.parts.grid.focus({ preventScroll: true });
  }

  key(event) {
    const path = event.composedPath();
    const isOwn = path.includes(this.parts.desk);
    if (document.querySelector('[role="dialog"]') || (isField(path[0]) && !isOwn)) return;
    const action = actionFor(event, {
      panel: this.panel ?? null,
      isLooking: this.look.isOpen,
      isTyping: isField(path[0]),
      control: controlOf(path[0]) ?? (isOwn || path[0] === document.body ? null : "button"),
    });
    if (!action) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    this.act(action);
  }
}

const idsOf = (items) => items.map((item) => item.edit.id);

/** Nothing was found, or nothing that was not there before. */
function isUnflagged(item) {
  return flagsOf(item).every((flag) => flag.change === "kept");
}

/** How this person looks at sheets: kept in the browser. */
function readHow(storage) {
  const usual = { size: SIZES.usual, view: "output", sort: "queue" };
  try {
    const { size, view, sort } = JSON.parse(storage.getItem(HOW) ?? "{}");
    return {
      size: Number.isFinite(size) ? Math.min(SIZES.most, Math.max(SIZES.least, size)) : usual.size,
      view: VIEWS.includes(view) ? view : usual.view,
      sort: SORTS.some((each) => each.name === sort) ? sort : usual.sort,
    };
  } catch {
    return usual;
  }
}

/** Draw the component; gives what takes it down. */
export const mount = mounter(Sheet);
