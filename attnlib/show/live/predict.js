// A question: nothing of its answer is drawn before the reader has committed to a guess, and then it is drawn over the guess.
// A guess is a list: the cells that were chosen (row by row), the option [k], the shares of the parts, the heights of a line.

import { blue, clamp, drag, dress, ease, frames, isEven, keep, make, measure, numbers, press, share, sketch } from "./core.js";

// ---- numbers: pure --------------------------------------------------------------------------------------------------

const EMPTY = 0.005;                                                     // what is below would be printed as .00
const total = (row) => row.reduce((a, b) => a + b, 0);
const short = (x) => String(Math.abs(x) < 1000 ? +x.toPrecision(3) : Math.round(x)).replace(/^(-?)0\./, "$1.").replace("-", "−");
const amount = (x) => (x !== 0 && Math.abs(x) < 0.995 ? share(x) : short(x));
const furthest = (a, b) => a.map((x, k) => Math.abs(x - b[k])).reduce((best, off, k, all) => (off > all[best] ? k : best), 0);

/** How good a guess is, 0 to 1; Predict in predict.py says what counts. */
export const points = {
  cells({ truth, many }, guess) {
    if (!many) return truth[guess[0]] / Math.max(...truth);
    const said = truth.map((_, at) => guess.includes(at)), right = truth.map((w) => w >= EMPTY);
    const either = said.filter((is, at) => is || right[at]).length;
    return either ? said.filter((is, at) => is && right[at]).length / either : 1;
  },
  choice: ({ truth }, guess) => truth[guess[0]],
  split: ({ truth }, guess) => clamp(total(guess.map((x, k) => Math.min(x, truth[k])))),
  curve({ truth, given, limits: [low, high] }, guess) {
    const level = given === null ? (low + high) / 2 : truth[given];
    const off = (ys) => total(ys.map((y, k) => (y - truth[k]) ** 2)) / (truth.length - (given === null ? 0 : 1));
    return clamp(1 - off(guess) / Math.max(off(truth.map(() => level)), ((high - low) / 4) ** 2));
  },
};

export const verdict = (kind, got) =>
  got >= 0.97 ? (kind === "choice" ? "Right." : "Exactly.") : got > 0.88 ? "Very near." : got > 0.45 ? "Partly." : "Not this time.";

const several = (names) => (names.length > 4 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", "));

const cellNames = ({ rows, columns, many }) =>
  rows.flatMap((row) => columns.map((column) => (many && rows.length === 1 ? column : `${row} → ${column}`)));
const marks = (names, wrong, missed) => [`You said ${several(names) || "none"}.`, wrong.length ? `Empty: ${several(wrong)}.` : "",
  missed.length ? `You left out ${several(missed)}.` : ""].filter(Boolean).join(" ");

/** The guess in words, beside the truth. */
export const said = {
  cells(question, guess) {
    const { truth, many } = question, names = cellNames(question), word = (at) => names[at];
    if (!many) return `You said ${names[guess[0]]}: it gets ${amount(truth[guess[0]])}.`;
    const missed = [...truth.keys()].filter((at) => truth[at] >= EMPTY && !guess.includes(at));
    return marks(guess.map(word), guess.filter((at) => truth[at] < EMPTY).map(word), missed.map(word));
  },
  choice: ({ options, whynot }, guess) => `You said “${options[guess[0]]}”. ${whynot[guess[0]]}`.trim(),
  split({ parts, truth }, guess) {
    const k = furthest(guess, truth);
    if (Math.abs(guess[k] - truth[k]) < 0.015) return "You gave every part its share, within .01.";
    return `You gave ${parts[k]} ${share(guess[k])}; it gets ${share(truth[k])}.`;
  },
  curve({ xs, truth, limits: [low, high] }, guess) {
    const k = furthest(guess, truth);
    if (Math.abs(guess[k] - truth[k]) < 0.03 * (high - low)) return "Your line is nowhere far off.";
    return `You drew ${amount(guess[k])} at ${xs[k]}; it is ${amount(truth[k])}.`;
  },
};

