// Arrows: one query among keys in the plane. Where a key lands on the line of the query is its score; scores become shares;
// and on the beam the values stand as heavy as their shares: where it balances is the mixture.

import { calm, choice, clamp, cut, drag, dress, ease, frames, keep, lerp, make, measure, press, share, sketch, slider } from "./core.js";
import {
  RIM, STEPS, TURN, around, chain, degrees, judged, length, nudged, plain, polar, reachOf, said, spanOf, sentence, stacked,
} from "./choosing.js";


// ---- geometry: pure ---------------------------------------------------------------------------------------------------------------

const HEAD = 40, SUM = 50, BEAM = 174;                                   // heights: names of the columns, the two lines, the balance

/** Where everything is: plane, rows and beam beside each other, the beam below, or all below each other. */
export function geometry(width, n, { beam = true, name = 48 } = {}) {
  const wide = width >= 690, phone = width < 460, under = beam ? BEAM : 0;
  const side = Math.round(wide ? clamp(width * 0.51, 340, 424) : phone ? Math.min(width, 300) : clamp(width * 0.47, 210, 290));
  const high = wide ? Math.max(side, HEAD + SUM + under + 24 * n) : phone ? HEAD + SUM + 30 * n : Math.max(side, HEAD + SUM + 24 * n);
  const middling = (room) => Math.round((room - side) / 2), r = side / 2 - 20;
  const plane = { x: phone ? middling(width) : 0, y: phone ? 0 : middling(high), side, r };
  const x = phone ? 0 : side + (wide ? 28 : 14), y = phone ? side + 8 : 0, room = high - HEAD - SUM - (wide ? under : 0);
  const h = Math.min(room / n, 44), column = (width - x - name - 20) / 2, named = x + name;
  const bars = { zero: named + 8 + column / 2, half: column / 2 - 4, share: named + 20 + column, room: column - 36 };
  const rows = { x, y: y + HEAD, w: width - x, h, name: named, ...bars };
  const top = wide ? high - BEAM : y + high + (phone ? 0 : 8), from = wide ? x : 0;
  const centre = [plane.x + side / 2, plane.y + side / 2], sum = y + HEAD + h * n + 26;
  return {
    width, height: wide || !beam ? y + high : top + BEAM, wide, phone, plane, centre, rows, sum,
    rim: Array.from({ length: RIM }, (_, i) => sector(centre, plane.r + 4, plane.r + 16, (i / RIM) * TURN, ((i + 1.08) / RIM) * TURN)),
    beam: beam ? { x: from + 34, w: width - from - 68, y: top + 100, head: from, top, most: 32 } : null,
  };
}

const near = (x) => Math.round(x * 10) / 10;
function sector([cx, cy], r0, r1, a, b) {
  const at = (r, t) => `${near(cx + r * Math.cos(t))} ${near(cy - r * Math.sin(t))}`;
  return `M${at(r0, a)}L${at(r1, a)}A${r1} ${r1} 0 0 0 ${at(r1, b)}L${at(r0, b)}A${r0} ${r0} 0 0 1 ${at(r0, a)}Z`;
}

/** An arrow as one outline: shaft and head. */
function outline([x0, y0], [x1, y1], wide) {
  const l = Math.hypot(x1 - x0, y1 - y0), [ux, uy] = [(x1 - x0) / (l || 1), (y1 - y0) / (l || 1)], head = Math.min(14, l), h = wide / 2;
  const at = (along, aside) => `${near(x0 + ux * along - uy * aside)} ${near(y0 + uy * along + ux * aside)}`;
  return `M${at(0, -h)}L${at(l - head, -h)}L${at(l - head, -6)}L${at(l, 0)}L${at(l - head, 6)}L${at(l - head, h)}L${at(0, h)}Z`;
}

// ---- paint ------------------------------------------------------------------------------------------------------------------------

const GROUND = 0, LINES = 1, MARKS = 2, TEXTS = 3, HANDS = 4;           // layers
const middle = { "text-anchor": "middle" }, end = { "text-anchor": "end" };
const wideOf = (text) => measure(text, "600 13px system-ui, sans-serif");

