// AttentionView: one head as a heat map or as threads, all heads beside it.
// Python owns the numbers: weights come as uint16 between `_range` (65535 is NaN), row sums as uint16, the mask as bits.
import { clamp, dress, ease, frames, keep, keys, lerp, make, measure, rgb, sharp, sketch } from "./core.js";
import { LAB, controls } from "./controls.js";
import { SIDES, clicked, keyChange, lineOf, reached, whyNot, wordClicked } from "./hands.js";
import {
  MANY, caption, cellOf, chosen, coloured, geometry, headOf, held, inks, level, paintFocus, paintLegend, paintMap, paintMost,
  paintNames, passing, range, shownOf, soFar, spot, table,
} from "./heat.js";
import { imageOf, paintPatches, patchAt, patchwork, spotsOfPatches } from "./patches.js";
import { paintAtlas, thumbnail, tiles } from "./picker.js";
import { scrubber } from "./scrub.js";
import { sentence, spelled } from "./sentence.js";
import { bringWord, fitText, layText, legendOf, paintLoupe, paintText, seenBy, spotsOf } from "./text.js";
import { pieces, spoken, worded } from "./units.js";
import { MOST, advance, aim, drawn, evens, loom, pluck, spun, telling, weave } from "./weave.js";

const HAND = ["pinned", "pins"];                         // what moves with the hand; all else is drawn anew
const TRAITS = [
  ...HAND, "step", "layer", "head", "how", "unit", "form", "side", "scale", "top_k", "threshold", "hide_first", "tokens", "key_tokens", "titles", "title", "signed", "compact", "_hint",
  "_edition", "_names", "_left_out", "_weights", "_small", "_range", "_shape", "_sums", "_sum_range", "_mask", "_notes", "_words", "_axis",
  "grid", "_image", "_image_size",
];

// ---- the page around it ----------------------------------------------------------------------------------------------------

const LOUPE = 176, BESIDE = 196, FINGER = 24;            // room beside a map: of a long text; for the small pictures; for a finger

const APPLICATION = { tabindex: 0, role: "application", ...LAB };

const KEYS = "click pins; arrow keys move, Shift or Space adds, x: other side, [ ]: head, { }: layer, m: form, Esc unpins";

/** All that is below the root, from top to bottom */
function furnish(house) {
  const { root, line } = house, heading = make("div", root, { class: "heading" }), bar = make("div", root, { class: "row" });
  const body = make("div", root, { class: "body" }), heads = make("div", body, { class: "heads" }), scene = make("div", body, { class: "scene" });
  const every = { "aria-label": "all heads, one small picture each", "aria-valuemin": 0 };
  const atlas = make("canvas", heads, { tabindex: 0, role: "slider", ...every, ...LAB });
  const map = make("div", scene, { class: "map" }), base = make("canvas", map, { class: "cells" });
  const overlay = make("canvas", map, { class: "hand", ...APPLICATION, "aria-label": `attention weights: ${KEYS}` });
  const pen = sketch(scene, { class: "woven", ...APPLICATION, "aria-label": `attention as threads: ${KEYS}` });
  const prose = make("div", scene, { class: "prose", ...APPLICATION, "aria-label": `attention in the text or image: ${KEYS}` });
  const legend = make("p", prose, { class: "caption" }), text = make("div", prose, { class: "text" }), patches = make("canvas", prose);
  const loupe = make("div", scene, { class: "loupe" });
  const scrub = make("div", root, { class: "scrub", hidden: true });
  line.classList.add("attnlib-readout");
  root.append(line);
  return { heading, bar, body, heads, scene, atlas, map, base, overlay, pen, prose, legend, text, patches, loupe, scrub, notes: make("div", root, { class: "attnlib-notes" }) };
}

