// The machine: one head of attention as a matrix product, step by step. Queries at the left, keys above, scores where they cross;
// below, how the chosen row turns into shares, and the shares into a sum of values. Play, next step and the scrubber all draw
// moments of one time. An area is a number; hollow is below 0; hatched is "all the others".

import { best, blue, calm, choice, clamp, cut, dress, frames, keep, keys, lerp, make, measure, menu, place, press, share, sketch, slider } from "./core.js";
import {
  DROP, LAST, PHONE, PITCH, STAGES, advance, chain, chosen, columnAt, computed, done, firstAt, geometry, hit, hue, met, most, rowAt, said,
  seat, sentence, unpack, waterfall,
} from "./product.js";

const STOPS = ["words", "q, k, v", "q · k", "÷ √d", "mask", "softmax", "× v", "sum"], PARTS = { q: "query", k: "key", v: "value" };

// ---- drawing ------------------------------------------------------------------------------------------------------------------

const NAME = 11.5;                                                       // px from one small name to the next
const GROUND = 0, LINES = 1, POURS = 2, MARKS = 3, NAMES = 4;            // layers
const near = (x) => Math.round(x * 10) / 10, [start, middle, end] = ["start", "middle", "end"].map((one) => ({ "text-anchor": one }));

/** A sketch whose rectangles of one look are one path: two thousand squares are some fifty marks. */
function pens(drawing) {
  const piles = new Map();
  const pen = {
    ...drawing,
    box(layer, fill, x, y, w, h, { r = 0, opacity = 1, stroke = "none", dash = "none" } = {}) {
      const seen = Math.round(clamp(opacity) * 20) / 20, key = `${layer} ${fill} ${stroke} ${seen} ${dash}`, c = near(Math.min(r, w / 2, h / 2));
      if (!(w > 0.1 && h > 0.1 && seen > 0)) return;
      if (!piles.has(key)) piles.set(key, { layer, d: [], look: { fill, stroke, opacity: seen, "stroke-dasharray": dash } });
      const arc = (dx, dy) => `a${c} ${c} 0 0 1 ${dx} ${dy}`, [wide, high] = [near(w - 2 * c), near(h - 2 * c)];
      piles.get(key).d.push(c < 0.7 ? `M${near(x)} ${near(y)}h${near(w)}v${near(h)}h${near(-w)}z`
        : `M${near(x + c)} ${near(y)}h${wide}${arc(c, c)}v${high}${arc(-c, c)}h${-wide}${arc(-c, -c)}v${-high}${arc(c, -c)}z`);
    },
    label(name, x, y, text, { opacity = 1, turn = 0, ...more } = {}) {
      const at = { x: near(x), y: near(y) }, transform = turn ? `rotate(${-turn} ${at.x} ${at.y})` : "";
      if (opacity > 0.02 && text) drawing.put(name, "text", NAMES, { class: "", transform, ...at, opacity: near(opacity), ...bold(false), ...more }, text);
    },
    line(name, points, opacity, more = {}) {
      const d = `M${points.map((p) => p.map(near).join(" ")).join("L")}`;
      if (opacity > 0.02) drawing.put(name, "path", LINES, { d, fill: "none", stroke: "var(--line)", opacity: near(opacity), ...more });
    },
    finish() {
      const count = [0, 0, 0, 0, 0];
      for (const { layer, look, d } of piles.values()) drawing.put(`pile${layer}.${count[layer]++}`, "path", layer, { d: d.join(""), ...look });
      piles.clear();
      drawing.done();
    },
    title: (x, y, text, fill, opacity, anchor = end) =>
      pen.label(`title.${text}`, x, y, text, { "font-size": "15px", fill: `var(--${fill})`, ...bold(true), ...anchor, opacity }),
  };
  return pen;
}

const clipped = new Map();
function clip(text, wide, heavy = false) {
  const key = `${Math.round(wide)} ${heavy} ${text}`, ruler = (one) => measure(one, `${heavy ? 700 : 400} 13px system-ui, sans-serif`);
  return clipped.get(key) ?? clipped.set(key, cut(text, wide, ruler)).get(key);
}