/** Where the state's arrows are drawn: to scale, or when lengths are divided out, all as long. */
function tips({ query, arrows, reach, even }, { centre: [x, y], plane }) {
  const unit = plane.r / reach, at = ([a, b]) => [x + a * unit, y - b * unit];
  const drawn = (v) => { const l = length(v), to = l > 0 ? lerp(1, reach / 2 / l, ease(even)) : 1; return at(v.map((c) => c * to)); };
  const all = [...arrows, query];
  return { true: all.map(at), drawn: all.map(drawn), at, drawnAt: drawn };
}

function paintPlane(pen, state, now, at, about) {
  const { centre: [x, y], plane, rim } = at, { put } = pen, { query, reach, values } = state, where = tips(state, at);
  const tone = values.length ? "var(--value)" : "var(--w3)", [low, high] = values.length ? [Math.min(...values), Math.max(...values)] : [1 / about.names.length, 1];
  const dir = length(query) > 0 ? query.map((c) => c / length(query)) : [1, 0], out = (r) => `${near(x + dir[0] * r)} ${near(y - dir[1] * r)}`;
  around(state).forEach((g, i) => {
    const deep = Math.round(20 * (0.08 + 0.92 * clamp((g - low) / (high - low || 1)) ** 1.4)) * 5;
    put(`rim${i}`, "path", GROUND, { d: rim[i], fill: `color-mix(in srgb, ${tone} ${deep}%, var(--paper))` });
  });
  for (const part of [0.5, 1]) {
    put(`ring${part}`, "circle", GROUND, { cx: x, cy: y, r: plane.r * part, fill: "none", stroke: "var(--line)" });
    const number = state.even > 0.5 ? (part === 0.5 ? "length 1" : "") : plain(reach * part);
    put(`reach${part}`, "text", GROUND, { x: x - 4, y: y + plane.r * part - 5, class: "small faint", ...end }, number);
  }
  put("cross", "path", GROUND, { d: `M${x - plane.r} ${y}H${x + plane.r}M${x} ${y - plane.r}V${y + plane.r}`, stroke: "var(--line)", fill: "none" });
  const most = plane.r - 16, axis = (text) => cut(text, most, (one) => measure(one, "12px system-ui, sans-serif"));
  put("axis0", "text", GROUND, { x: x + plane.r - 6, y: y + 14, class: "small faint", ...end }, about.axes[0] ? axis(`${about.axes[0]} →`) : "");
  put("axis1", "text", GROUND, { x: x - 6, y: y - plane.r + 16, class: "small faint", ...end }, about.axes[1] ? axis(`${about.axes[1]} ↑`) : "");
  const own = { stroke: "var(--query)", "stroke-linecap": "round", fill: "none" };
  put("line", "path", LINES, { d: `M${out(-plane.r)}L${out(plane.r)}`, ...own, "stroke-width": 2, "stroke-dasharray": "1 5" });
  put("now", "path", HANDS, { d: `M${out(plane.r)}L${out(plane.r + 19)}`, ...own, "stroke-width": 3 });
  paintFeet(pen, state, now, where, dir);
  paintArrows(pen, state, now, at, about, where);
  if (at.wide) {
    const corners = ["blue discs:", "the shares", values.length ? "rim: the mixture" : "rim: the largest share", "if it pointed there"];
    const low_ = plane.y + plane.side, corner = (n) => ({ y: low_ - (n % 2 ? 2 : 16), ...(n < 2 ? { x: 0 } : { x: plane.side, ...end }) });
    corners.forEach((text, n) => put(`legend${n}`, "text", TEXTS, { ...corner(n), class: "small faint" }, text));
  }
  if (!state.touched) put("hint", "text", TEXTS, { x: plane.x, y: plane.y + 14, class: "q part" }, at.wide ? "Drag the arrow." : "Drag it.");
}

