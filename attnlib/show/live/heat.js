// One head as a heat map, and all heads as small pictures: what Python sent, where everything is, and the paint. Nothing of a
// widget. What draws is given `one`, of merged(), and asks nothing else.
import { TITLES, best, clamp, isEven, measure, rgb, scaleOf, share } from "./core.js";

const LONGEST = 16;                                      // signs of a name beside the picture; the read-out has it all
const KEPT = 16;                                         // planes that came stay here, so that going back takes no time
export const MANY = 60;                                  // more words than this a side: names only of what is chosen
const SMALL = 24;                                        // cells a side, of the small picture of a head that has not come
const FEW = 24;                                          // more keys than this: their even share has no colour to speak of

// ---- numbers: pure ------------------------------------------------------------------------------------------------

/** What a plane is called, as Python calls it: "0.3.5" is step, layer, head; "0.3.mean" and "0.all.max" are made of several heads */
export function nameOf({ step, layer, head, how }) {
  const [kind, over] = how.split(" ");
  return how === "head" ? `${step}.${layer}.${head}` : `${step}.${over === "all" ? over : layer}.${kind}`;
}

/** Readable access to what Python sent. `sent`: the traits of these names; `came`: planes by name, those that came before and these.
 *  @returns sizes, and of (step, layer, head): plane() -> its numbers, or null where it has not come; small(), its thumbnail() where
 *  that came, else null; sum(…, i), closed(…, i, j) */
export function table({ _shape, _range, _sum_range, _names, _weights, _small, _sums, _mask }, came = new Map()) {
  const [steps, layers, heads, nq, nk] = _shape, [low, high] = _range, [lowest, highest] = _sum_range, size = nq * nk;
  const whole = (view) => new Uint16Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
  const weights = whole(_weights), sums = whole(_sums), part = (n) => weights.subarray(n * size, (n + 1) * size);
  const bytes = Math.ceil(size / 8), masks = _mask.byteLength / bytes;     // every plane of the mask starts at a byte
  const number = (raw, from, to) => (raw === 65535 ? NaN : from + (raw / 65534) * (to - from));
  const at = (step, layer, head) => (step * layers + layer) * heads + head;
  const [rows, columns] = [nq, nk].map((n) => Math.ceil(n / Math.ceil(n / SMALL))), few = rows * columns;
  for (const [n, name] of _names.entries()) {
    came.delete(name);
    came.set(name, part(n));
    if (came.size > Math.max(KEPT, _names.length)) came.delete(came.keys().next().value);
  }
  const read = (raw) => {
    const values = new Float64Array(raw ? size : 0);
    for (let k = 0; k < values.length; k++) values[k] = number(raw[k], low, high);
    return raw ? values : null;
  };
  return {
    steps, layers, heads, nq, nk, low, high, masks, masked: masks > 0, nothing: (high - low) / 131068,      // less than this is 0
    named: (name) => read(came.get(name)),
    has: (look) => !_names.length || came.has(nameOf(look)),
    plane: (step, layer, head) => read(_names.length ? came.get(nameOf({ step, layer, head, how: "head" })) : part(at(step, layer, head))),
    small(step, layer, head) {
      if (!_small.byteLength) return null;
      const cells = Array.from(new Uint8Array(_small.buffer, _small.byteOffset + at(step, layer, head) * few, few), (raw) => (
        raw === 255 ? NaN : raw === 254 ? null : low + (raw / 252) * (high - low)));
      return range(rows).map((a) => cells.slice(a * columns, (a + 1) * columns));
    },
    sum: (step, layer, head, i) => (sums.length ? number(sums[at(step, layer, head) * nq + i], lowest, highest) : NaN),
    closed(step, layer, head, i, j) {
      if (!masks) return false;
      const bit = i * nk + j, start = (at(step, layer, head) % masks) * bytes;
      return !((_mask.getUint8(start + (bit >> 3)) >> (7 - (bit & 7))) & 1);
    },
  };
}

