// One head as threads or as a map, and every moment between: each thread becomes its own cell. Geometry and paint, and
// nothing of a widget: whoever has words and weights can use it.
//
//   data   { weights (n_q, n_k), mask (n_q, n_k) or null, q: names, k: names, even: evens(weights, mask) }
//   look   { morph: 0 threads … 1 map, side: "query" | "key" (the side that is chosen on), pins: [chosen words],
//            dotted: (word, at) => true for a word that is to be marked }
//
//   loom(names, width, height) -> place      where everything is, for { q, k } names; again only when they change
//   weave(pen, data, place, look)            draws with a `sketch` of core.js (4 layers); call pen.done() behind it
//   pluck(event, place, side) -> {side, at, key, thread}   the word (and in the map the key) that a click or a touch is on, or
//                                            null; of a thread, the one of its pair that stands on this side
//   picked(look, side, at, more) -> change   {side, pins} after that word was chosen; more: added to the others, or taken out
//   stepped(event, look, n_q, n_k) -> change   the same for ↑ ↓ Home End, with Shift or after Space added; Esc; x: other side
//   spun(weights, form) -> moving            what moves: aim(moving, weights, form, smooth), advance(moving, ms) -> still
//                                            under way?, and at each frame moving.morph, drawn(moving) -> weights
//   telling(data, look) -> parts             what a hand should know, in words, for dress().say
//   within(parts, width, lines) -> parts     as many whole sentences of them as there is room for
//   handled(svg, now, hand)                  hands and keys of that picture; now() -> {state, place, count of the heads}
//
// At most MOST words a side; weights below LEAST are not drawn as threads; an even row is a short mark.
import { TITLES, best, blue, clamp, ease, isEven, keys, lerp, lost, measure, share } from "./core.js";

const LABEL = "Who looks at whom. Up and down choose a word, Shift adds one, x changes sides, left and right choose a head, m turns threads into a map.";
export const MOST = 24, LEAST = 0.02;
const WOVEN = { head: 26, row: 40, cell: 72, sum: 44 };                 // names of the sides; a cell at most; room for a number

// ---- numbers: pure -----------------------------------------------------------------------------------------------------

/** @returns {boolean[]} for each row: does it look at all that it may see alike? */
export const evens = (weights, mask) => weights.map((row, i) => isEven(row, mask?.[i]));

/** What the chosen words of one side give to, or get from, each word of the other side, added up. */
export function given({ weights, q, k }, { side, pins }) {
  return side === "query" ? k.map((_, j) => pins.reduce((sum, i) => sum + weights[i][j], 0)) : q.map((_, i) => pins.reduce((sum, j) => sum + weights[i][j], 0));
}

const mixed = (a, b, t) => b.map((row, i) => row.map((w, j) => lerp(a[i][j], w, t)));

export function spun(weights, form) {
  const goal = +(form === "map");
  return { from: null, to: weights, blend: 1, at: goal, goal, morph: goal };
}
export function aim(moving, weights, form, smooth) {
  const same = moving.to.length === weights.length && moving.to[0]?.length === weights[0]?.length;
  if (weights !== moving.to) Object.assign(moving, smooth && same ? { from: drawn(moving), blend: 0 } : { blend: 1 }, { to: weights });
  moving.goal = +(form === "map");
}
export function advance(moving, ms) {                                    // 350 ms between threads and map, 250 ms between two heads
  const left = moving.goal - moving.at;
  moving.at += Math.sign(left) * Math.min(Math.abs(left), ms / 350);
  moving.blend = Math.min(1, moving.blend + ms / 250);
  moving.morph = moving.goal ? ease(moving.at) : 1 - ease(1 - moving.at);
  return moving.at !== moving.goal || moving.blend < 1;
}
export const drawn = (moving) => (moving.blend < 1 ? mixed(moving.from, moving.to, ease(moving.blend)) : moving.to);

// ---- hands: pure -------------------------------------------------------------------------------------------------------

