/** The review screen: puts the parts together. Streamlit calls `mount` when it draws, and again when data changes. */

import { DecisionBar, ViewBar } from "./bars.js";
import { button, controlOf, isField, make, newKey, painted, sleep } from "./dom.js";
import { Drawer } from "./drawer.js";
import { Flow, REST } from "./flow.js";
import { Frame, mounter } from "./frame.js";
import { HELP, MODES, actionFor } from "./keys.js";
import { Pictures } from "./pictures.js";
import { dollars, doubtOf } from "./prices.js";
import { markOf } from "./queue.js";
import { Reasons } from "./reasons.js";
import { drawSide, markFlag } from "./side.js";
import { Stage } from "./stage.js";
import { toPutRight } from "./prompts.js";

const SOON_MS = 40;
const VIEW = "picturedesk.view";

class Viewer extends Frame {
  constructor(root, component) {
    super(root, component);
    const { data } = component;
    this.home = this.parts.desk;
    this.pictures = new Pictures((sha256) => this.#missing(sha256));
    this.stage = new Stage(this.parts.stage, () => this.#drawView());
    this.#openPanels();
    this.viewBar = new ViewBar(this.parts.tools, (action) => this.act(action));
    this.decisionBar = new DecisionBar(this.parts.decide, (action) => this.act(action));
    this.flow = new Flow({
      ...{ api: this.api, hand: this.hand, storage: this.storage, prefix: `picturedesk.outbox.${this.owner}` },
      askedName: `picturedesk.asked.${this.owner}`,
      ...{ ahead: data.ahead, now: () => performance.now(), sleep, soon, newKey },
      calls: {
        ...{ show: () => this.#show(), update: () => this.#update(), notice: (...said) => this.notice(...said) },
        isAsking: () => Boolean(this.panel),
      },
    });
    const mode = this.storage.getItem(VIEW);
    if (MODES.some((each) => each.name === mode)) this.stage.mode = mode;
    this.listen();
  }

  destroy() {
    super.destroy();
    this.stage.destroy();
  }

  /** Do what a key or a button asks for. */
  act(action) {
    const does = {
      decide: () => this.#decide(action.decision),
      reason: () => this.reasons.choose(action.index),
      "reason-move": () => this.reasons.move(action.by),
      "reason-chosen": () => this.reasons.choose(),
      ask: () => this.drawer.submit(),
      "reason-ask": () => this.reasons.ask(action.index),
      "reason-note": () => this.reasons.note.focus(),
      undo: () => this.#leavePanel(() => this.flow.undo()),
      skip: () => this.#leavePanel(() => this.flow.skip()),
      go: () => this.flow.go(action.by),
      output: () => this.flow.showOutput(action.by),
      mode: () => this.#setMode(action.mode),
      tool: () => this.#setTool(action.tool),
      flag: () => this.#hopFlag(action.by),
      change: () => this.#hopChange(action.by),
      fit: () => this.stage.fit(),
      "actual-size": () => this.stage.actualSize(),
      zoom: () => this.stage.zoom(action.by),
      pan: () => this.stage.pan(action.dx, action.dy),
      flip: () => this.stage.flip(),
      "toggle-flags": () => this.stage.toggleFlags(),
      "toggle-kind": () => this.stage.toggleKind(action.kind),
      "mask-flag": () => this.#maskFlags(),
      "clear-mask": () => this.stage.clearMask(),
      "brush-size": () => this.stage.resizeBrush(action.by),
      "toggle-side": () => this.parts.desk.classList.toggle("side-toggled"),
      help: () => this.#openHelp(),
      close: () => this.putAway(),
    };
    does[action.name]?.();
  }

  #decide(decision) {
    const { current } = this.flow;
    if (!current || !this.flow.gate.isOpen) return;
    if (!current.edit.may[decision.replace("-", "_")]) {
      this.notice("info", `This edit cannot be decided so: ${decision}.`);
    } else if (decision === "reject") this.#openPanel("reject");
    else if (decision === "reprompt") this.#openPanel("reprompt");
    else this.#send(decision, {});
  }

  #send(decision, more) {
    const { title } = this.flow.current.edit;
    if (!this.flow.decide(decision, more)) return;
    this.putAway({ isSent: true });
    this.say(`${decision}: ${title}. ${this.parts.spoken.textContent}`);
  }

  /** Counts or troubles have changed, or keys decide now: then what comes next is fetched, and never before. */
  #update() {
    this.#drawCounts();
    if (this.flow.gate.isOpen) this.#prefetch();
  }