const tint = (w) => blue(0.25 + 0.75 * Math.round(w * 20) / 20);
const quietly = (data, at, i, t) => (i === data.word ? 1 : lerp(0.6, at.dense ? 0.65 : 0.35, t.moved));
const bold = (yes) => ({ "font-weight": yes ? 700 : 400 });

/** A number as an area: filled above 0, hollow below, hatched for the length of all others. */
function mark(pen, [x, y, w, h], part, tone, opacity, rest) {
  const side = Math.sqrt(Math.abs(part)), rim = part < 0 || rest, [a, b] = [w, h].map((s) => s * side - (rim ? 1.2 : 0)), r = 3;
  pen.box(GROUND, "var(--line)", x - w / 2, y - h / 2, w, h, { r, opacity: 0.45 * opacity });
  if (side * w < 1) return;
  pen.box(MARKS, rest ? pen.hatch : rim ? "var(--paper)" : tone, x - a / 2, y - b / 2, a, b, { r, opacity, stroke: rim ? tone : "none" });
}

function paintWords(pen, data, at, t) {
  const { words, about, word, key, cross, eye } = data, { grid, born } = at, every = Math.ceil(17 / grid.cw);
  const step = Math.ceil(NAME / Math.min(...at.heights)), high = lerp(born.rows, Math.max(...at.heights), t.moved);
  const rows = [Math.floor(eye), Math.ceil(eye)].map((i) => rowAt(at, i, t.time));
  const band = lerp(...rows, eye % 1);
  pen.box(GROUND, "var(--band)", 0, band - high / 2, lerp(at.half - 16, at.width, t.born), high, { r: 6 });
  pen.box(GROUND, "var(--band)", grid.x + key * grid.cw + 1, at.k.y - 4, grid.cw - 2, rowAt(at, word, t.time) - at.k.y, { r: 6, opacity: t.moved });
  words[0].forEach((text, i) => {
    const mine = i === word, y = rowAt(at, i, t.time) + 4.5, apart = Math.abs(at.centres[i] - at.centres[word]) > NAME;
    const still = t.moved < 0.5, named = mine || still || (i % step === 0 && apart);                     // of many, some
    const small = at.dense && !mine && !still ? "small" : "";
    if (named) pen.label(`word${i}`, at.word, y, clip(text, at.word, mine), { class: small, ...end, ...bold(mine), opacity: mine ? 1 : 0.8 });
    pen.label(`about${i}`, at.word + 20, y, about[i] && clip(about[i], at.half - at.word - 40), { class: "faint", opacity: 1 - t.born });
  });
  words[1].forEach((text, j) => {
    const mine = j === key, y = firstAt(t.time) + (j + 0.5) * born.keys + 4.5;
    if (cross) pen.label(`key${j}`, born.k - 10, y, clip(text, data.room[1], mine), { ...end, ...bold(mine), opacity: 1 - t.moved });
    const seen = mine ? 1 : j % every === 0 && Math.abs(j - key) >= every ? 0.8 : 0;                     // of many, some
    pen.label(`top${j}`, columnAt(at, j) + 1, at.k.y - 5, clip(text, at.phone ? 52 : 70, mine), { turn: 45, ...bold(mine), opacity: t.moved * seen });
  });
}

function paintPinned(pen, data, at, t) {                                 // before all have theirs: query, key and value of the chosen
  const tall = data.high / 3, opacity = 1 - t.born, { half, width } = at;
  pen.title(at.word, firstAt(t.time) - 14, "words", "ink", opacity);
  ["q", "k", "v"].forEach((kind, n) => {
    const side = data.cross && n ? 1 : 0, i = side ? data.key : data.word, row = data[kind][i], top = most(data[kind]), tone = PARTS[kind];
    const names = kind === "v" ? data.gives : data.columns, pitch = Math.min(26, (tall - 36) / names.length), from = tall * n;
    pen.title(half, from + 18, `${tone} of ${clip(data.words[side][i], at.phone ? 52 : 120, true)}`, `${tone}-text`, opacity, start);
    row.forEach((x, f) => {
      const y = from + 28 + (f + 0.5) * pitch, number = said(x, top), look = { class: number === "0" ? "faint" : "", opacity };
      mark(pen, [half + 12, y, pitch - 3, pitch - 3], x / top, `var(--${tone})`, opacity, data.rest[kind] && f === row.length - 1);
      pen.label(`pinned.${kind}${f}`, half + 32, y + 4.5, clip(names[f], width - half - (at.phone ? 68 : 90)), look);
      pen.label(`pinned.is.${kind}${f}`, width - 12, y + 4.5, number, { ...look, ...end });
    });
  });
}

