// One head of attention without a pen: what it computes, which columns count for a chosen pair, what is said of it, where each
// number stands at each moment. `time` is the moment, from 0 (words) to 7 (sum).

import { attention, best, clamp, dot, ease, isEven, lerp, numbers, share } from "./core.js";

// ---- numbers --------------------------------------------------------------------------------------------------------------------

const KEPT = 5, KEPT_ON_A_PHONE = 3;                                     // with more columns than one above, so many are shown
export const PHONE = 420;                                                // px: a picture below has one column

export const most = (rows) => rows.flat().reduce((top, x) => Math.max(top, Math.abs(x)), 1e-9);

/** What crossed from Python, read once: heads[h] {q, k, v, columns, gives, bias, softcap}, open(h, name)[i][j]: may look.
 *  get: a trait by its name */
export function unpack(get) {
  const [heads, n_q, n_k, d, d_v] = get("_shape"), masks = get("_masks");
  const planes = get("_open").byteLength / (4 * n_q * n_k * masks.length || 1);
  const [q, k, v] = [["_q", n_q, d], ["_k", n_k, d], ["_v", n_k, d_v]].map(([name, ...shape]) => numbers(get(name), [heads, ...shape]));
  const bits = masks.length ? numbers(get("_open"), [masks.length, planes, n_q, n_k]) : [], softcap = get("_softcap");
  const bias = get("_bias").byteLength ? numbers(get("_bias"), [heads, n_q, n_k]) : [];
  const named = (names, h, n) => names[h] ?? names[0] ?? Array.from({ length: n }, (_, f) => `column ${f}`);
  return {
    heads: q.map((one, h) =>
      ({ q: one, k: k[h], v: v[h], columns: named(get("_columns"), h, d), gives: named(get("_gives"), h, d_v), bias: bias[h] ?? null, softcap })),
    open(h, name) {
      const each = bits[masks.indexOf(name)];
      return q[0].map((_, i) => k[0].map((__, j) => !each || (each[h] ?? each[0])[i][j] > 0));
    },
  };
}

/** The columns of the largest shares, in their order, and all others. @returns {{kept: number[], rest: number[]}} */
export function fold(shares, many = KEPT) {
  const all = shares.map((_, f) => f);
  if (all.length <= many + 1) return { kept: all, rest: [] };
  const kept = best(shares).slice(0, many).map(([, f]) => f).sort((a, b) => a - b);
  return { kept, rest: all.filter((f) => !kept.includes(f)) };
}

/** What a head of `unpack` computes, whatever is chosen. open[i][j]: may look */
export function computed(head, open, scale, temperature) {
  const { q, k, v, bias, softcap } = head, d = q[0].length, raw = q.map((a) => k.map((b) => dot(a, b)));
  const { scores, weights, output } = attention(q, k, v, { scale, softcap, bias, temperature, mask: open });
  const scaled = scores.map((row) => row.map((s) => s / temperature));
  return {
    ...head, open, scale, temperature, raw, scaled, weights, output, d, d_v: v[0].length, usual: Math.abs(scale * Math.sqrt(d) - 1) < 1e-6,
    rise: most([raw, scaled].flat()), low: [raw, scaled].flat(2).reduce((a, b) => Math.min(a, b), 0),
    even: weights.map((row, i) => isEven(row, open[i])),
    seen: open.map((row) => row.filter(Boolean).length),
  };
}

/** The same with a word and a key chosen: the columns that count for them, on a phone fewer; the others as one, of which the
 *  length is shown. */