  /** Show what is current, and let the keys decide once it is painted. */
  async #show() {
    this.putAway();
    const item = this.flow.current;
    this.#drawRest(item);
    this.#drawCounts();
    if (item) {
      const mark = markOf(item);
      const loading = this.#draw(item);
      await Promise.all(loading.map((each) => each.ready));
      if (mark !== markOf(this.flow.current)) return;
      this.parts.stage.removeAttribute("aria-busy");
      await painted();
      if (loading.every((each) => each.image.naturalWidth > 0)) this.flow.painted(mark);
    }
  }

  /** Put an edit on the screen; gives its pictures, which may still be loading. */
  #draw(item) {
    const { edit } = item;
    const output = edit.outputs[item.output] ?? null;
    const source = edit.source && this.#picture("source", edit.source, edit);
    const made = output && this.#picture("output", output.picture, edit);
    const loading = [source, made].filter(Boolean);
    if (loading.some((each) => !each.isReady)) this.parts.stage.setAttribute("aria-busy", "true");
    this.stage.show({
      ...{ source: edit.source, output: output?.picture ?? null, flags: output?.flags ?? [] },
      images: { source: source?.image ?? null, output: made?.image ?? null },
      message: output ? null : withoutOutput(edit),
    });
    this.parts.title.textContent = this.parts.title.title = edit.title;
    this.parts.chips.replaceChildren(...chips(edit));
    drawSide(this.parts.side, edit, output, {
      onOutput: (index) => this.flow.showOutput(index - item.output),
      onFlag: (flag) => this.#chooseFlag(flag),
    });
    soon(() => (this.parts.side.scrollTop = 0)); // at once, it would make the browser lay out the page twice
    this.decisionBar.update(edit);
    this.#drawNotices(item.notice);
    this.say(`${edit.title}: ${output ? flagsInWords(output.flags) : edit.state}`);
    return loading;
  }

  #picture(side, picture, edit) {
    return this.pictures.get(side, picture, async () => {
      const now = await this.api.edit(edit.id);
      const all = [now.source, ...now.outputs.map((each) => each.picture)].filter(Boolean);
      return all.find((each) => each.sha256 === picture.sha256)?.pixels_url ?? picture.pixels_url;
    });
  }

  #missing(sha256) {
    const { edit, output } = this.flow.current ?? {};
    const shown = edit ? [edit.source?.sha256, edit.outputs[output]?.picture.sha256] : [];
    if (shown.includes(sha256)) this.notice("warning", "A picture cannot be loaded; it is tried again.");
  }

  /** Decode what comes next, as far as it fits. */
  #prefetch() {
    let pixels = 0;
    for (const { edit, output } of this.flow.queue.order) {
      const sides = [["source", edit.source], ["output", edit.outputs[output]?.picture]];
      for (const [side, picture] of sides.filter((each) => each[1])) {
        pixels += picture.width * picture.height;
        if (this.pictures.hasRoomFor(pixels)) this.#picture(side, picture, edit);
      }
    }
  }

  #drawRest(item) {
    const { rest } = this.parts;
    rest.hidden = Boolean(item);
    this.parts.desk.classList.toggle("resting", !item);
    rest.replaceChildren();
    if (item) return;
    this.stage.clear();
    this.parts.title.textContent = "Review";
    this.parts.chips.replaceChildren();
    this.parts.side.replaceChildren();
    this.decisionBar.update(null);
    const { waiting, decided } = this.flow.progress;
    const isFiltered = Object.values(this.flow.filter ?? {}).some(Boolean);
    const [title, words] = {
      [REST.LOADING]: ["Fetching the next edits", ""],
      [REST.EMPTY]: waiting
        ? ["Nothing is free for you", `${waiting} are in other hands, or wait for an approver. They come when they are free.`]
        : ["Nothing waits for a decision", `${decided} decided. ${isFiltered ? "What is chosen at the left hides the others." : "New edits appear here by themselves."}`],
      [REST.OFFLINE]: ["No connection to the desk", "Your decisions are kept in this browser and sent when it is back."],
      [REST.SIGNED_OUT]: ["Sign in again", "Your decisions are kept in this browser and sent when you are back."],
      [REST.REFUSED]: ["These edits cannot be shown", this.flow.restMessage],
    }[this.flow.rest];
    rest.dataset.rest = this.flow.rest;
    const coming = rest.dataset.rest === REST.EMPTY ? this.flow.asked.words : "";
    const lines = [words, coming].filter(Boolean).map((each) => make("p", {}, each));
    rest.replaceChildren(make("h2", {}, title), ...lines, ...this.#restButtons());
  }

  #restButtons() {
    const { rest } = this.flow;
    if (rest === REST.EMPTY) {
      return [make("div", { className: "row" }, make("a", { href: "export", className: "primary", onclick: goTo }, "Go to the export"))];
    }
    if (rest === REST.SIGNED_OUT) return [button("Reload the page", "", () => location.reload(), { className: "primary" })];
    return rest === REST.OFFLINE ? [button("Try now", "", () => this.flow.wake())] : [];
  }

  #drawCounts() {
    if (!this.flow) return;
    const { waiting, decided } = this.flow.progress;
    const { count: unsent, undoing, trouble } = this.flow.outbox;
    const made = this.flow.asked.count;
    this.parts.progress.textContent = `${waiting} waiting, ${decided} decided${made ? `, ${made} being made for you` : ""}`;
    this.parts.bar.value = waiting + decided ? decided / (waiting + decided) : 1;
    this.parts.unsent.hidden = unsent === 0 || (unsent < 3 && !trouble && !undoing);
    const why = { offline: ": no connection", "signed-out": ": sign in again" }[trouble] ?? "";
    const parts = [[unsent - undoing, "unsent"], [undoing, "to take back"]].filter(([number]) => number);
    this.parts.unsent.textContent = parts.map((part) => part.join(" ")).join(", ") + why;
    this.parts.unsent.classList.toggle("trouble", Boolean(trouble));
    this.decisionBar.setArmed(this.flow.gate.isOpen);
    this.parts.desk.dataset.armed = this.flow.gate.isOpen ? this.flow.gate.mark : "";
  }

  #drawView() {
    const item = this.flow?.current;
    const output = item?.edit.outputs[item.output] ?? null;
    this.viewBar?.update(this.stage, output?.flags ?? []);
    if (this.drawer?.isOpen) this.drawer.refresh();
    if (this.chosen !== this.stage.chosen) {
      this.chosen = this.stage.chosen;
      markFlag(this.parts.side, output, this.chosen);
    }
  }

  #setMode(mode) {
    this.stage.setMode(mode);
    this.storage.setItem(VIEW, mode);
    this.say(mode);
  }

  #setTool(tool) {
    this.stage.setTool(this.stage.tool === tool ? "pan" : tool);
  }

  #hopFlag(by) {
    const item = this.flow.current;
    const flags = item?.edit.outputs[item.output]?.flags ?? [];
    if (!flags.length) return;
    const before = flags.indexOf(this.stage.chosen);
    const next = before < 0 ? (by > 0 ? 0 : flags.length - 1) : (before + by + flags.length) % flags.length;
    this.#chooseFlag(flags[next]);
  }

  #chooseFlag(flag) {
    this.stage.focusFlag(flag);
    this.say(flag.line);
  }

  async #hopChange(by) {
    if (!this.flow.gate.isOpen) return;
    const { shown } = this.stage;
    const at = await this.stage.focusChange(by).catch(() => undefined);
    if (shown !== this.stage.shown) return;
    if (at === undefined) this.notice("warning", "The pictures cannot be compared now.");
    else if (at) this.say(`Changed region ${at[0]} of ${at[1]}`);
    else this.notice("info", "No region changed.");
  }

  #maskFlags() {
    const item = this.flow.current;
    const flags = item?.edit.outputs[item.output]?.flags ?? [];
    this.stage.maskFlags(toPutRight(flags, this.stage.chosen));
  }

  #openPanels() {
    this.reasons = new Reasons(this.parts.reasons, {
      reject: (reason, note) => this.#send("reject", { reason, note }),
      ask: (reason, note) => this.#openPanel("reprompt", { reason, note }),
    });
    this.drawer = new Drawer(this.parts.drawer, {
      send: (asked) => this.#send("re-prompt", asked),
      close: () => this.putAway(),
      maskFlags: () => this.#maskFlags(),
      clearMask: () => this.stage.clearMask(),
      estimate: (body) => this.api.estimate(body),
    });
  }

  /** `more`: the reason and the note that a re-prompt comes from. */
  #openPanel(panel, more = {}) {
    const { edit, output } = this.flow.current;
    if (panel === "reject") {
      this.reasons.open(edit.reject_reasons?.length ? edit.reject_reasons : this.fallbackReasons, edit.may.reprompt);
      this.parts.desk.focus({ preventScroll: true });
    } else {
      this.reasons.close();
      const { chosen, mask } = this.stage;
      this.drawer.open({ edit, output: edit.outputs[output] ?? null, chosen, mask, ...more });
    }
    this.parts.desk.classList.add("asking");
    this.panel = panel;
    this.say(panel === "reject" ? "Choose a reason, 1 to 9" : "Ask for another round");
  }

  #leavePanel(then) {
    this.putAway();
    then();
  }

  putAway({ isSent = false } = {}) {
    if (!this.panel) return;
    this.panel = null;
    this.reasons.close();
    this.drawer.close({ isSent });
    this.parts.help.hidden = true;
    this.parts.desk.classList.remove("asking");
    this.parts.desk.focus({ preventScroll: true });
  }

  #openHelp() {
    this.drawHelp(HELP, button("Close", "Esc", () => this.putAway()));
    this.panel = "help";
  }

  #drawNotices(notice) {
    if (notice) this.notice("warning", notice, { stays: true });
    else for (const each of this.parts.banners.querySelectorAll(".stays")) each.remove();
  }

  key(event) {
    const target = event.composedPath()[0];
    const isOwn = event.composedPath().includes(this.parts.desk);
    if (document.querySelector('[role="dialog"]')) return;
    const action = actionFor(event, {
      panel: this.panel ?? null,
      isTyping: isField(target),
      control: isOwn ? controlOf(target) : null,
    });
    if (!action || (isField(target) && !isOwn)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    this.act(action);
  }
}