/** Where the small pictures are. @returns the room that they leave */
function arrangeHeads(view) {
  const { parts: { heading, bar, body, heads, scrub }, state, data } = view;
  const wide = body.clientWidth, narrow = wide < 700, many = !state.compact && data.layers * data.heads > 1;
  view.steps?.lay();
  const steps = scrub.hidden ? 0 : scrub.offsetHeight + 8, rest = Math.max(320, 476 - heading.offsetHeight - bar.offsetHeight - steps);
  body.classList.toggle("narrow", narrow);
  heads.hidden = !many;
  const sizes = { width: narrow ? wide : BESIDE, tall: narrow ? 150 : rest - 8 - heads.firstChild.offsetHeight, narrow };
  view.tiles = many ? tiles(data, { ...sizes, titles: state.titles, least: matchMedia("(pointer: coarse)").matches ? FINGER : 4 }) : null;
  const column = many && !narrow ? Math.max(BESIDE, view.tiles.width) : 0;
  Object.assign(heads.style, { width: column ? `${column}px` : "", maxHeight: narrow ? "" : `${rest}px` });
  return { room: wide - (column && column + 16), rest, narrow };         // 560 in all, with what stands below
}

/** Where everything is, for what there is to show and the width of the page */
function arrange(view) {
  const { parts, state, one } = view, { pen } = parts, names = { q: state.tokens, k: state.key_tokens };
  const { room, rest, narrow } = arrangeHeads(view);
  const long = !state.compact && Math.max(one.nq, one.nk) > MANY && room > 480, width = room - (long ? LOUPE : 0);
  const tall = state.compact ? 250 : narrow ? 340 : rest;
  const dots = window.devicePixelRatio || 1, wideOf = (text, size) => measure(text, `600 ${size}px system-ui, sans-serif`);
  const look = { width, tall, sums: !state.signed, dots, wide: wideOf }, left = state.weaves ? loom(names, width, tall) : null;
  const place = view.place = { ...geometry(one, names, { ...look, left: left?.x0 }), quiet: left?.quiet, bare: left?.bare };
  const high = place.height, size = place.size, { raw, data } = view;
  const whole = worded(raw) ? geometry(data, { q: raw.tokens, k: raw.key_tokens }, look).height : 0;     // words have the room of pieces
  view.loom = null;
  parts.map.style.maxHeight = place.height > tall + 30 ? `${tall}px` : "";              // what is larger is scrolled
  parts.map.style.width = long ? `${width}px` : "";
  arrangeLines(view, { width: room, tall, wide: wideOf });
  parts.scene.style.minHeight = `${state.weaves || state.why ? whole : tall}px`;
  parts.loupe.hidden = !(state.kind === "map" ? long : state.kind === "patches" && room > 480);
  parts.loupe.style.top = `${state.kind === "map" ? 0 : 24}px`;
  if (!state.weaves) return;
  const woven = loom(names, width, high);
  view.loom = {                                          // the threads have the whole scene, the cells are where the map has them
    ...woven, x0: left.x0, quiet: left.quiet, top: place.y, row: place.ch, cell: place.cw, tilt: place.flat ? 0 : -45,
    q: { ...woven.q, size }, k: { ...woven.k, size },
  };
  pen.resize(width, high);
}