/** Where each key lands on the line of the query. */
function paintFeet({ put }, { arrows, seen }, now, where, dir) {
  arrows.forEach((k, j) => {
    const tip = where.drawn[j], from = where.at([0, 0]), along = (tip[0] - from[0]) * dir[0] - (tip[1] - from[1]) * dir[1];
    const foot = [from[0] + along * dir[0], from[1] - along * dir[1]], bold = seen === j, dim = seen < 0 ? 0.75 : bold ? 1 : 0.25;
    const look = { stroke: "var(--key)", "stroke-width": 1.5, fill: "none", "stroke-dasharray": bold ? "none" : "2 3", opacity: dim };
    put(`drop${j}`, "path", LINES, { d: `M${tip.map(near)}L${foot.map(near)}`, ...look });
    const dot_ = { cx: near(foot[0]), cy: near(foot[1]), r: bold ? 6 : 4, fill: "var(--key)", stroke: "var(--paper)" };
    put(`foot${j}`, "circle", MARKS, { ...dot_, "stroke-width": 1.5, opacity: dim });
    const side = dir[0] * k[1] - dir[1] * k[0] > 0 ? 1 : -1;             // its number is on the other side of the line
    const at = { x: near(foot[0] + side * dir[1] * 28), y: near(foot[1] + side * dir[0] * 18 + 5) };
    if (bold) put("landed", "text", TEXTS, { ...at, class: "part halo", ...middle }, said(now.scores[j]));
  });
}

function paintArrows({ put }, state, now, { centre, plane }, { names, who }, where) {
  const { arrows, query, even, seen, moves } = state, all = [...arrows, query], mine = arrows.length;
  const labels = stacked(all.map((_, j) => j).reverse().map((j) => {
    const [x, y] = where.drawn[j], l = Math.hypot(x - centre[0], y - centre[1]) || 1, dx = (x - centre[0]) / l, dy = (y - centre[1]) / l;
    const text = cut([...names, who][j], 96, wideOf), w = wideOf(text), far = j === mine ? 22 : moves === "all" ? 18 : 14;
    const inside = (at, from, pad, under) => clamp(at, from + pad, from + plane.side - under);
    return { j, text, w, x: inside(x + dx * (far + w / 2), plane.x, w / 2, w / 2), y: inside(y + dy * far + 5, plane.y, 12, 4) };
  }), plane.y + 12);
  for (const { j, text, x, y } of labels) {
    const own = j === mine, free = own || moves === "all", part = own ? "query" : "key", dim = own || seen < 0 || seen === j ? 1 : 0.4;
    const [a, b] = where.drawn[j], knob = where.true[j].map(near), r = own ? 7 : 5, turn = degrees(all[j]);
    const real = { d: `M${centre.map(near)}L${knob}`, stroke: `var(--${part})`, fill: "none" };
    if (even > 0 && length(all[j]) > 0) put(`real${j}`, "path", LINES, { ...real, opacity: 0.5 * even * dim });
    put(`arrow${j}`, "path", MARKS, { d: outline(centre, [a, b], own ? 5 : 3.5), fill: `var(--${part})`, stroke: "var(--paper)", opacity: dim });
    put(`tip${j}`, "circle", HANDS, {
      cx: knob[0], cy: knob[1], r, fill: "var(--paper)", stroke: `var(--${part})`, "stroke-width": 2, opacity: free ? dim : 0, "data-arrow": j,
      tabindex: free ? 0 : -1, role: "slider", "aria-label": own ? `${who}: the query` : `${names[j]}: a key`, "aria-disabled": String(!free),
      "aria-valuemin": -180, "aria-valuemax": 180, "aria-valuenow": turn, "aria-valuetext": `${turn} degrees, length ${said(length(all[j]))}`,
    });
    put(`name${j}`, "text", TEXTS, { x: near(x), y: near(y), class: `part halo ${own ? "q" : "k"}`, ...middle, opacity: dim }, text);
    if (own || !(length(all[j]) > 0)) continue;
    const far = (plane.r + 10) / length(all[j]), disc = { fill: "var(--w3)", stroke: "var(--paper)", opacity: Math.max(0.6, dim) };
    const [cx, cy] = [centre[0] + all[j][0] * far, centre[1] - all[j][1] * far].map(near);
    put(`share${j}`, "circle", MARKS, { cx, cy, r: near(Math.sqrt(now.weights[j]) * 14), ...disc });
  }
}