function paintStrips(pen, data, at, t) {                                 // keys fly up, values down, queries close in
  const heads = t.born * (1 - t.moved), { born } = at, room = born.b > 27 && born.rows >= 30;
  for (const kind of ["q", "k", "v"]) {
    const rows = data[kind], top = most(rows), names = kind === "v" ? data.gives : data.columns, tone = `var(--${PARTS[kind]})`;
    const mine = kind !== "q" && data.cross ? data.key : data.word;
    rows.forEach((row, i) => {
      const late = i / rows.length, taken = kind === "v" ? lerp(1, data.weights[data.word][i], done(t.time, 6, late)) : 1;
      const dim = t.born * (kind === "q" ? quietly(data, at, i, t) : lerp(i === mine ? 1 : 0.6, i === data.key ? 1 : 0.75, t.moved));
      const last = data.rest[kind] ? row.length - 1 : -1;
      row.forEach((x, f) => mark(pen, seat(at, kind, i, f, t.time, late), taken * x / top, tone, dim, f === last));
    });
    pen.title(born[kind], 14, PARTS[kind], `${PARTS[kind]}-text`, heads, start);
    names.forEach((text, f) => {
      const [x, y, w] = seat(at, kind, mine, f, t.time, 0), number = said(rows[mine][f], top);
      pen.label(`name.${kind}${f}`, born[kind] + (f + 0.5) * born.b, 86, clip(text, at.phone ? 66 : 84), { class: "small faint", turn: 45, opacity: heads });
      if (number !== "0" && room) pen.label(`is.${kind}${f}`, x, y + w / 2 + 11, number, { class: "small", ...middle, opacity: heads });
    });
  }
}

function paintNames(pen, data, at, t) {                                  // one column of the head: a column of queries, a row of keys
  const { grid } = at;
  data.columns.forEach((text, f) => {
    const x = at.q.x + (f + 0.5) * PITCH, y = at.k.y + (f + 0.5) * PITCH, counts = Math.abs(data.parts[f]) > 1e-3 * data.rise;
    pen.line(`elbow${f}`, [[x, grid.y - 3], [x, y], [grid.x - 2, y]], t.moved, counts ? { stroke: "var(--ink)" } : {});
    const look = { class: `small halo ${counts ? "" : "faint"}`, opacity: t.moved };
    if (at.phone) pen.label(`column${f}`, grid.x - 6, y + 4, clip(text, 76), { ...look, ...end });
    else pen.label(`column${f}`, grid.right + 6, y + 4, clip(text, at.width - grid.right - 8), look);
  });
  data.gives.forEach((text, f) => {
    const name = clip(text, grid.x - (at.phone ? 10 : 64)), look = { class: "small faint", ...end };
    pen.label(`gives${f}`, grid.x - 8, at.v.y + (f + 0.5) * DROP + 4, name, { ...look, opacity: t.moved });
    if (at.phone) pen.label(`goes${f}`, grid.x - 8, at.sums.y + (f + 0.5) * DROP + 4, name, { ...look, opacity: t.out });
  });
  pen.title(at.phone ? 58 : at.word, at.phone ? at.k.y - 10 : grid.y - 8, "queries", "query-text", t.moved);
  pen.title(grid.x - 8, at.k.y - 10, "keys", "key-text", t.moved);
  if (at.phone) pen.title(grid.x - 8, at.v.y - 4, "values", "value-text", t.moved);
  else pen.title(0, at.v.y + (data.gives.length * DROP) / 2 + 5, "values", "value-text", t.moved, start);
  pen.title(grid.x - 8, at.zero - 3, "score", "s6", t.met);
  pen.title(grid.x - 8, at.weight.foot - 3, "weight", "w3", t.shown);
  if (at.phone) pen.title(grid.x - 8, at.sums.y - 4, "output", "value-text", t.out);
  else pen.title(at.far, grid.bottom + 17, "outputs", "value-text", t.out, start);
}