function chips(edit) {
  const cost = edit.cost_usd ? dollars(edit.cost_usd) : "";
  const texts = [edit.batch, edit.sku, edit.round > 1 ? `round ${edit.round}` : "", edit.recipe, edit.provider, cost];
  const made = texts.filter(Boolean).map((text) => make("span", { className: "chip" }, text));
  if (edit.escalated_by) made.push(make("span", { className: "chip loud" }, `escalated by ${edit.escalated_by}`));
  return made;
}

/** What to say where an output would be. */
function withoutOutput(edit) {
  const [title, words] = {
    refused: ["The provider refused this edit", "Ask for something else, or reject it."],
    in_doubt: ["The answer was lost", `${doubtOf(edit)} Send it again, which is paid once more, or reject it.`],
    failed: ["This edit failed", "Ask for it again, or reject it."],
  }[edit.state] ?? ["There is no output", `This edit is ${edit.state.replaceAll("_", " ")}.`];
  const error = edit.error ? make("pre", {}, edit.error) : null;
  return make("div", { className: "pane message" }, make("h2", {}, title), make("p", {}, words), error);
}

/** Follow a link to another page as its entry in the sidebar does, without loading the application anew. */
function goTo(event) {
  const { href } = event.currentTarget;
  const entry = [...document.querySelectorAll('[data-testid="stSidebarNavLink"]')].find((each) => each.href === href);
  if (!entry) return;
  event.preventDefault();
  entry.click();
}

function flagsInWords(flags) {
  const found = flags.filter((flag) => flag.change !== "kept");
  const count = `${flags.length} ${flags.length === 1 ? "flag" : "flags"}`;
  return found.length ? `${count}: ${found.map((flag) => flag.line).join("; ")}` : count;
}

/** After the next pictures are painted, by and large; also where nothing is painted, in a tab behind another. */
function soon(work) {
  setTimeout(work, SOON_MS);
}

/** Draw the component; gives what takes it down. */
export const mount = mounter(Viewer);