function paintRows({ put }, state, now, { rows: R, sum, wide, phone }, { names, top }) {
  const { temperature: t, compare, shares, seen, pin } = state, over = R.y - HEAD, low = R.y + R.h * names.length, squares = shares === "squares";
  const heads = [[R.zero, compare === "cosine" ? "cosine" : "score q·k", t !== 1 && !squares ? "÷ temperature" : wide || phone ? "+ agrees, − disagrees" : "− disagrees", middle],
    [R.share, "share", R.room > 108 ? `${shares}: they sum to 1` : "they sum to 1", {}]];
  heads.forEach(([x, text, note, anchor], n) => {
    put(`head${n}`, "text", TEXTS, { x, y: over + 14, class: "part", ...anchor }, text);
    put(`note${n}`, "text", TEXTS, { x, y: over + 29, class: "small faint", ...anchor }, note);
  });
  const even = R.share + R.room / names.length, ends = compare === "cosine" ? 1 : top;
  put("axes", "path", LINES, { d: `M${R.zero} ${R.y}V${low}M${R.share} ${R.y}V${low}`, stroke: "var(--line)", fill: "none" });
  put("even", "path", LINES, { d: `M${even} ${R.y}V${low}`, stroke: "var(--hatch)", "stroke-dasharray": "2 3", fill: "none" });
  put("says even", "text", TEXTS, { x: even, y: low + 11, class: "small faint", ...middle }, "even");
  names.forEach((name, j) => {
    const y = R.y + j * R.h, mid = y + R.h / 2, h = Math.min(20, R.h - 8), bar = { y: mid - h / 2, height: h, rx: 2 };
    const dim = seen < 0 || seen === j ? 1 : 0.55, level = { y: mid + 4.5, opacity: dim };
    const used = squares ? now.scores[j] : now.used[j], s = clamp(used / ends, -1, 1) * R.half, far = Math.abs(used) > ends;
    const w = now.weights[j] * R.room;
    const number = said(used) + (far ? (s < 0 ? " ◂" : " ▸") : ""), was = R.zero + clamp(now.scores[j] / ends, -1, 1) * R.half;
    const hit = { x: R.x, y, width: R.w, height: R.h, rx: 6, class: "hit", "data-row": j, "aria-pressed": String(pin === j) };
    put(`ground${j}`, "rect", GROUND, { x: R.x, y: y + 1, width: R.w, height: R.h - 2, rx: 6, fill: pin === j ? "var(--band)" : "transparent" });
    put(`row${j}`, "text", TEXTS, { x: R.name, class: "k part", ...end, ...level }, cut(name, R.name - R.x, wideOf));
    put(`score${j}`, "rect", MARKS, { x: near(R.zero + Math.min(0, s)), width: near(Math.abs(s)), ...bar, fill: s < 0 ? "var(--s1)" : "var(--s5)", opacity: dim });
    if (t !== 1 && !squares) put(`was${j}`, "path", MARKS, { d: `M${near(was)} ${mid - h / 2 - 2}v${h + 4}`, stroke: "var(--ink)", "stroke-width": 1.5 });
    put(`is${j}`, "text", TEXTS, { x: R.zero + (s < 0 ? 6 : -6), "text-anchor": s < 0 ? "start" : "end", ...level }, number);
    put(`bar${j}`, "rect", MARKS, { x: R.share, width: near(w), ...bar, fill: "var(--w3)", opacity: dim });
    put(`gets${j}`, "text", TEXTS, { x: near(R.share + w + 6), class: "halo", ...level }, share(now.weights[j]));
    put(`choose${j}`, "rect", HANDS, { ...hit, tabindex: 0, role: "button", "aria-label": `where the share of ${name} comes from` });
  });
  const idle = ["Choose a name: where does", "its share come from?"], help = ["← → turn the arrow", "↑ ↓ make it longer or shorter"];
  const lines = state.byKeys ? help : seen >= 0 ? chain(state, now, seen) : idle;
  lines.forEach((text, n) => put(`sum${n}`, "text", TEXTS, { x: R.x, y: sum + 17 * n, class: seen < 0 && !state.byKeys ? "faint" : "" }, text));
}