function paintGrid(pen, data, at, t) {                                    // a circle is a score, a square is a share
  const { grid, heights, centres } = at, { x, y, cw, right, bottom } = grid, n_k = data.k.length, size = data.q.length + n_k;
  if (!at.dense) centres.forEach((c, i) => i && pen.line(`across${i}`, [[x, c - heights[i] / 2], [right, c - heights[i] / 2]], 0.6 * t.moved));
  if (!at.dense) data.k.forEach((_, j) => j && pen.line(`down${j}`, [[x + j * cw, y], [x + j * cw, bottom]], 0.6 * t.moved));
  pen.line("field", [[x, y], [right, y], [right, bottom], [x, bottom], [x, y]], t.moved);
  data.raw.forEach((row, i) => row.forEach((r, j) => {
    const late = (i + j) / size, part = done(t.time, 5, j / n_k), gone = data.open[i][j] ? 0 : done(t.time, 4, late), h = heights[i];
    const s = lerp(r, data.scaled[i][j], t.divided), side = Math.sqrt(data.weights[i][j]), flat = data.even[i] && i !== data.word;
    const round = Math.max(1.5, Math.sqrt(Math.abs(s) / data.rise) * (Math.min(cw, h) - 2)), rim = part < 0.5 && s < 0 && round > 3;
    const square = flat ? [cw * 0.3, Math.min(1.5, h / 4)] : [side * (cw - 2), side * (h - 2)], seen = met(t.time, late) * (1 - gone);
    const [w, high] = square.map((to) => lerp(round, to, part) * seen);
    const tone = part < 0.5 && round > 1.5 ? hue(s, data.rise) : part < 0.5 || flat ? "var(--hatch)" : tint(side * side);
    if (gone) pen.box(POURS, pen.hatch, x + j * cw + 0.5, centres[i] - h / 2 + 0.5, cw - 1, h - 1, { opacity: gone });
    pen.box(MARKS, rim ? "var(--paper)" : tone, columnAt(at, j) - w / 2, centres[i] - high / 2, w, high,
      { r: lerp(Math.min(w, high) / 2, 2, part), opacity: quietly(data, at, i, t), stroke: rim ? tone : "none" });
  }));
  const frame = ([i, j], stroke) => pen.box(NAMES, "none", x + j * cw, centres[i] - heights[i] / 2, cw, heights[i], { r: 3, stroke, opacity: t.moved });
  if (data.hover && t.time > 1.5) frame(data.hover, "var(--hatch)");
  frame([data.word, data.key], "var(--ink)");
}

function paintBars(pen, data, at, t) {                                   // the chosen row pours into bars: scores on one scale, then shares
  const { grid, unit, zero, bar, dense } = at, i = data.word, { foot, h } = at.weight, even = data.seen[i] ? 1 / data.seen[i] : 0;
  const ranks = best(data.weights[i]).map(([, j]) => j), under = at.centres[i] + at.heights[i] / 2;
  const more = { class: "small halo", ...middle }, faint = { class: "small faint halo" };
  const line = (name, y, opacity, look) => pen.line(name, [[grid.x, y], [grid.right, y]], opacity, look), mute = { class: "small faint" };
  line("zero", zero, t.met);
  line("foot", foot, t.shown);
  line("even", foot - even * h, even && t.shown, { stroke: "var(--faint)", "stroke-dasharray": "2 4" });
  pen.label("even.says", grid.right + 5, foot - even * h + 4, `even ${share(even)}`, { ...mute, opacity: even && !at.phone && t.shown * (1 - 2 * t.out) });
  data.raw[i].forEach((r, j) => {
    const x = columnAt(at, j), left = x - bar / 2, w = data.weights[i][j], rank = ranks.indexOf(j), leads = w > even + 0.02;
    const shut = data.open[i][j] ? 0 : t.shut, s = lerp(r, data.scaled[i][j], t.divided), now = s * unit * t.met * (1 - shut);
    const old = r * unit, tone = hue(s, data.rise), tip = zero - Math.max(0, now), top = zero - Math.max(0, old), late = t.shown > 0.5;
    const pour = late ? t.shown * (leads ? 0.22 : 0) : t.met * (rank < 2 && r > 0 && !shut ? 0.16 : 0), mine = j === data.key;
    pen.box(POURS, late ? "var(--w3)" : "var(--s5)", left, under, bar, lerp(zero, at.v.y - 3, t.shown) - under, { opacity: pour });
    pen.box(MARKS, s < 0 ? "var(--paper)" : tone, left, tip, bar, Math.abs(now), { stroke: s < 0 ? tone : "none" });
    pen.box(MARKS, tint(w), left, foot - w * h * t.shown, bar, w * h * t.shown);
    const tells = t.met > 0.6 && shut < 0.5 && (mine || (leads && rank < (dense ? 1 : 2)));
    const gap = tip - top, within = tells && gap > 18, ghost = { stroke: "var(--hatch)", dash: "2 2", opacity: t.divided * (1 - shut) };
    pen.box(GROUND, "none", left, top, bar, within ? gap - 16 : Math.abs(old), ghost);                 // a number keeps off its frame
    if (within) pen.label(`was${j}`, x, top - 3, said(r, data.rise), { ...more, ...faint, opacity: t.divided });
    if (tells) pen.label(`score${j}`, x, (within ? tip : Math.min(tip, top)) - 3, said(s, data.rise), more);
    if (shut >= 0.5 && !dense && grid.cw > 20) pen.label(`score${j}`, x, zero - 4, "−∞", more);
    if (t.shown > 0.6 && w > 0.004 && (mine || (leads && rank < (dense ? 3 : 2)))) pen.label(`weight${j}`, x, foot - w * h - 3, share(w), more);
  });
}

