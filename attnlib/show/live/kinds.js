// The kinds of question that predict.js asks: where everything is, and how it is drawn.

import { blue, clamp, cut, isEven, measure, share } from "./core.js";

const SLANT = Math.SQRT1_2;                                               // how high and wide a name at 45 degrees is, of its length
export const EMPTY = 0.005;                                              // what is below would be printed as .00
export const total = (row) => row.reduce((a, b) => a + b, 0);
const short = (x) => String(Math.abs(x) < 1000 ? +x.toPrecision(3) : Math.round(x)).replace(/^(-?)0\./, "$1.").replace("-", "−");
export const amount = (x) => (x !== 0 && Math.abs(x) < 0.995 ? share(x) : short(x));

// ---- geometry: pure ---------------------------------------------------------------------------------------------------

/** Middles of names that stand as near to `middles` as they can without touching; half: half their widths. */
export function apart(middles, half, low, high, gap = 10) {
  const x = [...middles];
  for (let k = 0; k < x.length; k++) x[k] = Math.max(x[k], k ? x[k - 1] + half[k - 1] + gap + half[k] : low + half[k]);
  for (let k = x.length - 1; k >= 0; k--) x[k] = Math.min(x[k], k + 1 < x.length ? x[k + 1] - half[k + 1] - gap - half[k] : high - half[k]);
  return x;
}

export const geometry = {
  cells({ rows, columns }, width, ruler = measure) {
    const [m, n] = [rows.length, columns.length], most = m === 1 ? 56 : 36, widest = (names) => Math.max(...names.map((one) => ruler(one)));
    const room = clamp(width - 24 * n - 40, 36, 200), left = Math.min(widest(rows), room) + 10;
    const alone = n === 1 ? clamp(Math.ceil(ruler(columns[0])) + 12, 60, 160) : 0;         // a column with none beside it
    const fits = (one, j) => (ruler(one) + ruler(columns[j + 1] ?? one)) / 2 <= Math.min(most, (width - left) / n) - 6;
    const level = alone > 0 || columns.every(fits), long = clamp((470 - 24 * m) / SLANT, 72, 160);
    const along = (one) => Math.min(ruler(one), long), right = width - left - 4;
    const above = level ? 24 : Math.ceil(Math.max(...columns.map(along)) * SLANT) + 14;
    const beyond = level ? [] : columns.map((one, j) => (right - SLANT * along(one)) / (j + 0.5));
    const c = clamp(Math.floor(Math.min((width - left) / n, (495 - above) / m, ...beyond)), 24, most), w = n === 1 ? Math.max(c, alone) : c;
    const free = (j) => (level ? alone || 2 * c : Math.min(long, (right - (j + 0.5) * c) / SLANT));
    const across = columns.map((one, j) => cut(one, free(j), ruler)), down = rows.map((one) => cut(one, room, ruler));
    return { c, w, left, above, level, across, down, width, height: above + m * c + 24 };
  },
  split: (_, width) => ({ left: 12, wide: width - 24, top: 28, tall: 44, below: 116, width, height: 190 }),
  curve({ xs, limits: [low, high] }, width, ruler = measure) {
    const box = { x: 46, y: 26, w: Math.min(width, 620) - 46 - 86, h: 200 }, step = box.w / (xs.length - 1);
    const every = Math.ceil((Math.max(...xs.map((one) => ruler(one))) + 14) / step), last = xs.length - 1;
    return {
      ...box, width, height: 276, ticks: [low, (low + high) / 2, high],
      X: (k) => box.x + step * k, Y: (y) => box.y + box.h * (1 - (y - low) / (high - low)),
      /** From the corner of the box: which place, how high. */
      near: (x, y) => [clamp(x / step, 0, last), +(low + (high - low) * Math.round(100 * clamp(1 - y / box.h)) / 100).toPrecision(6)],
      marks: [...xs.keys()].filter((k) => k === last || (k % every === 0 && last - k >= every)),
    };
  },
  choice: () => null,
};

