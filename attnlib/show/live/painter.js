// The painter: a mask that is painted by hand. From cause to effect, left to right: who may look at whom, what the head then
// does, who hears whom after how many layers. One crosshair runs through all three; what leaks is red, and has a shape of its own.

import {
  best, blue, choice, clamp, cut, drag, dress, frames, keep, keys, make, masked, measure, menu, numbers, place, press, share, sketch,
  slider, softmax,
} from "./core.js";

const STARTS = ["standard", "causal", "local", "global-local"], LONGEST = 84, BEAM = 26, PAST = 200, BOLD = "600 13px system-ui, sans-serif";

// ---- numbers: pure --------------------------------------------------------------------------------------------------------

/** A table of n × n. */
export const table = (n, of) => Array.from({ length: n }, (row, i) => Array.from({ length: n }, (cell, j) => of(i, j)));
export const read = (text, n = Math.sqrt(text.length)) => table(n, (i, j) => text[i * n + j] === "1");
export const written = (mask) => mask.flat().map(Number).join("");
const total = (row) => row.reduce((sum, x) => sum + x, 0), whole = (row) => Math.abs(total(row) - 1) < 0.005;
const pairs = (cells) => cells.flatMap((row, i) => row.flatMap((yes, j) => (yes ? [[i, j]] : [])));

/** The weights of a head whose mask comes "before" the softmax, or "after" it. */
export function weigh(scores, mask, order) {
  if (order === "after") return scores.map((row, i) => softmax(row).map((w, j) => (mask[i][j] ? w : 0)));
  return scores.map((row, i) => softmax(row.map((s, j) => (mask[i][j] ? s : -Infinity))));
}

/** Layers until word i knows of word j: 0 for itself, -1 for never. */
export function hops(hears) {
  const all = [...hears.keys()];
  return all.map((i) => {
    const layers = all.map((j) => (i === j ? 0 : -1));
    for (let layer = 1, edge = [i]; edge.length; layer++) {
      edge = all.filter((j) => layers[j] < 0 && edge.some((over) => hears[over][j]));
      for (const j of edge) layers[j] = layer;
    }
    return layers;
  });
}

/** All that a mask brings about. `hears`: in one layer, for after the softmax who looks at all hears all in the sum. A leak
 *  is heard although the mask shuts it, or although it comes later and the future is forbidden. */
export function judged(scores, mask, { order, future, goal }) {
  const n = mask.length, open = mask.flat().filter(Boolean).length, weights = weigh(scores, mask, order);
  const hears = order === "before" ? mask : mask.map((row) => row.map(() => row.some(Boolean))), layers = hops(hears);
  const later = (i, j) => !future && j > i, near = (i, j) => !leaks[i][j] && layers[i][j] > 0 && layers[i][j] <= goal.layers;
  const leaks = table(n, (i, j) => i !== j && ((!mask[i][j] && hears[i][j]) || (later(i, j) && layers[i][j] > 0)));
  const due = pairs(table(n, (i, j) => i !== j && !later(i, j))), most = Math.floor(goal.price * n * n + 1e-9), rows = weights.map(whole);
  const never = due.filter(([i, j]) => layers[i][j] < 0);
  const met = [!leaks.flat().some(Boolean), rows.every(Boolean), due.every(([i, j]) => near(i, j)), open <= most];
  const deepest = due.reduce((top, [i, j]) => Math.max(top, layers[i][j]), 0);
  const holes = table(n, (i, j) => mask[i][j] && later(i, j));
  return { mask, order, future, open, weights, hears, layers, leaks, rows, never, deepest, most, met, holes };
}

/** A mask after a stroke of the brush, from one cell to another: a rectangle, whole rows, columns, or diagonals. */
export function painted(mask, { tool, from, to, open }) {
  const within = (x, a, b) => x >= Math.min(a, b) && x <= Math.max(a, b), [[i0, j0], [i1, j1]] = [from, to];
  const row = (i) => within(i, i0, i1), column = (i, j) => within(j, j0, j1), diagonal = (i, j) => within(i - j, i0 - j0, i1 - j1);
  const hit = { row, column, diagonal, rectangle: (i, j) => row(i) && column(i, j) }[tool];
  return mask.map((line, i) => line.map((was, j) => (hit(i, j) ? open : was)));
}