export const range = (n) => Array.from({ length: n }, (_, i) => i);
export const largest = (values) => values.reduce((top, v) => (v > top ? v : top), -Infinity);

/** What all that draws is given: cells, rows and columns of some weights (nq, nk), and what is odd about them. `shares`: of 1?
 *  shut: why a cell is closed, in words */
function oneOf({ nq, nk, low, high, masked, nothing, shares = true, shut = "not allowed" }, values, closed, sum) {
  const at = (i, j) => values[i * nk + j], row = (i) => {
    const cells = [];
    for (let j = 0; j < nk; j++) cells.push(values[i * nk + j]);
    return cells;
  };
  const even = (i) => shares && nk <= FEW && isEven(row(i), range(nk).map((j) => !closed(i, j)));
  return { nq, nk, low, high, masked, nothing, shares, shut, at, row, column: (j) => range(nq).map((i) => at(i, j)), closed, sum, even };
}

/** One head of it, or null where it has not come */
export function headOf(data, layer, head, step = 0) {
  const values = data.plane(step, layer, head), closed = (i, j) => data.closed(step, layer, head, i, j);
  return values && oneOf(data, values, closed, (i) => data.sum(step, layer, head, i));
}

/** The heads that go into what is shown: [[layer, head], …] */
export function included({ layers, heads }, { layer, head, how }) {
  const all = range(layers * heads).map((n) => [Math.floor(n / heads), n % heads]);
  return how === "head" ? [[layer, head]] : how.endsWith("all") ? all : all.filter(([one]) => one === layer);
}

/** Is it there, on a page that may lack some heads: made already, or all that it is made of? */
export const held = (data, state) => (
  !state._left_out || data.has(state) || included(data, state).every(([layer, head]) => data.has({ ...state, layer, head, how: "head" }))
);

/** What is shown, in words: "layer 3, head 5", "max over all 72 heads, cell by cell" */
export function caption({ layers, heads }, { layer, head, how, titles }) {
  const [kind, over] = how.split(" ");
  const whose = over === "layer" && layers > 1 ? `the ${heads} heads of layer ${layer}` : `all ${layers * heads} heads`;
  if (how === "head") return `${layers > 1 ? `layer ${layer}, ` : ""}head ${titles[head] || head}`;
  return `${kind} over ${whose}${kind === "max" ? ", cell by cell" : ""}`;
}

/** The largest of several heads in words, which are made in each head first: else a word could have more than any head gives */
function mostInWords(heads, starts) {
  const all = heads.map((head) => inWords(head, starts)), [{ nq, nk }] = all, cells = range(nq * nk);
  const values = Float64Array.from(cells, (n) => Math.max(...all.map((one) => one.at(Math.floor(n / nk), n % nk))));
  const high = Math.max(...all.map((one) => one.high)), closed = (i, j) => all.every((one) => one.closed(i, j));
  return oneOf({ ...all[0], high, shares: false }, values, closed, (i) => range(nk).reduce((sum, j) => sum + values[i * nk + j], 0));
}

/** What is shown, in pieces, or in words that begin at `starts`. Of a max that came alone, words are made of its pieces. */
export function shownOf(data, state, starts) {
  const heads = starts && state.how.startsWith("max") ? included(data, state).map(([l, h]) => headOf(data, l, h, state.step)) : [null];
  const whole = heads.every(Boolean) ? null : merged(data, state);
  return heads.every(Boolean) ? mostInWords(heads, starts) : whole && starts ? { ...inWords(whole, starts), rough: state.how.startsWith("max") } : whole;
}

