// AttentionView: one head as a heat map or as threads, its sentence above it, all heads beside it.
// Python owns the numbers: weights come as uint16 between `_range` (65535 is NaN), row sums as uint16, the mask as bits.
import { best, choice, clamp, dress, ease, frames, keep, keys, lerp, make, measure, menu, rgb, share, sharp, sketch } from "./core.js";
import {
  MANY, added, caption, cellOf, chosen, coloured, css, geometry, headOf, inWords, inks, largest, level, merged, paintAtlas, paintFocus,
  paintLegend, paintMap, paintMost, paintNames, passing, range, ray, readable, soFar, spot, table, thumbnail, tiles,
} from "./heat.js";
import { imageOf, paintPatches, patchAt, patchwork, spotsOfPatches } from "./patches.js";
import { scrubber } from "./scrub.js";
import { NS, beside, bringWord, fitText, layText, legendOf, paintLoupe, paintText, seenBy, spotsOf } from "./text.js";
import { pieces, spoken, worded } from "./units.js";
import { MOST, advance, aim, drawn, evens, loom, pluck, spun, telling, weave } from "./weave.js";

const SCALES = ["absolute", "row", "sqrt"], SIDES = ["query", "key"];
const HAND = ["pinned", "pins"];                         // what moves with the hand; all else is drawn anew
const TRAITS = [
  ...HAND, "step", "layer", "head", "how", "unit", "form", "side", "scale", "top_k", "threshold", "hide_first", "tokens", "key_tokens", "titles", "title", "signed", "compact", "_hint",
  "_edition", "_names", "_left_out", "_weights", "_small", "_range", "_shape", "_sums", "_sum_range", "_mask", "_notes", "_words", "_axis",
  "grid", "_image", "_image_size",
];

// ---- in words: pure --------------------------------------------------------------------------------------------------------

/** A weight in words: .85, and where it is small .002 */
const fine = (v) => (Math.abs(v) < 0.0195 ? `${v < 0 ? "−" : ""}${Math.abs(v).toFixed(3).slice(1)}` : share(v));

/** What a row adds up to, where that is not 1 */
const oddSum = (sum) => (sum.toFixed(2) === "1.00" ? "" : `; the row adds up to ${sum.toFixed(2).replace("-", "−")}`);

/** The read-out of a cell, in parts for dress().say: text, or [word, "q" | "k"] */
export function sentence(one, [i, j], { tokens, key_tokens, side, signed, pins }) {
  const v = one.at(i, j), said = [[tokens[i], "q"], ` (query ${i}) looks at `, [key_tokens[j], "k"], ` (key ${j})`];
  if (isNaN(v)) return [...said, ": NaN, not a number."];
  const closed = one.closed(i, j);
  if (closed && (Math.abs(v) <= one.nothing || signed)) return [...said, `: ${one.shut}.`];
  if (signed) return [...said, `: ${v > 0 ? "+" : ""}${fine(v)}.`];
  const open = one.row(i).filter((_, n) => !one.closed(i, n)), rank = 1 + open.filter((u) => u > v + one.nothing).length;
  const alike = open.filter((u) => Math.abs(u - v) <= one.nothing).length, ranks = alike > 1 ? `${rank} to ${rank + alike - 1}` : rank;
  said.push(closed ? `: not allowed, but has the weight ${fine(v)}` : ` ${fine(v)}, rank ${ranks} of ${open.length}`, oddSum(one.sum(i)));
  if (side === "key") said.push(`; the column adds up to ${one.column(j).reduce((a, b) => a + b, 0).toFixed(2)}, which need not be 1`);
  said.push(".");
  const words = chosen(pins, [i, j], side);
  if (words.length < 2) return said;
  const sums = added(one, words, side), most = sums.indexOf(largest(sums));
  const [verb, word] = side === "key" ? ["get from", [tokens[most], "q"]] : ["give", [key_tokens[most], "k"]];
  return [...said, ` Together the ${words.length} ${verb} `, word, ` ${share(sums[most])}${side === "key" ? "" : ` of ${words.length}`}.`];
}

// ---- hands: pure --------------------------------------------------------------------------------------------------------
// `state`: pinned, pins, side, layer, head, form, size {layers, heads, nq, nk}, woven: are these threads, why: why there can be
// none, or "", cell(line, n): the cell of a word by itself

const lineOf = (side) => SIDES.indexOf(side);

/** A click at a cell. With `more` its word is added to those that are chosen, or taken out of them. @returns what changes */
export function clicked(cell, more, state) {
  const line = lineOf(state.side), word = cell[line], before = chosen(state.pins, state.pinned, state.side);
  if (!more) return { pinned: cell, pins: [] };
  if (!before.includes(word)) return { pinned: cell, pins: [...before, word] };
  const left = before.filter((n) => n !== word);
  return { pinned: left.length ? state.cell(line, left.at(-1)) : null, pins: left };
}

/** The same for a word among threads, where a click also says from which side one looks */
export function wordClicked(side, n, more, state) {
  const before = side === state.side ? state : { ...state, side, pinned: null, pins: [] };
  return { side, ...clicked(state.cell(lineOf(side), n), more, before) };
}