/** Does a stroke that begins here open or shut? One cell turns over; a line opens unless all of it is open. */
export function opens(mask, tool, [i, j]) {
  return !({ row: mask[i], column: mask.map((row) => row[j]) }[tool] ?? [mask[i][j]]).every(Boolean);
}

// ---- words: pure ----------------------------------------------------------------------------------------------------------

/** While both faults of the beginning are there, the words say that it leaks, and not why: that is to be found. */
const untold = (N) => N.order === "after" && N.holes.flat().some(Boolean);
const some = ([head, ...rest], one) => `${one(head)}${rest.length ? `, + ${rest.length} more` : ""}`;

/** What stands below each panel: [the number that matters, a sentence, is it bad?] */
export function facts(N, words) {
  const far = ([i, j]) => N.layers[i][j], n = words.length, broken = N.rows.filter((ok) => !ok).length;
  const empty = N.mask.flatMap((row, i) => (row.some(Boolean) ? [] : [i])), leaks = pairs(N.leaks).sort((a, b) => far(a) - far(b));
  const told = (verb) => ([i, j]) => `${words[i]} ${verb} ${words[j]}`, all = N.future ? "all others" : "all before it";
  const layers = `${N.deepest} ${N.deepest === 1 ? "layer" : "layers"}`, lost = untold(N) ? "each row should share out a whole 1" : "softmax shared out the whole 1, then the mask struck some of it out";
  return [
    [`${N.open} of ${n * n}`, `pairs allowed: ${Math.round((100 * N.open) / n / n)} % of the full price`, false],
    broken ? [`${broken} ${broken === 1 ? "row" : "rows"} broken`, empty.length ? `${some(empty, (i) => words[i])} may look at nobody` : lost, true]
      : ["rows sum to 1", "what is forbidden gets nothing, the rest shares out the 1", false],
    leaks.length ? [`${leaks.length} ${leaks.length === 1 ? "leak" : "leaks"}`, some(leaks, (pair) => `${told("hears")(pair)} and must not`), true]
      : N.never.length ? ["no leak", `but ${some(N.never, told("never hears"))}`, false] : [layers, `until each has heard ${all}; no leak`, false],
  ];
}

/** The goal as four conditions: [met?, words] */
export function conditions(N, goal) {
  const now = N.never.length ? "never" : N.deepest, all = N.future ? "all hear all" : "all hear the past";
  const texts = ["no leak", "rows sum to 1", `${all} in ${goal.layers} ${goal.layers === 1 ? "layer" : "layers"} (now ${now})`, `at most ${N.most} pairs (now ${N.open})`];
  return texts.map((text, k) => [N.met[k], text]);
}