/** What is shown: a head, or cell by cell the mean or the largest of several; null where it has not come */
export function merged(data, state) {
  const { step, layer, head, how } = state, parts = included(data, state), mean = how.startsWith("mean");
  if (how === "head") return headOf(data, layer, head, step);
  const average = (list) => list.reduce((a, b) => a + b, 0) / parts.length;
  let values = data.named(nameOf(state));
  for (const [n, [l, h]] of values ? [] : parts.entries()) {
    const plane = data.plane(step, l, h);
    if (!plane) return null;
    if (n) plane.forEach((v, k) => { values[k] = mean ? values[k] + v : Math.max(values[k], v); }); else values = plane;
    if (mean && n === parts.length - 1) values = values.map((v) => v / parts.length);
  }
  const shut = data.masks > 1 ? parts : parts.slice(0, 1), closed = (i, j) => shut.every(([l, h]) => data.closed(step, l, h, i, j));
  const sum = (i) => (mean ? average(parts.map(([l, h]) => data.sum(step, l, h, i))) : one.row(i).reduce((a, b) => a + b, 0));
  const one = oneOf({ ...data, shares: mean }, values, closed, sum);
  return one;
}

/** The same of words: `starts` is the first piece of each, of queries and of keys. Pieces are summed over keys and averaged over
 *  queries; a word may look where any of its pieces may. */
export function inWords(one, starts) {
  const spans = (line, n) => starts[line].map((from, k) => range((starts[line][k + 1] ?? n) - from).map((m) => from + m));
  const rows = spans(0, one.nq), columns = spans(1, one.nk), mean = (list) => list.reduce((a, b) => a + b, 0) / list.length;
  const values = new Float64Array(rows.length * columns.length), of = columns.flatMap((column, k) => column.map(() => k));
  for (const [k, row] of rows.entries()) {
    for (const i of row) one.row(i).forEach((v, j) => { values[k * columns.length + of[j]] += v / row.length; });
  }
  const closed = (i, j) => rows[i].every((a) => columns[j].every((b) => one.closed(a, b))), sum = (i) => mean(rows[i].map(one.sum));
  const [low, high] = [Math.min, Math.max].map((most, n) => values.reduce((a, b) => (b === b ? most(a, b) : a), n ? one.high : one.low));
  return oneOf({ ...one, nq: rows.length, nk: columns.length, low, high }, values, closed, sum);
}

/** The same of a text that is being written: what comes after the word `last` is not there, nor, where it reads itself, as key */
export function soFar(one, last, itself) {
  const there = (i, j) => i <= last && (!itself || j <= last), { nq, nk, masked } = one, values = new Float64Array(nq * nk);
  for (const i of range(last + 1)) values.set(one.row(i).slice(0, itself ? last + 1 : nk), i * nk);
  const shut = masked ? "not allowed, or not there yet" : "not there yet", sum = (i) => (i <= last ? one.sum(i) : 1);
  return oneOf({ ...one, masked: true, shut }, values, (i, j) => !there(i, j) || one.closed(i, j), sum);
}

/** Is this row one that looks at all alike, and is therefore left white? */
export const whiteRow = (one, i, { signed, scale }) => !signed && scale !== "row" && one.even(i);

const sizeOf = (v) => (isNaN(v) ? -1 : Math.abs(v));
/** Which cells of a row pass "only the top", "at least" and "hide the first column"; NaN always does */
export function passing(row, { top_k, threshold, hide_first }) {
  const top = top_k > 0 && top_k < row.length ? row.map(sizeOf).sort((a, b) => b - a)[top_k - 1] : -Infinity;
  return row.map((v, j) => isNaN(v) || (sizeOf(v) >= Math.max(top, threshold) && !(hide_first && j === 0)));
}

/** The words that are chosen: those that were kept, and the one that is looked at now */
export const chosen = (pins, cell, side) => [...new Set([...pins, ...(cell ? [cell[side === "key" ? 1 : 0]] : [])])];

/** What several words give, or get, added up */
export function added(one, words, side) {
  const rays = words.map((n) => (side === "key" ? one.column(n) : one.row(n)));
  return range(side === "key" ? one.nq : one.nk).map((n) => rays.reduce((sum, values) => sum + values[n], 0));
}

/** Of a word in the query line (0) or the key line (1): the cell that is the largest of its row or column */
export function cellOf(one, line, n) {
  const values = line ? one.column(n) : one.row(n);
  const most = values.reduce((top, v, m) => (v > values[top] || isNaN(values[top]) ? m : top), 0);
  return line ? [most, n] : [n, most];
}