export function chosen(all, word, key, phone = false) {
  const many = phone ? KEPT_ON_A_PHONE : KEPT, inside = fold(all.q[word].map((x, f) => Math.abs(x * all.k[key][f])), many);
  const out = fold(all.output[word].map(Math.abs), many);
  const one = (columns, f) => (columns.length ? [f(columns)] : []), product = (f) => all.q[word][f] * all.k[key][f];
  const long = (row) => (rest) => Math.hypot(...rest.map((f) => row[f]));
  const short = (rows, { kept, rest }) => rows.map((row) => [...kept.map((f) => row[f]), ...one(rest, long(row))]);
  const named = (names, { kept, rest }) => [...kept.map((f) => names[f]), ...one(rest, () => `${rest.length} others`)];
  return {
    ...all, word, key, kept: inside.kept, rest: { q: inside.rest.length, k: inside.rest.length, v: out.rest.length },
    q: short(all.q, inside), k: short(all.k, inside), v: short(all.v, out), output: short(all.output, out),
    columns: named(all.columns, inside), gives: named(all.gives, out),
    parts: [...inside.kept.map(product), ...one(inside.rest, (rest) => rest.map(product).reduce((a, b) => a + b))],
  };
}

/** The sum for one column of the values, as a waterfall: the parts above 0 to the right, back from their end those below. */
export function waterfall(data, f) {
  const parts = data.weights[data.word].map((w, j) => w * data.v[j][f]), plus = parts.reduce((sum, p) => sum + Math.max(0, p), 0);
  const total = data.output[data.word][f], ends = [0, plus];
  if (data.rest.v && f === data.gives.length - 1) return { total, plus: total, minus: 0, pieces: [] };               // a length: no parts
  const pieces = parts.map((p) => [ends[p < 0 ? 1 : 0], (ends[p < 0 ? 1 : 0] += p)]);
  return { total, plus, minus: plus - ends[1], pieces };
}

/** The colour of a score, in six steps to each side of 0; top: the largest there is */
export function hue(s, top) {
  const to = 1.3 + 1.7 * Math.round(6 * clamp(Math.abs(s) / top)) / 6, stop = Math.min(2, Math.floor(to)), side = s < 0 ? -1 : 1;
  return `color-mix(in oklab, var(--s${3 + side * (stop + 1)}) ${Math.round(100 * (to - stop))}%, var(--s${3 + side * stop}))`;
}

// ---- words ----------------------------------------------------------------------------------------------------------------------

/** A number beside numbers as large as `top`: 12.6, −.39, 0; exact: with up to three decimals, where they say more */
export function said(x, top, exact = false) {
  const digits = top >= 100 ? 0 : top >= 2 ? 1 : clamp(2 - Math.floor(Math.log10(Math.max(top, 1e-9)) + 0.7), 2, 4);
  const [short, long] = [Math.abs(x).toFixed(digits), Math.abs(x).toFixed(3).replace(/\.?0+$/, "")];
  const text = (exact && long.length > short.length ? long : short).replace(/^0\./, ".");
  return /[1-9]/.test(text) ? (x < 0 ? "−" : "") + text : "0";
}
const brief = (text, signs = 18) => ([...text].length > signs ? `${[...text].slice(0, signs - 1).join("")}…` : text);
const root = (d) => `√${d}${Number.isInteger(Math.sqrt(d)) ? ` = ${Math.sqrt(d)}` : ` = ${Math.sqrt(d).toFixed(1)}`}`;

/** How the sum of the products of the chosen pair becomes its score, in up to four lines: [[name, number], …] */
function scored({ word: i, key: j, raw, scaled, scale, softcap, bias, rise, temperature: t, usual, d }) {
  const by = usual ? `÷ √${d}` : `× ${said(scale, scale)}`, s = raw[i][j] * scale, last = scaled[i][j];
  if (!softcap && !bias) return [[t === 1 ? by : `${by} ÷ ${t.toFixed(2)}`, last]];
  const lines = [[by, s]];
  if (softcap) lines.push([`softcap ${said(softcap, softcap)}`, softcap * Math.tanh(s / softcap)]);
  if (bias) lines.push([`+ bias, ${said(bias[i][j], rise, true)}`, last * t]);
  return t === 1 ? lines : [...lines, [`÷ ${t.toFixed(2)}`, last]];
}
/** ", causal" of a mask that has a name of its own */
const called = ({ masking }) => (/^((not )?masked)?$/.test(masking ?? "") ? "" : `, ${masking}`);