// ---- paint: each kind from its question, its state and its place ---------------------------------------------------------

const MINE = "var(--query-text)", TRUE = "var(--w3)", middle = { "text-anchor": "middle" }, still = { "pointer-events": "none" };
const inkOn = (depth, dark) => (depth > (dark ? 0.5 : 0.68) ? "var(--paper)" : "var(--ink)");      // on that blue

/** A name that may be cut: then the whole one is its title. */
function nameOf(put, mark, look, name, whole) {
  const node = put(mark, "text", 0, name === whole ? look : { ...look, role: "img", "aria-label": whole }, name);
  if (name !== whole && !node.childElementCount) node.appendChild(document.createElementNS(node.namespaceURI, "title")).textContent = whole;
}

function paintCells({ put }, { truth, rows, columns }, { guess, done, committed, focus, t, dark }, place) {
  const { c, w: cw, left, above, level, across, down } = place, n = columns.length, unit = Math.max(1, ...truth);
  across.forEach((name, j) => {
    const x = left + (j + 0.5) * cw, slanted = { x: 0, y: 0, transform: `translate(${x + 3} ${above - 6}) rotate(-45)` };
    nameOf(put, `column${j}`, level ? { x, y: above - 8, ...middle } : slanted, name, columns[j]);
  });
  down.forEach((name, i) => nameOf(put, `row${i}`, { x: left - 8, y: above + (i + 0.5) * c + 4.5, "text-anchor": "end" }, name, rows[i]));
  const lines = rows.map((_, i) => truth.slice(i * n, i * n + n));
  const even = lines.map((row) => isEven(row) && Math.abs(total(row) - 1) < 0.05); // no row of a mask
  truth.forEach((w, at) => {
    const i = Math.floor(at / n), j = at % n, x = left + j * cw, y = above + i * c;
    const mine = guess.includes(at) && (committed || !done), words = `${rows[i]} looks at ${columns[j]}`;
    put(`cell${at}`, "rect", 0, {
      x: x + 0.5, y: y + 0.5, width: cw - 1, height: c - 1, rx: 3, fill: "var(--paper)", stroke: "var(--line)",
      cursor: done ? "default" : "pointer", "data-cell": at, tabindex: at === focus ? 0 : -1, role: "button", "aria-pressed": mine,
      "aria-disabled": done, "aria-label": done ? `${words}: ${amount(w)}${mine ? ", your guess" : ""}` : words,
    });
    const [midX, midY] = [x + cw / 2, y + c / 2];
    if (done && even[i]) put(`even${at}`, "line", 1, { x1: midX - 4 * t, x2: midX + 4 * t, y1: midY, y2: midY, stroke: "var(--faint)", ...still });
    else if (done && w >= EMPTY) {
      const side = Math.sqrt(w / unit) * (c - 4) * t, depth = 0.15 + (0.85 * w) / unit;
      put(`weight${at}`, "rect", 1, { x: midX - side / 2, y: midY - side / 2, width: side, height: side, rx: 3, fill: blue(depth), ...still });
      if (side > 17) put(`number${at}`, "text", 2, { x: midX, y: midY + 4, class: "small", ...middle, fill: inkOn(depth, dark), ...still }, amount(w));
    }
    if (mine) put(`mine${at}`, "rect", 3, {
      x: x + 2, y: y + 2, width: cw - 4, height: c - 4, rx: 5, fill: done ? "none" : `color-mix(in srgb, ${MINE} 18%, transparent)`,
      stroke: MINE, "stroke-width": 2.5, "stroke-dasharray": done ? "4 3" : "none", ...still,
    });
  });
  const note = (name, x, text, look) => put(name, "text", 0, { x, y: above + rows.length * c + 18, ...look }, text), own = done && committed;
  if (own) note("note", left, "dashed: your guess", { class: "small", fill: MINE });
  if (done && even.includes(true)) note("alike", left + (own ? 136 : 0), "– everywhere alike", { class: "small faint" });
}

