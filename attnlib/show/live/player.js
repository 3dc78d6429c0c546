// A film of heat maps or pictures: play, step, scrub. A chosen cell draws its number over all steps above the scrubber.

import { clamp, cut, dress, keep, keys, make, measure, place, rgb, scaleOf, share, sharp, sketch } from "./core.js";
import { EDGE, scrubber } from "./scrub.js";
import { plain, write } from "./words.js";

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

/** The number of a chosen cell over all steps, above the line */
function paintCurve({ put }, data, [low, high], { from, step, t }, cell, width) {
  const x = (k) => EDGE + ((width - 2 * EDGE) * k) / Math.max(1, data.count - 1), y = (v) => 50 - 44 * clamp((v - low) / (high - low));
  const there = (v) => v !== null && !isNaN(v), values = Array.from({ length: data.count }, (_, k) => data.at(k, ...cell));
  const d = values.map((v, k) => (there(v) ? `${k && there(values[k - 1]) ? "L" : "M"}${x(k)} ${y(v)}h0` : "")).join("");   // no line over a hole
  for (const end of [low, high]) {                                       // the scale of the curve
    put(`scale${end}`, "line", 0, { x1: EDGE, x2: width - EDGE, y1: y(end), y2: y(end), stroke: "var(--line)" });
    put(`end${end}`, "text", 0, { x: EDGE - 4, y: y(end) + 4, class: "small faint", "text-anchor": "end" }, said(end));
  }
  put("curve", "path", 1, { d, fill: "none", stroke: "var(--w3)", "stroke-width": 2, "stroke-linecap": "round" });
  const v = between(values[from], values[step], t);
  if (there(v)) put("dot", "circle", 2, { cx: x(from + (step - from) * t), cy: y(v), r: 4, fill: "var(--w3)" });
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
      [where, colours] = [geometry(named, width), { ramp: scaleOf(house, scale[0] < 0), bad: rgb(house.colour("bad")) }];
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

function render({ model, el }) {
  const what = model.get("_film"), { names, captions, count } = what;
  const house = dress({ model, el }, "player", { readout: !what.sizes }), { root } = house;
  const body = make("div", root, { class: "body" }), stage = make("div", body, { class: "frame" }), panel = make("div", body, { class: "panel" });
  const title = make("p", panel, { class: "part" }), now = make("p", panel, { class: "big" }), caption = make("p", panel, { class: "caption" });
  const seen = what.sizes ? pictures(house, stage, what, model.get("_frames")) : maps(house, stage, panel, what, model.get("_frames"));
  const look = { over: null, cell: null, last: count - 1 }, called = (k) => (what.numbered ? `${names[k]} of ${count}` : names[k]);
  const bar = make("div", root, { class: "scrub" });
  const row = scrubber(house, bar, root, {
    names, label: "frame", first: clamp(model.get("step"), 0, count - 1), deep: seen.data ? 64 : 44, speed: () => model.get("speed"),
    told: (k) => [called(k), plain(captions[k] ?? "")].filter(Boolean).join(": "),
  }, (state, k, line) => {
    seen.show({ ...look, ...state }, k);
    if (seen.data && look.cell) paintCurve(line, seen.data, what.scale, state, look.cell, +line.svg.getAttribute("width"));
    now.textContent = called(k);
    const told = captions[k] ?? "";
    if (caption.dataset.told !== told) write(caption, caption.dataset.told = told);
    at = state.step;
  }, (step, later) => kept.send({ step }, later));
  let at = null;
  house.present(bar);
  const kept = keep(model, ["step", "title"], ({ step }) => {
    lay();
    if (step !== undefined && step !== at) row.go(step);
  });
  function lay() {
    if (!root.clientWidth) return;
    const where = seen.lay(root.clientWidth - 12);
    [title.textContent, title.hidden] = [model.get("title"), !model.get("title")];
    Object.assign(stage.style, { width: `${where.width}px`, height: `${where.height}px` });
    root.classList.toggle("beside", where.beside);
    delete caption.dataset.told;
    for (const [node, words] of [[now, names], [caption, captions.map(plain)]]) {                        // the player keeps its size
      node.style.minHeight = "";
      node.textContent = words.reduce((best, one) => (one.length > best.length ? one : best), "");
      node.style.minHeight = `${node.offsetHeight + 1}px`;
    }
    row.lay();
  }
  seen.hands(look, (news) => { Object.assign(look, news); row.ask(); }, row.toggle, row.line.svg);
  house.watch(lay);
  house.start();
  return () => { row.stop(); kept.close(); house.close(); };
}

export default { render };