/** The cell of the crosshair in words: text, and [text, class] */
export function sentence(N, words, [i, j], soft, turned) {
  const a = [words[i], "q"], b = [i === j ? "itself" : words[j], "k"], open = N.mask[i][j], far = N.layers[i][j], leak = N.leaks[i][j], row = N.weights[i];
  const over = [words[words.findIndex((_, k) => k !== i && N.hears[i][k] && N.layers[k][j] === far - 1)], "part"], bad = (text) => [text, "bad"];
  const others = N.leaks.flatMap((line, k) => (line[j] && !N.mask[k][j] && k !== i ? [k] : []));
  const parts = turned && N.order === "before" && N.met[1] ? ["Rows sum to 1 now. "] : [];
  if (parts.length && N.met[0]) return ["Repaired: each row shares out its whole 1 among the allowed words, and no other is heard."];
  if (leak) parts.push(bad("A leak."), " ");
  if (!N.mask[i].some(Boolean)) return [...parts, a, " may look at nobody: ", N.order === "after" ? "its row is all 0." : "0 ÷ 0. Many libraries say NaN; here the row stays 0."];
  if (leak && open) {
    const through = [some(others, (k) => words[k]), "q"], hear = others.length === 1 ? " hears " : " hear ";
    const more = N.order === "before" && others.length ? ["; through ", a, ", ", through, hear, b, " too"] : [];
    return [...parts, a, " may look at ", b, ", which comes later", ...more, untold(N) ? "." : ". Shut the cell."];
  }
  if (leak && N.order === "after") {
    const had = untold(N) ? "Yet " : `But softmax had given ${share(soft[i][j])} to it before the mask came: `;
    return [...parts, a, " may not look at ", b, `, and its weight is 0. ${had}`, b, " still changes what ", a, " gets."];
  }
  if (leak) return [...parts, a, " may not look at ", b, ", which comes later, but hears of it through ", over, `, in ${far} layers.`];
  if (open) {
    const rest = whole(row) ? [" of its attention."] : ["; its row adds up to ", bad(share(total(row))), "."];
    return [...parts, a, " may look at ", b, " and gives it ", [share(row[j]), "part"], ...rest];
  }
  if (i === j) return [...parts, a, " may not look at itself. What it knows is carried along all the same."];
  return [...parts, a, " may not look at ", b, ...(far > 0 ? [", but hears of it through ", over, `, in ${far} layers.`] : [", and never hears of it."])];
}

/** Where the crosshair stands at first: at the largest share that was struck out, a hole, a leak; or the last word. */
export function first(N, soft) {
  const n = soft.length, struck = soft.flatMap((row, i) => row.map((w, j) => (N.leaks[i][j] && !N.mask[i][j] ? w : 0)));
  const lost = N.order === "after" ? best(struck)[0] : [0];
  return lost[0] > 0 ? [Math.floor(lost[1] / n), lost[1] % n] : pairs(N.holes)[0] ?? pairs(N.leaks)[0] ?? [n - 1, 0];
}

// ---- geometry: pure -------------------------------------------------------------------------------------------------------

/** Three grids { x, y, w, h } with cells of w × h, and where the facts stand; on a wide page their rows are one. `tall`: room for
 *  the mask; `room`: [for the words at its left, above it] */
export function geometry(n, width, tall, [left, over]) {
  const top = 22 + over, x = left + 8;
  if (width >= 560) {
    const small = width < 700, gap = small ? 14 : 24, free = width - x - 2 * gap - BEAM - 30;
    const side = Math.min(free * (small ? 0.5 : 0.42), tall), h = side / n, w = Math.min(h, (free - side) / 2 / n);
    const second = x + side + gap, third = second + n * w + BEAM + 30 + gap, y = top + side + 6;
    const grids = [[x, h], [second, w], [third, w]].map(([at, wide]) => ({ x: at, y: top, w: wide, h }));
    const wide = [side, third - second - 12, width - third], deep = small ? 122 : 70;
    return { n, x, top, grids, width, height: y + deep, small, bare: false, facts: grids.map((grid, k) => ({ x: grid.x, y, w: wide[k] })) };
  }
  const c = Math.min(width - x - over + 22, 300) / n, low = top + c * n + 100, w = Math.min(18, (width - BEAM - 50) / 2 / n);
  const third = Math.max(n * w + BEAM + 50, width / 2);
  const grids = [{ x, y: top, w: c, h: c }, { x: 0, y: low, w, h: w }, { x: third, y: low, w, h: w }], y = low + n * w + 6;
  const under = [{ x, y: top + c * n + 6, w: width - x }, { x: 0, y, w: third - 14 }, { x: third, y, w: width - third }];
  return { n, x, top, grids, width, height: y + 96, small: true, bare: true, facts: under };
}

/** The cell of a grid at a point, or null. */
export function cellAt({ n, grids }, [x, y]) {
  for (const grid of grids) {
    const i = Math.floor((y - grid.y) / grid.h), j = Math.floor((x - grid.x) / grid.w);
    if (i >= 0 && j >= 0 && i < n && j < n) return [i, j];
  }
  return null;
}

// ---- paint ----------------------------------------------------------------------------------------------------------------

