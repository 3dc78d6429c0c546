// A film of heat maps or pictures: play, step, scrub. A chosen cell draws its number over all steps above the scrubber.

import { calm, clamp, cut, drag, dress, ease, frames, keep, keys, make, measure, place, press, share, sharp, sketch } from "./core.js";
import { plain, write } from "./words.js";

const EDGE = 40;                                                         // of the scrubber, left and right: room for a scale

// ---- numbers: pure --------------------------------------------------------------------------------------------------

/** Frames that crossed as whole numbers of `wide` bytes: the largest is NaN, the one below it a cell that is not there.
 *  at(step, i, j) -> a number, NaN, or null */
export function film(bytes, { wide, shape: [count, rows, columns], range: [low, high] }) {
  const whole = wide === 2 ? new Uint16Array(bytes) : new Uint8Array(bytes), top = 256 ** wide - 3;
  const number = (level) => (level <= top ? low + ((high - low) * level) / top : level === top + 1 ? null : NaN);
  return { count, rows, columns, at: (step, i, j) => number(whole[(step * rows + i) * columns + j]) };
}

/** Between two frames; what is not there, or no number, comes and goes at once. */
export const between = (a, b, t) => (a === null || b === null || isNaN(a) || isNaN(b) ? (t < 0.5 ? a : b) : a + (b - a) * t);

/** How long a frame stays, in ms: a dozen seconds for all, but none hurries by or lingers. */
export const pace = (count, speed) => clamp(12_000 / count, 150, 1200) / speed;

/** A film that runs, after so many ms: which frame, which is next, and how far it has become that. */
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

// ---- geometry: pure ---------------------------------------------------------------------------------------------------

const NAME = 96, PANEL = 220, TALL = 72;                                 // the longest name, the words beside a map, the highest cell

/** Where a map is, and its names as far as there is room; cells are as wide as the page allows, up to twice their height. */
export function geometry({ rows, columns, down, across }, width, ruler = measure) {
  const [left, over] = [down, across].map((names) => Math.min(NAME, Math.max(0, ...names.map((one) => ruler(one)))) + 8);
  const above = Math.round(over * 0.71) + 10, right = over * 0.5, whole = width >= 660, beside = whole && columns < 3 * rows;
  const room = Math.max(0, width - left - right - (beside ? PANEL : 0)) / columns, most = (beside ? 344 : whole ? 200 : 330) / rows;
  const h = Math.min(most, TALL, room * 1.5), w = Math.min(room, Math.max(40, h * 2));
  const named = (names) => names.map((one) => cut(one, NAME, ruler));
  const size = { wide: w * columns, high: h * rows, width: left + w * columns + right, height: above + h * rows + 2 };
  return { left, above, w, h, ...size, down: named(down), across: named(across), every: [Math.ceil(14 / h), Math.ceil(19 / w)], beside };
}

/** The cell below a point: [i, j], or null */
export function cellAt({ left, above, w, h }, { rows, columns }, [x, y]) {
  const i = Math.floor((y - above) / h), j = Math.floor((x - left) / w);
  return i >= 0 && i < rows && j >= 0 && j < columns ? [i, j] : null;
}

// ---- paint --------------------------------------------------------------------------------------------------------------

const parts = (hex) => hex.match(/\w\w/g).map((one) => parseInt(one, 16));

/** 256 colours of the theme's scale, and that of NaN */
function inks(house, signed) {
  const stops = Array.from({ length: signed ? 7 : 5 }, (_, k) => parts(house.colour(`${signed ? "s" : "w"}${k}`)));
  const ramp = Array.from({ length: 256 }, (_, k) => {
    const at = (k / 255) * (stops.length - 1), n = Math.min(Math.floor(at), stops.length - 2);
    return stops[n].map((c, x) => Math.round(c + (stops[n + 1][x] - c) * (at - n)));
  });
  return { ramp, bad: parts(house.colour("bad")) };
}

function paintMap(canvas, small, data, { from, step, t }, where, [low, high], { ramp, bad }) {
  const pen = small.getContext("2d"), image = pen.createImageData(data.columns, data.rows);
  for (let i = 0, at = 0; i < data.rows; i++) {
    for (let j = 0; j < data.columns; j++, at += 4) {
      const x = t === 1 ? data.at(step, i, j) : between(data.at(from, i, j), data.at(step, i, j), t);
      if (x === null) continue;
      const ink = isNaN(x) ? bad : ramp[Math.round(255 * clamp((x - low) / (high - low)))];
      for (let c = 0; c < 4; c++) image.data[at + c] = ink[c] ?? 255;
    }
  }
  pen.putImageData(image, 0, 0);
  const sheet = sharp(canvas, where.width, where.height);
  sheet.imageSmoothingEnabled = Math.min(where.w, where.h) < 1;
  sheet.drawImage(small, where.left, where.above, where.wide, where.high);
}