/** Running text or patches, in the place of the map */
function arrangeLines(view, { width, tall, wide }) {
  const { parts: { prose, legend, text, patches, map }, state, one } = view, names = { q: state.tokens, k: state.key_tokens };
  const inLines = Boolean(state.spots), grid = state.kind === "patches";
  prose.hidden = !inLines;
  text.hidden = grid;
  patches.hidden = !grid;
  map.classList.toggle("away", inLines);
  prose.style.height = `${tall}px`;
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
function fabric({ one, state, itself }) {
  const weights = range(one.nq).map((i) => {
    const row = one.row(i), shown = passing(row, state);
    return row.map((v, j) => (shown[j] ? v : 0));
  });
  const mask = one.masked ? weights.map((row, i) => row.map((_, j) => !one.closed(i, j))) : null;
  const even = evens(weights, mask).map((alike) => alike && one.shares), later = (side, n) => laterThan(state, itself)(n, side === "key");
  return { weights, mask, q: state.tokens, k: state.key_tokens, even, later, sums: range(one.nq).map(one.sum) };
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
    const whole = _small.byteLength ? null : headOf(data, layer, head, step);
    return whole ? thumbnail(whole, dots) : data.small(step, layer, head);
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
  const { raw, state } = view;
  view.whole = shownOf(view.data, state, worded(raw));
  view.itself = String(raw.tokens) === String(raw.key_tokens);
  return view.whole && state.last !== null ? soFar(view.whole, state.last, view.itself) : view.whole;
}

/** Is a word, a key or not, one that has not been written yet? `itself`: keys are the same text */
const laterThan = ({ last }, itself) => (n, key) => last !== null && n > last && (!key || itself);

function hideLater({ house, state, itself, loom: place }) {
  const isLater = laterThan(state, itself), later = (line, n) => isLater(n, line > 0);
  const hidden = (words, line) => words.map((word, n) => (later(line, n) ? "·" : word));
  for (const [line, name] of ["tokens", "key_tokens"].entries()) state[name] = hidden(state[name], line);
  for (const [line, name] of ["q", "k"].entries()) if (place) place[name].names = hidden(place[name].names, line);
  for (const node of house.root.querySelectorAll("[data-place]")) node.classList.toggle("later", later(...node.dataset.place.split(",").map(Number)));
}

/** Everything, once per change of the numbers */
function refresh(view, send) {
  view.stale = false;                                    // what comes meanwhile is for the next frame
  runSteps(view, send);
  const { house, parts: { heading, scene, base, overlay, loupe, notes }, state } = view, zoom = +house.root.style.zoom || 1;
  Object.assign(state, spoken(view.raw));
  if (view.edition !== state._edition) Object.assign(view, { edition: state._edition, came: new Map() });
  const data = table(state, view.came), within = (name, count) => Math.min(state[name], count - 1);
  Object.assign(state, { step: within("step", data.steps), layer: within("layer", data.layers), head: within("head", data.heads) });
  view.data = data;
  const one = presented(view), why = whyNot(one ?? data, state), { nq, nk } = one ?? data;
  const other = state.grid.length ? "patches" : "threads", kind = state.form === other && !why ? other : "map";
  const weaves = !why && !state.grid.length && Math.max(nq, nk) <= MOST, woven = weaves && kind === "threads";
  const inText = (line) => spotsOf(view.text, line).slice(0, line ? state.size.nk : state.size.nq);
  const spots = (line) => (kind === "patches" ? spotsOfPatches(view.patches, line) : inText(line));
  const written = (count, key) => (state.last !== null && (!key || view.itself) ? state.last + 1 : count);        // keys go no further
  const size = { layers: data.layers, heads: data.heads, nq: written(nq, false), nk: written(nk, true) };
  Object.assign(state, { size, why, other, kind, weaves, woven, held: (look) => held(data, look) });
  state.spots = kind === "map" || woven ? null : spots;
  Object.assign(view, { data, one });
  view.controls?.set(state, data);
  const said = caption(data, state);
  heading.textContent = [state.title, ...(state.how === "head" ? [] : [said])].filter(Boolean).join(" · ");
  heading.hidden = !heading.textContent;
  scene.classList.toggle("waits", !one);
  scene.classList.toggle("gone", !one && Boolean(state._left_out));       // another head would stand below the name of this one
  const ink = view.ink = inks(house, state.signed);
  if (!one) {
    loupe.replaceChildren();
    sharp(overlay, overlay.clientWidth, overlay.clientHeight, zoom);
    arrangeHeads(view);
    if (view.tiles) showHeads(view, zoom);
    return house.say(state._left_out ? `This page does not hold this: ${said}.` : `On its way from the kernel, while that runs: ${said}.`);
  }
  state.cell = (line, n) => cellOf(one, line, n);
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
  const share_ = `${(100 * hidden).toFixed(hidden < 0.1 ? 1 : 0)} %`, most = state.how.startsWith("max") && !state.signed;
  const made = [most && "a max is no share: what a row adds up to need not be 1", worded(view.raw) && HOW_WORDS[+Boolean(view.whole.rough)]];
  const mild = [hidden > 0 && `${share_} of the weight is hidden; what is shown is not rescaled`, state._left_out, made.filter(Boolean).join(" · ")].filter(Boolean);
  if (![...mild, ...state._notes].length && !state.compact && state._hint === "all") mild.push(KEYS.replace(state.why && " m: form,", ""));
  for (const text of mild) make("div", notes, { class: "faint" }, text);
  for (const text of state._notes) make("div", notes, { class: "odd" }, `⚠ ${text}`);
  view.fabric = fabric(view);
  view.paint(from ?? rows);
  if (!view.loom) return;
  view.moving ??= spun(view.fabric.weights, state.woven ? "threads" : "map");
  aim(view.moving, view.fabric.weights, state.woven ? "threads" : "map", view.moving.morph < 1);
}

const HOW_WORDS = ["words: pieces summed over keys, averaged over queries", "words are made of the max of pieces: they can be more than any head gives"];
const THING = { map: "cell", patches: "patch", threads: "word" };

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
  const axes = [["scrollLeft", map.clientWidth, x, 100, x + cell[1] * cw], ["scrollTop", map.clientHeight, y, 20, y + cell[0] * ch]];
  for (const [side, room, first, last, at] of axes) {   // its name leans to the right
    if (at < map[side] + Math.min(first, room / 2) || at > map[side] + room - last) map[side] = at - room / 2;
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

/** What moves with the hand: frame, threads, read-out */
function followHand(view) {
  const { house, parts, state, one, place, ink } = view, { overlay, pen, map, prose } = parts, { now, focus } = looked(view);
  const m = view.loom ? view.moving.morph : 1, words = { side: now.side, pins: chosen(now.pins, focus, now.side) };
  const seen = state.spots || place.few ? seenBy(view.fabric, words) : null;
  if (!parts.loupe.hidden) paintLoupe(parts.loupe, view.fabric, seen, words);
  if (state.spots) showLines(view, seen, { ...now, ...words });
  else if (m > 0.97) {                                   // the last steps towards the map are drawn twice, and the map comes up
    paintFocus(sharp(overlay, place.width, place.height, +house.root.style.zoom || 1), one, place, focus, now, view.colours, ink, seen,
      [map.scrollLeft, map.scrollTop]);
    if (!view.hover) bringBack(view, place, focus);
  }
  if (m < 1) weave(pen, { ...view.fabric, weights: drawn(view.moving) }, view.loom, { ...words, morph: m });
  pen.done();
  const { hand } = view, { sum, side } = view.hover ?? {};
  Object.assign(map.style, { opacity: m < 1 ? clamp((m - 0.97) * 33) : "", visibility: m > 0.97 ? "" : "hidden" });
  Object.assign(pen.svg.style, { opacity: m > 0.97 ? clamp((1 - m) * 66) : "", display: m < 1 ? "" : "none" });
  const live = state.spots ? prose : state.woven ? pen.svg : m === 1 ? overlay : null;               // the focus goes where the form goes
  if (live && live !== hand && [overlay, pen.svg, prose].includes(hand)) live.focus({ preventScroll: true });
  const [q, k] = [state.tokens, state.key_tokens].map((names) => spelled(names, state.grid)), cloth = { ...view.fabric, q, k };
  if (sum < one.nq) house.say([[q[sum], "q"], `: the row adds up to ${one.sum(sum).toFixed(2)}.`]);
  else if (side && view.loom) house.say(telling(cloth, { ...words, pins: [view.hover.n] }));
  else if (!focus) house.say(state._hint !== "all" ? "" : state.compact ? "Click a cell, or use the arrow keys." : `Point at a ${THING[state.kind]}, or click to pin it.`);
  else house.say(state.woven || state.spots ? telling(cloth, words) : sentence(one, focus, { ...now, tokens: q, key_tokens: k }));
}

const AROUND = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/** Mouse, finger and pen: a mouse points, all of them click; shift, or a long touch, adds a word. */
function hands(view, send, later) {
  const { parts: { overlay, atlas, pen, prose, patches, map }, state } = view, at = (node, event, width) => {
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
      view.hover = found;
      if (JSON.stringify(view.hover) !== JSON.stringify(before)) later();
    });
    node.addEventListener("pointerleave", () => { view.hover = null; later(); });
    node.addEventListener("pointerdown", (event) => { touched = event.timeStamp; });
  };
  point(overlay, spotOn);
  point(pen.svg, pulled);
  point(prose, inLines);
  let from = null;                                       // a finger that is drawn over patches chooses the last of them
  patches.addEventListener("pointerdown", (event) => { from = inLines(event); });
  patches.addEventListener("pointerup", (event) => {
    const { side, n } = view.hover ?? {};
    if (event.pointerType === "touch" && side && n !== from?.n) send(wordClicked(side, n, false, state));
  });
  map.addEventListener("scroll", () => { if (view.place?.few) later(); });
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
  const answer = (event) => {                            // also where nothing has come, keys lead on to other heads
    view.hover = null;
    return view.one || "[]{}Escape".includes(event.key) ? keyChange(event, state) : null;
  };
  keys(overlay, answer, send);
  keys(pen.svg, answer, send);
  keys(prose, answer, send);
  keys(atlas, ({ key }) => {
    const { columns, alone, turned } = view.tiles, [down, across] = AROUND[key] ?? [0, 0];
    const [l, h] = alone ? [0, across + down * columns] : turned ? [across, down] : [down, across];
    const { layers, heads } = view.data, far = range(l || h ? Math.max(layers, heads) : 0).map((n) => n + 1);
    const ahead = far.map((n) => ({ layer: clamp(state.layer + n * l, 0, layers - 1), head: clamp(state.head + n * h, 0, heads - 1), how: "head" }));
    return ahead.find((news) => reached(news, state));
  }, send);
}