function paintBeam(pen, state, now, { beam: B, width, phone }, { names, scale, unit }) {
  const { put } = pen, { values, fulcrum } = state, span = scale.high - scale.low, on = (v) => near(B.x + (B.w * (v - scale.low)) / span);
  const base = B.y + 26, x = on(fulcrum), tilt = clamp(((now.mixture - fulcrum) / span) * 40, -4, 4), faint = { class: "small faint" };
  const turned = { transform: tilt ? `rotate(${tilt.toFixed(2)} ${x} ${B.y})` : "" }, title = "the balance";
  put("balance", "text", TEXTS, { x: B.head, y: B.top + 12, class: "part" }, title);
  const says = phone || B.w < 300 ? "as heavy as its share" : "each value as heavy as its share";
  put("as heavy", "text", TEXTS, { x: B.head + wideOf(title) + 10, y: B.top + 12, ...faint }, says);
  const ticks = Array.from({ length: Math.round(span / scale.step) + 1 }, (_, n) => scale.low + n * scale.step), last = ticks.length - 1;
  const d = `M${B.x} ${base}h${B.w}${ticks.map((v) => `M${on(v)} ${base}v4`).join("")}`;
  put("ticks", "path", LINES, { d, stroke: "var(--hatch)", fill: "none" });
  ticks.forEach((v, n) => {
    const named = plain(v) + (n === last ? unit : ""), half = measure(named, "12px system-ui, sans-serif") / 2;
    put(`tick${n}`, "text", TEXTS, { x: clamp(on(v), B.head + half, width - half), y: base + 17, ...faint, ...middle }, named);
  });
  const mean = on(values.reduce((sum, v) => sum + v, 0) / values.length), text = `mixture ${said(now.mixture)}`;
  const w = measure(text, "600 20px system-ui, sans-serif"), at = clamp(x, B.head + w / 2, width - w / 2), low = base + 38;
  put("mean", "path", LINES, { d: `M${mean} ${base}V${B.y + 5}`, stroke: "var(--faint)", "stroke-width": 1.5, "stroke-dasharray": "3 2" });
  const side = mean < at ? -1 : 1, fits = Math.abs(mean - at) > w / 2 + 38, anchor = fits ? "middle" : side < 0 ? "end" : "start";
  put("mean says", "text", TEXTS, { x: near(fits ? mean : at + side * (w / 2 + 8)), y: low, ...faint, "text-anchor": anchor }, "plain mean");
  put("beam", "rect", LINES, { x: B.x - 8, y: B.y - 2, width: B.w + 16, height: 4, rx: 2, fill: "var(--ink)", ...turned });
  paintWeights(pen, state, now, B, { names, scale, on, turned });
  put("fulcrum", "path", MARKS, { d: `M${x} ${B.y + 3}l11 21h-22Z`, fill: "var(--value)" });
  put("mixture", "text", TEXTS, { x: near(at), y: low, class: "v big", ...middle }, text);
}