/** A weight -> its place on the scale of colours, 0 to 255; `most`: the largest of its row */
export function level(v, most, { signed, scale, low, high }) {
  const top = signed ? Math.max(-low, high) : scale === "row" ? most || 1 : Math.max(1, high), t = v / top;
  return Math.round(255 * clamp(signed ? (t + 1) / 2 : scale === "sqrt" ? Math.sqrt(Math.max(0, t)) : t));
}

// ---- geometry: pure -----------------------------------------------------------------------------------------------------

/** A long name gives way at its end, the number of a repeat stays */
export function short(name) {
  const number = name.match(/[₀-₉]*$/)[0], signs = [...name];
  return signs.length > LONGEST ? `${signs.slice(0, LONGEST - 1 - number.length).join("")}…${number}` : name;
}
const SLANT = Math.SQRT1_2, STEEP = 130, FOOT = 36;     // names at 45 degrees, so long at most; room below the cells

/** Places in their order, moved until they are `gap` apart and none is beyond `end` */
export function spread(places, gap, end) {
  const apart = [];
  for (const at of places) apart.push(Math.max(at, (apart.at(-1) ?? -Infinity) + gap));
  return apart.map((at, n) => Math.min(at, end - (apart.length - 1 - n) * gap));
}

/** Where everything of the map is. data {nq, nk}; names {q, k}; look {width, tall, left: where the cells begin (0: behind the
 *  names), sums: room for the rows' sums, dots: of a pixel, wide: (text, size) => px}
 *  @returns {{width, height, x, y, cw, ch, flat, every: [row, column], size, left, sums, few}} few: names only of what is chosen */
export function geometry({ nq, nk }, names, { width, tall, left = 0, sums, dots = 1, wide }) {
  const size = Math.max(nq, nk) > 16 || width < 400 ? 12 : 13, side = sums ? 42 : 6;
  const lengths = (list) => list.map((name) => wide(short(name), size));
  const across = lengths(names.k), widest = Math.max(...across), before = Math.min(Math.max(...lengths(names.q)), 0.3 * width);
  const x = left || Math.ceil(Math.max(46, before) + 10), top = 38, few = Math.max(nq, nk) > MANY;
  const cellsOf = (above, right) => {                    // as large as there is room, at most twice as wide as high
    const [w, h] = [(width - x - right) / nk, (tall - above - FOOT) / nq];
    const both = [Math.min(64, w, Math.max(2 * h, 14)), Math.min(34, h, Math.max(2 * w, 14))];
    return both.map((cell) => (cell < 3 ? Math.max(1, Math.floor(cell * dots) / dots) : cell));        // whole dots: all rows alike
  };
  const even = cellsOf(top, side), flat = !few && widest < even[0] - 4;
  const y = flat ? top : Math.max(top, Math.ceil(SLANT * Math.min(widest, STEEP)) + 14);
  const lean = (cell) =>                                 // so far the last names lean over the right edge
    Math.max(side, ...across.map((length, j) => SLANT * Math.min(length, STEEP) + 8 - (nk - j - 0.5) * cell));
  const [cw, ch] = flat ? even : cellsOf(y, lean(cellsOf(y, lean(even[0]))[0]));
  const every = [Math.ceil((size + 0.5) / ch), Math.ceil((flat ? 1 : 17) / cw)];       // as many names as can be read
  const high = Math.ceil(y + nq * ch + FOOT), end = x + nk * cw;       // where it is scrolled, the last name has room, too
  return { width: end + side > width ? end + lean(cw) : width, height: high, x, y, cw, ch, flat, every, size, left, sums, few };
}

/** The cell at a point, or null */
export function cellAt({ x, y, cw, ch }, [px, py], { nq, nk }) {
  const [i, j] = [Math.floor((py - y) / ch), Math.floor((px - x) / cw)];
  return i >= 0 && j >= 0 && i < nq && j < nk ? [i, j] : null;
}