function paintSplit({ put }, { parts, truth }, { guess, done, committed, t, dark }, { left, wide, top, tall, below }) {
  const tint = (k) => `color-mix(in srgb, ${MINE} ${Math.round(60 * 0.62 ** k)}%, var(--paper))`, depth = (k) => 0.85 * 0.55 ** k;
  const bar = (name, shares, y, grown, fill, ink) => shares.forEach((s, k) => {
    const x = left + wide * total(shares.slice(0, k)) * grown;
    put(`${name}${k}`, "rect", 0, { x: x + 0.5, y, width: Math.max(0, s * wide * grown - 1), height: tall, rx: 3, fill: fill(k) });
    if (s * wide > 30 && grown === 1) put(`${name}-number${k}`, "text", 1, { x: x + s * wide / 2, y: y + tall / 2 + 4.5, ...middle, fill: ink(k) }, share(s));
  });
  /** Names near their segments, above a bar or below it; told: with the numbers that do not stand in the bar. */
  const label = (name, shares, y, side, told) => {
    const names = parts.map((one, k) => {
      const number = told && shares[k] * wide <= 30 ? ` ${amount(shares[k])}` : "";
      return `${cut(one, wide / parts.length - 10 - measure(number), measure)}${number}`;
    });
    const middles = shares.map((s, k) => left + wide * (total(shares.slice(0, k)) + s / 2));
    apart(middles, names.map((one) => measure(one) / 2 + 1), left, left + wide).forEach((x, k) => {
      put(`${name}${k}`, "text", 1, { x, y: y + (side < 0 ? -14 : 23), ...middle }, names[k]);
      const leader = { x1: x, y1: y + side * 10, x2: middles[k], y2: y + side, stroke: "var(--hatch)" };
      if (Math.abs(x - middles[k]) > 4) put(`${name}-leader${k}`, "line", 0, leader);
    });
  };
  if (!done || committed) {
    label("name", guess, top, -1, done);
    bar("mine", guess, top, 1, tint, () => "var(--ink)");
    put("own", "text", 0, { x: left, y: top + tall + 17, class: "small", fill: MINE }, done ? "your guess" : "your bar of 1");
  }
  if (done) {
    bar("true", truth, below, t, (k) => blue(depth(k)), (k) => inkOn(depth(k), dark));
    put("truth", "text", 0, { x: left, y: below - 6, class: "small", fill: TRUE }, "the truth");
    if (t === 1) label("part", truth, below + tall, 1, true);
    return;
  }
  put("later", "rect", 0, { x: left + 0.5, y: below, width: wide - 1, height: tall, rx: 3, fill: "none", stroke: "var(--hatch)", "stroke-dasharray": "3 4" });
  put("later-word", "text", 0, { x: left + wide / 2, y: below + 27, ...middle, class: "faint" }, "the truth, once you have committed");
  parts.slice(1).forEach((_, k) => {
    const edge = total(guess.slice(0, k + 1)), x = left + wide * edge;
    put(`grip${k}`, "line", 2, { x1: x, x2: x, y1: top - 4, y2: top + tall + 4, stroke: "var(--ink)", "stroke-width": 4, "stroke-linecap": "round" });
    put(`knob${k}`, "circle", 2, { cx: x, cy: top + tall + 6, r: 6, fill: "var(--ink)" });
    put(`edge${k}`, "rect", 2, {
      x: x - 12, y: top - 6, width: 24, height: tall + 20, class: "touch", "data-edge": k, tabindex: 0, role: "slider",
      "aria-label": `between ${parts[k]} and ${parts[k + 1]}`, "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.round(100 * edge),
      "aria-valuetext": `${parts[k]} ${share(guess[k])}, ${parts[k + 1]} ${share(guess[k + 1])}`,
    });
  });
  put("hit", "rect", 3, { x: left - 12, y: top - 6, width: wide + 24, height: tall + 20, class: "touch", cursor: "ew-resize" });
}