/** A sentence at least as long as any of these: so much room is kept for the verdict. */
export function longest(question) {
  const { kind, truth, many, options, parts, xs } = question, byLength = (list) => [...list].sort((a, b) => b.length - a.length);
  if (kind === "choice") return byLength(options.map((_, k) => said.choice(question, [k])))[0];
  if (kind === "split") return byLength(["You gave every part its share, within .01.", ...parts.map((one) => `You gave ${one} 1.00; it gets 1.00.`)])[0];
  if (kind === "curve") return byLength(["Your line is nowhere far off.", ...xs.map((x) => `You drew −0.001 at ${x}; it is −0.001.`)])[0];
  const names = cellNames(question), of = (empty) => byLength(names.filter((_, at) => (truth[at] < EMPTY) === empty));
  return many ? marks(byLength(names), of(true), of(false)) : `You said ${byLength(names)[0]}: it gets 0.000.`;
}

/** Shares after the edge behind part k has moved to `to`, 0 … 1; the neighbours' edges hold it. */
export function shifted(shares, k, to) {
  const before = total(shares.slice(0, k)), both = shares[k] + shares[k + 1], mine = clamp(Math.round(to * 100) / 100 - before, 0, both);
  return shares.map((x, at) => (at === k ? +mine.toFixed(4) : at === k + 1 ? +(both - mine).toFixed(4) : x));
}

/** A line after a stroke from [x, y] to [x, y]: what it crosses lies on it, and the place it nears follows; `given` stays. */
export function stroke(heights, given, [from, low], [to, high]) {
  return heights.map((y, k) => {
    if (k === given) return y;
    if (from !== to && (k - from) * (k - to) <= 0) return +(low + ((high - low) * (k - from)) / (to - from)).toPrecision(6);
    return k === Math.round(to) && Math.abs(to - k) <= Math.abs(from - k) ? high : y;
  });
}

/** **bold**, *slanted* and `code` -> [[tag, text], …] */
export function marked(text) {
  const parts = [], mark = /\*\*(.+?)\*\*|\*(?=\S)(.+?)\*|`(.+?)`/g;
  let end = 0;
  for (const found of text.matchAll(mark)) {
    parts.push(["", text.slice(end, found.index)], found[1] ? ["b", found[1]] : found[2] ? ["i", found[2]] : ["code", found[3]]);
    end = found.index + found[0].length;
  }
  return [...parts, ["", text.slice(end)]].filter(([, one]) => one);
}

// ---- geometry: pure ---------------------------------------------------------------------------------------------------

/** As much of a text as fits. */
export function cut(text, room, ruler) {
  const letters = [...text];
  if (ruler(text) <= room) return text;
  while (letters.length > 1 && ruler(`${letters.join("")}…`) > room) letters.pop();
  return `${letters.join("")}…`;
}

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
    const room = clamp(width - 24 * n - 40, 36, 120), left = Math.min(widest(rows), room) + 10;
    const level = columns.every((one, j) => (ruler(one) + ruler(columns[j + 1] ?? one)) / 2 <= Math.min(most, (width - left) / n) - 6);
    const over = level ? 0 : Math.min(widest(columns), 72), above = level ? 24 : Math.round(over * 0.71) + 14;
    const c = clamp(Math.floor(Math.min((width - left - over * 0.6) / n, 430 / m)), 24, most);
    const across = columns.map((one) => cut(one, level ? 2 * c : 72, ruler)), down = rows.map((one) => cut(one, room, ruler));
    return { c, left, above, level, across, down, width, height: above + m * c + 24 };
  },
  split: (_, width) => ({ left: 12, wide: width - 24, top: 28, tall: 44, below: 112, width, height: 178 }),
  curve({ xs, limits: [low, high] }, width, ruler = measure) {
    const box = { x: 46, y: 26, w: Math.min(width, 620) - 46 - 86, h: 200 }, step = box.w / (xs.length - 1);
    const every = Math.ceil((Math.max(...xs.map((one) => ruler(one))) + 14) / step), last = xs.length - 1;
    return {
      ...box, width, height: 276, ticks: [low, (low + high) / 2, high],
      X: (k) => box.x + step * k, Y: (y) => box.y + box.h * (1 - (y - low) / (high - low)),
      near(x, y) {                                                       // from the corner of the box: which place, how high
        const up = Math.round(100 * clamp(1 - y / box.h)) / 100;
        return [clamp(x / step, 0, last), +(low + (high - low) * up).toPrecision(6)];
      },
      marks: [...xs.keys()].filter((k) => k === last || (k % every === 0 && last - k >= every)),
    };
  },
  choice: () => null,
};