/** What is at a point, for { cell }; else the name that stands there { side, n }, or the row whose sum { sum }; or null */
export function spot(place, [px, py], size) {
  const { x, y, cw, ch, flat } = place, cell = cellAt(place, [px, py], size), i = Math.floor((py - y) / ch);
  const j = Math.floor((px - x - (flat ? 0 : Math.max(0, y - 6 - py))) / cw);          // names lean to the right
  if (cell) return { cell };
  if (py < y) return j >= 0 && j < size.nk ? { side: "key", n: j } : null;
  if (i >= size.nq) return null;
  return px < x ? { side: "query", n: i } : { sum: i };
}

// ---- paint: draws and returns nothing --------------------------------------------------------------------------------------

export const css = (colour) => `rgb(${colour})`;
/** Black or white, whichever can be read on a colour: at least 4.5 to 1 */
export function readable(colour) {
  const light = colour.reduce((sum, c, k) => sum + [0.2126, 0.7152, 0.0722][k] * (c / 255) ** 2.2, 0);
  return light < 0.18 ? "white" : "black";
}

/** The colours of the theme, and those of its scale */
export function inks(house, signed) {
  const names = ["ink", "faint", "paper", "blocked", "hatch", "bad", "query", "key", "query-text", "key-text"];
  return { ramp: scaleOf(house, signed), ...Object.fromEntries(names.map((name) => [name, house.colour(name)])) };
}

const font = (size, bold) => `${bold ? 600 : 400} ${size}px system-ui, sans-serif`;

export function write(pen, text, x, y, fill, { size = 12, bold = false, align = "left", turn = 0, most, behind } = {}) {
  pen.save();
  pen.translate(x, y);
  pen.rotate(turn);
  Object.assign(pen, { font: font(size, bold), textAlign: align, textBaseline: "middle", direction: "ltr" });
  if (behind) {                                          // paper behind what stands on other words
    const length = Math.min(pen.measureText(text).width, most ?? Infinity) + 4;
    pen.fillStyle = behind;
    const high = turn && fill !== behind ? size - 1 : size + 2;          // a name that goes, goes with its tails
    pen.fillRect({ left: -2, right: 2 - length, center: -length / 2 }[align], -high / 2, length, high);
  }
  pen.fillStyle = fill;
  pen.fillText(text, 0, 0, most);
  pen.restore();
}

export function paintPixels(pen, colours, x, y, width, height) {              // rows of colours, a cell each
  const image = new ImageData(colours[0].length, colours.length), small = new OffscreenCanvas(image.width, image.height);
  const { data } = image;
  let k = 0;
  for (const row of colours) for (const c of row) for (let part = 0; part < 4; part++) data[k++] = part < 3 ? c[part] : 255;
  small.getContext("2d").putImageData(image, 0, 0);
  pen.imageSmoothingEnabled = false;
  pen.drawImage(small, x, y, width, height);
}

/** The colour of each cell, and the share of all weight that is hidden */
export function coloured(one, state, ink) {
  const [bad, blocked, paper] = [ink.bad, ink.blocked, ink.paper].map(rgb), look = { ...state, low: one.low, high: one.high };
  let hidden = 0, total = 0;
  const rows = range(one.nq).map((i) => {
    const row = one.row(i), shown = passing(row, state), most = largest(row), white = whiteRow(one, i, state), colours = [];
    for (let j = 0; j < one.nk; j++) {
      const v = row[j];
      total += Math.abs(v) || 0;
      if (!shown[j]) hidden += Math.abs(v);
      colours.push(isNaN(v) ? bad : one.closed(i, j) ? blocked : shown[j] && !white ? ink.ramp[level(v, most, look)] : paper);
    }
    return colours;
  });
  return { rows, hidden: total ? hidden / total : 0 };
}