function paintNames({ put }, { cell: chosen, over }, { left, above, w, h, wide, high, every, down, across }) {
  const lit = over ?? chosen ?? [-1, -1], seen = (k, at, by) => k === at || (k % by === 0 && (at < 0 || Math.abs(k - at) >= by));
  const ring = (name, [i, j], stroke) => {
    const box = { x: left + j * w - 1, y: above + i * h - 1, width: w + 2, height: h + 2, rx: 2 };
    put(name, "rect", 1, { ...box, fill: "none", stroke, "stroke-width": 2 });
  };
  down.forEach((name, i) => {
    const look = { x: left - 6, y: above + (i + 0.5) * h + 4.5, "text-anchor": "end", class: i === lit[0] ? "q part" : "" };
    if (seen(i, lit[0], every[0])) put(`row${i}`, "text", 0, look, name);
  });
  across.forEach((name, j) => {
    const look = { transform: `translate(${left + (j + 0.5) * w + 3} ${above - 5}) rotate(-45)`, class: j === lit[1] ? "k part" : "" };
    if (seen(j, lit[1], every[1])) put(`column${j}`, "text", 0, look, name);
  });
  put("frame", "rect", 0, { x: left, y: above, width: wide, height: high, fill: "none", stroke: "var(--line)" });
  if (over) ring("over", over, "var(--faint)");
  if (chosen) ring("chosen", chosen, "var(--ink)");
}

const railOf = (data) => (data ? 64 : 44);                               // how deep it lies: above it, a cell over all steps

function paintLine({ put }, { data, scale: [low, high] }, { from, step, t, cell, last }, { width, names, widths, ks }) {
  const room = width - 2 * EDGE, x = (k) => EDGE + (room * k) / Math.max(1, last), now = x(from + (step - from) * t), deep = railOf(data);
  const y = (v) => 50 - 44 * clamp((v - low) / (high - low)), rail = { x1: EDGE, y1: deep, y2: deep, "stroke-width": 4, "stroke-linecap": "round" };
  put("track", "line", 0, { ...rail, x2: width - EDGE, stroke: "var(--line)" });
  put("gone", "line", 0, { ...rail, x2: now, stroke: "var(--ink)" });
  for (const k of ks) {
    put(`tick${k}`, "line", 0, { x1: x(k), x2: x(k), y1: deep + 6, y2: deep + 9, stroke: "var(--faint)" });
    put(`name${k}`, "text", 0, { x: EDGE + middle(k, last, widths[k], room), y: deep + 23, class: "small faint", "text-anchor": "middle" }, names[k]);
  }
  if (cell && data) {
    const there = (v) => v !== null && !isNaN(v), values = Array.from({ length: last + 1 }, (_, k) => data.at(k, ...cell));
    const d = values.map((v, k) => (there(v) ? `${k && there(values[k - 1]) ? "L" : "M"}${x(k)} ${y(v)}h0` : "")).join("");   // no line over a hole
    for (const end of [low, high]) {                                     // the scale of the curve
      put(`scale${end}`, "line", 0, { x1: EDGE, x2: width - EDGE, y1: y(end), y2: y(end), stroke: "var(--line)" });
      put(`end${end}`, "text", 0, { x: EDGE - 4, y: y(end) + 4, class: "small faint", "text-anchor": "end" }, said(end));
    }
    put("curve", "path", 1, { d, fill: "none", stroke: "var(--w3)", "stroke-width": 2, "stroke-linecap": "round" });
    const v = between(values[from], values[step], t);
    if (there(v)) put("dot", "circle", 2, { cx: now, cy: y(v), r: 4, fill: "var(--w3)" });
  }
  put("stem", "line", 1, { x1: now, x2: now, y1: 2, y2: deep, stroke: "var(--faint)" });
  put("thumb", "circle", 2, { cx: now, cy: deep, r: 8, fill: "var(--ink)" });
  put("touch", "rect", 3, { x: 0, y: 0, width, height: deep + 28, fill: "transparent", cursor: "ew-resize" });
}

// ---- what is on the stage: maps or pictures. Each: lay(width) -> its place; show(state); hands(get, change, toggle) -----------

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

