// A row that runs through steps: play, back, next, and a line to scrub on with as many names as fit. The pictures of the steps
// are drawn by whoever has such a row.

import { calm, clamp, cut, drag, ease, frames, measure, press, sketch } from "./core.js";

export const EDGE = 40;                                                  // of the line, left and right: room for a scale

// ---- numbers: pure --------------------------------------------------------------------------------------------------

/** How long a step stays, in ms: a dozen seconds for all, but none hurries by or lingers. */
export const pace = (count, speed) => clamp(12_000 / count, 150, 1200) / speed;

/** Steps that run, after so many ms: which one it is, which is next, and how far it has become that. */
export function moment(elapsed, each, last) {
  const from = clamp(Math.floor(elapsed / each), 0, last), move = Math.min(300, each * 0.6);
  return { from, step: Math.min(from + 1, last), t: from === last ? 1 : ease((elapsed - (from + 1) * each + move) / move) };
}

/** Where the middle of a name is below a line of so much room: at its place, but inside. */
export const middle = (k, last, wide, room) => clamp((room * k) / Math.max(1, last), wide / 2 - EDGE, room + EDGE - wide / 2);

/** Which names fit below a line without touching: the first, the last, and others at even steps. */
export function fitting(widths, room, gap = 14) {
  const last = widths.length - 1, at = (k) => middle(k, last, widths[k], room);
  for (let every = 1; ; every++) {
    const ks = [...widths.keys()].filter((k) => k === last || (k % every === 0 && last - k >= every));
    if (every >= last || ks.every((k, n) => !n || at(k) - at(ks[n - 1]) >= (widths[k] + widths[ks[n - 1]]) / 2 + gap)) return ks;
  }
}

// ---- paint --------------------------------------------------------------------------------------------------------------

function paintLine({ put }, { from, step, t }, { width, names, widths, ks }, last, deep) {
  const room = width - 2 * EDGE, x = (k) => EDGE + (room * k) / Math.max(1, last), now = x(from + (step - from) * t);
  const track = { x1: EDGE, y1: deep, y2: deep, "stroke-width": 4, "stroke-linecap": "round" };
  put("track", "line", 0, { ...track, x2: width - EDGE, stroke: "var(--line)" });
  put("gone", "line", 0, { ...track, x2: now, stroke: "var(--ink)" });
  for (const k of ks) {
    put(`tick${k}`, "line", 0, { x1: x(k), x2: x(k), y1: deep + 6, y2: deep + 9, stroke: "var(--faint)" });
    put(`name${k}`, "text", 0, { x: EDGE + middle(k, last, widths[k], room), y: deep + 23, class: "small faint", "text-anchor": "middle" }, names[k]);
  }
  if (deep > 20) put("stem", "line", 1, { x1: now, x2: now, y1: 2, y2: deep, stroke: "var(--faint)" });
  put("thumb", "circle", 2, { cx: now, cy: deep, r: 8, fill: "var(--ink)" });
  put("touch", "rect", 3, { x: 0, y: 0, width, height: deep + 28, fill: "transparent", cursor: "ew-resize" });
}

// ---- hands --------------------------------------------------------------------------------------------------------------

const ARROWS = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: 1, ArrowDown: -1 };

/** Keys of all of it: steps, ends, play */
function keysOf(node, count, by, toggle) {
  const ten = Math.max(1, Math.round(count / 10)), far = { PageUp: ten, PageDown: -ten, Home: -count, End: count };
  node.addEventListener("keydown", (event) => {
    const n = far[event.key] ?? ARROWS[event.key];
    if (event.ctrlKey || event.altKey || event.metaKey || !(n || (event.key === " " && event.target.tagName !== "BUTTON"))) return;
    event.preventDefault();
    event.stopPropagation();
    if (n) by(n); else toggle();
  });
}