/** Thin marks at 1/n in a row that looks at all alike */
function paintEven(pen, one, i, { x, y, cw, ch }, state, fill, high) {
  pen.fillStyle = fill;
  passing(one.row(i), state).forEach((shown, j) => {
    if (shown && !one.closed(i, j)) pen.fillRect(x + (j + 0.3) * cw, y + (i + 0.7) * ch, 0.4 * cw, high);
  });
}

/** The cells. What is not allowed is hatched, and framed if a weight stands there. */
export function paintMap(pen, one, place, colours, state, ink) {
  const { x, y, cw, ch } = place;
  paintPixels(pen, colours, x, y, one.nk * cw, one.nq * ch);
  Object.assign(pen, { strokeStyle: ink.hatch, lineWidth: 1 });
  pen.strokeRect(x - 0.5, y - 0.5, one.nk * cw + 1, one.nq * ch + 1);
  if (Math.min(cw, ch) < 5) return;
  for (const i of range(one.nq)) if (whiteRow(one, i, state)) paintEven(pen, one, i, place, state, ink.hatch, 1);
  const closed = range(one.nq).flatMap((i) => range(one.nk).filter((j) => one.closed(i, j)).map((j) => [i, j]));
  pen.beginPath();
  for (const [i, j] of closed) {
    pen.moveTo(x + j * cw, y + (i + 1) * ch);
    pen.lineTo(x + (j + 1) * cw, y + i * ch);
  }
  pen.stroke();
  Object.assign(pen, { strokeStyle: ink.bad, lineWidth: 2 });
  for (const [i, j] of state.signed ? [] : closed) {
    if (Math.abs(one.at(i, j)) > one.nothing) pen.strokeRect(x + j * cw + 2, y + i * ch + 2, cw - 4, ch - 4);
  }
}

/** A name of the query line (0) or the key line (1) */
function paintName(pen, name, line, n, { x, y, cw, ch, flat, size, left, quiet }, fill, how = {}) {
  const [across, down] = [x + (n + 0.5) * cw, y + (n + 0.5) * ch];
  if (line === 0 && left) write(pen, short(name), 6, down, fill, { size, most: quiet - 12, ...how });
  else if (line === 0) write(pen, short(name), x - 6, down, fill, { size, align: "right", most: x - 8, ...how });
  else if (flat) write(pen, short(name), across, y - 6 - 0.34 * size, fill, { size, align: "center", ...how });
  else write(pen, short(name), across, y - 6 - 0.24 * size, fill, { size, turn: -Math.PI / 4, most: STEEP, ...how });
}

export function paintNames(pen, one, place, state, ink) {
  const { x, y, cw, ch, every } = place;
  if (!place.few) [state.tokens, state.key_tokens].forEach((names, line) => names.forEach((name, n) => {
    if (n % every[line] === 0) paintName(pen, name, line, n, place, ink.ink);
  }));
  let last = -Infinity;                                  // none stands on another
  if (place.sums) range(one.nq).forEach((i) => {
    const sum = one.sum(i), at = y + (i + 0.5) * ch, empty = Math.abs(sum) < 1e-4 && one.row(i).every((v, j) => one.closed(i, j));
    if (empty || sum.toFixed(2) === "1.00" || at - last < 12) return;
    write(pen, sum.toFixed(2), x + one.nk * cw + 6, last = at, ink.bad);
  });
  if (state.compact && !state._hint) return;             // of several side by side, the first says what the lines are
  const title = (long, plain) => (measure(long, font(13, true)) < x - 12 ? long : plain);
  write(pen, title(TITLES.query, "query"), place.left ? 6 : x - 6, y - 14, ink["query-text"], { bold: true, size: 13, align: place.left ? "left" : "right" });
  write(pen, title(`${TITLES.key} →`, "key →"), x - (place.left ? 10 : 6), y - 32, ink["key-text"], { bold: true, size: 13, align: "right" });
}