// ---- paint: each kind from its question, its state and its place ---------------------------------------------------------

const MINE = "var(--query-text)", TRUE = "var(--w3)", middle = { "text-anchor": "middle" }, still = { "pointer-events": "none" };
const inkOn = (depth, dark) => (depth > (dark ? 0.5 : 0.68) ? "var(--paper)" : "var(--ink)");      // on that blue

function paintCells({ put }, { truth, rows, columns }, { guess, done, committed, focus, t, dark }, place) {
  const { c, left, above, level, across, down } = place, n = columns.length, unit = Math.max(1, ...truth);
  across.forEach((name, j) => {
    const x = left + (j + 0.5) * c, slanted = { x: 0, y: 0, transform: `translate(${x + 3} ${above - 6}) rotate(-45)` };
    put(`column${j}`, "text", 0, level ? { x, y: above - 8, "text-anchor": "middle" } : slanted, name);
  });
  down.forEach((name, i) => put(`row${i}`, "text", 0, { x: left - 8, y: above + (i + 0.5) * c + 4.5, "text-anchor": "end" }, name));
  truth.forEach((w, at) => {
    const i = Math.floor(at / n), j = at % n, x = left + j * c, y = above + i * c;
    const mine = guess.includes(at) && (committed || !done), words = `${rows[i]} looks at ${columns[j]}`;
    put(`cell${at}`, "rect", 0, {
      x: x + 0.5, y: y + 0.5, width: c - 1, height: c - 1, rx: 3, fill: "var(--paper)", stroke: "var(--line)",
      cursor: done ? "default" : "pointer", "data-cell": at, tabindex: at === focus ? 0 : -1, role: "button", "aria-pressed": mine,
      "aria-disabled": done, "aria-label": done ? `${words}: ${amount(w)}${mine ? ", your guess" : ""}` : words,
    });
    if (done && w >= EMPTY) {
      const side = Math.sqrt(w / unit) * (c - 4) * t, even = isEven(truth.slice(i * n, i * n + n)), depth = 0.15 + (0.85 * w) / unit;
      const square = { x: x + (c - side) / 2, y: y + (c - side) / 2, width: side, height: side, rx: 3 }, ink = inkOn(depth, dark);
      put(`weight${at}`, "rect", 1, { ...square, fill: blue(depth), ...still });
      if (!even && side > 17) put(`number${at}`, "text", 2, { x: x + c / 2, y: y + c / 2 + 4, class: "small", ...middle, fill: ink, ...still }, amount(w));
    }
    if (mine) put(`mine${at}`, "rect", 3, {
      x: x + 2, y: y + 2, width: c - 4, height: c - 4, rx: 5, fill: done ? "none" : `color-mix(in srgb, ${MINE} 18%, transparent)`,
      stroke: MINE, "stroke-width": 2.5, "stroke-dasharray": done ? "4 3" : "none", ...still,
    });
  });
  if (done && committed) put("note", "text", 0, { x: left, y: above + rows.length * c + 18, class: "small", fill: MINE }, "dashed: your guess");
}