export function pluck(event, place, side) {
  const { q, k, to } = event.target.dataset ?? {};
  if (to !== undefined) return { side, at: side === "key" ? +to : +q, thread: true };
  if (k !== undefined) return { side: "key", at: +k };
  if (q === undefined) return null;
  const box = event.currentTarget.getBoundingClientRect(), zoom = box.width / place.width || 1;
  const key = Math.floor(((event.clientX - box.left) / zoom - place.x0) / place.cell);
  return { side: "query", at: +q, key: event.target.dataset.row && key >= 0 && key < place.n_k ? key : null };
}
export function picked({ side: before, pins }, side, at, more = false) {
  const others = side === before ? pins : [], there = others.includes(at);
  if (more) return { side, pins: there ? others.filter((pin) => pin !== at) : [...others, at] };
  return { side, pins: there && others.length === 1 ? [] : [at] };
}
export function stepped(event, look, n_q, n_k) {
  const { side, pins, kept } = look, n = side === "query" ? n_q : n_k, last = pins.at(-1);
  const to = { ArrowUp: (last ?? n) - 1, ArrowDown: (last ?? -1) + 1, Home: 0, End: n - 1 }[event.key];
  if (to !== undefined && n) {
    const at = (to + n) % n, others = (event.shiftKey || kept ? pins : pins.slice(0, -1)).filter((pin) => pin !== at);
    return { pins: [...others, at], kept: false };
  }
  if (event.key === " ") return kept ? { pins: pins.slice(0, -1), kept: pins.length > 1 } : { kept: pins.length > 0 };
  if (event.key === "Escape" && pins.length) return { pins: [], kept: false };
  if (event.key === "x") return { side: side === "query" ? "key" : "query", pins: n_q === n_k ? pins : [0], kept: false };
  return null;
}

export function handled(svg, now, hand) {
  let touched = 0;
  for (const [name, value] of [["tabindex", 0], ["role", "application"], ["aria-label", LABEL]]) svg.setAttribute(name, value);
  svg.addEventListener("pointerdown", (event) => { touched = event.timeStamp; });
  svg.addEventListener("click", (event) => {                             // Shift, or a touch that stays: one more
    const { state, place } = now(), word = pluck(event, place, state.side), kept = event.shiftKey || event.ctrlKey || event.metaKey;
    if (!word || (word.thread && state.pins.includes(word.at))) return;     // a thread chooses, it never lets go
    hand(picked(state, word.side, word.at, kept || event.timeStamp - touched > 450));
  });
  keys(svg, (event) => {
    const { state, place, count } = now(), to = { ArrowLeft: state.head + count - 1, ArrowRight: state.head + 1 }[event.key];
    if (to !== undefined && count > 1) return { head: to % count };
    if (event.key === "m") return { form: state.form === "map" ? "threads" : "map" };
    return stepped(event, state, place.n_q, place.n_k);
  }, hand);
}

// ---- geometry: pure ----------------------------------------------------------------------------------------------------

/** A name that fits: its end gives way, the number of a repeat stays. */
export function fitted(name, room, font, wide = measure) {
  if (wide(name, font) <= room) return name;
  const number = name.match(/[₀-₉]*$/)[0], signs = [...name.slice(0, name.length - number.length)];
  while (signs.length > 1 && wide(`${signs.join("")}…${number}`, font) > room) signs.pop();
  return `${signs.join("")}…${number}`;
}

function wordColumn(names, height, room, wide) {
  const pitch = Math.min(40, (height - WOVEN.head) / Math.max(1, names.length)), size = clamp(pitch * 0.72, 13, 15);
  const font = `600 ${size}px system-ui, sans-serif`;
  const short = names.map((name) => fitted(name, room, font, wide)), widths = short.map((name) => wide(name, font));
  return { pitch, size, names: short, widths, wide: Math.max(44, ...widths) };
}