function paintOutput(pen, data, at, t) {
  const { far, o } = at, top = most(data.v), value = "var(--value)", falls = data.gives.map((_, f) => waterfall(data, f));
  const over = Math.max(1e-9, ...falls.map((one) => one.plus)), under = Math.max(0, ...falls.map((one) => one.minus - one.plus));
  const unit = at.sum / (over + under), zero = far + under * unit, peak = most([falls.map((one) => one.total)]);
  if (!at.phone) data.output.forEach((row, i) => row.forEach((x, f) => {
    const tall = clamp(at.heights[i] - 2, 1.5, o - 3), where = [far + (f + 0.5) * o, at.centres[i], o - 3, tall];
    const part = x / top * done(t.time, 7, i / data.q.length), dim = t.out * quietly(data, at, i, t);
    mark(pen, where, part, value, dim, data.rest.v && f === row.length - 1);
  }));
  falls.forEach(({ total, plus, minus, pieces }, f) => {
    const x = far + (f + 0.5) * o, from = at.v.y + (f + 0.5) * DROP, y = from + at.sums.y - at.v.y, tip = zero + plus * unit;
    const both = minus > 0.01 * over, tiny = Math.abs(total) < 0.01 * peak && !both;
    const way = [[x, at.grid.bottom + 22], [x, y], [Math.min(x, tiny ? zero : tip + 2), y]];
    if (!at.phone) pen.line(`leads${f}`, way, t.out, tiny ? {} : { stroke: "var(--hatch)" });                          // from outputs to their name
    const first = pieces.findIndex(([a, b]) => Math.abs(b - a) > 0.02 * over);
    if (first >= 0 && !tiny && !at.phone) {
      const begins = columnAt(at, first);
      pen.box(POURS, value, begins, y - 4, far - begins, 8, { opacity: 0.18 * t.out });
    }
    pieces.forEach(([a, b], j) => {                                      // each word's part slides out of its column into the bar
      const wide = Math.abs(b - a) * unit, go = done(t.time, 7, 0.5 * j / pieces.length);
      const left = lerp(columnAt(at, j), zero + Math.min(a, b) * unit, go), less = b < a;
      const look = { r: 1, stroke: less ? value : "none", opacity: t.out ? 1 : 0 };
      if (wide < 0.15) return;
      const down = lerp(from, y, go) + (less ? 1 : -4);
      pen.box(MARKS, less ? "var(--paper)" : value, left, down, wide - (wide > 3 ? 1 : 0), less ? 3 : both ? 4 : 8, look);
    });
    if (!pieces.length) pen.box(MARKS, pen.hatch, zero, y - 4, total * unit * t.out, 8, { stroke: value });
    if (both && t.out > 0.8) pen.box(MARKS, "var(--ink)", zero + total * unit - 0.75, y - 5, 1.5, 10);
    if (!tiny && t.out > 0.8) pen.label(`sum${f}`, far + at.sum + 5, y + 4, said(total, peak), { class: "small" });
  });
}