/** Among words or patches that stand in lines */
const lineKeys = ({ pinned, pins, side, cell, spots }, key, more) => {
  const line = lineOf(side), to = beside(spots(line), key, pinned ? pinned[line] : -1);
  return to === undefined ? {} : { [key]: () => ({ pinned: cell(line, to), pins: more ? chosen(pins, pinned, side) : pins }) };
};

const mapKeys = ({ pinned, size: { nq, nk } }) => {
  const [i, j] = pinned ?? [-1, -1], go = (a, b) => () => ({ pinned: pinned ? [clamp(a, 0, nq - 1), clamp(b, 0, nk - 1)] : [0, 0] });
  return {
    ArrowUp: go(i - 1, j), ArrowDown: go(i + 1, j), ArrowLeft: go(i, j - 1), ArrowRight: go(i, j + 1), Home: go(i, 0), End: go(i, nk - 1),
  };
};

const threadKeys = ({ pinned, pins, side, cell, size: { nq, nk } }, more) => {
  const line = lineOf(side), count = line ? nk : nq, word = pinned ? pinned[line] : -1;
  const go = (n) => () => ({ pinned: cell(line, (n + count) % count), pins: more ? chosen(pins, pinned, side) : pins });
  const across = (to) => () => ({ side: to, ...(to === side ? {} : { pins: [] }) });
  return {
    ArrowUp: go(Math.max(word, 0) - 1), ArrowDown: go(word + 1), Home: go(0), End: go(count - 1),
    ArrowLeft: across("query"), ArrowRight: across("key"),
  };
};

/** A key. @returns what changes, or nothing */
export function keyChange({ key, shiftKey }, state) {
  const { pinned, pins, side, layer, head, size: { layers, heads } } = state, turn = (n, count) => (n + count) % count;
  const kept = (word) => ({ pins: pins.includes(word) ? pins.filter((n) => n !== word) : [...pins, word] });
  const answers = {
    ...(state.spots ? lineKeys(state, key, shiftKey) : state.woven ? threadKeys(state, shiftKey) : mapKeys(state)),
    Escape: () => ({ pinned: null, pins: [] }), " ": () => (pinned ? kept(pinned[lineOf(side)]) : null),
    "[": () => ({ head: turn(head - 1, heads), how: "head" }), "]": () => ({ head: turn(head + 1, heads), how: "head" }),
    "{": () => ({ layer: turn(layer - 1, layers), how: "head" }), "}": () => ({ layer: turn(layer + 1, layers), how: "head" }),
    x: () => ({ side: SIDES[1 - lineOf(side)], pins: [] }), m: () => (state.why ? null : { form: state.kind === "map" ? state.other : "map" }),
  };
  return answers[key]?.();
}

/** Why these weights cannot be shown as threads, or "" */
export function whyNot({ low, high }, { signed, compact }) {
  if (compact || signed) return "a map alone";
  return low < -1e-3 || high > 1.01 ? "shares of 1 only" : "";
}

// ---- the page around it ----------------------------------------------------------------------------------------------------

const LOUPE = 176;                                       // beside a map of a long text
const LAB = { "data-lm-suppress-shortcuts": "true" };

/** A number or a tick with its name */
function field(bar, label, attributes, onchange) {
  const input = make("input", make("label", bar, {}, `${label} `), { ...LAB, "aria-label": label, ...attributes });
  input.addEventListener("keydown", (event) => event.stopPropagation());
  input.addEventListener(attributes.type === "checkbox" ? "change" : "input", () => onchange(input));
  return input;
}

const COLOURS = ["absolute, 0 to 1", "relative to each row's largest", "square root"];

const HOWS = {
  head: "one head", "mean layer": "mean of its layer", "max layer": "max of its layer", "mean all": "mean of all heads", "max all": "max of all heads",
};