/** Rows stay where they are; the words looked at stand right (threads) or above (map). */
export function loom({ q, k }, width, height, wide = measure) {
  const room = Math.max(76, width * 0.19), small = "12px system-ui, sans-serif";
  const left = wordColumn(q, height, room, wide), right = wordColumn(k, height, room, wide);
  const titled = (text) => wide(text, "600 13px system-ui, sans-serif"), above = `${TITLES.key} →`;
  left.wide = Math.max(left.wide, titled(TITLES.query));
  const short = k.map((name) => fitted(name, room * 0.75, small, wide));
  const quiet = Math.max(44, ...short.map((name) => wide(name, small))) + 32, from = left.wide + 24, n_k = Math.max(1, k.length);
  const x1 = width - Math.max(right.wide + WOVEN.sum, 92), bare = x1 - from - quiet < Math.max(120, 0.26 * width);
  const x0 = bare ? from - 4 : from + quiet;
  const tails = (lean) => right.widths.map((w, j) => (width - x0 - w * lean) / (j + 0.5));
  const cellOf = (lean) => Math.min(WOVEN.cell, (width - x0 - 2) / n_k, ...tails(lean));
  const level = Math.max(0, ...right.widths) <= cellOf(0) - 6, cell = cellOf(level ? 0 : 0.72);
  const top = Math.min(height * 0.3, level ? 40 : 22 + Math.max(...right.widths) * 0.72);
  return {
    width, height, n_q: q.length, n_k: k.length, q: left, k: right, short, bare, quiet: left.wide + 18, x0, x1,
    above: titled(above) < x0 - 12 ? above : "key →", prints: [".00", "1.00"].map((number) => wide(number, small)),
    sum: x1 + right.wide + WOVEN.sum - 6,
    tilt: level ? 0 : -45, cell, top, every: Math.ceil(13 / cell),        // as many names above the map as can be read
    row: Math.min(WOVEN.row, (height - top - (q.length > 16 ? 4 : 20)) / Math.max(1, q.length)),
    thick: Math.min(22, Math.min(left.pitch, right.pitch) * 0.75),
  };
}

const rowAt = (place, i, m) => lerp(WOVEN.head + place.q.pitch * (i + 0.5), place.top + place.row * (i + 0.5), m);
const keyAt = (place, j) => WOVEN.head + place.k.pitch * (j + 0.5);

/** A thread as an outline of eight points, two curves: there on one side, back on the other; ends are moved by a and b. */
function ribbon(place, i, j, w, a, b) {
  const { x0, x1 } = place, xb = x1 - 8, ya = rowAt(place, i, 0) + a, yb = keyAt(place, j) + b, h = (w * place.thick) / 2;
  const ca = lerp(x0, xb, 0.42), cb = lerp(x0, xb, 0.58), angle = Math.atan2(1.72 * (yb - ya), xb - x0);
  const dx = (-h * Math.sin(angle) * 4) / 3, dy = (h * (4 * Math.cos(angle) - 1)) / 3;   // as thick in the middle as at its ends
  return [x0, ya - h, ca - dx, ya - dy, cb - dx, yb - dy, xb, yb - h, xb, yb + h, cb + dx, yb + dy, ca + dx, ya + dy, x0, ya + h];
}
/** A cell of the map as the same eight points. */
function cellShape(place, i, j) {
  const x = place.x0 + place.cell * j + 0.5, y = place.top + place.row * i + 0.5, w = place.cell - 1, h = place.row - 1;
  const a = x + w / 3, b = x + (2 * w) / 3;
  return [x, y, a, y, b, y, x + w, y, x + w, y + h, b, y + h, a, y + h, x, y + h];
}
const TENTH = (x) => Math.round(x * 10) / 10;
const MARKS = ["M", " ", "C", " ", " ", " ", " ", " ", "L", " ", "C", " ", " ", " ", " ", " "];
const threadPath = (thread, cell, t) => `${MARKS.map((mark, p) => mark + TENTH(lerp(thread[p], cell[p], t))).join("")}Z`;

/** Where the threads of a word begin (or end): side by side, in the order of their other ends. @returns (i, j) => offset in weights */
function threadEnds(rows, onKeys) {
  const lists = new Map(), at = new Map();
  rows.forEach((row, i) => row.forEach((w, j) => {
    const word = onKeys ? j : i;
    if (w > LEAST) lists.set(word, [...(lists.get(word) ?? []), [i, j, w]]);
  }));
  for (const list of lists.values()) {
    const sum = list.reduce((all, one) => all + one[2], 0), squeeze = onKeys ? Math.min(1, 1.3 / sum) : 1;
    let x = -sum / 2;
    for (const [i, j, w] of list) {
      at.set(`${i}.${j}`, (x + w / 2) * squeeze);
      x += w;
    }
  }
  return (i, j) => at.get(`${i}.${j}`) ?? 0;
}

// ---- paint -------------------------------------------------------------------------------------------------------------