/** From the sum of the products of the chosen pair to its weight: [[the stage of a line, its name, its number], …] */
export function chain(data) {
  const { word: i, key: j, rise } = data, s = data.scaled[i][j], may = data.open[i][j];
  const row = data.scaled[i].filter((_, n) => data.open[i][n]), peak = row.reduce((a, b) => Math.max(a, b), -Infinity);
  const away = row.length && Math.abs(peak) > 12 ? peak : 0;             // e to 13 is a long number: then the row's largest is taken off
  const whole = row.reduce((sum, x) => sum + Math.exp(x - away), 0);
  const fine = (x) => said(x, rise, true);                               // e to it, by a calculator, is what stands below
  const long = (x) => (x >= 100 ? (+x.toPrecision(3)).toLocaleString("en") : x >= 10 ? x.toFixed(1) : x > 0 && x < 0.005 ? "nearly 0" : x.toFixed(2));
  return [
    [2, "sum: query · key", fine(data.raw[i][j])], ...scored(data).map(([name, x]) => [3, name, fine(x)]),
    [4, `mask${called(data)}`, may ? "open" : "−∞"],
    [5, away ? `e to (that ${away > 0 ? "−" : "+"} ${fine(Math.abs(away))})` : "e to that", long(may ? Math.exp(s - away) : 0)],
    [5, "÷ row total", long(whole)], [5, "weight", share(data.weights[i][j])],
  ];
}

/** What a row of weights mixes most: the fewest words that give more than half, and whoever gives as much as the last of them. */
function mostly(row, words) {
  let sum = 0;
  const ranks = best(row), last = ranks.find(([w]) => (sum += w) > 0.5), these = last ? ranks.filter(([w]) => w > last[0] - 0.005) : [];
  if (these.length > 3) return [`, a mixture of many: none gives more than ${share(ranks[0][0])}`];
  const before = (w, n) => (n ? (n + 1 < these.length ? ", " : " and ") : w < 0.995 ? ", mostly of " : ", all of ");
  return these.flatMap(([w, j], n) => [before(w, n), ["b", brief(words[j])], ` (${share(w)})`]);
}

/** What a stage does, for the chosen word: [title, parts of a sentence]; a part is text, or [class, text]. */
export function sentence(data, stage) {
  const { word: i, key: j, words, rise, d } = data, a = ["b", brief(words[0][i])], b = ["b", brief(words[1][j])], may = data.open[i][j];
  const w = ["w", share(data.weights[i][j])], n = words[0].length, shut = data.open.flat().filter((one) => !one).length;
  const large = (row, rest) => best(row.slice(0, rest ? -1 : undefined).map(Math.abs)).filter(([x]) => x > 0.02 * most([row])).slice(0, 3);
  const few = (names, row, rest) => large(row, rest)
    .map(([, f]) => [brief(names[f]), said(row[f], most([row]))]).map(([name, x]) => (/\d$/.test(name) ? `${x} of ${name}` : `${name} ${x}`)).join(", ") || "nothing";
  const asks = data.rest.q ? ` Of ${d} columns, the ${data.kept.length} that count most for this pair are shown; hatched: the length of all others.` : "";
  const temperature = data.temperature === 1 ? "" : `, and by the temperature, ${data.temperature.toFixed(2)}`;
  const by = data.usual ? `There are ${d} columns: divide by ${root(d)}` : `This head takes ${said(data.scale, data.scale)} instead of 1 ÷ √${d}`;
  const more = data.softcap ? [`Then no score leaves ±${said(data.softcap, data.softcap)}, its softcap. `] : [];
  if (data.bias) more.push("Then this pair's bias is added, ", ["s", said(data.bias[i][j], rise)], ". ");
  else more.push(`The order stays${data.scale < data.temperature ? ", the leads shrink" : ""}. `);
  return [
    [n === 1 ? "One word" : `${n} words`, [data.cross ? `${n} ask, ${words[1].length} others answer. ` : "Nobody has looked at anybody yet. ",
      "Chosen: ", a, data.about[i] ? `, ${brief(data.about[i], 60)}.` : "."]],
    ["Query, key, value", ["What ", a, " asks for is its ", ["q", "query"], `; what ${data.cross ? "another word" : "it"} offers, its `, ["k", "key"],
      "; what it gives away, its ", ["v", "value"], ".", ...(asks ? [asks] : [" ", a, " asks for ", ["q", few(data.columns, data.q[i])], "."])]],
    ["Query meets key", ["Multiply column by column and add. The larger the circle, the better the match. ", a, " and ", b, ": ", ["big s", said(data.raw[i][j], rise)]]],
    [data.usual ? "Divide by √d" : "Times the scale", [by, temperature, ". ", ...more, ["big s", said(data.scaled[i][j], rise)]]],
    [`Mask${called(data)}`, shut ? [`${shut} of ${data.open.flat().length} looks are forbidden: their scores become −∞ before anything is shared out. `, a, ` may${may ? "" : " not"} look at `, b, "."]
      : ["Nothing is forbidden here: this step changes nothing."]],
    ["Softmax: shares of 1", ["Each row turns its scores into shares. All its blue fills one full cell. ", a,
      ...(!data.seen[i] ? [" may look at nobody: its weights are all 0."] : data.even[i] ? [" prefers nobody: ", w, " for each."] : [" gives ", b, " ", ["big w", w[1]]])]],
    ["Take that much of each", [a, " takes ", w, " of what ", b, " gives, and so on. What gets a small weight nearly vanishes."]],
    ["Add up: the output", [a, " goes out as ", ["v", few(data.gives, data.output[i], data.rest.v)],
      ...(data.even[i] ? [". This word prefers nobody: the plain mean"] : mostly(data.weights[i], words[1])), ".",
      data.rest.v && !data.even[i] ? ` Hatched: the length of the other ${data.rest.v} columns.` : ""]],
  ][stage];
}

