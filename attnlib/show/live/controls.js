// The controls of AttentionView: a row above it, and a menu beside the small pictures.
import { choice, make, menu, press } from "./core.js";
import { SIDES, lineOf, reached } from "./hands.js";
import { range } from "./heat.js";

export const LAB = { "data-lm-suppress-shortcuts": "true" };
const SCALES = ["absolute", "row", "sqrt"];

/** A number or a tick with its name */
function field(bar, label, attributes, onchange) {
  const input = make("input", make("label", bar, {}, `${label} `), { ...LAB, "aria-label": label, ...attributes });
  input.addEventListener("keydown", (event) => event.stopPropagation());
  input.addEventListener(attributes.type === "checkbox" ? "change" : "input", () => onchange(input));
  if (attributes.type === "number") input.addEventListener("change", () => { input.value = Math.max(0, +input.value) || ""; });
  return input;
}

const COLOURS = ["absolute, 0 to 1", "relative to each row's largest", "square root"];

const HOWS = {
  head: "one head", "mean layer": "mean of its layer", "max layer": "max of its layer", "mean all": "mean of all heads", "max all": "max of all heads",
};

/** The row of controls, rare ones behind "more", and beside the small pictures what is shown; unfolded(): there are more, or less.
 *  @returns {{set}} set(state, data): as the state says */
export function controls(bar, heads, house, { signed, grid, scale: first, top_k, threshold, hide_first }, send, unfolded) {
  let hows = [], layered = "head";                       // a mean of a layer goes to the next layer, too
  const layer = menu(bar, "layer", [], (n) => send({ layer: n, how: layered })), head = menu(bar, "head", [], (n) => send({ head: n, how: "head" }));
  const show = menu(heads, "show", [], (n) => send({ how: hows[n] }));
  heads.prepend(heads.lastChild);
  const form = choice(bar, "form", [grid.length ? "patches" : "threads", "map"], (name) => send({ form: name })), why = make("span", form.node, { class: "reason" });
  const unit = choice(bar, "unit", ["words", "pieces"], (name) => send({ unit: name }));
  const side = menu(bar, "view by", SIDES, (n) => send({ side: SIDES[n], pins: [] }));
  const more = press(bar, "more", () => open(rare.hidden));
  house.present(bar);
  const rare = make("div", bar, { class: "row" }), open = (seen) => {
    rare.hidden = !seen;
    more.textContent = seen ? "less" : "more";
    more.setAttribute("aria-expanded", seen);
    unfolded();
  };
  open(first !== "absolute" || top_k || threshold || hide_first);        // what hides weights is in sight
  const scale = signed ? null : menu(rare, "colours", COLOURS, (n) => send({ scale: SCALES[n] }));
  const whole = { type: "number", min: 0, step: 1 }, part = { type: "number", min: 0, max: 1, step: 0.05 };
  const top = field(rare, "only the top", whole, ({ value }) => send({ top_k: Math.max(0, Math.floor(+value) || 0) }));
  const least = field(rare, "at least", part, ({ value }) => send({ threshold: Math.max(0, +value || 0) }));
  const sink = field(rare, "hide the first column", { type: "checkbox" }, ({ checked }) => send({ hide_first: checked }));
  const list = (one, count, name) => {                   // a list that is open stays as it is
    const names = range(count).map(name), old = [...one.node.options].map((option) => option.textContent);
    if (old.length !== count || old.some((text, n) => text !== names[n])) one.fill(names);
    one.node.parentElement.hidden = count < 2;
  };
  const typed = (input, value) => {                      // a field is the reader's while he types
    if (input.getRootNode().activeElement !== input) input.value = value || "";
  };
  return {
    set(state, data) {
      list(layer, data.layers, (n) => `${n}`);
      list(head, data.heads, (n) => state.titles[n] || `${n}`);
      layer.set(state.layer);
      head.set(state.head);
      hows = Object.keys(HOWS).filter((how) => !how.endsWith("layer") || (data.layers > 1 && data.heads > 1));
      layered = state.how.endsWith("layer") ? state.how : "head";
      list(show, hows.length, (n) => HOWS[hows[n]]);
      show.set(hows.indexOf(hows.includes(state.how) ? state.how : state.how.replace("layer", "all")));
      const leads = [[layer, (n) => ({ layer: n, how: layered })], [head, (n) => ({ head: n, how: "head" })], [show, (n) => ({ how: hows[n] })]];
      for (const [one, news] of leads) for (const [n, item] of [...one.node.options].entries()) item.disabled = !reached(news(n), state);
      unit.node.hidden = !state._words.starts;
      unit.set(state.unit);
      side.set(lineOf(state.side));
      scale?.set(SCALES.indexOf(state.scale));
      form.set(state.kind);
      form.node.firstChild.disabled = Boolean(state.why);
      form.node.firstChild.textContent = state.grid.length ? "patches" : state.weaves || state.why ? "threads" : "text";
      why.textContent = state.why;
      typed(top, state.top_k);
      typed(least, state.threshold);
      sink.checked = state.hide_first;
    },
  };
}