function paint(pen, data, at, time) {
  const [born, moved, divided, shut, shown, out] = [1, 2, 3, 4, 5, 7].map((stage) => done(time, stage));
  const t = { time, born, moved, met: met(time, 0.5), divided, shut, shown, out };
  for (const part of [paintWords, paintPinned, paintStrips, paintNames, paintGrid, paintBars, paintOutput]) part(pen, data, at, t);
  pen.finish();
}

function tell(nodes, data, stage) {                                      // the page shows all numbers; the voice says the sentence
  const [title, parts] = sentence(data, stage), when = (from) => (stage < from ? "later" : stage === from ? "now" : ""), ends = [0];
  nodes.title.textContent = title;
  nodes.text.replaceChildren(...parts.map((part) => (typeof part === "string" ? part : make("bdi", null, { class: part[0] }, part[1]))));
  data.parts.forEach((x) => ends.push(ends.at(-1) + x));
  const low = Math.min(...ends), span = Math.max(1e-9, Math.max(...ends) - low), percent = (x) => `${(100 * x) / span}%`;
  const line = (from, name, number, ...bar) => [make("span", null, { class: when(from) }, name), ...bar, make("span", null, { class: `${when(from)} number` }, number)];
  nodes.parts.replaceChildren(...data.parts.flatMap((x, f) => {          // each bar starts where the last one ended
    const bar = make("u", null, { class: when(2) }), rest = data.rest.q && f === data.parts.length - 1;
    make("s", bar, { class: rest ? "rest" : x < 0 ? "below" : "", style: `left:${percent(Math.min(ends[f], ends[f + 1]) - low)};width:${percent(Math.abs(x))}` });
    return line(2, data.columns[f], said(x, data.rise), bar);
  }));
  nodes.pick.classList.toggle("later", stage < 2);                       // of a pair nothing is said before they meet
  nodes.chain.replaceChildren(...chain(data).flatMap((one) => line(...one)));
  return `${title}. ${parts.map((part) => (typeof part === "string" ? part : part[1])).join("")}`;
}

// ---- state, controls, hands -----------------------------------------------------------------------------------------------------

/** All of the page; `act` has a function for each thing that a hand can do. */
function build(house, get, words, act) {
  const { root } = house, title = get("title"), titles = get("titles"), masks = get("_masks");
  const bar = make("div", title || titles.length > 1 || masks.length > 1 ? root : null, { class: "row" }), rest = (news) => act.change(news, true);
  if (title) make("p", bar, { class: "part" }, title);
  const head = titles.length > 1 ? menu(bar, "head", titles, (n) => rest({ head: n })) : null;
  const many = masks.length > 3 || masks.join("").length > 30, mask = masks.length < 2 ? null
    : many ? menu(bar, "mask", masks, (n) => rest({ masking: masks[n] })) : choice(bar, "mask", masks, (name) => rest({ masking: name }));
  const warm = { min: -1, max: 1, step: 0.05, say: (x) => (4 ** x).toFixed(2), wide: 108 };
  const travel = make("div", root, { class: "travel" }), play = press(travel, "", act.play, { class: "go" });
  press(travel, "next step", act.next);
  const rail = make("div", travel, { class: "rail" }), suppress = { "data-lm-suppress-shortcuts": "true" };
  const last = bar.parentElement ? bar : travel;                         // a slider alone needs no row
  const temperature = slider(last, "temperature", warm, (x) => act.change({ temperature: 4 ** x }), () => act.send());
  house.present(last).style.marginLeft = "auto";
  const time = make("input", rail, { type: "range", min: 0, max: LAST, step: "any", "aria-label": "step", ...suppress });
  const stops = make("div", rail, { class: "stops" }), buttons = STOPS.map((name, n) => press(stops, name, () => act.go(n), { tabindex: -1 }));
  time.addEventListener("input", () => act.scrub(+time.value));
  time.addEventListener("change", () => act.go(Math.round(time.value)));                         // it rests at steps only
  const steps = { ArrowRight: [1], ArrowUp: [1], ArrowLeft: [-1], ArrowDown: [-1], Home: [-LAST], End: [LAST] };
  keys(time, ({ key }) => steps[key], ([by]) => act.step(by));
  const works = make("div", root, { class: "works" }), board = make("div", works);
  const help = "One attention head. Up and down choose the word that looks, left and right the word it looks at; plus and minus step, space plays.";
  const drawing = sketch(board, { tabindex: 0, role: "application", "aria-label": help }, 5);
  const side = make("div", works, { class: "side" }), told = make("div", side, { class: "told" }), pick = make("div", side, { class: "pick" });
  const pickers = [["word", "query: the word that looks"], ["key", "key: the word looked at"]]
    .map(([name, label], n) => menu(pick, label, words[n], (value) => rest({ [name]: value })));
  pickers.forEach((picker) => picker.node.previousSibling.remove());     // the arrow says who is who
  pickers[0].node.parentElement.after("→");
  return {
    head, mask, temperature, play, time, buttons, drawing, works, board, side, pick, pickers, title: make("p", told, { class: "part" }), text: make("p", told),
    parts: make("div", side, { class: "parts" }), chain: make("div", side, { class: "chain" }),
  };
}