export function weave(pen, data, whole, look) {
  if (!data.q.length || !data.k.length) return;
  const most = Math.max(1, ...data.weights.map((row) => row.reduce((sum, w) => sum + (w || 0), 0)));
  const place = { ...whole, thick: whole.thick / most };               // a row that gives more than 1 stays beside its word
  weaveBands(pen, place, look);
  weaveWeights(pen, data, place, look);
  weaveQueries(pen, data, place, look);
  weaveKeys(pen, data, place, look);
  weaveHands(pen, data, place, look);
}

function weaveBands(pen, place, { morph: m, side, pins }) {
  const { x0, x1, top, row, cell, n_q, n_k } = place;
  for (const at of pins) {
    const y = rowAt(place, at, m), h = lerp(place.q.pitch, row, m), onQueries = side === "query";
    const asQuery = { x: 0, width: lerp(x0 - 4, x0 + cell * n_k, m), y: y - h / 2, height: h };
    const asKey = { x: x1 - 6, width: place.sum - x1 + 12, y: keyAt(place, at) - place.k.pitch / 2, height: place.k.pitch };
    const asColumn = { x: x0 + cell * at, width: cell, y: top - 4, height: row * n_q + 8 };
    const box = onQueries ? asQuery : m < 0.5 ? asKey : asColumn;
    pen.put(`band${at}`, "rect", 0, { ...box, rx: 6, fill: `color-mix(in srgb, var(--${side}) 10%, var(--paper))` });
    if (!m) continue;
    const ring = { x: onQueries ? x0 : x0 + cell * at, y: onQueries ? top + row * at : top };
    const size = { width: onQueries ? cell * n_k : cell, height: onQueries ? row : row * n_q };
    pen.put(`ring${at}`, "rect", 2, { ...ring, ...size, rx: 3, fill: "none", stroke: `var(--${side})`, "stroke-width": 1.5, opacity: m });
  }
  if (m) pen.put("frame", "rect", 2, { x: x0, y: top, width: cell * n_k, height: row * n_q, fill: "none", stroke: "var(--line)", opacity: m });
  pen.put("nameq", "text", 3, { x: 6, y: lerp(14, top - 10, m), class: "part", fill: "var(--query-text)" }, TITLES.query);
  if (m < 0.5) pen.put("namek", "text", 3, { x: place.sum, y: 14, class: "part", "text-anchor": "end", fill: "var(--key-text)", opacity: 1 - 2 * m }, TITLES.key);
  else {
    const above = { x: x0 - 10, y: top - 28, class: "part", "text-anchor": "end", fill: "var(--key-text)", opacity: 2 * m - 1 };
    pen.put("named", "text", 3, above, place.above);
  }
}

function weaveWeights(pen, data, place, look) {
  const { weights, even } = data, { morph: m, side, pins } = look, chosen = new Set(pins);
  const rows = weights.map((one, i) => (even[i] ? one.map(() => 0) : one)), left = threadEnds(rows, false), right = threadEnds(rows, true);
  weights.forEach((one, i) => one.forEach((w, j) => {
    const on = chosen.has(side === "query" ? i : j), shut = data.mask && !data.mask[i][j];
    const x = place.x0 + place.cell * j + 0.5, y = place.top + place.row * i + 0.5, size = { width: place.cell - 1, height: place.row - 1 };
    if (shut && m > 0.05) pen.put(`shut${i}.${j}`, "rect", 0, { x, y, ...size, fill: pen.hatch, opacity: m });
    if (shut && !(w > LEAST)) return;                                    // what is forbidden and yet looked at is red
    if (Number.isNaN(w)) pen.put(`nan${i}.${j}`, "rect", 1, { x, y, ...size, fill: "var(--bad)", opacity: m });
    else if (even[i]) weaveEven(pen, place, look, i, j, w, on);
    else if (w > LEAST || m >= 0.5) {
      const thread = m < 1 && ribbon(place, i, j, clamp(w), left(i, j) * place.thick, right(i, j) * place.thick);
      weaveOne(pen, place, look, { i, j, w, on, shut, thread });
    }
  }));
  even.forEach((one, i) => {
    if (!one || m >= 0.5 || (side === "query" && chosen.has(i))) return;
    pen.put(`mark${i}`, "rect", 1, { x: place.x0, y: rowAt(place, i, m) - 0.5, width: 14, height: 1, fill: "var(--hatch)", opacity: 1 - 2 * m });
  });
}