/** The row of controls, and beside the small pictures what is shown. @returns {{set}} set(state, data): as the state says */
function controls(bar, heads, house, { signed, grid }, send) {
  let hows = [], layered = "head";                       // a mean of a layer goes to the next layer, too
  const layer = menu(bar, "layer", [], (n) => send({ layer: n, how: layered })), head = menu(bar, "head", [], (n) => send({ head: n, how: "head" }));
  const show = menu(heads, "show", [], (n) => send({ how: hows[n] }));
  heads.prepend(heads.lastChild);
  const form = choice(bar, "form", [grid.length ? "patches" : "threads", "map"], (name) => send({ form: name })), why = make("span", form.node, { class: "reason" });
  const unit = choice(bar, "unit", ["words", "pieces"], (name) => send({ unit: name }));
  const side = menu(bar, "view by", SIDES, (n) => send({ side: SIDES[n], pins: [] }));
  const scale = signed ? null : menu(bar, "colours", COLOURS, (n) => send({ scale: SCALES[n] }));
  const whole = { type: "number", min: 0, step: 1 }, part = { type: "number", min: 0, max: 1, step: 0.05 };
  const top = field(bar, "only the top", whole, ({ value }) => send({ top_k: Math.max(0, Math.floor(+value) || 0) }));
  const least = field(bar, "at least", part, ({ value }) => send({ threshold: Math.max(0, +value || 0) }));
  const sink = field(bar, "hide the first column", { type: "checkbox" }, ({ checked }) => send({ hide_first: checked }));
  house.present(bar);
  const list = (one, count, name) => {                   // a list that is open stays as it is
    const names = range(count).map(name), old = [...one.node.options].map((option) => option.textContent);
    if (old.length !== count || old.some((text, n) => text !== names[n])) one.fill(names);
    one.node.parentElement.hidden = count < 2;
  };
  const typed = (input, value) => {                      // a field is the reader's while he types
    if (input.getRootNode().activeElement !== input) input.value = value || "";
  };
  return {
    set(state, data) {
      list(layer, data.layers, (n) => `${n}`);
      list(head, data.heads, (n) => state.titles[n] || `${n}`);
      layer.set(state.layer);
      head.set(state.head);
      hows = Object.keys(HOWS).filter((how) => !how.endsWith("layer") || (data.layers > 1 && data.heads > 1));
      layered = state.how.endsWith("layer") ? state.how : "head";
      list(show, hows.length, (n) => HOWS[hows[n]]);
      show.set(hows.indexOf(hows.includes(state.how) ? state.how : state.how.replace("layer", "all")));
      unit.node.hidden = !state._words.starts;
      unit.set(state.unit);
      side.set(lineOf(state.side));
      scale?.set(SCALES.indexOf(state.scale));
      form.set(state.kind);
      form.node.firstChild.disabled = Boolean(state.why);
      why.textContent = state.why;
      typed(top, state.top_k);
      typed(least, state.threshold);
      sink.checked = state.hide_first;
    },
  };
}

/** The sentence: its words twice, and lines between them. It stays while the hand moves: a click needs both its ends on one word. */
function laySentence(strip, names) {
  const laid = strip.dataset.words, now = JSON.stringify(names);
  if (laid === now) return;
  strip.dataset.words = now;
  strip.replaceChildren();
  names.forEach((words, line) => {
    if (line) strip.append(document.createElementNS(NS, "svg"));
    const row = make("div", strip);
    make("span", row, { class: line ? "side k" : "side q" }, SIDES[line]);
    words.forEach((word, n) => make("span", row, { class: "word", dir: "auto", "data-place": `${line},${n}` }, word));
  });
}

/** Lines only from the word that is looked at; `follow`: it comes into sight */
function paintSentence(strip, one, focus, state, ink, follow) {
  const line = lineOf(state.side), rows = [...strip.querySelectorAll("div")].map((row) => [...row.children].slice(1));
  const words = chosen(state.pins, focus, state.side), from = focus && rows[line][focus[line]], seen = focus && ray(one, focus, state);
  const [bad, blocked, paper] = [ink.bad, ink.blocked, ink.paper].map(rgb), look = { ...state, low: one.low, high: one.high };
  const tone = (n, v) => (isNaN(v) ? bad : seen.closed[n] ? blocked : seen.shown[n] ? ink.ramp[level(v, seen.most, look)] : paper);
  const dressed = (side, n) => {
    if (side === line) return words.includes(n) ? `border-color:${line ? ink.key : ink.query}` : "";
    if (!focus) return "";
    const c = tone(n, seen.values[n]);
    return `background:${css(c)};color:${readable(c)};${seen.closed[n] ? "text-decoration:line-through" : ""}`;
  };
  rows.forEach((row, side) => row.forEach((word, n) => {
    const now = dressed(side, n);
    if ((word.dataset.style ?? "") !== now) word.style.cssText = word.dataset.style = now;
  }));
  const lines = strip.querySelector("svg");
  lines.replaceChildren();
  if (!focus) return;
  const off = from.offsetLeft - strip.scrollLeft;
  if (follow && (off < 60 || off + from.offsetWidth > strip.clientWidth)) strip.scrollLeft = from.offsetLeft - strip.clientWidth / 2;
  const middle = (word) => word.offsetLeft + word.offsetWidth / 2, strongest = best(seen.values).filter(([v, n]) => seen.shown[n] && v > 0);
  const ends = strongest.slice(0, state.top_k || 8).map(([v, n]) => [v, middle(from), middle(rows[1 - line][n])]);
  for (const [v, here, there] of ends) {
    const path = lines.appendChild(document.createElementNS(NS, "path")), [a, b] = line ? [there, here] : [here, there];
    path.setAttribute("d", `M${a} 0 C${a} 15 ${b} 13 ${b} 28`);
    path.setAttribute("stroke-width", Math.max(0.4, (6 * v) / Math.max(1, one.high)));
  }
}

const APPLICATION = { tabindex: 0, role: "application", ...LAB };

const HANDS = "arrow keys move, Home and End go to the ends of a row, space keeps a word, x looks from the other side, "
  + "brackets change the head, braces the layer, m shows threads, Escape unpins";
const AMONG_THREADS = "up and down choose a word, left and right its side, Shift or space adds one, brackets change the head, "
  + "braces the layer, m shows the map, Escape unpins";