function paintSplit({ put }, { parts, truth }, { guess, done, committed, t, dark }, { left, wide, top, tall, below }) {
  const tint = (k) => `color-mix(in srgb, ${MINE} ${Math.round(60 * 0.62 ** k)}%, var(--paper))`, depth = (k) => 0.85 * 0.55 ** k;
  const bar = (name, shares, y, grown, fill, ink) => shares.forEach((s, k) => {
    const x = left + wide * total(shares.slice(0, k)) * grown;
    put(`${name}${k}`, "rect", 0, { x: x + 0.5, y, width: Math.max(0, s * wide * grown - 1), height: tall, rx: 3, fill: fill(k) });
    if (s * wide > 30 && grown === 1) put(`${name}-number${k}`, "text", 1, { x: x + s * wide / 2, y: y + tall / 2 + 4.5, ...middle, fill: ink(k) }, share(s));
  });
  const own = !done || committed, named = own ? guess : truth, line = own ? top - 14 : below - 14;
  const names = parts.map((one) => cut(one, wide / parts.length - 10, measure));
  const middles = named.map((s, k) => left + wide * (total(named.slice(0, k)) + s / 2));
  apart(middles, names.map((one) => measure(one) / 2 + 1), left, left + wide).forEach((x, k) => {
    put(`name${k}`, "text", 1, { x, y: line, ...middle }, names[k]);
    if (Math.abs(x - middles[k]) > 4) put(`leader${k}`, "line", 0, { x1: x, y1: line + 4, x2: middles[k], y2: line + 13, stroke: "var(--hatch)" });
  });
  if (own) {
    bar("mine", guess, top, 1, tint, () => "var(--ink)");
    put("own", "text", 0, { x: left, y: top + tall + 21, class: "small", fill: MINE }, done ? "your guess" : "your bar of 1");
  }
  if (done) {
    bar("true", truth, below, t, (k) => blue(depth(k)), (k) => inkOn(depth(k), dark));
    put("truth", "text", 0, { x: left, y: below + tall + 16, class: "small", fill: TRUE }, "the truth");
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
  if (given !== null) {
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

/** HTML: the options as radio buttons, made once. @returns paint */
function optionsOf(parent, { options }, name, choose) {
  const set = make("fieldset", parent, { class: "options", "aria-label": "options" });
  const rows = options.map((text, k) => {
    const label = make("label", set, { dir: "auto" }), input = make("input", label, { type: "radio", name, value: k, "data-lm-suppress-shortcuts": "true" });
    write(make("span", label), text);
    input.addEventListener("keydown", (event) => event.stopPropagation());
    input.addEventListener("change", () => choose([k]));
    return { label, input, note: make("small", label) };
  });
  return ({ truth }, { guess, done, committed }) => rows.forEach(({ label, input, note }, k) => {
    const right = done && truth[k] === 1, mine = guess[0] === k && !(done && !committed);
    input.checked = mine;
    input.disabled = done;
    label.className = [right ? "right" : "", mine ? "mine" : ""].join(" ").trim();
    note.textContent = [right ? "✓" : "", done && mine ? "your guess" : ""].filter(Boolean).join(" ");
  });
}

// ---- hands: what a click, a key or a drag makes of the state ----------------------------------------------------------------

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
const focused = (svg, name, at) => svg.querySelector(`[data-${name}="${at}"]`)?.focus({ preventScroll: true });

/** Keys of the marks in a drawing that carry data-NAME: answer(which, event) -> a change or nothing */
function markKeys(svg, name, answer, change) {
  svg.addEventListener("keydown", (event) => {
    const at = event.target.dataset?.[name];
    if (at === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    const news = answer(+at, event);
    if (!news) return;
    event.preventDefault();
    event.stopPropagation();
    change(news);
    if (news.focus !== undefined) focused(svg, name, news.focus);
  });
}

const hands = {
  cells(svg, { question: { rows, columns, many }, state, change }) {
    const n = columns.length, pick = (at) => {
      const had = state.guess.includes(at), rest = many ? state.guess.filter((one) => one !== at) : [];
      return state.done ? { focus: at } : { focus: at, guess: had ? rest : [...rest, at].sort((a, b) => a - b) };
    };
    svg.addEventListener("click", (event) => event.target.dataset.cell && change(pick(+event.target.dataset.cell)));
    markKeys(svg, "cell", (at, { key }) => {
      if (key === " " || key === "Enter") return pick(at);
      const [down, right] = STEPS[key] ?? [0, key === "Home" ? -n : key === "End" ? n : 0];
      return down || right ? { focus: clamp(Math.floor(at / n) + down, 0, rows.length - 1) * n + clamp(at % n + right, 0, n - 1) } : null;
    }, change);
  },
  split(svg, { question: { parts }, state, place, hit, change }) {
    let held = 0, aside = 0;
    const edges = () => parts.slice(1).map((_, k) => total(state.guess.slice(0, k + 1)));
    markKeys(svg, "edge", (k, { key }) => {
      const [down, right] = STEPS[key] ?? [0, 0], by = { PageUp: 0.1, PageDown: -0.1, Home: -1, End: 1 }[key] ?? (right - down) / 100;
      return by ? { guess: shifted(state.guess, k, edges()[k] + by), touched: true } : null;
    }, change);
    drag(hit, ([x], event) => {
      const to = (x - 12) / place().wide;
      if (event.type === "pointerdown") {
        const all = edges(), off = (k) => Math.abs(all[k] - to);
        held = all.reduce((best, edge, k) => (off(k) < off(best) || (edge === all[best] && to > edge) ? k : best), 0);
        aside = off(held) * place().wide <= 12 ? all[held] - to : 0;     // a handle does not jump under the hand
      }
      change({ guess: shifted(state.guess, held, to + aside), touched: true });
    }, () => focused(svg, "edge", held));
  },
  curve(svg, { question: { given, truth, limits: [low, high] }, state, place, hit, change }) {
    let last = null;
    markKeys(svg, "point", (k, { key, shiftKey }) => {
      const far = { PageUp: [-4, 0], PageDown: [4, 0], Home: [0, -truth.length], End: [0, truth.length] }[key];
      const [down, right] = STEPS[key] ?? far ?? [0, 0], by = down * (shiftKey ? 0.01 : 0.05) * (high - low);
      if (!down && !right) return null;
      const guess = [...state.guess], to = clamp(k + right, 0, truth.length - 1), way = Math.sign(right);
      guess[k] ??= (low + high) / 2;
      for (let at = k; at !== to; at += way) guess[at + way] ??= guess[at];      // the line goes on level
      if (k !== given && !right) guess[k] = +clamp(guess[k] - by, low, high).toPrecision(6);
      return { focus: to, guess };
    }, change);
    drag(hit, ([x, y], event) => {
      const now = place().near(x, y);
      change({ guess: stroke(state.guess, given, event.type === "pointerdown" ? now : last, now), focus: Math.round(now[0]) });
      last = now;
    }, () => focused(svg, "point", state.focus));
  },
};

// ---- the card -----------------------------------------------------------------------------------------------------------------

const HOW = {
  cells: "Choose one cell: the row looks, the column is looked at.", many: "Choose every cell that will not be empty.", choice: "Choose one.",
  split: "Drag the handles, or move them with the arrow keys.", curve: "Draw the line; or ← → for the next point, ↑ ↓ to move it.",
};
const PAINT = { cells: paintCells, split: paintSplit, curve: paintCurve };
let cards = 0;

function write(node, text) {
  node.replaceChildren(...marked(text).map(([tag, one]) => (tag ? make(tag, null, {}, one) : one)));
}

/** What the model holds, unsealed. */
function read(model) {
  const rest = model.get("_question"), { why, whynot } = JSON.parse(new TextDecoder().decode(model.get("_words"))), bytes = model.get("_truth");
  return { kind: model.get("kind"), ...rest, truth: numbers(bytes, [bytes.byteLength / 4]), why, whynot };
}

/** The guess as Python has it, and back. */
const outward = ({ kind, columns, many, options }, guess) => {
  const pairs = guess.map((at) => (kind === "cells" ? [Math.floor(at / columns.length), at % columns.length] : at));
  return kind === "cells" ? (many ? pairs : pairs[0]) : kind === "choice" ? options[guess[0]] : guess;
};
const inward = ({ kind, columns, many, options }, guess) =>
  kind === "cells" ? (many ? guess : [guess]).map(([i, j]) => i * columns.length + j) : kind === "choice" ? [options.indexOf(guess)] : [...guess];

const FRESH = {
  cells: () => [], choice: () => [], split: ({ start }) => [...start],
  curve: ({ truth, given }) => truth.map((y, k) => (k === given ? y : null)),
};
const fresh = (question) => (
  { guess: FRESH[question.kind](question), touched: false, done: false, committed: false, more: false, focus: question.given ?? 0, t: 0 });
const ready = ({ kind, many }, { guess, touched }) => (
  kind === "split" ? touched : kind === "curve" ? !guess.includes(null) : many || guess.length > 0);

/** The verdict, the guess in words, the reason. got: points of this guess, null for none; first: those that count */
function judge(says, { kind, why }, sentence, got, first) {
  const head = make("p", null, { class: "head" }), body = make("p");
  make("b", head, { class: "big" }, got === null ? "Shown." : verdict(kind, got));
  if (first !== null) make("i", head, { class: "disc", style: `--got: ${Math.round(100 * first)}%`, "aria-hidden": "true" });
  make("span", head, { class: "points" }, first === null ? "no points" : `${first === got ? "" : "first guess: "}${amount(first)} of 1`);
  write(body, `${sentence} ${why}`.trim());
  says.replaceChildren(head, body);
}

function render({ model, el }) {
  const house = dress({ model, el }, "predict", { readout: false }), { root } = house, id = `attnlib-predict-${++cards}`;
  const question = read(model), { kind } = question, state = { ...fresh(question), dark: false };
  root.setAttribute("role", "group");
  root.setAttribute("aria-labelledby", id);
  const card = make("div", root, { class: "card" }), asks = make("div", card, { class: "asks" });
  const ask = make("p", asks, { class: "ask", id, dir: "auto" });
  make("p", asks, { class: "how" }, HOW[question.many ? "many" : kind]);
  const picture = make("div", card, { class: "picture" }), bar = make("div", card, { class: "hands" });
  const says = make("div", card, { class: "says", "aria-live": "polite" });
  let place = null, sending = false, wired = kind === "choice";
  const pen = kind === "choice" ? null : sketch(picture, { role: "group", "aria-label": "your guess" });
  const options = pen ? null : optionsOf(picture, question, id, (guess) => change({ guess }));
  const clock = frames((gone) => { state.t = clamp(state.t + gone / 320); paint(); return state.t < 1; });
  const commit = press(bar, "commit", () => finish(true), { class: "go" }), show = press(bar, "show me", () => finish(false), { class: "quiet" });
  const more = press(bar, "…", () => { change({ more: true }); again.focus({ preventScroll: true }); }, { class: "quiet", "aria-label": "more" }), again = press(bar, "try again", retry);
  house.present(bar).classList.add("quiet");

  function paint() {
    const { done } = state;
    if (pen) {
      PAINT[kind](pen, question, { ...state, t: ease(state.t), dark: house.dark() }, place);
      pen.done();
    } else options(question, state);
    root.classList.toggle("done", done);
    [commit.hidden, show.hidden, more.hidden, again.hidden] = [done, done, !done || state.more, !done || !state.more];
    commit.disabled = !ready(question, state);
    commit.textContent = question.many && !state.guess.length ? "commit: none" : "commit";
  }
  function verdictNow() {
    if (!state.done) return says.replaceChildren();
    const got = state.committed ? points[kind](question, state.guess) : null;
    judge(says, question, got === null ? "" : said[kind](question, state.guess), got, model.get("points"));
  }
  function change(news) {
    Object.assign(state, news);
    if (place || !pen) paint();
  }
  function finish(committed) {
    const here = root.contains(document.activeElement), first = model.get("points") === null && !model.get("shown");
    change({ done: true, committed, more: false, t: 0 });
    const got = committed ? points[kind](question, state.guess) : null;
    sending = true;
    kept.send(committed ? { guess: outward(question, state.guess), committed, ...(first ? { points: got } : {}) } : { shown: true });
    sending = false;
    verdictNow();
    clock.ask();
    if (here) more.focus({ preventScroll: true });                       // the button that had the focus has gone
  }
  function retry() {
    change(fresh(question));
    verdictNow();
    picture.querySelector("[tabindex='0'], input")?.focus({ preventScroll: true });
  }
  function adopt() {                                                     // what Python or another view of this card has set
    const { guess, committed, shown } = kept.get(), known = guess !== null, done = (committed && known) || shown;
    write(ask, model.get("ask"));
    const mine = known ? { guess: inward(question, guess), touched: true } : {};
    change({ ...fresh(question), ...mine, done, committed: committed && known, t: 1 });
    verdictNow();
  }
  const kept = keep(model, ["ask", "guess", "committed", "points", "shown"], () => { if (!sending) adopt(); });
  function lay() {
    if (!root.clientWidth) return;                                       // not on the page yet
    const wide = root.clientWidth - 12, two = wide >= 660;
    root.classList.toggle("two", two);
    const width = two ? wide - 24 - Math.round(clamp(wide * 0.36, 240, 320)) : wide;
    place = geometry[kind](question, Math.max(width, 300));
    if (pen) pen.resize(place.width, place.height);
    if (!wired) hands[kind](pen.svg, { question, state, place: () => place, hit: pen.put("hit", "rect", 3, {}), change });
    wired = true;
    paint();
    const trial = make("div", card, { class: "says trial", "aria-hidden": "true", style: `width:${says.clientWidth}px` });
    judge(trial, question, longest(question), 0, 0.99);                  // room for any verdict: the card keeps its size
    says.style.minHeight = `${trial.offsetHeight + 1}px`;
    trial.remove();
  }
  adopt();
  house.watch(lay);
  house.start();
  return () => { clock.stop(); kept.close(); house.close(); };
}

export default { render };