const tenth = (x) => Math.round(x * 10) / 10, middle = (grid, i, j) => [grid.x + (j + 0.5) * grid.w, grid.y + (i + 0.5) * grid.h];

/** Marks of one look are one path: hundreds of cells are a dozen marks. */
function piles({ put, hatch }) {
  const line = (stroke, width = 1.5) => ({ fill: "none", stroke: `var(--${stroke})`, "stroke-width": width }), fill = (name) => ({ fill: `var(--${name})` });
  const looks = {
    band: [0, { fill: "var(--line)", opacity: 0.45 }], shut: [1, { fill: hatch }], pale: [1, { fill: hatch, opacity: 0.6 }], beam: [1, fill("line")], frame: [2, line("line", 1)],
    stair: [2, { ...line("faint"), "stroke-dasharray": "3 3" }], open: [2, fill("allowed")], far: [2, { fill: "var(--paper)", stroke: "var(--allowed)" }],
    quiet: [2, fill("faint")], self: [2, fill("hatch")], full: [2, fill("w3")], bad: [3, fill("bad")], hole: [3, line("bad", 2)], lost: [3, line("bad", 1.2)],
    farLeak: [3, { ...line("bad"), fill: "var(--paper)" }], cursor: [4, line("ink")], chosen: [4, { ...line("ink"), "stroke-dasharray": "4 3" }],
    ...Object.fromEntries(Array.from({ length: 11 }, (_, k) => [`w${k}`, [2, { fill: blue(0.25 + 0.075 * k) }]])),
  };
  const ways = new Map();
  const draw = (look, d) => ways.set(look, (ways.get(look) ?? "") + d);
  return {
    draw,
    box(look, x, y, w, h, r = 0) {
      const c = tenth(Math.min(r, w / 2, h / 2)), arc = (dx, dy) => `a${c} ${c} 0 0 1 ${dx} ${dy}`;
      if (w < 0.3 || h < 0.3) return;
      draw(look, c < 0.5 ? `M${tenth(x)} ${tenth(y)}h${tenth(w)}v${tenth(h)}h${tenth(-w)}z`
        : `M${tenth(x + c)} ${tenth(y)}h${tenth(w - 2 * c)}${arc(c, c)}v${tenth(h - 2 * c)}${arc(-c, c)}h${tenth(2 * c - w)}${arc(-c, -c)}v${tenth(2 * c - h)}${arc(c, -c)}z`);
    },
    inside(look, grid, i, j, part, r = 3, space = 2) {                   // part of a cell, from its middle
      const [x, y] = middle(grid, i, j), [w, h] = [grid.w - space, grid.h - space].map((side) => side * part);
      this.box(look, x - w / 2, y - h / 2, w, h, r);
    },
    round(look, grid, i, j, part) {
      const [x, y] = middle(grid, i, j), side = Math.min(grid.w, grid.h) * part;
      this.box(look, x - side / 2, y - side / 2, side, side, side / 2);
    },
    finish() { for (const [look, d] of ways) put(look, "path", looks[look][0], { ...looks[look][1], d }); ways.clear(); },
  };
}

function paintFrame(pen, put, at, k, title, words, [ci, cj]) {
  const grid = at.grids[k], { x, y, w, h } = grid, wide = at.n * w, high = at.n * h, named = k === 0, bare = at.bare && k;
  pen.box("band", x, y + ci * h, wide, h);
  pen.box("band", x + cj * w, y, w, high);
  pen.box("frame", x, y, wide, high);
  put(`title${k}`, "text", 3, { x, y: bare ? y - 28 : 14, class: "name" }, title);
  if (named) put("hint", "text", 3, { x: x + 50, y: 14, class: "faint" }, "drag to paint");
  words.forEach((word, t) => {
    const mid = x + (t + 0.5) * w, look = { class: t === cj ? "k part" : "faint" }, room = t % 2 === 0 && Math.abs(t - cj) > 1;
    if (!named) return;
    const side = { x: x - 6, y: tenth(y + (t + 0.5) * h + 4.5), "text-anchor": "end", class: t === ci ? "q part" : "" };
    put(`side${t}`, "text", 3, side, cut(word, LONGEST));
    look.transform = `translate(${tenth(mid + 3)} ${y - 5}) rotate(-45)`;
    if (w >= 17 || room || t === cj) put(`top${t}`, "text", 3, look, cut(word, 70));
  });
  if (named) return;
  const name = cut(words[cj], wide), half = measure(name, BOLD) / 2;
  const mid = tenth(clamp(x + (cj + 0.5) * w, x + half, x + Math.max(half, wide - half)));
  put(`top.${k}`, "text", 3, { x: mid, y: y - 6, "text-anchor": "middle", class: "k part" }, name);
}

