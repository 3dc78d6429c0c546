// Walks: q·k as a walk of d random steps. A hundred of them below the curves ±√d, where they end, and what softmax makes of ten
// such ends. The steps are drawn here by a small generator, which attnlib/show/live/walks.py has, too.

import { calm, clamp, dress, ease, frames, keep, keys, lerp, make, measure, press, share, sharp, sketch, slider, softmax } from "./core.js";

const LONGEST = 1024, ROW = 10, TALL = 3.4;                              // steps; keys of a row; the frame, in spreads

// ---- numbers: pure --------------------------------------------------------------------------------------------------------------

/** 32 bits, well mixed (the finalizer of MurmurHash3). */
function mixed(x) {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** n walks of so many steps, from 0: sums of products of two normal numbers, which Box and Muller make of two even ones. */
export function walksOf(seed, n, steps = LONGEST) {
  const start = mixed(seed + 0x9e3779b9), even = (at) => (mixed(start + Math.imul(at, 0x9e3779b9)) + 0.5) / 2 ** 32;
  return Array.from({ length: n }, (_, i) => {
    const walk = new Float64Array(steps + 1);
    for (let t = 0; t < steps; t++) {                                   // q = r cos a, k = r sin a: q·k = r² sin(2a) / 2
      const at = 2 * (i * LONGEST + t);
      walk[t + 1] = walk[t] - Math.log(even(at)) * Math.sin(4 * Math.PI * even(at + 1));
    }
    return walk;
  });
}

/** After d steps: where all are, how far they stray, how many lie within ±√d, and the weights of the row, raw, ÷√d and ÷d. */
export function after(walks, d) {
  const ends = walks.map((walk) => walk[d]), mean = ends.reduce((sum, x) => sum + x, 0) / ends.length, row = ends.slice(0, ROW);
  return {
    ends, row, spread: Math.sqrt(ends.reduce((sum, x) => sum + (x - mean) ** 2, 0) / ends.length),
    within: ends.filter((x) => Math.abs(x) <= Math.sqrt(d)).length,
    weights: [1, Math.sqrt(d), d].map((by) => softmax(row.map((s) => s / by))),
  };
}

/** What d steps of a walk went up in all, and down: most of it cancels. */
export function ways(walk, d) {
  const steps = Array.from({ length: d }, (_, t) => walk[t + 1] - walk[t]);
  return [1, -1].map((way) => steps.reduce((sum, step) => sum + Math.max(0, way * step), 0));
}

/** How many lie in each of so many bins from -far to far; who is beyond is counted at the edge. */
export function counted(ends, far, bins) {
  const many = new Array(bins).fill(0);
  for (const x of ends) many[clamp(Math.floor(((x + far) / (2 * far)) * bins), 0, bins - 1)]++;
  return many;
}

/** The frame that holds d steps: 16, 64, 256 or 1,024, each four times as wide and twice as high as the one before. */
export const frameOf = (d) => 4 ** clamp(Math.ceil(Math.log(d) / Math.log(4) - 1e-9), 2, 5);

const signed = (x, digits) => `${x <= -0.5 / 10 ** digits ? "−" : ""}${Math.abs(x).toFixed(digits)}`;
const short = (x) => signed(x, Math.abs(x) < 9.95 ? 1 : 0);
const root = (d) => short(Math.sqrt(d)).replace(".0", "");
const grouped = (n) => String(n).replace(/(\d)(?=\d{3}$)/, "$1,");

/** A state in words. */
export function sentence(d, now, chosen) {
  const [raw, soft, flat] = now.weights.map((row) => share(row[chosen])), n = now.ends.length, top = Math.max(...now.row);
  const who = now.row[chosen] === top ? "the best of ten such scores" : `the score ${short(now.row[chosen])}`;
  return `d = ${grouped(d)}: the ends of ${n} walks stray by ${short(now.spread)}, √d is ${root(d)}; ${now.within} of ${n} lie within ±√d. `
    + `Softmax gives ${who} ${raw} as they are, ${soft} divided by √d, ${flat} divided by d; even is .10.`;
}

// ---- geometry: pure ---------------------------------------------------------------------------------------------------------------

const AXIS = 34, ENDS = 80, TOP = 20, FOOT = 42;                         // room for numbers left, the ends right, words above and below

/** The fan, the ends beside it, and three rows of bars: at the right, or on narrow pages below. */
export function geometry(width) {
  const wide = width >= 690, side = wide ? clamp(width * 0.37, 280, 330) : 0, ends = width < 460 ? 56 : ENDS;
  const fan = { x: AXIS, y: TOP, w: width - AXIS - ends - 8 - (wide ? side + 24 : 0), h: wide ? 344 : 250 }, low = fan.y + fan.h + FOOT;
  const beside = { x: fan.x + fan.w + 8, w: ends }, left = wide ? width - side : 0, wideBar = wide ? side : (width - 32) / 3;
  const rows = [0, 1, 2].map((n) => ({
    x: wide ? left : n * (wideBar + 16), y: wide ? 80 + n * 112 : low + 56, w: wideBar, pitch: wideBar / ROW, h: wide ? 54 : 62,
  }));
  const height = wide ? low : rows[0].y + rows[0].h + 40;
  return { width, height, wide, fan, ends: beside, rows, told: { x: left, y: wide ? 18 : low + 20 } };
}

/** From steps and sums to the picture, in a frame of `span` steps. */
export function scales({ fan }, span) {
  const far = TALL * Math.sqrt(span), middle = fan.y + fan.h / 2;
  return { far, x: (t) => fan.x + (fan.w * t) / span, y: (s) => middle - (s / far) * (fan.h / 2) };
}

// ---- paint ------------------------------------------------------------------------------------------------------------------------

const GROUND = 0, LINES = 1, MARKS = 2, TEXTS = 3, BEST = "600 13px system-ui, sans-serif";
const end = { "text-anchor": "end" }, middling = { "text-anchor": "middle" }, faint = { class: "small faint" };
const near = (x) => Math.round(x * 10) / 10;

/** All walks: as far as they have come in ink, what would follow faint; ten of them are the row, and one is chosen. */
function paintWalks(canvas, walks, at, { now, span, chosen }, colour) {
  const { fan } = at, pen = sharp(canvas, at.width, at.height), { x, y } = scales(at, span), stride = Math.max(1, Math.round(span / 128));
  const trace = (walk, from, to) => {
    pen.moveTo(x(from), y(walk[from]));
    for (let t = from + stride; t < to; t += stride) pen.lineTo(x(t), y(walk[t]));
    pen.lineTo(x(to), y(walk[to]));
  };
  const stroke = (list, from, to, ink, alpha, wide) => {
    if (to <= from) return;
    pen.beginPath();
    list.forEach((walk) => trace(walk, from, to));
    Object.assign(pen, { strokeStyle: colour(ink), globalAlpha: alpha, lineWidth: wide, lineJoin: "round" });
    pen.stroke();
  };
  pen.save();
  pen.beginPath();
  pen.rect(fan.x, fan.y, fan.w, fan.h);
  pen.clip();
  const last = Math.min(walks[0].length - 1, Math.ceil(span));
  stroke(walks, now, last, "faint", 0.12, 1);
  stroke(walks.slice(ROW), 0, now, "faint", 0.38, 1);
  stroke(walks.slice(0, ROW), 0, now, "w3", 0.8, 1.2);
  stroke([walks[chosen]], 0, now, "ink", 1, 2.2);
  pen.restore();
}

function curve(at, span, f, from, to) {
  const { x, y } = scales(at, span), n = 60;
  const steps = Array.from({ length: n + 1 }, (_, k) => lerp(from, to, (k / n) ** 2));
  return `M${steps.map((t) => `${near(x(t))} ${near(y(f(t)))}`).join("L")}`;
}

function paintFrame({ put }, at, { now, span, walked }) {
  const { fan } = at, { far, x, y } = scales(at, span), goal = 4 ** Math.round(Math.log(span) / Math.log(4));
  const low = fan.y + fan.h, right = fan.x + fan.w;
  put("frame", "rect", GROUND, { x: fan.x, y: fan.y, width: fan.w, height: fan.h, fill: "none", stroke: "var(--line)" });
  put("zero", "path", GROUND, { d: `M${fan.x} ${y(0)}H${right}`, stroke: "var(--line)" });
  for (const part of [4, 16]) {                                          // the frames before: a quarter as wide, half as high
    const [w, h] = [x(goal / part) - fan.x, y(0) - y(TALL * Math.sqrt(goal / part))];
    const box = { x: fan.x, y: near(y(0) - h), width: near(w), height: near(2 * h) };
    put(`frame${part}`, "rect", GROUND, { ...box, fill: "none", stroke: "var(--hatch)", "stroke-dasharray": "3 3" });
  }
  const corner = { x: near(x(goal / 4) + 6), y: near(y(-TALL * Math.sqrt(goal / 4)) + 16) };
  if (walked) ["four times as many steps:", "only twice as far"].forEach((text, n) => {
    put(`corner${n}`, "text", TEXTS, { ...corner, y: corner.y + 15 * n, class: "small faint halo" }, text);
  });
  [-2, -1, 0, 1, 2].forEach((k) => {
    const s = k * Math.sqrt(goal);
    put(`up${k}`, "text", TEXTS, { x: fan.x - 5, y: near(y(s) + 4), ...faint, ...end }, signed(s, 0));
  });
  for (const part of [0, 0.25, 0.5, 1]) {
    const clear = Math.abs(x(goal * part) - x(now)) > 30;                // of the number at the cut
    if (clear) put(`along${part}`, "text", TEXTS, { x: near(x(goal * part)), y: low + 15, ...faint, ...middling }, grouped(goal * part));
  }
  put("here", "text", TEXTS, { x: near(x(now)), y: low + 15, class: "part", ...middling }, grouped(now));
  put("says up", "text", TEXTS, { x: 0, y: 11, ...faint }, "sum so far");
  put("says along", "text", TEXTS, { x: fan.x + fan.w / 2, y: low + 32, ...faint, ...middling }, "products added up: the width d of the head");
  for (const way of [1, -1]) {
    const [root_, all] = [curve(at, span, (t) => way * Math.sqrt(t), 0, span), curve(at, span, (t) => way * t, 0, Math.min(span, far))];
    put(`root${way}`, "path", MARKS, { d: root_, fill: "none", stroke: "var(--query)", "stroke-width": 2 });
    put(`all${way}`, "path", LINES, { d: all, fill: "none", stroke: "var(--faint)", "stroke-dasharray": "2 4", "stroke-width": 1.5 });
  }
  const out = x(Math.min(far, span)), words = "d, if nothing cancelled", room = measure(words, "12px system-ui, sans-serif") + 6;
  const late = out + room > right;
  put("says all", "text", TEXTS, { x: near(out + (late ? -14 : 6)), y: fan.y + 15, class: "small faint halo", "text-anchor": late ? "end" : "start" }, words);
  put("cut", "path", LINES, { d: `M${near(x(now))} ${fan.y}V${low}`, stroke: "var(--ink)" });
}

/** Where they end, within ±√d in blue. */
function paintEnds({ put }, at, { now, span }, found) {
  const { ends: E, fan } = at, { far, x, y } = scales(at, span), bins = 34, r = Math.sqrt(now);
  const h = fan.h / bins, most = 0.34 * found.ends.length;
  const reach = (many) => (E.w - 4) * Math.min(1, many / most), all = counted(found.ends, far, bins);
  all.forEach((many, k) => {
    const middle = -far + ((k + 0.5) / bins) * 2 * far, inside = Math.abs(middle) <= r;
    const bar = { x: E.x, y: near(y(middle) - h / 2 + 0.5), width: near(reach(many)), height: near(h - 1) };
    put(`end${k}`, "rect", MARKS, { ...bar, fill: inside ? "var(--w3)" : "var(--w2)", opacity: inside ? 1 : 0.7 });
  });
  put("foot", "path", LINES, { d: `M${E.x} ${fan.y}V${fan.y + fan.h}`, stroke: "var(--line)" });
  put("says ends", "text", TEXTS, { x: E.x, y: 11, ...faint }, at.wide ? "where they end" : "the ends");
  for (const way of [1, -1]) {
    const to = near(y(way * r)), name = way > 0 ? "√d" : "−√d";
    const dotted = { stroke: "var(--query)", "stroke-dasharray": "1 4", "stroke-width": 2, "stroke-linecap": "round" };
    put(`band${way}`, "path", LINES, { d: `M${near(x(now))} ${to}H${E.x + E.w}`, ...dotted });
    put(`says band${way}`, "text", TEXTS, { x: E.x + E.w, y: to + (way > 0 ? -5 : 15), class: "q part halo", ...end }, `${name} = ${way > 0 ? "" : "−"}${root(now)}`);
  }
}

const DIVIDED = [["softmax of q·k", () => ""], ["softmax of q·k ÷ √d", (d) => `= ÷ ${root(d)}`], ["softmax of q·k ÷ d", (d) => `= ÷ ${grouped(d)}`]];

/** What softmax makes of the ten ends: as they are, divided by √d, divided by d. */
function paintRows({ put }, at, { now, chosen }, found, walk) {
  const { wide, told, rows } = at, n = found.ends.length, by = [1, Math.sqrt(now), now], big = `${found.within} of ${n}`;
  put("big", "text", TEXTS, { x: told.x, y: told.y, class: "big" }, big);
  const across = wide ? { x: told.x, y: told.y + 19 } : { x: told.x + measure(big, "600 20px system-ui, sans-serif") + 10, y: told.y };
  put("says big", "text", TEXTS, across, `end within ±√${grouped(now)} = ±${root(now)}`);
  const [up, down] = ways(walk, now).map(short), left = `the bold walk: up ${up}, down ${down}; left ${short(found.row[chosen])}`;
  if (at.width > 460) put("says left", "text", TEXTS, wide ? { x: told.x, y: told.y + 37, class: "small" } : { x: at.width, y: told.y, class: "small", ...end }, left);
  rows.forEach((R, k) => {
    const [name, more] = DIVIDED[k], foot = R.y + R.h + 24, weights = found.weights[k], best = weights.indexOf(Math.max(...weights));
    put(`title${k}`, "text", TEXTS, { x: R.x, y: R.y, class: "part" }, R.w > 140 ? name : name.replace(/.*of /, ""));
    if (wide) put(`by${k}`, "text", TEXTS, { x: R.x + measure(name, BEST) + 8, y: R.y, class: "faint" }, more(now));
    put(`line${k}`, "path", GROUND, { d: `M${R.x} ${foot}h${R.w}`, stroke: "var(--line)" });
    const even = near(foot - R.h / ROW), whole = Math.max(...found.row.map(Math.abs)) / by[k] >= 9.95;
    put(`even${k}`, "path", MARKS, { d: `M${R.x} ${even}h${R.w}`, stroke: "var(--faint)", "stroke-dasharray": "2 4" });
    found.row.forEach((s, j) => {
      const x = R.x + j * R.pitch, w = R.pitch - (wide ? 6 : 3), h = weights[j] * R.h, mine = j === chosen;
      put(`bar${k}.${j}`, "rect", MARKS, { x: near(x), y: near(foot - h), width: near(w), height: near(h), fill: mine ? "var(--ink)" : "var(--w3)" });
      if (wide && (k < 2 || mine)) put(`score${k}.${j}`, "text", TEXTS, { x: near(x + w / 2), y: foot + 15, class: mine ? "small part" : "small faint", ...middling }, signed(s / by[k], whole ? 0 : 1));
      const label = clamp(x + w / 2, R.x + 11, R.x + R.w - 12);
      if (mine || j === best) put(`gets${k}.${j}`, "text", TEXTS, { x: near(label), y: near(foot - h - 4), class: "small halo", ...middling }, share(weights[j]));
    });
  });
  const hits = wide ? [{ ...rows[0], h: at.height }] : rows;
  hits.forEach((R, k) => found.row.forEach((_, j) => {
    const y = wide ? rows[0].y + 8 : R.y + 8, h = wide ? rows[2].y + rows[2].h + 44 - y : R.h + 26;
    put(`hit${k}.${j}`, "rect", TEXTS, { x: near(R.x + j * R.pitch - 2), y, width: near(R.pitch), height: h, rx: 4, class: "hit", "data-walk": j });
  }));
}

// ---- state and hands ----------------------------------------------------------------------------------------------------------------

function render({ model, el }) {
  const house = dress({ model, el }, "walks"), { root: box } = house, memory = keep(model, ["d", "seed"], take), n = model.get("n");
  const state = { ...memory.get(), chosen: 0, walking: null, walked: false, zoom: 1, from: 16, span: 16 };
  Object.assign(state, { span: frameOf(state.d), now: state.d });
  let at = null, walks = walksOf(state.seed, n, state.span);

  const bar = make("div", box, { class: "row" });
  if (model.get("title")) make("b", bar, {}, model.get("title"));
  const play = press(bar, "", toggle, { class: "go" });
  const width = slider(bar, "width d", { min: 0, max: 10, say: (x) => grouped(Math.round(2 ** x)), wide: 180 }, (x) => set({ d: 2 ** x }), () => send());
  press(bar, n === 100 ? "another hundred" : `another ${n}`, () => { again(); send(); });
  house.present(bar).style.marginLeft = "auto";
  const stage = make("div", box, { class: "stage" }), canvas = make("canvas", stage, { "aria-hidden": "true" });
  const help = "Random walks: left and right halve and double the width d, up and down choose one of ten, space walks, n draws others.";
  const pen = sketch(stage, { tabindex: 0, role: "application", "aria-label": help });
  const clock = frames((ms) => {
    state.zoom = Math.min(1, state.zoom + ms / 320);
    state.span = state.from * (frameOf(state.d) / state.from) ** ease(state.zoom);
    if (state.walking !== null) {
      state.walking = Math.min(1, state.walking + ms / 2600);
      state.now = Math.max(1, Math.round(state.walking * state.d));
      if (state.walking === 1) Object.assign(state, { walking: null, walked: true });
    }
    draw();
    return state.zoom < 1 || state.walking !== null;
  });
  const best = () => { const row = walks.slice(0, ROW).map((walk) => walk[state.d]); return row.indexOf(Math.max(...row)); };
  function set(news) {
    const fresh = "seed" in news && news.seed !== state.seed;
    Object.assign(state, news);
    if (fresh || walks[0].length <= state.d) walks = walksOf(state.seed, n, frameOf(state.d));
    if ("d" in news || fresh) {
      const zoom = state.span === frameOf(state.d) ? 1 : 0;              // to another frame, if d needs one
      Object.assign(state, { now: state.d, walking: null, chosen: best(), from: state.span, zoom });
    }
    clock.ask();
  }
  function again() { set({ seed: (state.seed + 1) % 2 ** 31 }); }
  function take(news) { if (Object.entries(news).some(([name, value]) => state[name] !== value)) set(news); }
  function send(later = 0) { memory.send({ d: state.d, seed: state.seed }, later); }
  function toggle() {
    if (state.walking !== null || calm()) set({ walking: null, walked: true, now: state.d }); else set({ walking: 0, now: 1 });
  }
  function draw() {
    if (!at) return;
    const found = after(walks, state.now);
    paintWalks(canvas, walks, at, state, house.colour);
    paintFrame(pen, at, state);
    paintEnds(pen, at, state, found);
    paintRows(pen, at, state, found, walks[state.chosen]);
    pen.done();
    play.textContent = state.walking === null ? "▶ walk" : "❚❚ to the end";
    width.set(Math.log2(state.d));
    house.line.setAttribute("aria-live", state.walking === null ? "polite" : "off");
    house.say(sentence(state.now, found, state.chosen));
  }
  const turn = (by) => ({ chosen: (state.chosen + by + ROW) % ROW });
  const wider = (by) => ({ d: 2 ** clamp(Math.round(Math.log2(state.d)) + by, 0, 10) });
  const does = {
    ArrowLeft: () => set(wider(-1)), ArrowRight: () => set(wider(1)), ArrowUp: () => set(turn(-1)), ArrowDown: () => set(turn(1)),
    Home: () => set({ d: 1 }), End: () => set({ d: LONGEST }), " ": toggle, n: again,
  };
  keys(pen.svg, ({ key }) => does[key], (go) => { go(); send(250); });
  const choose = ({ target }) => target.dataset.walk && set({ chosen: +target.dataset.walk });
  for (const name of ["click", "pointerover"]) pen.svg.addEventListener(name, choose);
  state.chosen = best();
  house.watch(() => {
    if (box.clientWidth < 100) return;
    at = geometry(box.clientWidth - 12);
    pen.resize(at.width, at.height);
    house.line.style.minHeight = `${at.wide ? 40 : at.width > 460 ? 60 : 80}px`;                         // room for any sentence
    clock.ask();
  });
  house.start();
  return () => { clock.stop(); memory.close(); house.close(); };
}

export default { render };
