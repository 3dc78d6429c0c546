// A model that reads a sentence, and where it can writes on: all its heads as an atlas, and above it the sentence and what may
// come next. The kernel computes; without one it shows what it showed last.
import { allHeads } from "../show/live/allheads.js";
import { make, press, share, slider } from "../show/live/core.js";

const MINE = { "data-lm-suppress-shortcuts": "true" }, WAIT = 400, BREATH = 350, BEST = 5;
const LATE = 10000, LETTER = 20;                                         // ms in which an answer comes; and more for each letter
const SILENT = "No answer. This needs a running kernel: if it is not busy, run the cell again.";

/** What is asked of the kernel. One wish at a time is on its way, of all views of a model; what is pressed meanwhile waits.
 *  spelt(): the text in the field; show(): something is or is no longer on its way; silent(): no answer came
 *  @returns {{state, busy, send, wish, ask, step, wait, heard, close}}; state: {queue, late} */
function post(model, { spelt, show, silent }) {
  const get = (name) => model.get(name), state = { queue: [], late: false };
  let reading = false, slow = 0, took = 0, since = 0, seen = get("_number");
  const last = () => get("_wish")[0] ?? 0, busy = () => !state.late && (reading || last() > get("_done"));
  const send = (name, value) => { model.set(name, value); model.save_changes(); };
  const wait = () => {                                                   // for an answer, to this view or to another one
    clearTimeout(slow);
    since = performance.now();
    state.late = false;
    slow = setTimeout(() => {
      reading = false;
      Object.assign(state, { queue: [], late: true });
      silent();
    }, LATE + LETTER * spelt().length + 5 * took);
    show();
  };
  const wish = (verb, token = null) => send("_wish", [last() + 1, verb, token, get("_number")]);
  const read = () => {
    if (spelt() === get("sentence")) return;
    reading = true;
    wait();
    send("sentence", spelt());
  };
  const step = () => {
    while (state.queue.length && !busy()) {
      const verb = state.queue.shift();
      if (verb === "read") read(); else wish(verb);
    }
    show();
  };
  return {
    state, busy, send, wish, step, wait,
    ask(verb) { state.queue.push(verb); step(); },
    heard() {
      if (get("_number") !== seen) reading = false;
      seen = get("_number");
      if (reading || last() > get("_done")) return;
      clearTimeout(slow);
      took = performance.now() - since;
      state.late = false;
    },
    close: () => clearTimeout(slow),
  };
}

/** The next tokens as buttons, which stay where they are. @returns set(found, label, busy, dead) */
function nextTokens(parent, alone, write) {
  const next = make("span", parent, { class: "next" }), words = make("span", next);
  const list = make("span", next, { class: "list", role: "group", "aria-label": "next tokens", tabindex: alone ? 0 : null });
  const buttons = Array.from({ length: BEST }, (_, k) => press(list, "", () => write(k), { disabled: alone }));
  list.addEventListener("focusin", ({ target }) => target.scrollIntoView({ block: "nearest", inline: "nearest" }));
  return (found, label, busy, dead) => {
    words.textContent = label;
    list.setAttribute("aria-busy", busy);
    buttons.forEach((button, k) => {
      button.hidden = k >= found.length;
      if (button.hidden) return;
      const [name, w] = found[k];
      button.textContent = `${name} ${share(w)}`;
      button.setAttribute("aria-label", `write ${name}, ${share(w)}`);
      button.setAttribute("aria-disabled", dead);
    });
  };
}

/** The sentence; below it the buttons that write, and the next tokens; beside the order of the heads the temperature, and which model
 *  it is. */
function above(house, bar, model, again) {
  const get = (name) => model.get(name), writes = get("_writes");
  const alone = !("widget_manager" in model) || get("layout")?.comm_live === false;      // a page of its own, or one that was saved
  let typed = 0, running = 0, on = false;
  const top = make("div", null, { class: "row" }), row = make("div", null, { class: "row" });
  const text = make("input", top, { type: "text", class: "sentence", "aria-label": "sentence", spellcheck: "false", disabled: alone, ...MINE });
  if (alone) make("span", top, { class: "faint" }, "needs a running kernel");
  const buttons = make("span", row, { class: "set", hidden: alone });
  press(buttons, "write one token", () => { stop(); ask("write"); });
  const film = press(buttons, "▶ write on", () => { if (on) return stop(); on = true; return ask("write"); });
  press(buttons, "← back", () => { stop(); ask("back"); }, { "aria-label": "take one token back" });
  const next = nextTokens(row, alone, (k) => {
    if (dead()) return;
    clearTimeout(running);
    mail.wish("write", get("_next")[k][2]);
  });
  const about = make("span", null, { class: "set" }), degrees = { min: 0.1, max: 2, step: 0.1, say: (t) => t.toFixed(1) };
  const warm = writes && !alone ? slider(about, "temperature", degrees, (t) => mail.send("temperature", t)) : null;
  const who = make("span", about, { class: "faint" });
  bar.insertBefore(about, bar.querySelector(".shown-alone"));
  house.root.prepend(top, ...(writes ? [row] : []));

  const show = () => {
    const found = get("_next"), busy = !alone && mail.busy(), n = mail.state.queue.length;
    const label = busy ? `reading …${n ? ` +${n}` : ""}` : on ? "writing …" : found.length ? "next" : "";
    next(found, label, busy, dead());
    film.textContent = on ? "❚❚ stop" : "▶ write on";
    film.setAttribute("aria-pressed", on);
    who.textContent = busy && !writes ? label : get("_reader");
    warm?.set(get("temperature"));
  };
  const stop = () => {
    if (!on) return;
    clearTimeout(running);
    on = false;
    mail.state.queue = [];
    show();
  };
  const mail = post(model, {
    spelt: () => text.value.replaceAll("↵", "\n"),                       // a field of one line drops its ends
    show,
    silent() { stop(); show(); again(); },
  });
  const dead = () => mail.busy() || Boolean(typed || mail.state.queue.length || get("_note"));
  const read = () => { clearTimeout(typed); typed = 0; mail.ask("read"); };
  const ask = (verb) => { if (typed) read(); mail.ask(verb); };         // what was typed comes first
  const spell = () => {
    if (typed || mail.state.queue.includes("read") || text.getRootNode().activeElement === text) return;
    text.value = get("sentence").replaceAll("\n", "↵");
    text.scrollLeft = text.scrollWidth;
  };
  const answered = () => {
    mail.heard();
    spell();
    if (get("_note") || get("_told")) {
      stop();
      mail.state.queue = mail.state.queue.filter((verb) => verb !== "write");
    }
    mail.step();
    again();
    if (!on || mail.busy()) return;
    clearTimeout(running);
    running = setTimeout(() => ask("write"), BREATH);
  };
  text.addEventListener("keydown", (event) => event.stopPropagation());
  text.addEventListener("input", () => {
    stop();
    clearTimeout(typed);
    typed = setTimeout(read, WAIT);
    show();
  });
  const heard = { _number: answered, _done: answered, _wish: mail.wait, _next: show };
  for (const [name, f] of Object.entries(heard)) model.on(`change:${name}`, f);
  spell();
  if (mail.busy() && !alone) mail.wait(); else show();
  return {
    set() {},
    note: ({ at }) => (at === null && mail.state.late ? SILENT : get("_note") || (at === null ? get("_told") : "")),
    close() {
      for (const due of [typed, running]) clearTimeout(due);
      mail.close();
      for (const [name, f] of Object.entries(heard)) model.off(`change:${name}`, f);
    },
  };
}

export default { render: (view) => allHeads(view, (house, bar, again) => above(house, bar, view.model, again)) };