const IN_LINES = "arrow keys choose a word or a patch, Shift or space adds one, x looks from the other side, "
  + "brackets change the head, braces the layer, m shows the map, Escape unpins";

/** All that is below the root, from top to bottom */
function furnish(house) {
  const { root, line } = house, heading = make("div", root, { class: "heading" }), bar = make("div", root, { class: "row" });
  const body = make("div", root, { class: "body" }), heads = make("div", body, { class: "heads" }), scene = make("div", body, { class: "scene" });
  const every = { "aria-label": "all heads, one small picture each", "aria-valuemin": 0 }, whole = { role: "group", "aria-label": "the sentence" };
  const atlas = make("canvas", heads, { tabindex: 0, role: "slider", ...every, ...LAB });
  const strip = make("div", scene, { class: "attnlib-sentence", ...whole, ...LAB });
  const map = make("div", scene, { class: "map" }), base = make("canvas", map, { class: "cells" });
  const overlay = make("canvas", map, { class: "hand", ...APPLICATION, "aria-label": `attention weights: ${HANDS}` });
  const pen = sketch(scene, { class: "woven", ...APPLICATION, "aria-label": `attention as threads: ${AMONG_THREADS}` });
  const prose = make("div", scene, { class: "prose", ...APPLICATION, "aria-label": `attention in the text or image: ${IN_LINES}` });
  const legend = make("p", prose, { class: "caption" }), text = make("div", prose, { class: "text" }), patches = make("canvas", prose);
  const loupe = make("div", scene, { class: "loupe" });
  const scrub = make("div", root, { class: "scrub", hidden: true });
  line.classList.add("attnlib-readout");
  root.append(line);
  return { heading, bar, body, heads, scene, atlas, strip, map, base, overlay, pen, prose, legend, text, patches, loupe, scrub, notes: make("div", root, { class: "attnlib-notes" }) };
}

/** Where the small pictures are. @returns the room that they leave */
function arrangeHeads(view) {
  const { house: { root }, parts: { heading, bar, body, heads, scrub }, state, data } = view;
  const wide = root.clientWidth - 12, narrow = wide < 700;
  const many = !state.compact && data.layers * data.heads > 1;
  view.steps?.lay();
  const steps = scrub.hidden ? 0 : scrub.offsetHeight + 8, rest = Math.max(320, 476 - heading.offsetHeight - bar.offsetHeight - steps);
  body.classList.toggle("narrow", narrow);
  heads.hidden = !many;
  const sizes = { width: narrow ? wide : 196, tall: narrow ? 150 : rest - 8 - heads.firstChild.offsetHeight, narrow };
  view.tiles = many ? tiles(data, { ...sizes, titles: state.titles }) : null;
  return { room: wide - (many && !narrow ? view.tiles.width + 16 : 0), rest, narrow };                // 560 in all, with what stands below
}

/** Where everything is, for what there is to show and the width of the page */
function arrange(view) {
  const { parts, state, one } = view, { strip, pen } = parts, names = { q: state.tokens, k: state.key_tokens };
  const { room, rest, narrow } = arrangeHeads(view), above = state.compact ? 0 : strip.offsetHeight + 4;
  if (strip.scrollWidth > strip.clientWidth) strip.tabIndex = 0; else strip.removeAttribute("tabindex");               // keys scroll it, too
  const long = !state.compact && Math.max(one.nq, one.nk) > MANY && room > 480, width = room - (long ? LOUPE : 0);
  const tall = state.compact ? 250 : narrow ? 340 : rest - above;
  const dots = window.devicePixelRatio || 1, wideOf = (text, size) => measure(text, `600 ${size}px system-ui, sans-serif`);
  const look = { width, tall, sums: !state.signed, dots, wide: wideOf }, left = state.weaves ? loom(names, width, tall + above) : null;
  const place = view.place = { ...geometry(one, names, { ...look, left: left?.x0 }), quiet: left?.quiet, bare: left?.bare };
  const high = place.height + above, size = place.size;
  view.loom = null;
  parts.map.style.maxHeight = place.height > tall + 30 ? `${tall}px` : "";              // what is larger is scrolled
  parts.map.style.width = long ? `${width}px` : "";
  arrangeLines(view, { width: room, tall: tall + above, wide: wideOf });
  parts.loupe.hidden = !(state.kind === "map" ? long : state.kind === "patches" && room > 480);
  parts.loupe.style.top = `${state.kind === "map" ? above : 24}px`;
  if (!state.weaves) return;
  const woven = loom(names, width, high);
  view.loom = {                                          // the threads have the whole scene, the cells are where the map has them
    ...woven, x0: left.x0, quiet: left.quiet, top: above + place.y, row: place.ch, cell: place.cw, tilt: place.flat ? 0 : -45,
    q: { ...woven.q, size }, k: { ...woven.k, size },
  };
  pen.resize(width, high);
}