function paintCurve({ put }, question, state, place) {
  const { xs, truth, given, xlabel, ylabel, limits: [low, high] } = question, { guess, done, committed, focus, t } = state;
  const { x, y, w, h, X, Y, ticks } = place, last = xs.length - 1, own = !done || committed;
  const line = (name, ys, more) => {
    const path = ys.flatMap((one, k) => (one === null ? [] : [`${X(k)},${Y(one)}`])).join(" ");
    put(name, "polyline", 1, { points: path, fill: "none", "stroke-width": 2.5, "stroke-linejoin": "round", ...more });
  };
  put("box", "rect", 0, { x, y, width: w, height: h, rx: 3, fill: "var(--band)" });
  ticks.forEach((one, k) => put(`tick${k}`, "text", 0, { x: x - 8, y: Y(one) + 4, class: "faint small", "text-anchor": "end" }, short(one)));
  place.marks.forEach((k) => put(`mark${k}`, "text", 0, { x: X(k), y: y + h + 17, class: "faint small", ...middle }, xs[k]));
  put("across", "text", 0, { x: x + w / 2, y: y + h + 38, class: "faint", ...middle }, xlabel);
  put("up", "text", 0, { x, y: y - 10, class: "faint" }, ylabel);
  if (done && committed) truth.forEach((one, k) => put(`off${k}`, "line", 0, { x1: X(k), x2: X(k), y1: Y(one), y2: Y(guess[k]), stroke: "var(--hatch)" }));
  if (own) line("mine", guess, { stroke: MINE, "stroke-dasharray": done ? "5 4" : "none" });
  if (done) {
    line("true", truth, { stroke: TRUE, pathLength: 1, "stroke-dasharray": `${t} 1.01` });
    const ends = [["truth", "the truth", TRUE, Y(truth[last])], ...(own ? [["own", "your guess", MINE, Y(guess[last])]] : [])].sort((a, b) => a[3] - b[3]);
    apart(ends.map((end) => end[3]), ends.map(() => 8), y - 8, y + h + 8, 2).forEach((middleY, k) => {
      put(ends[k][0], "text", 2, { x: X(last) + 8, y: middleY + 4, fill: ends[k][2] }, ends[k][1]);
    });
    return;
  }
  const below = given !== null && truth[given] < (low + high) / 2, start = guess.every((one, k) => one === null || k === given);
  if (start) put("hint", "text", 1, { x: x + w / 2, y: y + h * (below ? 0.3 : 0.75), class: "faint", ...middle }, "draw here, from left to right");
  if (start && given !== null) {                                         // a line would cross the words
    const right = given > last / 2, dot = Y(truth[given]), look = { x: X(given) + (right ? -10 : 10), y: dot + (dot < y + 24 ? 20 : -9), class: "small" };
    put("given", "text", 2, { ...look, "text-anchor": right ? "end" : "start" }, `given: ${amount(truth[given])}`);
  }
  guess.forEach((one, k) => {
    if (one !== null) put(`dot${k}`, "circle", 2, { cx: X(k), cy: Y(one), r: k === focus ? 6 : 4, fill: k === given ? "var(--ink)" : MINE });
    put(`point${k}`, "circle", 2, {
      cx: X(k), cy: Y(one ?? (low + high) / 2), r: 12, class: "touch", "data-point": k, tabindex: k === focus ? 0 : -1, role: "slider",
      "aria-orientation": "vertical", "aria-label": `${ylabel} at ${xlabel} ${xs[k]}`, "aria-valuemin": low, "aria-valuemax": high,
      "aria-valuenow": one ?? (low + high) / 2, "aria-valuetext": one === null ? "not drawn yet" : `${amount(one)}${k === given ? ", given" : ""}`,
    });
  });
  put("hit", "rect", 3, { x, y, width: w, height: h, class: "touch", cursor: "crosshair" });
}

export const PAINT = { cells: paintCells, split: paintSplit, curve: paintCurve };