/** The values on the beam, of an area as large as their shares. */
function paintWeights({ put }, { values, seen, moves }, now, B, { names, scale, on, turned }) {
  const free = moves === "all", r = now.weights.map((weight) => Math.sqrt(weight) * B.most);
  const named = names.map((name, j) => {
    const text = cut(name, 88);
    const w = measure(text), x = clamp(on(values[j]), B.head + w / 2, B.x + B.w + 34 - w / 2);
    return { j, text, w, x, y: near(B.y - 8 - 2 * r[j]) };
  });
  for (const { j, text, x, y } of stacked(named.sort((a, b) => b.y - a.y), B.top + 12, 13)) {
    const opacity = seen < 0 || seen === j ? 1 : 0.4, cx = on(values[j]), reach = { "aria-valuemin": scale.low, "aria-valuemax": scale.high };
    const disc = { fill: "var(--value)", stroke: "var(--paper)", opacity: 0.9 * opacity, ...turned };
    const knob = { fill: "var(--paper)", stroke: "var(--value)", "stroke-width": 2, opacity: free ? 1 : 0, tabindex: free ? 0 : -1 };
    put(`disc${j}`, "circle", MARKS, { cx, cy: near(B.y - 2 - r[j]), r: near(Math.max(1, r[j])), ...disc });
    put(`called${j}`, "text", TEXTS, { x, y, class: "v halo", ...middle, opacity, ...turned }, text);
    const told = { role: "slider", "aria-label": `${names[j]}: a value`, "aria-disabled": String(!free), "aria-valuenow": values[j] };
    put(`value${j}`, "circle", HANDS, { cx, cy: B.y, r: 6, ...knob, ...reach, ...told, "data-value": j });
  }
}

// ---- state and hands ----------------------------------------------------------------------------------------------------------------

const TRAITS = ["query", "key_arrows", "values", "temperature", "shares", "compare", "moves", "pin"];
const outward = (state) => Object.fromEntries(TRAITS.map((name) => [name, state[name === "key_arrows" ? "arrows" : name]]));
const inward = ({ key_arrows, ...rest }) => ({ ...rest, ...(key_arrows ? { arrows: key_arrows } : {}) });

/** Keys of what can be focused in the picture. */
function keysOf(svg, state, act) {
  svg.addEventListener("keydown", (event) => {
    const { arrow, row, value } = event.target.dataset ?? {}, { key } = event;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const own = +arrow === state.arrows.length, by = STEPS[key], last = state.arrows.length - 1;
    let did = false;
    if (arrow && by && (own || state.moves === "all")) did = act.put(+arrow, nudged(own ? state.query : state.arrows[arrow], state.reach, event));
    else if (value && by && state.moves === "all") did = act.value(+value, state.values[value] + (by[1] - by[0]) * act.step());
    else if (row !== undefined && (key === " " || key === "Enter")) did = act.pin(+row);
    else if (row !== undefined && by?.[1]) did = Boolean(svg.querySelector(`[data-row="${clamp(+row - by[1], 0, last)}"]`).focus()) || true;
    else if (key === "Escape" && state.pin >= 0) did = act.pin(state.pin);
    if (did === false) return;
    event.preventDefault();
    event.stopPropagation();
    act.send(250);
  });
}

/** Rows under a hand, and whether an arrow is held by the keyboard. */
function rowsOf(svg, state, act) {
  const change = (news) => { if (Object.keys(news).some((name) => state[name] !== news[name])) act.set(news); };
  const rowOf = ({ target }) => +(target.dataset?.row ?? -1);
  svg.addEventListener("click", (event) => { if (rowOf(event) >= 0) { act.pin(rowOf(event)); act.send(); } });
  svg.addEventListener("pointermove", (event) => change({ hover: event.pointerType === "mouse" && !event.buttons ? rowOf(event) : -1 }));
  svg.addEventListener("pointerleave", () => change({ hover: -1 }));
  svg.addEventListener("focusin", ({ target }) => change({ byKeys: "arrow" in target.dataset && target.matches(":focus-visible") }));
  svg.addEventListener("focusout", () => change({ byKeys: false }));
}