/** A thread on its way to its cell. */
function weaveOne(pen, place, { morph: m, pins }, { i, j, w, on, shut, thread }) {
  const square = cellShape(place, i, j), any = pins.length > 0, arrived = w > LEAST ? 1 : clamp(2 * m - 1);
  const tone = on || m === 1 ? blue(lerp(0.4 + 0.45 * w, w, m)) : `color-mix(in oklab, ${blue(w)} ${Math.round(100 * m)}%, var(--w2))`;
  const opacity = arrived * lerp(any ? (on ? 0.95 : 0.3) : 0.6, any && !on ? 0.75 : 1, m);
  pen.put(`w${i}.${j}`, "path", 1, {
    d: threadPath(thread || square, square, m), fill: shut ? "var(--bad)" : tone, "fill-opacity": opacity.toFixed(2), "data-q": i, "data-to": j,
  });
  if (!on || m < 0.8 || w <= LEAST || place.cell < Math.max(18, place.prints[+(w >= 0.995)]) || place.row < 12) return;
  const where = { x: place.x0 + place.cell * (j + 0.5), y: rowAt(place, i, 1) + 4.5, "text-anchor": "middle", class: "small" };
  pen.put(`n${i}.${j}`, "text", 2, { ...where, fill: w > 0.55 ? "var(--paper)" : "var(--ink)", opacity: (m - 0.8) * 5 }, share(w));
}

/** A cell of an even row: white, with a thin mark at 1/n; as threads, a faint fan where it is chosen. */
function weaveEven(pen, place, { morph: m, side }, i, j, w, on) {
  const { x0, cell, row, top } = place, fill = on ? "var(--w3)" : "var(--hatch)";
  if (m > 0.5) pen.put(`even${i}.${j}`, "rect", 1, { x: x0 + cell * (j + 0.3), y: top + row * (i + 0.7), width: cell * 0.4, height: on ? 2 : 1, fill, opacity: 2 * m - 1 });
  if (!on || side !== "query" || m === 1) return;
  const d = threadPath(ribbon(place, i, j, Math.max(0.03, w * 0.6), 0, 0), cellShape(place, i, j), m);
  pen.put(`fan${i}.${j}`, "path", 1, { d, fill: "var(--w2)", "fill-opacity": (0.7 * (1 - m)).toFixed(2), "data-q": i, "data-to": j });
}

/** The words that look, and beside each, quietly, at whom most, or what it gives to the chosen ones. */
function weaveQueries(pen, data, place, look) {
  const { morph: m, side, pins, dotted = () => false } = look, { weights, even, q } = data, onQueries = side === "query";
  const from = onQueries || !pins.length ? null : given(data, look);
  const first = even.findIndex((one, i) => one && !(onQueries && pins.includes(i)));
  const header = onQueries || !pins.length ? "most at" : pins.length > 1 ? `at these ${pins.length}` : `at ${place.short[pins[0]]}`;
  if (!place.bare) pen.put("namemost", "text", 3, { x: place.quiet, y: lerp(14, place.top - 10, m), class: "small faint" }, header);
  const size = lerp(place.q.size, clamp(place.row * 0.75, 13, place.q.size), m);
  q.forEach((word, i) => {
    const y = rowAt(place, i, m), chosen = onQueries && pins.includes(i), [w, j] = from ? [from[i], null] : best(weights[i])[0];
    const looks = w > LEAST ? `${j === null ? "" : `${place.short[j]}\u200e `}${share(w)}` : "", most = !even[i] ? looks : i === first ? "all alike" : "";
    pen.put(`q${i}`, "text", 3, {
      x: 6, y: y + size * 0.34, "font-size": `${size}px`, class: `${chosen ? "part" : ""}${dotted(word, i) ? " dotted" : ""}`,
      fill: chosen ? "var(--query-text)" : "var(--ink)",
    }, place.q.names[i]);
    if (!place.bare) pen.put(`most${i}`, "text", 3, { x: place.quiet, y: y + 4, class: chosen || (from && w > 0.1) ? "small" : "small faint" }, most);
  });
}