function paintMask(pen, put, at, N, moving) {
  const grid = at.grids[0], { x, y, w, h } = grid;
  N.mask.forEach((row, i) => row.forEach((open, j) => {
    if (moving.open[i][j] < 0.9) pen.inside("shut", grid, i, j, 1, 0, 1);
    pen.inside("open", grid, i, j, moving.open[i][j]);
    if (N.holes[i][j]) pen.inside("hole", grid, i, j, 1, 3, 3);
  }));
  if (!N.future) pen.draw("stair", `M${tenth(x + w)} ${tenth(y)}${N.mask.slice(1).map(() => `v${tenth(h)}h${tenth(w)}`).join("")}`);
}

function paintWeights(pen, put, at, N, moving) {
  const grid = at.grids[1], right = grid.x + at.n * grid.w + 8;
  N.weights.forEach((row, i) => {
    const open = row.filter((_, j) => N.mask[i][j]), even = open.length > 1 && Math.max(...open) - Math.min(...open) < 0.012;
    const sum = total(row), ok = N.rows[i], y = grid.y + (i + 0.5) * grid.h;
    row.forEach((_, j) => {
      const w = moving.weights[i][j], lost = Math.sqrt(moving.lost[i][j]);
      if (!N.mask[i][j]) pen.inside("pale", grid, i, j, 1, 0, 1);
      pen.inside(even ? "quiet" : `w${Math.round(clamp(w) * 10)}`, grid, i, j, Math.sqrt(w), 2, 3);
      if (lost * Math.min(grid.w, grid.h) < 2.5) return;
      const [cx, cy] = middle(grid, i, j), [a, b] = [grid.w - 4, grid.h - 4].map((side) => (side * lost) / 2);
      pen.box("lost", cx - a, cy - b, 2 * a, 2 * b, 2);
      pen.draw("lost", `M${tenth(cx - a)} ${tenth(cy + b)}L${tenth(cx + a)} ${tenth(cy - b)}`);
    });
    pen.box("beam", right, y - 2, BEAM, 4, 2);
    pen.box(ok ? "full" : "bad", right, y - 2, BEAM * Math.min(1, sum), 4, 2);
    put(`total${i}`, "text", 3, { x: right + BEAM + 5, y: tenth(y + 4), class: ok ? "small faint" : "small bad part" }, ok ? "1" : sum ? share(sum) : "0");
  });
}

function paintReach(pen, put, at, N) {
  const grid = at.grids[2], roomy = grid.w >= 15;
  N.layers.forEach((row, i) => {
    const digits = { small: [], "small bad part": [] }, y = tenth(grid.y + (i + 0.5) * grid.h + 4);     // of a row in one text
    row.forEach((layer, j) => {
      const leak = N.leaks[i][j], [x] = middle(grid, i, j), said = [...(layer > 9 && !roomy ? "+" : String(layer))];
      if (layer < 0) return pen.inside("pale", grid, i, j, 1, 0, 1);
      if (layer === 0) return pen.round("self", grid, i, j, 0.22);
      if (layer === 1) return leak ? pen.round("bad", grid, i, j, 0.5) : pen.inside("open", grid, i, j, 0.6);
      if (roomy) pen[leak ? "round" : "inside"](leak ? "farLeak" : "far", grid, i, j, 0.88);
      said.forEach((digit, k) => digits[leak ? "small bad part" : "small"].push([digit, tenth(x + (k - (said.length - 1) / 2) * 7)]));
    });
    for (const [look, list] of Object.entries(digits).filter(([, one]) => one.length)) {
      const [text, x] = [0, 1].map((k) => list.map((one) => one[k]));
      put(`${look}${i}`, "text", 4, { x: x.join(" "), y, "text-anchor": "middle", class: look }, text.join(""));
    }
  });
}