/** Click, tap, drag, hover, arrow keys. A finger that goes up or down scrolls the page. */
function hands(svg, find, act, state, sizes) {
  svg.addEventListener("pointerdown", (event) => { if (!event.button) { act.send(); act.change(find(event)); } });
  svg.addEventListener("pointermove", (event) => {
    const found = find(event);
    svg.style.cursor = Object.keys(found).length ? "pointer" : "";
    if (event.buttons) act.change(found); else act.hover(found);
  });
  svg.addEventListener("pointerleave", () => act.hover({}));
  for (const name of ["pointerup", "pointercancel"]) svg.addEventListener(name, () => act.send());
  const turn = (name, by) => ({ [name]: (state[name] + by + sizes[name]) % sizes[name] });
  const chooses = { ArrowUp: ["word", -1], ArrowDown: ["word", 1], ArrowLeft: ["key", -1], ArrowRight: ["key", 1] };
  const ends = { Home: { key: 0 }, End: { key: sizes.key - 1 } }, does = { " ": act.play, "+": () => act.step(1), "-": () => act.step(-1) };
  const answer = ({ key }) => does[key] ?? ((ends[key] || chooses[key]) && (() => act.change(ends[key] ?? turn(...chooses[key]))));
  keys(svg, answer, (go) => { go(); act.send(250); });
}