/** Running text or patches, in the place of sentence and map */
function arrangeLines(view, { width, tall, wide }) {
  const { parts: { prose, legend, text, patches, strip, map }, state, one } = view, names = { q: state.tokens, k: state.key_tokens };
  const inLines = Boolean(state.spots), grid = state.kind === "patches";
  prose.hidden = !inLines;
  text.hidden = grid;
  patches.hidden = !grid;
  for (const node of [strip, map]) node.classList.toggle("away", inLines);
  prose.style.height = prose.parentElement.style.minHeight = state.weaves || state.why ? "" : `${tall}px`;               // in every form
  if (!inLines) return;
  const high = tall - legend.offsetHeight - 4, laid = JSON.stringify(names);
  if (grid) {
    view.patches = patchwork(one, state.grid, names, { width: width - (width > 480 ? LOUPE : 0), tall: high, wide });
    view.image = state._image_size.length ? imageOf(state._image, state._image_size) : null;
    return;
  }
  if (view.laid !== laid) view.text = layText(text, names);
  view.laid = laid;
  fitText(view.text, high);
}

/** The same head for weave.js: what is hidden is 0 */
function fabric({ one, state }) {
  const weights = range(one.nq).map((i) => {
    const row = one.row(i), shown = passing(row, state);
    return row.map((v, j) => (shown[j] ? v : 0));
  });
  const mask = one.masked ? weights.map((row, i) => row.map((_, j) => !one.closed(i, j))) : null;
  return { weights, mask, q: state.tokens, k: state.key_tokens, even: evens(weights, mask).map((alike) => alike && one.shares) };
}

/** The small pictures in colours; made again only where they would be others */
function smallPictures({ data, state, ink, tiles: { cw, ch }, small }) {
  const { _small, _weights, _mask, step } = state, source = _small.byteLength ? _small : _weights;
  const key = [source, _mask, step, state.scale, ink.paper, cw, ch];
  if (small && key.every((one, n) => one === small.key[n])) return small;
  const look = { ...state, low: data.low, high: data.high }, [bad, blocked] = [ink.bad, ink.blocked].map(rgb);
  const paint = (v) => (v === null ? blocked : isNaN(v) ? bad : ink.ramp[level(v, 1, look)]);
  const dots = Math.max(1, Math.floor(Math.min(cw, ch) - 3));
  const cells = (layer, head) => {
    const held = _small.byteLength ? null : headOf(data, layer, head, step);
    return held ? thumbnail(held, dots) : data.small(step, layer, head);
  };
  const all = range(data.layers * data.heads).map((n) => cells(Math.floor(n / data.heads), n % data.heads));
  return { key, pictures: all.map((rows) => rows?.map((row) => row.map(paint))) };
}

/** The chosen one among them, for eyes and for a screen reader */
function showHeads(view, zoom) {
  const { parts: { atlas }, data, state, ink } = view, { layer, head } = state;
  view.small = smallPictures(view);
  paintAtlas(sharp(atlas, view.tiles.width, view.tiles.height, zoom), data, view.tiles, view.small.pictures, state, ink);
  atlas.setAttribute("aria-valuemax", data.layers * data.heads - 1);
  atlas.setAttribute("aria-valuenow", layer * data.heads + head);
  atlas.setAttribute("aria-valuetext", caption(data, state));
}

/** The row of steps, made again where there are others: of a training, or of a text that is being written */
function runSteps(view, send) {
  const { house, parts: { scrub }, raw: { _axis: { name, names, written }, step } } = view, key = JSON.stringify([name, names]);
  if (view.running === key) return;
  view.steps?.stop();
  Object.assign(view, { running: key, steps: null });
  scrub.replaceChildren();
  scrub.hidden = !names;
  if (!names) return;
  const told = (k) => (written ? `${k + 1} of ${names.length}` : names[k]), wide = (one, k) => measure(told(k), "600 13px system-ui, sans-serif");
  const now = make("b", null, { style: `min-width:${Math.ceil(Math.min(140, Math.max(...names.map(wide))))}px` });
  view.steps = scrubber(house, scrub, scrub, { names, label: name, first: step, deep: 12, told }, (state, k) => {
    const at = view.at = state.playing ? k : state.step, word = spoken({ ...view.raw, step: at }).last;
    now.textContent = told(at);
    if (at !== view.raw.step) send({ step: at, ...(written && view.whole && { pinned: cellOf(view.whole, 0, word), pins: [], side: "query" }) });
  }, () => {});
  view.steps.line.svg.before(make("span", null, { class: "faint" }, name), now);
}

/** What is shown of what is merged: in words, and of a text as much as has been written */
function presented(view) {
  const { raw, state } = view, whole = merged(view.data, state), starts = worded(raw);
  view.whole = whole && starts ? inWords(whole, starts) : whole;
  view.itself = String(raw.tokens) === String(raw.key_tokens);
  return view.whole && state.last !== null ? soFar(view.whole, state.last, view.itself) : view.whole;
}

/** Words that have not been written yet */
function hideLater({ house, state, itself, loom: place }) {
  const { last } = state, later = (line, n) => last !== null && n > last && (!line || itself);
  const hidden = (words, line) => words.map((word, n) => (later(line, n) ? "·" : word));
  for (const [line, name] of ["tokens", "key_tokens"].entries()) state[name] = hidden(state[name], line);
  for (const [line, name] of ["q", "k"].entries()) if (place) place[name].names = hidden(place[name].names, line);
  for (const node of house.root.querySelectorAll("[data-place]")) node.classList.toggle("later", later(...node.dataset.place.split(",").map(Number)));
}