/** Beside each word, quietly, at whom it looks most. data: as weave.js takes it */
export function paintMost(pen, { weights, even, k }, { x, y, ch, every, quiet, bare }, ink) {
  if (bare) return;
  write(pen, "most at", quiet, y - 14, ink.faint);
  weights.forEach((row, i) => {
    const [[v, j]] = best(row), alike = even.indexOf(true) === i ? "all alike" : "", text = v > 0.02 ? `${short(k[j])}\u200e ${share(v)}` : "";
    if (i % every[0] === 0) write(pen, even[i] ? alike : text, quiet, y + (i + 0.5) * ch, ink.faint, { most: x - quiet - 6 });
  });
}

/** What the colours mean, in numbers */
export function paintLegend(pen, one, place, { signed, scale, compact }, ink) {
  const bar = signed || !compact || scale !== "absolute";                // beside others, shares of 1 go without
  const high = signed ? Math.max(-one.low, one.high) : Math.max(1, one.high), number = `${+high.toPrecision(signed ? 2 : 3)}`;
  const least = signed ? `−${number}` : "0", most = signed ? number : { row: "row's largest", sqrt: `${number} (root)`, absolute: number }[scale];
  const long = (text) => measure(text, font(12)), whole = long(least) + long(most) + (one.masked ? 99 + long(one.shut) : 60);
  const start = Math.max(0, Math.min(place.x, place.width - whole - 6)), x = start + long(least) + 6, y = place.y + one.nq * place.ch + 18;
  const after = bar ? x + 72 + long(most) : start;
  if (bar) {
    paintPixels(pen, [range(48).map((i) => ink.ramp[Math.round(i * 5.4)])], x, y - 5, 48, 10);
    write(pen, least, start, y, ink.faint);
    write(pen, most, x + 54, y, ink.faint);
  }
  if (!one.masked) return;
  Object.assign(pen, { fillStyle: ink.blocked, strokeStyle: ink.hatch, lineWidth: 1 });
  pen.fillRect(after, y - 5, 16, 10);
  pen.beginPath();
  pen.moveTo(after, y + 5);
  pen.lineTo(after + 16, y - 5);
  pen.stroke();
  write(pen, one.shut, after + 21, y, ink.faint);
}

/** Names of a long text: of what is chosen, and of the five largest that it looks at; without anything, as many as can be read.
 *  They stay in sight, [right, down], where the map is scrolled. best5: places on the other side */
function paintFew(pen, one, place, focus, words, best5, state, ink, [right, down]) {
  const { x, y, cw, ch, every } = place, line = state.side === "query" ? 0 : 1;
  for (const where of [0, 1]) {
    const [count, names, start, cell] = where ? [one.nk, state.key_tokens, x, cw] : [one.nq, state.tokens, y, ch];
    const strong = where === line ? words : focus ? [focus[where]] : [], some = [...strong, ...(where === line ? [] : best5)];
    const all = words.length ? [...new Set(some)] : range(count).filter((n) => n % every[where] === 0);
    const list = all.filter((n) => n < count).sort((a, b) => a - b);
    const places = spread(list.map((n) => start + (n + 0.5) * cell), where ? 18 : 15, start + count * cell), tone = ink[where ? "key-text" : "query-text"];
    pen.strokeStyle = tone;
    pen.lineWidth = 1;
    pen.beginPath();
    list.forEach((n, at) => {
      const from = start + (n + 0.5) * cell, to = places[at], how = { bold: strong.includes(n), behind: ink.paper };
      const ends = where ? [[from, down + y - 1], [to, down + y - 8]] : [[right + x - 1, from], [right + x - 7, to]];
      pen.moveTo(...ends[0]);
      pen.lineTo(...ends[1]);
      if (where) write(pen, short(names[n]), to, down + y - 12, tone, { ...how, turn: -Math.PI / 4, most: STEEP });
      else write(pen, short(names[n]), right + x - 10, to, tone, { ...how, align: "right", most: x - 12 });
    });
    pen.stroke();
  }
}

/** What moves with the hand: frames, the names of what is chosen, and sums where several words are. `seen` and `scrolled`: of
 *  a long text, seenBy() of text.js, and how far the map has been moved */