/** The words that are looked at, with what the chosen ones give them, added up under the word. */
function weaveKeys(pen, data, place, look) {
  const { morph: m, side, pins, dotted = () => false } = look, { x0, cell, every } = place, onQueries = side === "query";
  const got = onQueries && pins.length ? given(data, look) : null, bars = Boolean(got) && pins.some((i) => !data.even[i]);
  const stands = (j) => (bars ? got[j] > 0.05 : !onQueries && pins.includes(j));
  data.k.forEach((word, j) => {
    const shut = Boolean(got && data.mask && pins.every((i) => !data.mask[i][j])), strong = stands(j);
    const crowded = every > 1 && !strong && (j % every > 0 || stands(j - 1) || stands(j + 1));
    const size = place.tilt ? lerp(place.k.size, 13, m) : place.k.size, lean = place.tilt ? 4 : -place.k.widths[j] / 2;
    const mark = dotted(word, j) && (m < 0.5 || cell > 17);
    const x = lerp(place.x1, x0 + cell * (j + 0.5) + lean, m), y = lerp(keyAt(place, j) + place.k.size * 0.34, place.top - 6, m);
    pen.put(`k${j}`, "text", 3, {
      transform: `translate(${x.toFixed(1)} ${y.toFixed(1)}) rotate(${(place.tilt * m).toFixed(1)})`, "font-size": `${size}px`, opacity: crowded ? 1 - m : 1,
      class: `${strong ? "part" : ""}${mark ? " dotted" : ""}${shut ? " shut" : ""}`, fill: shut ? "var(--faint)" : strong ? "var(--key-text)" : "var(--ink)",
    }, place.k.names[j]);
  });
  if (bars) weaveSums(pen, data, place, look, got);
}

/** What the chosen words give: a number at the word and bars under it, a piece for each; in the map a number under the column. */
function weaveSums(pen, { weights }, place, { morph: m, pins }, got) {
  const scale = (place.sum - place.x1 - 30) / Math.max(1, ...got), opacity = Math.abs(1 - 2 * m);
  got.forEach((sum, j) => {
    if (!(sum > LEAST)) return;
    const y = keyAt(place, j), under = { x: place.x0 + place.cell * (j + 0.5), y: place.top + place.row * place.n_q + 14 };
    if (m > 0.5) {
      if (pins.length > 1 && place.n_q <= 16) pen.put(`total${j}`, "text", 3, { ...under, "text-anchor": "middle", class: "small", opacity }, share(sum));
      return;
    }
    pen.put(`sum${j}`, "text", 3, { x: place.sum, y: y + 4.5, "text-anchor": "end", class: "small", opacity }, share(sum));
    if (place.k.pitch < 24) return;
    let x = place.x1;
    for (const i of pins) {
      const w = weights[i][j] * scale;
      if (w > 0.5) pen.put(`bar${i}.${j}`, "rect", 2, { x, y: y + 9, width: Math.max(0.5, w - 0.5), height: 3, fill: blue(0.4 + 0.4 * weights[i][j]), opacity });
      x += w;
    }
  });
}

/** What can be touched: a word of either side, and in the map a row. They carry roles and names for a screen reader. */
function weaveHands(pen, { q, k }, place, { morph: m, side, pins }) {
  const { x0, x1, cell, top, row } = place, hand = (name, on) => ({ class: "hit", role: "button", "aria-label": name, "aria-pressed": String(on) });
  q.forEach((word, i) => {
    const h = lerp(place.q.pitch, row, m), y = rowAt(place, i, m) - h / 2;
    pen.put(`handq${i}`, "rect", 3, { x: 0, y, width: x0 - (m > 0.5 ? 0 : 4), height: h, "data-q": i, ...hand(`${word} looks`, side === "query" && pins.includes(i)) });
    if (m > 0.5) pen.put(`handrow${i}`, "rect", 3, { x: x0, y, width: cell * place.n_k, height: h, class: "hit", "data-q": i, "data-row": 1 });
  });
  k.forEach((word, j) => {
    const right = { x: x1 - 6, y: keyAt(place, j) - place.k.pitch / 2, width: place.sum - x1 + 12, height: place.k.pitch };
    const box = m < 0.5 ? right : { x: x0 + cell * j, y: 6, width: cell, height: top - 8 };
    pen.put(`handk${j}`, "rect", 3, { ...box, "data-k": j, ...hand(`${word} is looked at`, side === "key" && pins.includes(j)) });
  });
}

// ---- in words ----------------------------------------------------------------------------------------------------------