// ---- geometry and time ------------------------------------------------------------------------------------------------------

export const STAGES = ["words", "qkv", "scores", "scaled", "masked", "weights", "mixture", "output"], LAST = STAGES.length - 1;
export const PITCH = 13, DROP = 16, FIRST = 94, EARLY = 32;              // a column of numbers; of values; the first row, and at words
const TOP = 54;                                                          // names of the keys

/** Where everything stands. data: of `chosen`, and room [of words, of keys' words] in pixels, high, eye (the row that is tall).
 *  On a phone the grid has the width: names of columns stand before it, the sums below the values. */
export function geometry(data, width) {
  const { room, high, cross } = data, [n_q, n_k, d, g] = [data.q, data.k, data.columns, data.gives].map((one) => one.length);
  const wide = width >= 640, phone = width < PHONE, o = wide ? 15 : PITCH, aside = phone ? 6 : 10;
  const x = phone ? Math.max(room[0] + d * PITCH + 14, 112) : Math.max(room[0] + d * PITCH + 24, 150);
  const sum = phone ? width - x - 40 : Math.max(64, g * o), below = phone ? g * DROP + 40 : 0;
  const y = TOP + d * PITCH + 2, rows = high - y - 106 - g * DROP - below, even = Math.min(28, rows / n_q), tall = Math.max(even, 17);
  const slack = Math.min(150, rows - even * n_q);
  const low = n_q > 1 ? (even * n_q - tall) / (n_q - 1) : tall;          // rows that are not chosen give way
  const heights = Array.from({ length: n_q }, (_, i) => low + (tall - low) * clamp(1 - Math.abs(i - data.eye)));
  let bottom = y;
  const centres = heights.map((h) => (bottom += h) - h / 2);
  const cw = Math.min(48, (width - x - (phone ? 32 : 60 + sum)) / n_k), right = x + cw * n_k;
  const scores = 38 + 0.6 * slack, unit = scores / (data.rise - data.low), foot = bottom + 94 + slack;
  const gap = wide ? 40 : phone ? 14 : 28, q = room[0] + 18;
  const names = phone ? 40 : 50, v = foot + (phone ? 28 : 10);
  const between = gap + (cross ? room[1] + 10 : 0), pitch = (n) => Math.min(40, (high - 98) / n);
  const b = clamp((width - q - between - gap - names) / (2 * d + g), phone ? 7 : 12, 34), k = q + d * b + between;
  return {
    width, phone, heights, centres, dense: even < PITCH, o, sum, far: phone ? x : right + 16, bar: Math.min(20, cw - 3),
    grid: { x, y, cw, right, bottom }, unit, zero: bottom + 16 + unit * data.rise, weight: { foot, h: 26 + 0.4 * slack },
    word: room[0], half: Math.max(width / 2, k + 10), q: { x: room[0] + aside }, k: { y: y - 6 - d * PITCH }, v: { y: v },
    sums: { y: phone ? v + g * DROP + 22 : v },
    born: { b, q, k, v: k + d * b + gap, rows: pitch(n_q), keys: pitch(cross ? n_k : n_q) },
  };
}