/** The row, in `bar`; keys are heard by `node`.
 *  names   of the steps; label: what they are; first: where it begins; deep: how far below its top the line lies
 *  speed() 1 is a dozen seconds for all; told(k): step k in words
 *  shown({from, step, t, playing}, k, line)   is called when anything moves: k is the step that is nearer
 *  rested(step, later)                        when it comes to rest
 *  @returns {{line, go, ask, toggle, lay, stop}}; lay(): again, where the width is another */
export function scrubber(house, bar, node, { names, label, first, deep, speed = () => 1, told = (k) => names[k] }, shown, rested) {
  const last = names.length - 1, state = { step: first, from: first, t: 1, playing: false, elapsed: 0 };
  const play = press(bar, "", toggle, { class: "go" }), back = press(bar, "‹ back", () => by(-1)), next = press(bar, "next ›", () => by(1));
  const line = sketch(bar, { role: "slider", tabindex: 0, "aria-label": label, "aria-valuemin": 0, "aria-valuemax": last, class: "line" });
  const here = () => (state.t < 0.5 ? state.from : state.step), aim = () => (state.playing ? here() : state.step);
  const by = (n) => go(aim() + n), each = () => pace(last + 1, speed());
  let ruled = null;
  const clock = frames((gone) => {
    if (state.playing) {
      state.elapsed += gone;
      Object.assign(state, moment(state.elapsed, each(), last));
      if (state.from === last) rest();
    } else state.t = clamp(state.t + gone / 260);
    paint();
    return state.playing || state.t < 1;
  });
  function paint() {
    if (!ruled) return;                                                  // a front end draws it before it is on the page
    const k = here(), now = { ...state, t: state.playing ? state.t : ease(state.t) };
    shown(now, k, line);
    paintLine(line, now, ruled, last, deep);
    line.done();
    line.svg.setAttribute("aria-valuenow", k);
    line.svg.setAttribute("aria-valuetext", told(k));
    play.textContent = state.playing ? "❚❚ pause" : "▶ play";
    const dead = [[back, aim() === 0], [next, aim() === last], [play, last === 0]];
    for (const [button, is] of dead) button.setAttribute("aria-disabled", String(is));      // it keeps the focus
  }
  function ask() {
    house.line?.setAttribute("aria-live", state.playing ? "off" : "polite");
    clock.ask();
  }
  function rest(later = 0) {
    if (state.playing) Object.assign(state, { playing: false, from: here(), step: here(), t: 1 });
    rested(state.step, later);
  }
  function go(step, slide = true) {
    const to = clamp(step, 0, last), from = slide ? here() : to;
    Object.assign(state, { playing: false, from, step: to, t: to === from ? 1 : 0 });
    ask();
    rest(250);
  }
  function toggle() {
    if (calm()) return by(1);
    if (state.playing) rest();
    else if (last) Object.assign(state, { playing: true, elapsed: here() === last ? 0 : here() * each() });
    ask();
  }
  function lay() {
    const inner = bar.clientWidth, others = [...bar.children].filter((one) => one !== line.svg && one.offsetWidth);
    play.hidden = calm();
    const alone = inner - others.reduce((sum, one) => sum + one.offsetWidth + 8, 2), narrow = alone < 300, long = narrow ? inner : alone;
    const small = (one) => measure(one, "12px system-ui, sans-serif"), texts = names.map((one) => cut(one, long / 2 - EDGE, small)), widths = texts.map(small);
    bar.classList.toggle("narrow", narrow);
    ruled = { width: long, names: texts, widths, ks: fitting(widths, long - 2 * EDGE) };
    line.resize(long, deep + 28);
    paint();
  }
  keysOf(node, last + 1, by, toggle);
  drag(line.put("touch", "rect", 3, {}), ([x]) => go(Math.round(((x - EDGE) / (ruled.width - 2 * EDGE)) * last), false), () => {
    line.svg.focus({ preventScroll: true });
    rest();
  });
  return { line, go, ask, toggle, lay, stop: clock.stop };
}