function maps(house, stage, panel, what, view) {
  const data = film(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength), what), { rows, columns } = data;
  const canvas = make("canvas", stage, { "aria-hidden": "true" }), small = make("canvas", null, { width: columns, height: rows });
  const over = sketch(stage, { role: "application", tabindex: 0, "aria-label": "heat map: the arrow keys choose a cell" }, 2);
  const { scale } = what, named = { rows, columns, down: what.tokens, across: what.key_tokens };
  const legend = make("div", panel, { class: scale[0] < 0 ? "legend signed" : "legend" });
  [said(scale[0]), "a cell’s number", said(scale[1])].forEach((text) => make("span", legend, {}, text));
  let where = null, colours = null;
  return {
    data,
    lay(width) {
      [where, colours] = [geometry(named, width), inks(house, scale[0] < 0)];
      over.resize(where.width, where.height);
      return where;
    },
    show(state, k) {
      paintMap(canvas, small, data, state, where, scale, colours);
      paintNames(over, state, where);
      over.done();
      const [i, j] = state.over ?? state.cell ?? [], ends = data.count > 1 ? [0, state.last].map((n) => said(data.at(n, i, j))) : null;
      if (i === undefined) house.say("Point at a cell; click one to see its number over all steps.");
      else house.say([[named.down[i], "q"], " → ", [named.across[j], "k"], `: ${said(data.at(k, i, j))}.${ends ? ` First ${ends[0]}, last ${ends[1]}.` : ""}`]);
    },
    hands(state, change, toggle) {
      const at = (event) => cellAt(where, data, place(over.svg, event)), same = (a, b) => String(a) === String(b);
      const point = (cell) => { if (!same(cell, state.over)) change({ over: cell }); };
      over.svg.addEventListener("pointermove", (event) => point(at(event)));
      over.svg.addEventListener("pointerleave", () => point(null));
      over.svg.addEventListener("click", (event) => { const cell = at(event); change({ cell: same(cell, state.cell) ? null : cell }); });
      const last = [rows - 1, columns - 1], walk = (by) => (state.cell ?? [-by[0], -by[1]]).map((k, n) => clamp(k + by[n], 0, last[n]));
      const choose = ({ key }) => (STEPS[key] || key === "Escape") && { over: null, cell: STEPS[key] ? walk(STEPS[key]) : null };
      keys(over.svg, (event) => (event.key === " " ? { toggle } : choose(event)), (news) => (news.toggle ? toggle() : change(news)));
    },
  };
}

function base64(view, from, to) {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + from, to - from), pieces = [];
  for (let k = 0; k < bytes.length; k += 8192) pieces.push(String.fromCharCode(...bytes.subarray(k, k + 8192)));
  return btoa(pieces.join(""));
}

function pictures(house, stage, { ends, alts, sizes }, view) {
  const made = new Map(), widest = [0, 1].map((n) => Math.max(...sizes.map((one) => one[n])));
  const picture = (k) => {                                               // made when it is needed first
    if (!made.has(k)) made.set(k, make("img", stage, { src: `data:image/png;base64,${base64(view, ends[k], ends[k + 1])}`, alt: alts[k], decoding: "sync" }));
  };
  return {
    data: null,
    lay(width) {
      const beside = widest[0] + PANEL <= width, zoom = Math.min(1.3, (beside ? width - PANEL : width) / widest[0], 380 / widest[1]);
      return { width: widest[0] * zoom, height: widest[1] * zoom, beside };
    },
    show({ from, step, t }, k) {
      [from, step, Math.min(step + 1, sizes.length - 1)].forEach(picture);
      for (const [n, img] of made) {
        Object.assign(img.style, { opacity: n === step ? t : n === from && t < 1 ? 1 : 0, zIndex: n === step ? 1 : 0 });
        img.setAttribute("aria-hidden", String(n !== k));
      }
    },
    hands(state, change, toggle, line) { stage.addEventListener("click", () => line.focus({ preventScroll: true })); },
  };
}

// ---- the player -----------------------------------------------------------------------------------------------------------

const said = (x) => (x === null ? "not there" : isNaN(x) ? "NaN" : x !== 0 && Math.abs(x) < 0.995 ? share(x) : String(+x.toPrecision(3)).replace("-", "−"));

/** Keys of the whole player: steps, ends, play */
function keysOf(root, count, step, toggle) {
  const ten = Math.max(1, Math.round(count / 10)), far = { PageUp: ten, PageDown: -ten, Home: -count, End: count };
  root.addEventListener("keydown", (event) => {
    const [down, right] = STEPS[event.key] ?? [0, 0], n = far[event.key] ?? right - down;
    if (event.ctrlKey || event.altKey || event.metaKey || !(n || (event.key === " " && event.target.tagName !== "BUTTON"))) return;
    event.preventDefault();
    event.stopPropagation();
    if (n) step(n); else toggle();
  });
}