function paint(pen, put, at, N, moving, state, words) {
  ["mask", "weights", at.small ? "hears whom" : "who hears whom"].forEach((title, k) => paintFrame(pen, put, at, k, title, words, state.at));
  paintMask(pen, put, at, N, moving);
  paintWeights(pen, put, at, N, moving);
  paintReach(pen, put, at, N);
  for (const grid of at.grids) pen.box("cursor", grid.x + state.at[1] * grid.w, grid.y + state.at[0] * grid.h, grid.w, grid.h, 3);
  if (!state.anchor) return;
  const { x, y, w, h } = at.grids[0], [[i, a], [j, b]] = [0, 1].map((k) => [state.anchor[k], state.at[k]].sort((p, q) => p - q));
  pen.box("chosen", x + j * w - 1, y + i * h - 1, (b - j + 1) * w + 2, (a - i + 1) * h + 2, 4);
}

// ---- state, controls, hands -------------------------------------------------------------------------------------------------

const HELP = "A mask to paint: rows look, columns are looked at. Arrow keys move, with Shift they choose a rectangle, Space opens or shuts it;"
  + " R a row, C a column, D a diagonal. X turns before and after softmax, Z undoes, Y redoes.";

/** The controls; `act` has a function for each thing that a hand can do. @returns a function that shows a state in them */
function build(house, { title, heads, n, act }) {
  if (title) make("p", house.root, { class: "part" }, title);
  const bar = make("div", house.root, { class: "row" });
  const named = (name, ...how) => choice(make("span", bar, { class: "set" }, name), ...how);
  const order = named("mask", "when the mask comes", ["after softmax", "before softmax"], (name) => act.turn(name.split(" ")[0]));
  const start = named("start", "start from a pattern", [...STARTS, "empty"], act.start);
  const undo = press(bar, "undo", act.undo), redo = press(bar, "redo", act.redo);
  const wide = slider(bar, "window", { min: 1, max: n }, act.widen, act.commit);
  const tool = named("paint", "what a drag paints", ["rectangle", "diagonal"], (name) => act.change({ tool: name }));
  const future = named("future", "may a word hear the future?", ["forbidden", "allowed"], (name) => act.send({ future: name === "allowed" }));
  const head = heads.length > 1 ? menu(bar, "head", heads, (k) => act.send({ head: k })) : null;
  house.present(bar).style.marginLeft = "auto";
  return (state, mask) => {
    order.set(`${state.order} softmax`);
    order.node.classList.toggle("wrong", state.order === "after");
    start.set([...STARTS, "empty"].find((name) => written(act.pattern(name)) === written(mask)) ?? "");
    wide.set(state.window);
    tool.set(state.tool);
    future.set(state.future ? "allowed" : "forbidden");
    head?.set(state.head);
    undo.disabled = !state.past.length;
    redo.disabled = !state.next.length;
  };
}

/** The nodes of what is said in words: a fact below each panel, and the goal with its check. */
function says(stage) {
  const boxes = [0, 1, 2].map(() => make("div", stage, { class: "fact" }));
  const all = { facts: boxes.map((box) => ({ box, big: make("p", box), text: make("p", box, { class: "faint" }) })), goal: make("p", null, { class: "goal" }) };
  all.solved = make("b", all.goal, { "aria-live": "polite" });
  all.marks = [0, 1, 2, 3].map(() => make("span", all.goal));
  all.price = make("i", all.facts[0].box);
  return all;
}