/** Everything, once per change of the numbers */
function refresh(view, send) {
  view.stale = false;                                    // what comes meanwhile is for the next frame
  runSteps(view, send);
  const { house, parts: { heading, scene, strip, base, overlay, notes }, state } = view, zoom = +house.root.style.zoom || 1;
  Object.assign(state, spoken(view.raw));
  if (view.edition !== state._edition) Object.assign(view, { edition: state._edition, came: new Map() });
  const data = table(state, view.came), within = (name, count) => Math.min(state[name], count - 1);
  Object.assign(state, { step: within("step", data.steps), layer: within("layer", data.layers), head: within("head", data.heads) });
  view.data = data;
  const one = presented(view), why = whyNot(one ?? data, state), { nq, nk } = one ?? data;
  const other = state.grid.length ? "patches" : "threads", kind = state.form === other && !why ? other : "map";
  const weaves = !why && !state.grid.length && Math.max(nq, nk) <= MOST, woven = weaves && kind === "threads";
  const spots = (line) => (kind === "patches" ? spotsOfPatches(view.patches, line) : spotsOf(view.text, line));
  Object.assign(state, { size: { layers: data.layers, heads: data.heads, nq, nk }, why, other, kind, weaves, woven });
  state.spots = kind === "map" || woven ? null : spots;
  Object.assign(view, { data, one });
  view.controls?.set(state, data);
  const said = caption(data, state);
  heading.textContent = [state.title, ...(state.how === "head" ? [] : [said])].filter(Boolean).join(" · ");
  heading.hidden = !heading.textContent;
  scene.classList.toggle("waits", !one);
  const ink = view.ink = inks(house, state.signed);
  if (!one) {
    arrangeHeads(view);
    if (view.tiles) showHeads(view, zoom);
    return house.say(state._left_out ? `This page does not hold this: ${said}.` : `On its way from the kernel, while that runs: ${said}.`);
  }
  state.cell = (line, n) => cellOf(one, line, n, null, state.side);
  if (!state.compact) laySentence(strip, [state.tokens, state.key_tokens]);
  arrange(view);
  hideLater(view);
  const { place, colours: before } = view, { rows, hidden } = coloured(one, state, ink);
  sharp(overlay, place.width, place.height, zoom);
  overlay.dataset.cells = [place.x, place.y, place.cw, place.ch].join(" ");
  view.paint = (colours) => {
    const pen = sharp(base, place.width, place.height, zoom);
    paintMap(pen, one, place, colours, state, ink);
    paintNames(pen, one, place, state, ink);
    paintLegend(pen, one, place, state, ink);
    if (view.loom) paintMost(pen, view.fabric, place, ink);
  };
  const alike = before?.length === rows.length && before[0].length === rows[0].length && nq * nk <= 10_000;
  const from = alike && view.painted !== view.raw.step ? before : null;                 // from one step to the next, colours blend
  Object.assign(view, { colours: rows, painted: view.raw.step, blend: from && { from, t: 0 } });
  if (view.tiles) showHeads(view, zoom);
  notes.replaceChildren();
  const share_ = `${(100 * hidden).toFixed(hidden < 0.1 ? 1 : 0)} %`;
  if (hidden > 0) make("div", notes, { class: "faint" }, `${share_} of the weight is hidden; what is shown is not rescaled`);
  const mild = [state._left_out, state.how.startsWith("max") && !state.signed ? "a max is no share: what a row adds up to need not be 1" : ""];
  for (const text of mild) if (text) make("div", notes, { class: "faint" }, text);
  for (const text of state._notes) make("div", notes, { class: "odd" }, `⚠ ${text}`);
  if (worded(view.raw)) make("div", notes, { class: "faint" }, "words: pieces summed over keys, averaged over queries");
  view.fabric = fabric(view);
  view.paint(from ?? rows);
  if (!view.loom) return;
  view.moving ??= spun(view.fabric.weights, state.woven ? "threads" : "map");
  aim(view.moving, view.fabric.weights, state.woven ? "threads" : "map", view.moving.morph < 1);
}

const HELP = {
  compact: "Click a cell, or use the arrow keys.",
  map: "Point at a cell, or click to pin it; with the keyboard, focus the picture and use the arrow keys.",
  patches: "Point at a patch, or click to pin it; with Shift several. With the keyboard, focus the picture and use the arrow keys.",
  threads: "Point at a word, or click to pin it; with Shift several. With the keyboard, focus the picture and use the arrow keys.",
};

/** What is chosen now, by the hand or by the pin: the state, and the cell that is looked at */
function looked({ hover, state, one: { nq, nk } }) {
  const fits = (cell) => (cell && cell[0] >= 0 && cell[1] >= 0 && cell[0] < nq && cell[1] < nk ? cell : null);
  const here = hover && fits(hover.cell), other = here && hover.side && hover.side !== state.side, count = state.side === "key" ? nk : nq;
  const pins = other ? [] : state.pins.filter((n) => n < count);
  const now = { ...state, pinned: fits(state.pinned), pins, side: other ? hover.side : state.side };
  return { now, focus: here || now.pinned };
}