const eachShare = (pairs, names, tone) => pairs.flatMap(([w, at], n) => [n ? ", " : "", [names[at], tone], ` ${share(w)}`]);

/** As many whole sentences of these parts as there is room for, and at least the first: a picture keeps its size. */
export function within(parts, width, lines) {
  let long = 0, end = 0;
  parts.forEach((part, at) => {
    const text = [part].flat()[0];
    long += text.length;
    if (text.endsWith(". ") && (!end || long * 6.9 < width * lines)) end = at + 1;
  });
  return parts.slice(0, end || parts.length);
}

const clipped = (word) => ([...word].length > 20 ? `${[...word].slice(0, 19).join("")}…` : word);

/** Parts for dress().say: plain text, or [word, "q" | "k"]. */
export function telling({ q: rows, k: columns, ...rest }, { side, pins }) {
  const q = rows.map(clipped), k = columns.map(clipped), data = { q, k, ...rest }, { even } = data, onQueries = side === "query";
  const there = (at) => (onQueries ? looksAt(data, at) : lookedAt(data, at)), absent = (at) => data.later?.(side, at);
  const said = pins.slice(-3).reverse().flatMap((at) => (absent(at) ? [[(onQueries ? q : k)[at], side[0]], " is not there yet. "] : there(at)));     // the newest first
  if (pins.length > 3) said.push(`${pins.length - 3} more ${pins.length > 4 ? "are" : "is"} chosen. `);
  const sums = pins.length > 1 ? given(data, { side, pins }) : [0], [most, at] = best(sums)[0];
  if (most > LEAST) {
    said.push(...(onQueries ? [`Together the ${pins.length} give `, [k[at], "k"], " "] : [[q[at], "q"], ` gives the ${pins.length} together `]), `${share(most)}${onQueries ? ` of ${pins.length}` : ""}${lost(sums)}. `);
  }
  const flat = even.filter((one, i) => one && !(onQueries && pins.includes(i))).length, others = pins.length && onQueries ? "other" : "word";
  for (const [tone, word] of [["q", " (query)"], ["k", " (key)"]]) {       // the field's word, once
    const first = said.findIndex((part) => Array.isArray(part) && part[1] === tone);
    if (first >= 0) said.splice(first + 1, 0, word);
  }
  if (flat) said.push(flat === q.length ? "Every word looks everywhere alike. " : `${flat} ${others}${flat > 1 ? "s look" : " looks"} everywhere alike. `);
  return said.length ? said : ["Choose a word. "];
}

function looksAt({ weights, mask, even, sums, q, k }, i) {
  const row = weights[i], open = mask ? mask[i].filter(Boolean).length : k.length;
  const some = best(row).filter(([w], n) => n < 3 && w > Math.max(0.05, open > 1 ? 1 / open : 0));    // more than an even share
  const who = [q[i], "q"], seen = row.reduce((a, w) => a + w, 0), sum = sums?.[i] ?? seen, hidden = sum - seen;
  const odd = `${hidden > 0.005 ? `; ${share(hidden)} of the row is hidden` : ""}${Math.abs(sum - 1) > 0.01 ? `; the row adds up to ${sum.toFixed(2)}` : ""}`;
  if (row.some(Number.isNaN)) return [who, " has weights that are no numbers (NaN). "];
  if (Math.abs(seen) < 0.005) return [who, hidden > 0.005 ? ": all that it looks at is hidden. " : open ? ` gives no weight${odd}. ` : " may look at nobody. "];
  if (even[i]) return [who, ` looks at ${open === k.length ? "all" : "its"} ${open} words alike, ${share(row[mask ? mask[i].indexOf(true) : 0])} each${odd}. `];
  return [who, " looks at ", ...(some.length ? eachShare(some, k, "k") : ["nobody in particular"]), `${odd}. `];
}

function lookedAt({ weights, even, q, k }, j) {
  const from = best(weights.map((row, i) => (even[i] ? 0 : row[j]))).filter(([w]) => w > 1.5 / k.length), rest = from.length > 4 ? ` and ${from.length - 4} more` : "", nan = lost(weights.map((row) => row[j]));
  return [[k[j], "k"], " is looked at by ", ...(from.length ? eachShare(from.slice(0, 4), q, "q") : ["nobody in particular"]), `${rest}${nan}. `];
}