function render({ model, el }) {
  const what = model.get("_film"), { names, captions, count } = what, last = count - 1, first = clamp(model.get("step"), 0, last);
  const house = dress({ model, el }, "player", { readout: !what.sizes }), { root } = house;
  const body = make("div", root, { class: "body" }), stage = make("div", body, { class: "frame" }), panel = make("div", body, { class: "panel" });
  const title = make("p", panel, { class: "part" }), now = make("p", panel, { class: "big" }), caption = make("p", panel, { class: "caption" });
  const bar = make("div", root, { class: "bar" }), play = press(bar, "", toggle, { class: "go" });
  const back = press(bar, "‹ back", () => by(-1)), next = press(bar, "next ›", () => by(1));
  const line = sketch(bar, { role: "slider", tabindex: 0, "aria-label": "frame", "aria-valuemin": 0, "aria-valuemax": last, class: "line" });
  house.present(bar);
  const seen = what.sizes ? pictures(house, stage, what, model.get("_frames")) : maps(house, stage, panel, what, model.get("_frames"));
  const state = { step: first, from: first, t: 1, playing: false, elapsed: 0, over: null, cell: null, last };
  let ruled = null;
  const here = () => (state.t < 0.5 ? state.from : state.step), aim = () => (state.playing ? here() : state.step);
  const by = (n) => go(aim() + n), each = () => pace(count, model.get("speed"));
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
    const k = here(), now_ = { ...state, t: state.playing ? state.t : ease(state.t) };
    seen.show(now_, k);
    paintLine(line, { data: seen.data, scale: what.scale ?? [0, 1] }, now_, ruled);
    line.done();
    now.textContent = what.numbered ? `${names[k]} of ${count}` : names[k];
    const told = captions[k] ?? "";
    if (caption.dataset.told !== told) write(caption, caption.dataset.told = told);
    line.svg.setAttribute("aria-valuenow", k);
    line.svg.setAttribute("aria-valuetext", [now.textContent, plain(told)].filter(Boolean).join(": "));
    play.textContent = state.playing ? "❚❚ pause" : "▶ play";
    const dead = [[back, aim() === 0], [next, aim() === last], [play, last === 0]];
    for (const [button, is] of dead) button.setAttribute("aria-disabled", String(is));      // it keeps the focus
  }
  function change(news) {
    Object.assign(state, news);
    house.line?.setAttribute("aria-live", state.playing ? "off" : "polite");
    clock.ask();
  }
  function rest(later = 0) {
    if (state.playing) Object.assign(state, { playing: false, from: here(), step: here(), t: 1 });
    kept.send({ step: state.step }, later);
  }
  function go(step, slide = true) {
    const to = clamp(step, 0, last), from = slide ? here() : to;
    change({ playing: false, from, step: to, t: to === from ? 1 : 0 });
    rest(250);
  }
  function toggle() {
    if (calm()) return by(1);
    if (state.playing) rest();
    else if (last) Object.assign(state, { playing: true, elapsed: here() === last ? 0 : here() * each() });
    change({});
  }
  const kept = keep(model, ["step", "title"], ({ step }) => {
    lay();
    if (step !== undefined && step !== state.step) go(step);
  });
  function lay() {
    if (!root.clientWidth) return;
    const where = seen.lay(root.clientWidth - 12), inner = bar.clientWidth;
    [title.textContent, title.hidden, play.hidden] = [model.get("title"), !model.get("title"), calm()];
    Object.assign(stage.style, { width: `${where.width}px`, height: `${where.height}px` });
    root.classList.toggle("beside", where.beside);
    const alone = inner - [...bar.querySelectorAll("button")].reduce((sum, one) => sum + one.offsetWidth + 8, 2);
    root.classList.toggle("narrow", alone < 300);
    const long = alone < 300 ? inner : alone, small = (one) => measure(one, "12px system-ui, sans-serif");
    const texts = names.map((one) => cut(one, long / 2 - EDGE, small)), widths = texts.map(small);
    ruled = { width: long, names: texts, widths, ks: fitting(widths, long - 2 * EDGE) };
    line.resize(long, railOf(seen.data) + 28);
    delete caption.dataset.told;
    for (const [node, words] of [[now, names], [caption, captions.map(plain)]]) {                        // the player keeps its size
      node.style.minHeight = "";
      node.textContent = words.reduce((best, one) => (one.length > best.length ? one : best), "");
      node.style.minHeight = `${node.offsetHeight + 1}px`;
    }
    paint();
  }
  seen.hands(state, change, toggle, line.svg);
  keysOf(root, count, by, toggle);
  drag(line.put("touch", "rect", 3, {}), ([x]) => go(Math.round(((x - EDGE) / (ruled.width - 2 * EDGE)) * last), false), () => {
    line.svg.focus({ preventScroll: true });
    rest();
  });
  house.watch(lay);
  house.start();
  return () => { clock.stop(); kept.close(); house.close(); };
}

export default { render };
