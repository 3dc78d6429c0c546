// A model that reads a sentence, and where it can writes on: all its heads as an atlas, and above it the sentence and what may
// come next. The kernel computes; without one it shows what it showed last.
import { allHeads } from "../show/live/allheads.js";
import { make, press, share } from "../show/live/core.js";

const MINE = { "data-lm-suppress-shortcuts": "true" }, WAIT = 400, BREATH = 350, BEST = 5;

/** The sentence, the buttons that write, and the next tokens as buttons. */
function above(house, bar, model) {
  const get = (name) => model.get(name), row = make("div", null, { class: "row" }), next = make("span", bar, { class: "next" });
  const alone = !("widget_manager" in model) || get("layout")?.comm_live === false;      // a page of its own, or one that was saved
  let typed = 0, running = 0, on = false, wishes = 0;
  const send = (name, value) => { model.set(name, value); model.save_changes(); };
  const wish = (verb, token = "") => send("_wish", [++wishes, verb, token]);
  const text = make("input", row, { type: "text", class: "sentence", "aria-label": "sentence", spellcheck: "false", disabled: alone, ...MINE });
  text.addEventListener("keydown", (event) => event.stopPropagation());
  text.addEventListener("input", () => {
    clearTimeout(typed);
    typed = setTimeout(() => send("sentence", text.value.replaceAll("↵", "\n")), WAIT);
  });
  const go = (start) => {
    clearTimeout(running);
    on = start;
    film.textContent = on ? "❚❚ stop" : "▶ write on";
    film.setAttribute("aria-pressed", on);
    if (on) wish("write");
  };
  const buttons = make("span", row, { class: "set" });
  press(buttons, "write one token", () => { go(false); wish("write"); });
  const film = press(buttons, "▶ write on", () => go(!on), { "aria-pressed": "false" });
  press(buttons, "← back", () => { go(false); wish("back"); }, { "aria-label": "take one token back" });
  if (alone) make("span", row, { class: "faint" }, "needs a running kernel");
  buttons.hidden = alone || !get("_writes");
  bar.insertBefore(next, bar.querySelector(".shown-alone"));
  house.root.prepend(row);
  const answered = () => {
    if (text.getRootNode().activeElement !== text) {                     // a field of one line drops its ends
      text.value = get("sentence").replaceAll("\n", "↵");
      text.scrollLeft = text.scrollWidth;
    }
    const found = get("_next").slice(0, BEST);
    next.replaceChildren(...(found.length ? ["next: "] : []), ...found.map(([name, w, token]) => (
      press(null, `${name} ${share(w)}`, () => wish("write", token), { "aria-label": `write ${name}, ${share(w)}`, disabled: alone }))));
    if (!on) return;
    clearTimeout(running);
    if (get("_note")) go(false); else running = setTimeout(() => wish("write"), BREATH);
  };
  model.on("change:_number", answered);
  answered();
  return {
    set() {},
    note: () => get("_note"),
    close() {
      clearTimeout(typed);
      go(false);
      model.off("change:_number", answered);
    },
  };
}

export default { render: (view) => allHeads(view, (house, bar) => above(house, bar, view.model)) };