/** A pin that keys have moved out of sight comes back; what the reader scrolls stays. */
function bringBack(view, { x, y, cw, ch }, cell) {
  const { map } = view.parts, pin = String(cell);
  if (!cell || pin === view.pin) return;
  view.pin = pin;
  for (const [side, room, first, at] of [["scrollLeft", map.clientWidth, x, x + cell[1] * cw], ["scrollTop", map.clientHeight, y, y + cell[0] * ch]]) {
    if (at < map[side] + Math.min(first, room / 2) || at > map[side] + room - 20) map[side] = at - room / 2;
  }
}

/** Running text or patches, in the colours of what is chosen */
function showLines(view, seen, look) {
  const { house, parts: { legend, patches }, state, ink, image } = view, place = view.patches;
  legend.textContent = legendOf(seen, look);
  if (state.kind === "patches") {
    const pen = sharp(patches, place.width, place.height, +house.root.style.zoom || 1);
    return paintPatches(pen, place, seen, look, ink, { image, q: state.tokens, k: state.key_tokens });
  }
  paintText(view.text, view.fabric, seen, look, ink);
  const pin = look.pins.at(-1), before = view.pin;
  if (!view.hover && pin !== undefined && pin !== before) bringWord(view.text, lineOf(look.side), pin);
  view.pin = pin;
}

/** What moves with the hand: frame, sentence, threads, read-out */
function followHand(view) {
  const { house, parts, state, one, place, ink } = view, { overlay, pen, map, strip, prose } = parts, { now, focus } = looked(view);
  const m = view.loom ? view.moving.morph : 1, words = { side: now.side, pins: chosen(now.pins, focus, now.side) };
  const seen = state.spots || place.few ? seenBy(view.fabric, words) : null;
  if (!parts.loupe.hidden) paintLoupe(parts.loupe, view.fabric, seen, words);
  if (state.spots) showLines(view, seen, { ...now, ...words });
  else if (m > 0.97) {                                   // the last steps towards the map are drawn twice, and the map comes up
    paintFocus(sharp(overlay, place.width, place.height, +house.root.style.zoom || 1), one, place, focus, now, view.colours, ink, seen,
      [map.scrollLeft, map.scrollTop]);
    if (!view.hover) bringBack(view, place, focus);
    if (!state.compact) paintSentence(strip, one, focus, now, ink, !view.inStrip);
  }
  if (m < 1) weave(pen, { ...view.fabric, weights: drawn(view.moving) }, view.loom, { ...words, morph: m });
  pen.done();
  const { hand } = view;
  for (const node of [map, strip]) Object.assign(node.style, { opacity: m < 1 ? clamp((m - 0.97) * 33) : "", visibility: m > 0.97 ? "" : "hidden" });
  Object.assign(pen.svg.style, { opacity: m > 0.97 ? clamp((1 - m) * 66) : "", display: m < 1 ? "" : "none" });
  const live = state.spots ? prose : state.woven ? pen.svg : m === 1 ? overlay : null;               // the focus goes where the form goes
  if (live && live !== hand && [overlay, pen.svg, prose].includes(hand)) live.focus({ preventScroll: true });
  const { sum, side } = view.hover ?? {};
  if (sum < one.nq) house.say([[state.tokens[sum], "q"], `: the row adds up to ${one.sum(sum).toFixed(2)}.`]);
  else if (side && view.loom) house.say(telling(view.fabric, { ...words, pins: [view.hover.n] }));
  else if (!focus) house.say(state._hint !== "all" ? "" : HELP[state.compact ? "compact" : state.kind]);
  else house.say(state.woven || state.spots ? telling(view.fabric, words) : sentence(one, focus, now));
}