function render({ model, el }) {
  const house = dress({ model, el }, "machine"), get = (name) => model.get(name), given = unpack(get), words = [get("tokens"), get("key_tokens")];
  const memory = keep(model, ["head", "word", "key", "stage", "temperature", "masking"], (news) => take(news));
  const state = { ...memory.get(), speed: 1, playing: false, rest: 0, hover: null, told: "", voice: "" };
  Object.assign(state, { eye: state.word, time: STAGES.indexOf(state.stage), target: STAGES.indexOf(state.stage) });
  let all = null, data = null, at = null;
  const sent = {};                                                       // comes back as news, maybe when all has gone on
  const send = (later = 0) => {
    const { head, word, key, temperature, masking } = state;
    memory.send(Object.assign(sent, { head, word, key, temperature, masking, stage: STAGES[Math.round(state.target)] }), later);
  };
  const clock = frames((ms) => {
    const played = state.playing, moving = advance(state, ms);
    draw();
    if (played && !state.playing) send();
    return moving;
  });
  const choose = () => {                                                 // on a phone fewer columns have room
    const more = { words, about: get("about"), cross: get("_cross"), masking: state.masking };
    data = { ...data, ...chosen(all, state.word, state.key, state.phone), ...more };
  };
  function change(news, atRest = false) {
    const fresh = Object.keys(news).filter((name) => news[name] !== state[name]);
    if (all && !fresh.length) return;
    Object.assign(state, news);
    const { head, masking, temperature } = state, turned = (...names) => names.some((name) => fresh.includes(name));
    if (!all || turned("head", "masking", "temperature")) all = computed(given.heads[head], given.open(head, masking), get("_scale"), temperature);
    if (turned("word", "head", "masking") && !("key" in news)) state.key = best(all.weights[state.word])[0][1];
    choose();
    clock.ask();
    if (atRest) send();
  }
  function take(news) {                                                  // one trait, from Python or from another view of this model
    const [[name, value]] = Object.entries(news);
    if (value === sent[name]) return;
    sent[name] = value;
    if (name === "stage") travel(STAGES.indexOf(value)); else change({ key: state.key, ...news });
  }
  function travel(to) {
    Object.assign(state, { playing: false, target: clamp(to, 0, LAST) });
    state.speed = Math.max(1, Math.abs(state.target - state.time) / 2) / 350;
    clock.ask();
  }
  const act = {
    change, send,
    hover({ word, key }) {
      const hover = word >= 0 && key >= 0 ? [word, key] : null;
      if (String(hover) !== String(state.hover)) clock.ask(state.hover = hover);
    },
    go(to) { travel(to); send(150); },
    step: (by) => act.go(by > 0 ? Math.floor(state.target + 1e-6) + by : Math.ceil(state.target - 1e-6) + by),
    next: () => (state.time >= LAST ? act.go(0) : act.step(1)),
    scrub(time) { Object.assign(state, { playing: false, time, target: time }); clock.ask(); },
    play() {
      if (state.playing) return act.go(Math.round(state.time));
      if (calm()) return act.next();
      Object.assign(state, { playing: true, rest: 700, time: state.time >= LAST ? 0 : state.time });
      clock.ask();
    },
  };
  const nodes = build(house, get, words, act), pen = pens(nodes.drawing);
  function draw() {
    if (!at) return;
    const { word, key, head, masking, temperature } = state, stage = Math.round(state.time);
    const told = [stage, word, key, head, masking, temperature].join();
    Object.assign(data, { eye: state.eye, hover: state.hover });
    at = geometry(data, at.width);
    paint(pen, data, at, state.time);
    if (told !== state.told) [state.told, state.voice] = [told, tell(nodes, data, stage)];
    if (state.playing ? Number.isInteger(state.time) : state.time === state.target) house.say(state.voice);
    nodes.time.value = state.time;
    nodes.time.setAttribute("aria-valuetext", STOPS[stage]);
    nodes.play.textContent = state.playing ? "❚❚ pause" : "▶ play";
    nodes.buttons.forEach((button, n) => (n === stage ? button.setAttribute("aria-current", "step") : button.removeAttribute("aria-current")));
    nodes.head?.set(head);
    nodes.mask?.set(nodes.mask.fill ? get("_masks").indexOf(masking) : masking);
    nodes.temperature.set(Math.log(temperature) / Math.log(4));
    nodes.pickers.forEach((picker, n) => picker.set(n ? key : word));
  }
  function measured() {                                                  // the width has changed, or the theme
    const wide = house.root.clientWidth - 12, narrow = wide < 708, long = (text) => measure(text, "700 13px system-ui, sans-serif") + 2;
    if (wide <= 0) return;
    const phone = wide < PHONE, [least, top] = phone ? [30, 48] : [60, narrow ? 66 : 84];
    const room = words.map((list) => clamp(Math.max(...list.map(long)), least, top));
    if (phone !== state.phone) choose(Object.assign(state, { phone, told: "" }));
    const high = phone ? 540 : narrow ? 440 : clamp(554 - nodes.works.offsetTop, 400, 500);
    Object.assign(data, { high, room, eye: state.eye });
    at = geometry(data, Math.max(260, nodes.board.clientWidth));
    nodes.drawing.resize(at.width, data.high);
    nodes.side.style.height = narrow ? "" : `${data.high}px`;
    draw();
  }
  const { svg } = nodes.drawing, spotted = (event) => hit(at, data, state.time, ...place(svg, event));
  const found = (event) => Object.entries(spotted(event)).filter(([, n]) => n >= 0);
  hands(svg, (event) => Object.fromEntries(found(event)), act, state, { word: words[0].length, key: words[1].length });
  change({});
  house.watch(measured);
  house.start();
  return () => { clock.stop(); memory.close(); house.close(); };
}

export default { render };