function tell(nodes, at, N, words, goal) {
  facts(N, words).forEach(([big, text, bad], k) => {
    const { x, y, w } = at.facts[k], node = nodes.facts[k];
    Object.assign(node.box.style, { left: `${x}px`, top: `${y}px`, width: `${w}px` });
    node.big.textContent = big;
    node.big.className = bad ? "big bad" : "big";
    node.text.textContent = text;
  });
  nodes.price.style.setProperty("--got", `${(100 * N.open) / N.mask.length ** 2}%`);
  nodes.price.style.setProperty("--goal", `${100 * goal.price}%`);
  const solved = N.met.every(Boolean), name = solved ? "Solved" : "Goal";
  nodes.goal.classList.toggle("done", solved);
  if (nodes.solved.textContent !== name) nodes.solved.textContent = name;
  conditions(N, goal).forEach(([met, text], k) => {
    nodes.marks[k].textContent = `${met ? "✓" : "○"} ${text}`;
    nodes.marks[k].className = met ? "met" : "";
  });
}

/** Where a finger or a mouse paints: over the mask, the names at its left, those above it. { name: [box, cell of a point] } */
function canvases({ n, grids: [{ x, y, w, h }] }, [i, j]) {
  const cell = (v, size) => clamp(Math.floor(v / size), 0, n - 1), [wide, high] = [n * w, n * h];
  return {
    cell: [{ x, y, width: wide, height: high }, (px, py) => [cell(py, h), cell(px, w)]],
    row: [{ x: 0, y, width: x - 2, height: high }, (px, py) => [cell(py, h), j]],
    column: [{ x, y: 22, width: wide, height: y - 24 }, (px) => [i, cell(px, w)]],
  };
}

/** Drag, click, hover, keys. A finger on the mask paints; elsewhere it scrolls. */
function hands({ svg, put }, act, state) {
  for (const name of ["cell", "row", "column"]) {
    drag(put(`canvas.${name}`, "rect", 5, { class: "canvas" }), (point) => {
      const to = canvases(act.find(), state.at)[name][1](...point);
      act.stroke(name === "cell" ? state.tool : name, state.stroke?.from ?? to, to);
    }, act.commit);
  }
  const chosen = (event) => {
    const at = cellAt(act.find(), place(svg, event));
    if (at && String(at) !== String(state.at)) act.change({ at, anchor: null });
  };
  svg.addEventListener("pointermove", (event) => { if (!event.buttons && event.pointerType === "mouse") chosen(event); });
  svg.addEventListener("click", chosen);
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -99], End: [0, 99] };
  const paints = { " ": "rectangle", Enter: "rectangle", r: "row", c: "column", d: "diagonal" };
  keys(svg, ({ key, shiftKey }) => {
    const low = key.length === 1 ? key.toLowerCase() : key, to = (x, k) => clamp(x + steps[key][k], 0, act.find().n - 1);
    if (steps[key]) return () => act.change({ at: state.at.map(to), anchor: shiftKey ? state.anchor ?? state.at : null });
    if (paints[low]) return () => { act.stroke(paints[low], state.anchor ?? state.at, state.at); act.commit(); };
    if (key === "Escape" && state.anchor) return () => act.change({ anchor: null });
    return { x: () => act.turn(state.order === "after" ? "before" : "after"), z: shiftKey ? act.redo : act.undo, y: act.redo }[low];
  }, (go) => go());
}

const LOOKS = ["at", "anchor", "tool"];                                  // what changes no number