const AROUND = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/** Mouse, finger and pen: a mouse points, all of them click; shift, or a long touch, adds a word. */
function hands(view, send, later) {
  const { parts: { overlay, strip, atlas, pen, prose, patches, map }, state } = view, at = (node, event, width) => {
    const box = node.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top].map((x) => (x * width) / (box.width || 1));
  };
  let touched = 0;
  const named = (word) => ({ ...word, cell: state.cell(lineOf(word.side), word.n) });
  const spotOn = (event) => {
    const found = view.one && spot(view.place, at(overlay, event, view.place.width), view.one);
    overlay.style.cursor = found?.side ? "pointer" : found?.cell ? "crosshair" : "default";
    return found?.side ? named(found) : found;
  };
  const wordOn = (event) => {
    const [line, n] = event.target.dataset.place?.split(",").map(Number) ?? [];
    return view.one && line !== undefined ? cellOf(view.one, line, n, state.pinned, state.side) : null;
  };
  const pulled = (event) => {
    const word = view.one && view.loom && pluck(event, view.loom, state.side);
    return word && named({ side: word.side, n: word.at });
  };
  const inLines = (event) => {
    const [line, n] = event.target.dataset.place?.split(",").map(Number) ?? [];
    if (!view.one || !state.spots) return null;
    if (state.kind === "threads") return line === undefined ? null : named({ side: view.text.same ? state.side : SIDES[line], n });
    const found = patchAt(view.patches, at(patches, event, view.patches.width), state.side);
    return found && named(found);
  };
  const more = (event) => event.shiftKey || event.ctrlKey || event.metaKey || event.timeStamp - touched > 450;
  const point = (node, find) => {
    node.addEventListener("pointermove", (event) => {
      if (event.pointerType === "touch" && event.target !== patches) return;
      const found = find(event), before = view.hover;
      view.inStrip = node === strip;
      view.hover = found && (Array.isArray(found) ? { cell: found } : found);
      if (JSON.stringify(view.hover) !== JSON.stringify(before)) later();
    });
    node.addEventListener("pointerleave", () => { view.inStrip = false; view.hover = null; later(); });
    node.addEventListener("pointerdown", (event) => { touched = event.timeStamp; });
  };
  point(overlay, spotOn);
  point(strip, wordOn);
  point(pen.svg, pulled);
  point(prose, inLines);
  let from = null;                                       // a finger that is drawn over patches chooses the last of them
  patches.addEventListener("pointerdown", (event) => { from = inLines(event); });
  patches.addEventListener("pointerup", (event) => {
    const { side, n } = view.hover ?? {};
    if (event.pointerType === "touch" && side && n !== from?.n) send(wordClicked(side, n, false, state));
  });
  map.addEventListener("scroll", () => { if (view.place?.few) later(); });
  strip.addEventListener("click", (event) => {
    const cell = wordOn(event);
    if (cell) send(clicked(cell, more(event), state));
  });
  for (const [node, find] of [[overlay, spotOn], [pen.svg, pulled], [prose, inLines]]) node.addEventListener("click", (event) => {
    const { side, n, cell } = find(event) ?? {};
    if (side) send(wordClicked(side, n, more(event), state));
    else if (cell) send(clicked(cell, more(event), state));
  });
  atlas.addEventListener("click", (event) => {
    const where = at(atlas, event, view.tiles.width), found = view.tiles.at(where), layer = view.tiles.layerAt(where);
    if (found) send({ layer: found[0], head: found[1], how: "head" });
    else if (layer !== null) send({ layer, how: "mean layer" });
  });
  const answer = (event) => { view.hover = null; return view.one && keyChange(event, state); };
  keys(overlay, answer, send);
  keys(pen.svg, answer, send);
  keys(prose, answer, send);
  keys(atlas, ({ key }) => {
    const { columns, alone, turned } = view.tiles, [down, across] = AROUND[key] ?? [0, 0];
    const [l, h] = alone ? [0, across + down * columns] : turned ? [across, down] : [down, across];
    return l || h ? { layer: clamp(state.layer + l, 0, view.data.layers - 1), head: clamp(state.head + h, 0, view.data.heads - 1), how: "head" } : null;
  }, send);
}

/** The colours of one step become those of the next, in 250 ms */
function blend(view, ms) {
  const { blend: { from, t }, colours } = view, k = ease(t + ms / 250);
  view.blend = k < 1 ? { from, t: t + ms / 250 } : null;
  view.paint(colours.map((row, i) => row.map((colour, j) => colour.map((c, n) => lerp(from[i][j][n], c, k)))));
}

function render({ model, el }) {
  const house = dress({ model, el }, "attnlib-view"), view = { house, hover: null, inStrip: false, stale: true, hidden: false };
  const kept = keep(model, TRAITS, (news) => {
    Object.assign(view.raw, news);
    const { pinned, pins, step } = spoken(view.raw);
    Object.assign(view.state, news, { pinned, pins, step });
    if ("step" in news && view.steps && news.step !== view.at) view.steps.go(news.step);
    view.stale ||= Object.keys(news).some((name) => !HAND.includes(name));
    picture.ask();
  });
  const send = (news) => kept.send(pieces(news, view.raw));
  view.raw = kept.get();
  view.state = { ...view.raw };
  view.parts = furnish(house);
  const picture = frames((ms) => {
    const before = view.hidden;
    view.hidden = house.root.clientWidth === 0;
    if (view.hidden) return !before;                     // out of sight, for a frame or until the page says that it is seen
    view.hand = house.root.getRootNode().activeElement;  // before its form is hidden
    if (view.stale) refresh(view, send);
    const moves = Boolean(view.one && view.loom) && advance(view.moving, ms);
    if (view.one && view.blend) blend(view, ms);
    if (view.one) followHand(view);
    return moves || Boolean(view.blend);
  });
  const { compact } = view.state, { bar, heads, strip } = view.parts;
  bar.hidden = strip.hidden = compact;
  if (!compact) view.controls = controls(bar, heads, house, view.state, send);
  hands(view, send, picture.ask);
  house.watch(() => { view.stale = true; picture.ask(); });
  house.start();
  return () => {
    picture.stop();
    view.steps?.stop();
    kept.close();
    house.close();
  };
}

export default { render };