export function paintFocus(pen, one, place, focus, state, colours, ink, seen, scrolled) {
  const { x, y, cw, ch } = place, line = state.side === "query" ? 0 : 1, words = chosen(state.pins, focus, state.side);
  const five = place.few && seen ? best(seen.values).slice(0, 5).filter(([v]) => v > one.nothing).map(([, n]) => n) : [];
  const name = (n, where) => {
    if (place.few) return;
    const names = where ? state.key_tokens : state.tokens, near = where ? 17 / cw : 14 / ch;
    const step = place.every[where], before = n - (n % step);
    for (const m of [before, before + step]) {           // a name that would stand in its way goes
      if (m === n || m >= names.length || Math.abs(m - n) >= near) continue;
      paintName(pen, names[m], where, m, place, ink.paper, { behind: ink.paper });
    }
    paintName(pen, names[n], where, n, place, ink[where ? "key-text" : "query-text"], { bold: true, behind: ink.paper });
  };
  Object.assign(pen, { strokeStyle: line ? ink.key : ink.query, lineWidth: 1.5 });
  for (const n of words) {
    if (line) pen.strokeRect(x + n * cw - 1, y - 1, cw + 2, one.nq * ch + 2);
    else pen.strokeRect(x - 1, y + n * ch - 1, one.nk * cw + 2, ch + 2);
    name(n, line);
  }
  if (place.few) paintFew(pen, one, place, focus, words, five, state, ink, scrolled);       // names stand on frames
  if (!line) for (const i of words) paintRow(pen, one, i, place, colours, state, ink);
  if (words.length > 1 && !state.signed) paintSums(pen, one, place, added(one, words, state.side), line, ink);
  if (!focus) return;
  const [i, j] = focus;
  name(focus[1 - line], 1 - line);
  Object.assign(pen, { strokeStyle: ink.ink, lineWidth: 2.5 });
  pen.strokeRect(x + j * cw, y + i * ch, Math.max(cw, 3), Math.max(ch, 3));
}

/** A chosen row in numbers, where there is room; an even one in its marks */
function paintRow(pen, one, i, place, colours, state, ink) {
  const { x, y, cw, ch } = place;
  if (whiteRow(one, i, state)) return paintEven(pen, one, i, place, state, css(ink.ramp[128]), 2);
  if (state.signed || cw < 18 || ch <= 11) return;
  for (const [j, v] of one.row(i).entries()) {
    if (v > 0.02 && measure(share(v), font(12)) <= cw) write(pen, share(v), x + (j + 0.5) * cw, y + (i + 0.5) * ch, readable(colours[i][j]), { align: "center" });
  }
}

/** What several words give, below the columns; or get, beside the rows */
function paintSums(pen, one, { x, y, cw, ch, width }, sums, line, ink) {
  const most = Math.max(1, largest(sums)), thick = Math.min(16, (line ? ch : cw) - 2), said = [];
  const edge = 4 + (line ? x + one.nk * cw : y + one.nq * ch);
  pen.fillStyle = ink.paper;
  if (line) pen.fillRect(edge, y - 2, width - edge, one.nq * ch + 4); else pen.fillRect(0, edge, width, FOOT);
  for (const [v, n] of best(sums)) {
    if (!(v > 0.01)) continue;                           // nor where one is NaN
    const long = Math.max(1, ((line ? 10 : 16) * v) / most), at = line ? y + (n + 0.5) * ch : x + (n + 0.5) * cw;
    pen.fillStyle = css(ink.ramp[165]);
    if (line) pen.fillRect(edge, at - thick / 2, long, thick); else pen.fillRect(at - thick / 2, edge, thick, long);
    if (v < 0.05 || said.length > 6 || said.some((other) => Math.abs(other - at) < (line ? 12 : 28))) continue;
    said.push(at);
    if (line) write(pen, share(v), edge + long + 3, at, ink.ink, { bold: true });
    else write(pen, share(v), at, edge + long + 8, ink.ink, { bold: true, align: "center" });
  }
}