/** How far a stage has come at a moment: 0 before it, 1 once it is over; `late`, 0 to 1, for what starts later. */
export const done = (time, stage, late = 0) => ease((clamp(time - stage + 1) - 0.4 * late) / 0.6);
/** How far queries and keys have met: once the keys have landed. */
export const met = (time, late) => ease((clamp(time - 1) - 0.55 - 0.25 * late) / 0.2);
export const firstAt = (time) => lerp(EARLY, FIRST, done(time, 1));
export const rowAt = (at, i, time) => lerp(firstAt(time) + (i + 0.5) * at.born.rows, at.centres[i], done(time, 2));
export const columnAt = (at, j) => at.grid.x + (j + 0.5) * at.grid.cw;

/** Where a number of a query, key or value is: born at its word, then on its way to its place. @returns [x, y, width, height] */
export function seat(at, kind, i, f, time, late) {
  const { born, grid, heights } = at, asks = kind === "q", pitch = asks ? born.rows : born.keys, seed = Math.min(born.b, pitch, 25) - 3;
  const from = [lerp(at.word, born[kind] + (f + 0.5) * born.b, done(time, 1)), firstAt(time) + (i + 0.5) * pitch, seed, seed];
  const to = asks ? [at.q.x + (f + 0.5) * PITCH, at.centres[i], 10, clamp(heights[i] - 2, 1.5, 10)]
    : [columnAt(at, i), at[kind].y + (f + 0.5) * (kind === "v" ? DROP : PITCH), Math.min(10, grid.cw - 2), 10];
  return from.map((x, n) => lerp(x, to[n], done(time, 2, asks ? 0 : late)));
}

/** Which word and which key are at a point; -1 where there is none. */
export function hit(at, data, time, x, y) {
  const { grid, born } = at, early = time < 1.5, within = (i, n) => (i >= 0 && i < n ? i : -1);
  const listed = (n, pitch) => within(Math.floor((y - firstAt(time)) / pitch), n);
  if (time < 0.5 && x > at.half - 16) return { word: -1, key: -1 };      // the numbers of the chosen word
  if (early && data.cross && x > born.k - data.room[1] - 20) return { word: -1, key: listed(data.k.length, born.keys) };
  const word = early ? listed(data.q.length, born.rows) : at.centres.findIndex((middle, i) => Math.abs(y - middle) <= at.heights[i] / 2);
  const column = within(Math.floor((x - grid.x) / grid.cw), data.k.length);
  return { word, key: early || (word < 0 && y >= grid.y && y <= grid.bottom) ? -1 : column };
}

/** Let time pass: the moment moves to its target or plays on, the eye follows the word. @returns {boolean} does anything still move? */
export function advance(s, ms) {
  const far = s.word - s.eye;
  s.eye = Math.abs(far) < 0.02 ? s.word : s.eye + far * (1 - Math.exp(-ms / 60));
  if (s.playing) {
    const before = Math.floor(s.time);
    if (!s.rest) s.time = Math.min(LAST, s.time + ms / 1300);
    s.rest = Math.max(0, s.rest - ms);
    if (Math.floor(s.time) > before) [s.time, s.rest] = [Math.floor(s.time), 3000];                // time to look
    s.target = s.time;
    s.playing = s.time < LAST;
  } else {
    const to = s.target - s.time, by = ms * s.speed;
    s.time = Math.abs(to) <= by ? s.target : s.time + Math.sign(to) * by;
  }
  return s.playing || s.time !== s.target || s.eye !== s.word;
}