function render({ model, el }) {
  const house = dress({ model, el }, "painter"), get = (name) => model.get(name), words = get("tokens"), n = words.length;
  const shown = keep(model, ["_cells", "order", "future", "window", "head", "goal"], (news) => take(news));
  const tables = numbers(get("_scores"), [get("titles").length, n, n]), softs = tables.map((rows) => rows.map(softmax));
  const fresh = { tool: "rectangle", stroke: null, trial: null, anchor: null, at: null, past: [], next: [], turned: false, wide: "local" };
  const state = { ...shown.get(), ...fresh }, moving = {}, named = (name) => (name === "global-local" ? name : "local");
  let mask = read(state._cells), sent = state._cells, N = null, at = null;

  const now = () => state.trial ?? (state.stroke ? painted(mask, state.stroke) : mask);
  const clock = frames((ms) => {
    if (!at) return false;
    const struck = (i, j) => (state.order === "after" && !N.mask[i][j] ? softs[state.head][i][j] : 0);
    const aims = { open: N.mask, weights: N.weights, lost: table(n, struck) }, part = 1 - Math.exp(-ms / 70);
    let on = false;
    for (const [name, aim] of Object.entries(aims)) {
      moving[name] = table(n, (i, j) => {
        const was = moving[name]?.[i][j] ?? 0, far = aim[i][j] - was, moves = Math.abs(far) > 0.004;
        on ||= moves;
        return moves ? was + far * part : +aim[i][j];
      });
    }
    paint(pen, drawing.put, at, N, moving, state, words);
    pen.finish();
    for (const [name, [box]] of Object.entries(canvases(at, state.at))) drawing.put(`canvas.${name}`, "rect", 5, box);
    drawing.done();
    return on;
  });
  function change(news) {
    Object.assign(state, { turned: false }, news);
    if (!N || !Object.keys(news).length || Object.keys(news).some((name) => !LOOKS.includes(name))) {
      N = judged(tables[state.head], now(), state);
      if (at) tell(nodes, at, N, words, state.goal);
    }
    if (!("at" in news)) show(state, N.mask);
    state.at ??= first(N, softs[state.head]);
    house.say(sentence(N, words, state.at, softs[state.head], state.turned));
    clock.ask();
  }
  function settle(next) {                                                // a mask for good
    mask = next;
    change({ stroke: null, trial: null, anchor: null });
    sent = written(mask);
    shown.send({ _cells: sent, window: state.window }, 150);
  }
  function take(news) {                                                  // from Python, or from another view of this model
    if ("_cells" in news && [sent, written(mask)].includes(news._cells)) return;
    if ("_cells" in news) [state.past, mask, sent] = [[...state.past, mask].slice(-PAST), read(news._cells), news._cells];
    change({ ...news, stroke: null, trial: null });
  }
  const act = {
    change,
    find: () => at,
    send(news) { change(news); shown.send(news, 150); },
    turn(order) {
      act.send({ order });
      change({ at: N.met[0] ? state.at : first(N, softs[state.head]), turned: true });
    },
    pattern: (name) => (name === "empty" ? table(n, () => false) : masked(name, n, n, state.window, get("_globals"))),
    start(name) {
      state.trial = act.pattern(name);
      state.wide = named(name);
      act.commit();
    },
    widen(window) { change({ window, trial: masked(state.wide, n, n, window, get("_globals")) }); },
    stroke: (tool, from, to) => change({ stroke: { tool, from, to, open: state.stroke?.open ?? opens(mask, tool, from) }, at: to }),
    commit() {
      const next = now();
      if (written(next) !== written(mask)) Object.assign(state, { past: [...state.past, mask].slice(-PAST), next: [] });
      settle(next);
    },
    undo() { if (state.past.length) { state.next.push(mask); settle(state.past.pop()); } },
    redo() { if (state.next.length) { state.past.push(mask); settle(state.next.pop()); } },
  };
  const show = build(house, { title: get("title"), heads: get("titles"), n, act }), stage = make("div", house.root, { class: "stage" });
  const drawing = sketch(stage, { tabindex: 0, role: "application", "aria-label": HELP }, 6), pen = piles(drawing), nodes = says(stage);
  change({});
  house.root.append(house.line, nodes.goal);
  hands(drawing, act, state);
  house.watch(() => {
    const wide = stage.clientWidth, longest = Math.max(...words.map((word) => measure(word, BOLD)));
    if (wide < 100) return;
    const over = clamp(longest * 0.71 + 12, 20, 62), tall = wide < 700 ? 260 : 560 - stage.offsetTop - over - 176;
    at = geometry(n, wide, Math.max(200, tall), [clamp(longest, 20, LONGEST), over]);
    stage.style.height = `${at.height}px`;
    drawing.resize(at.width, at.height);
    change({});
  });
  house.start();
  return () => { clock.stop(); shown.close(); house.close(); };
}

export default { render };