/** The colours of one step become those of the next, in 250 ms */
function blend(view, ms) {
  const { blend: { from, t }, colours } = view, k = ease(t + ms / 250);
  view.blend = k < 1 ? { from, t: t + ms / 250 } : null;
  view.paint(colours.map((row, i) => row.map((colour, j) => colour.map((c, n) => lerp(from[i][j][n], c, k)))));
}

function render({ model, el }) {
  const house = dress({ model, el }, "attnlib-view"), view = { house, hover: null, stale: true, hidden: false };
  const kept = keep(model, TRAITS, (news) => {
    Object.assign(view.raw, news);
    const { pinned, pins, step } = spoken(view.raw);
    Object.assign(view.state, news, { pinned, pins, step });
    if ("step" in news && view.steps && news.step !== view.at) view.steps.go(news.step);
    view.stale ||= Object.keys(news).some((name) => !HAND.includes(name));
    picture.ask();
  });
  const send = (news) => {
    const there = reached(news, view.state);
    if (there) kept.send(pieces(there, view.raw));
  };
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
  const { compact } = view.state, { bar, heads } = view.parts, anew = () => { view.stale = true; picture.ask(); };
  bar.hidden = compact;
  if (!compact) view.controls = controls(bar, heads, house, view.state, send, anew);
  hands(view, send, picture.ask);
  house.watch(anew);
  house.start();
  return () => {
    picture.stop();
    view.steps?.stop();
    kept.close();
    house.close();
  };
}

export default { render };