/** The controls. */
function build(house, get, act) {
  const { root } = house, bar = make("div", root, { class: "row" }), title = get("title");
  if (title) make("b", bar, {}, title);
  const play = press(bar, "", act.play, { class: "go" });
  const warm = { min: -1, max: 1, step: 0.02, say: (x) => (10 ** x).toFixed(2), wide: 128 };
  const temperature = slider(bar, "temperature", warm, (x) => act.set({ temperature: Math.abs(x) < 0.015 ? 1 : 10 ** x }), () => act.send());
  const compare = choice(bar, "score", ["dot", "cosine"], (name) => act.set({ compare: name }, true));
  const shares = choice(bar, "share", ["softmax", "squares"], (name) => act.set({ shares: name }, true));
  const moves = press(bar, "all move", act.free);
  press(bar, "start again", act.again);
  house.present(bar).style.marginLeft = "auto";
  const pen = sketch(root, { role: "group", "aria-label": "arrows, scores, shares and the balance" }, 5);
  return { play, temperature, compare, shares, moves, pen };
}

function render({ model, el }) {
  const house = dress({ model, el }, "arrows"), get = (name) => model.get(name), memory = keep(model, TRAITS, (news) => take(Object.entries(news)[0]));
  const given = inward(memory.get()), fresh = { fulcrum: null, turning: null, from: 0, hover: -1, byKeys: false, touched: false };
  const state = { ...given, even: +(given.compare === "cosine"), ...fresh };
  const about = { names: get("names"), who: get("who"), axes: get("axes"), unit: get("value_name") ? ` ${get("value_name")}` : "" };
  let at = null, held = -1;
  const measured = () => {                                               // what the picture must hold; it grows, and never shrinks
    state.reach = Math.max(state.reach ?? 0, reachOf([...state.arrows, state.query]));
    about.top = state.reach * Math.max(...state.arrows.map(length), 1e-9);
    if (state.values.length) {
      const scale = spanOf(state.values), old = about.scale;
      about.scale = old && old.low <= scale.low && old.high >= scale.high ? old : scale;
    }
  };
  const sent = {};                                                       // comes back as news, maybe when all has gone on
  const send = (later = 0) => memory.send(Object.assign(sent, outward(state)), later);
  const clock = frames((ms) => {
    if (state.turning !== null) {
      state.turning += ms / 9000;
      state.query = polar(state.from + Math.min(1, state.turning) * TURN, length(state.query));
      if (state.turning >= 1) stop();
    }
    const to = +(state.compare === "cosine"), { mixture } = judged(state);
    state.even = to ? Math.min(1, state.even + ms / 300) : Math.max(0, state.even - ms / 300);
    state.fulcrum = state.fulcrum === null ? mixture : lerp(state.fulcrum, mixture, 1 - Math.exp(-ms / 110));
    if (mixture === null || Math.abs(mixture - state.fulcrum) < 1e-3 * about.scale.step) state.fulcrum = mixture;
    draw();
    return state.turning !== null || state.even !== to || state.fulcrum !== mixture;
  });
  function stop() { if (state.turning !== null) { state.turning = null; send(); } }
  function set(news, atRest = false) {
    Object.assign(state, news);
    clock.ask();
    if (atRest) send();
  }
  function take([name, value]) {                                         // one trait, from Python or from another view of this model
    if (JSON.stringify(value) === JSON.stringify(sent[name])) return;
    sent[name] = value;
    Object.assign(state, inward({ [name]: value }), name === "query" ? { turning: null } : {});
    measured();
    clock.ask();
  }
  const act = {
    set, send,
    play() {
      const angle = Math.atan2(state.query[1], state.query[0]);
      if (state.turning !== null) return set({ turning: null }, true);
      set({ touched: true, ...(calm() ? { query: polar(angle + TURN / 8, length(state.query)) } : { turning: 0, from: angle }) }, calm());
    },
    free: () => set({ moves: state.moves === "all" ? "query" : "all" }, true),
    again: () => set({ ...given, moves: state.moves, turning: null }, true),
    put(j, v) {
      const own = j === state.arrows.length;
      set({ ...(own ? { query: v } : { arrows: state.arrows.map((k, i) => (i === j ? v : k)) }), turning: null, touched: true });
    },
    step: () => about.scale.step / 4,
    value(j, to) {
      const step = act.step(), now = +clamp(Math.round(to / step) * step, about.scale.low, about.scale.high).toPrecision(8);
      set({ values: state.values.map((v, i) => (i === j ? now : v)) });
    },
    pin: (j) => set({ pin: state.pin === j ? -1 : j }),
  };
  const nodes = build(house, get, act), { pen } = nodes, { svg } = pen;
  function draw() {
    if (!at) return;
    const now = judged(state);
    state.seen = state.hover >= 0 ? state.hover : state.pin;
    paintPlane(pen, state, now, at, about);
    paintRows(pen, state, now, at, about);
    if (at.beam) paintBeam(pen, state, now, at, about);
    hand("plane", { x: at.plane.x, y: at.plane.y, width: at.plane.side, height: at.plane.side, cursor: "crosshair" });
    const rail = at.beam && { x: at.beam.head, y: at.beam.y - 24, width: at.width - at.beam.head, height: 36, cursor: "ew-resize" };
    if (rail) hand("values", { ...rail, "pointer-events": state.moves === "all" ? "all" : "none" });
    pen.done();
    house.line.setAttribute("aria-live", state.turning !== null || held >= 0 ? "off" : "polite");
    house.say(sentence(state, now, { ...about, legend: !at.wide && !at.phone }));
    nodes.play.textContent = state.turning === null ? "▶ turn around" : "❚❚ stop";
    nodes.temperature.set(+Math.log10(state.temperature).toFixed(4), state.shares === "squares" ? "cancels out" : "");
    nodes.compare.set(state.compare);
    nodes.shares.set(state.shares);
    nodes.moves.setAttribute("aria-pressed", String(state.moves === "all"));
  }
  const hand = (name, more) => pen.put(name, "rect", HANDS, { fill: "transparent", class: "drags", ...more });
  const focused = (name, j) => svg.querySelector(`[data-${name}="${j}"]`)?.focus({ preventScroll: true });
  const away = (one, x, y) => Math.hypot(one[0] - at.plane.x - x, one[1] - at.plane.y - y);
  const rest = (name) => () => { focused(name, held); held = -1; clock.ask(); send(); };
  drag(hand("plane", {}), ([x, y], event) => {
    const mine = state.arrows.length, { true: places } = tips(state, at), off = (j) => away(places[j], x, y);
    if (event.type === "pointerdown") {                                  // the query, if it is there; a key that may move; else the query comes
      const closest = state.arrows.reduce((best, _, j) => (off(j) < off(best) ? j : best), 0);
      held = state.moves === "all" && off(mine) > 16 && off(closest) <= 16 ? closest : mine;
    }
    const d = [x + at.plane.x - at.centre[0], at.centre[1] - y - at.plane.y].map((c) => (c / at.plane.r) * state.reach), r = length(d);
    act.put(held, r > state.reach ? d.map((c) => (c / r) * state.reach) : d);
  }, rest("arrow"));
  drag(hand("values", {}), ([x], event) => {
    const { low, high } = about.scale, to = low + ((x + at.beam.head - at.beam.x) / at.beam.w) * (high - low);
    const off = (j) => Math.abs(state.values[j] - to);
    if (event.type === "pointerdown") held = state.values.reduce((best, _, j) => (off(j) < off(best) ? j : best), 0);
    act.value(held, to);
  }, rest("value"));
  keysOf(svg, state, act);
  rowsOf(svg, state, act);
  measured();
  house.watch(() => {
    if (house.root.clientWidth < 100) return;
    const name = clamp(Math.ceil(Math.max(...about.names.map(wideOf))), 30, 84);
    at = geometry(house.root.clientWidth - 12, about.names.length, { beam: given.values.length > 0, name });
    pen.resize(at.width, at.height);
    house.line.style.minHeight = `${at.wide ? 40 : at.phone ? 80 : 60}px`; // room for any sentence
    clock.ask();
  });
  house.start();
  return () => { clock.stop(); memory.close(); house.close(); };
}

export default { render };
