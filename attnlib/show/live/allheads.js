// The atlas: all heads of a model on one page, in the colour and the sign of what they do; the one under the hand as a map with
// its measures, two of them one above the other; and a hunt, in which each head is a small map and a click is judged on many texts.

import {
  choice, clamp, cut, dress, frames, keep, keys, lerp, make, measure, menu, numbers, press, rgb, scaleOf, share, sharp, slider,
} from "./core.js";
import {
  about, agreement, bare, blocks, briefly, bytesOf, geometry, judged, kindsOf, mapsOf, nameOf, number, orderOf, range, strength, sum,
} from "./heads.js";

const SIDE = 268, CARD = 220, NARROW = 700, PHONE = 480, STRONG = 0.25, LABEL = 84, LONG = 150, BESIDE = 6, ROW = 17;
const TEXT = "px system-ui, sans-serif";
const ORDERS = ["layers", "kind"], TOLD = ["layer by layer", "by kind"];

// ---- paint: draws and returns nothing ----------------------------------------------------------------------------------------

function put(pen, text, x, y, fill, { size = 12, bold = false, align = "center" } = {}) {
  Object.assign(pen, { font: `${bold ? 600 : 400} ${size}${TEXT}`, textAlign: align, textBaseline: "middle", fillStyle: fill });
  pen.fillText(text, x, y);
}
const fillOf = (colour) => `rgb(${colour.map(Math.round)})`;
/** Black or white, whichever can be read on a colour: at least 4.5 to 1 */
const inkOn = (colour) => (sum(colour.map((c, k) => [0.2126, 0.7152, 0.0722][k] * (c / 255) ** 2.2)) < 0.18 ? "white" : "black");
const mixed = (paper, colour, t) => paper.map((c, k) => lerp(c, colour[k], t));

/** A map as a picture of one dot a cell */
function dots(rows, { ramp, shut }) {
  const n = rows.length, image = new ImageData(n, n), small = new OffscreenCanvas(n, n);
  rows.flat().forEach((w, k) => image.data.set([...(w === null ? shut : ramp[Math.round(255 * clamp(w))]), 255], 4 * k));
  small.getContext("2d").putImageData(image, 0, 0);
  return small;
}

const sortedOf = ({ mode, sort }) => mode === "look" && sort !== "layers";
const gapOf = ({ cw, ch }, { small }) => (Math.min(cw, ch) > 34 && small ? 4 : 1.5);

/** All heads, each in the colour of its kind; or each as a small map, in a hunt and where cells are large. */
function paintHeads(pen, G, D, S, ink) {
  const { cw, ch } = G, gap = gapOf(G, D), w = cw - gap, high = ch - gap, named = sortedOf(S);
  const one = D.looks.findIndex(({ name }) => name === S.sort);
  const by = named && S.sort !== "kind" ? D.measures[S.sort] : null, names = Object.keys(S.least), big = cw >= 36 && ch >= 44 && D.small ? 18 : 0;
  S.order.forEach((h, slot) => {
    const [x, y] = G.spot(slot), kind = D.kinds[h], off = S.kind !== null && S.kind !== kind;
    if (S.mode === "hunt") return paintTried(pen, D, S, h, [x, y, w, high], ink);
    const tone = !by ? ink.kinds[kind] : one < 0 ? ink.ramp[190] : ink.kinds[one];
    const strong = by ? 0.04 + 0.96 * strength(by, h) : 0.2 + 0.8 * strength(D.measures[names[kind]], h);
    const colour = mixed(ink.paper, tone, strong * (off ? 0.15 : 1));
    pen.fillStyle = fillOf(colour);
    pen.fillRect(x, y, w, big || high);
    if (big) {
      Object.assign(pen, { imageSmoothingEnabled: false, globalAlpha: off ? 0.15 : 1 });
      pen.drawImage(D.small(h), x, y + big, w, high - big);
      pen.globalAlpha = 1;
    }
    if (off || (by && by[h] < 0.1) || Math.min(cw, ch) < 11) return undefined;
    const text = nameOf(h, D.heads), fits = named && measure(text, `12${TEXT}`) < w, aside = fits && S.b !== null && [S.a, S.b].includes(h) ? 6 : 0;
    return put(pen, fits ? text : D.looks[kind].sign, x + w / 2 + aside, y + (big || high) / 2, inkOn(colour));
  });
}

/** A head in a hunt: its map, and where it was tried its share */
function paintTried(pen, D, S, h, [x, y, w, high], ink) {
  pen.imageSmoothingEnabled = false;
  pen.drawImage(D.small(h), x, y, w, high);
  if (!S.triedNow.includes(h)) return;
  pen.fillStyle = fillOf(ink.paper);
  pen.fillRect(x + w / 2 - 15, y + high / 2 - 8, 30, 16);
  put(pen, share(D.hunts[S.task].shares[h]), x + w / 2, y + high / 2, ink.ink, { bold: true });
  Object.assign(pen, { strokeStyle: ink.query, lineWidth: 2 });
  pen.strokeRect(x + 0.5, y + 0.5, w - 1, high - 1);
}

/** Numbers of layers and heads, or what the order is; and frames around what is chosen. */
function paintFrame(pen, G, D, S, ink) {
  const { cw, ch, top } = G, gap = gapOf(G, D) - 1.5;
  const how = S.sort === "kind" ? "row by row, kind by kind, the strongest first" : "row by row, the largest first";
  if (sortedOf(S)) put(pen, how, G.left, 9, ink.faint, { align: "left" });
  else {
    for (const c of range(G.columns)) if (cw > 16 || c % D.heads === 0) put(pen, `${c % D.heads}`, G.across(c) + cw / 2, 10, ink.faint);
    for (const layer of range(D.layers)) {
      const x = G.across(Math.floor(layer / G.rows) * D.heads) - 5, r = layer % G.rows;
      if (ch >= 13 || r % 5 === 0) put(pen, `${layer}`, x, top + (r + 0.5) * ch - 1, ink.faint, { align: "right" });
    }
  }
  const frame = (h, colour, sign) => {
    const [x, y] = G.spot(S.order.indexOf(h));
    Object.assign(pen, { strokeStyle: fillOf(ink.paper), lineWidth: 4.5 });
    pen.strokeRect(x - 1, y - 1, cw + 0.5 - gap, ch + 0.5 - gap);
    Object.assign(pen, { strokeStyle: colour, lineWidth: 2.5 });
    pen.strokeRect(x - 1, y - 1, cw + 0.5 - gap, ch + 0.5 - gap);
    if (!sign) return;
    pen.fillStyle = colour;
    pen.fillRect(x - 2, y - 2, 12, 15);
    put(pen, sign, x + 4, y + 6, fillOf(ink.paper), { bold: true });
  };
  if (S.mode === "look") [S.a, S.b].forEach((h, k) => h !== null && frame(h, ink.ink, S.b === null ? "" : "AB"[k]));
  else if (S.last !== null) frame(S.last, ink.ink);
  if (S.at !== null) frame(S.at, ink.query);
}

/** The measures of a head as bars */
function paintProfile(pen, h, D, [x, y, wide], ink) {
  Object.keys(D.measures).forEach((name, k) => {
    const v = D.measures[name][h], at = y + k * ROW + ROW / 2, room = wide - 108 - 38, kind = D.looks.findIndex((one) => one.name === name);
    const own = D.kinds[h] === kind, label = cut(name, 102, (text) => measure(text, `12${TEXT}`));
    put(pen, label, x, at, own ? ink.ink : ink.faint, { align: "left", bold: own });
    pen.fillStyle = fillOf(ink.line);
    pen.fillRect(x + 108, at, room, 1);
    pen.fillStyle = fillOf(kind < 0 ? ink.ramp[190] : ink.kinds[kind]);
    pen.fillRect(x + 108, at - 4, Math.max(1, room * clamp(v / D.tops[name])), 8);
    put(pen, number(v, D.tops[name]), x + wide, at, ink.ink, { align: "right" });
    if (D.least[name] === undefined) return;
    pen.fillStyle = ink.ink;
    pen.fillRect(x + 107 + room * clamp(D.least[name] / D.tops[name]), at - 6, 1.5, 12);      // from here on it is a kind
  });
}

/** A map: who looks in orange at the left, and where nobody may look, or behind it, what each looks at most; `look`: a row
 *  in bold, and a frame around a cell of it */
function paintMap(pen, title, rows, { tokens, causal }, [x, y, wide, high], look, ink) {
  const n = tokens.length, names = tokens.map(bare), width = (text) => measure(text, `600 12${TEXT}`);
  const longest = Math.max(...names.map(width));
  const label = Math.min(LABEL, longest + 6), right = Math.min(causal ? 40 : 70, longest + 6), x0 = x + label, y0 = y + 22;
  const cw = Math.min(26, (wide - label - right) / n), ch = Math.min(20, (high - 24) / n);
  const every = Math.ceil(12.5 / ch), gap = ch > 6 ? 0.5 : 0;
  put(pen, title, x, y + 9, ink.ink, { size: 13, bold: true, align: "left" });
  rows.forEach((row, i) => {
    const top = Math.max(...row), far = row.indexOf(top), own = look?.[0] === i;
    row.forEach((w, j) => {
      pen.fillStyle = fillOf(w === null ? ink.shut : ink.ramp[Math.round(255 * clamp(w))]);
      pen.fillRect(x0 + j * cw, y0 + i * ch, cw - gap, ch - gap);
    });
    if (i % every && !own) return;
    const at = x0 + (causal ? i + 1 : n) * cw + 4, room = x + wide - at, middle = y0 + (i + 0.5) * ch;
    put(pen, cut(names[i], label - 4, width), x0 - 5, middle, ink["query-text"], { align: "right", bold: own });
    if (top > STRONG && n > 1 && (i || !causal) && room > 14) {
      put(pen, cut(names[far], room, width), at, middle, ink["key-text"], { align: "left", bold: own });
    }
  });
  if (look?.length !== 2) return;
  Object.assign(pen, { strokeStyle: ink.query, lineWidth: 2 });
  pen.strokeRect(x0 + look[1] * cw - 1, y0 + look[0] * ch - 1, cw + 1, ch + 1);
}

// ---- the page -----------------------------------------------------------------------------------------------------------------

const HELP = "All heads: arrow keys move, Enter or Space picks, Esc lets go.";

/** All that is written beside the heads in a hunt. set(hunt, tokens, verdict or null, how many tried, the best, of how many) */
function card(parent, { next, show }, several) {
  const box = make("div", parent, { class: "card" }), ask = make("p", box, { class: "part" }), line = make("p", box);
  const big = make("span", line, { class: "big" }), rest = make("span", line), verdict = make("p", box);
  const base = make("p", box, { class: "faint" }), row = make("div", box, { class: "row" });
  const other = press(row, "another hunt", next), best = press(row, "show the best", show);
  other.hidden = !several;
  return {
    set(hunt, tokens, judgement, n, best_, total) {
      const [from, to] = hunt.look.map((k) => bare(tokens[k]));
      const word = (side, text) => make("span", null, { class: side }, text);
      ask.replaceChildren("Find a head that looks from ", word("q", from), " to ", word("k", to), ".");
      base.textContent = hunt.baseline ? `A rule that reads no words: ${share(hunt.baseline)}.` : "";
      big.textContent = judgement ? `${share(judgement.share)} ` : "";
      rest.textContent = judgement ? `over ${hunt.n} ${hunt.over}; here ${share(judgement.here)}. Place ${judgement.place} of ${total}.`
        : `A click is judged on ${hunt.n} ${hunt.over}.`;
      verdict.textContent = !judgement ? hunt.hint : judgement.shown ? `Shown: ${best_}.` : judgement.won
        ? `Found, in ${n} ${n > 1 ? "clicks" : "click"}. ${judgement.place > 1 ? `The best is ${best_}.` : "None is better."}`
        : judgement.only ? "It fits here, and not in the others." : hunt.hint;
      verdict.classList.toggle("won", Boolean(judgement?.won));
      best.disabled = n < 3 || Boolean(judgement?.won) || Boolean(judgement?.shown);
    },
  };
}

/** All that does not change: the numbers of the heads, the maps of the texts, what is to be found. */
function read(get) {
  const [layers, heads] = get("_shape"), n = layers * heads, names = get("_names"), texts = get("_texts"), view = get("_maps");
  const rows = numbers(get("_measures"), [names.length, n]), measures = Object.fromEntries(names.map((name, k) => [name, rows[k]]));
  const tops = Object.fromEntries(names.map((name) => [name, Math.max(1, ...measures[name])])), means = new Map();
  const maps = texts.map((one, k) => mapsOf(view, sum(texts.slice(0, k).map((before) => bytesOf(before, n))), one));
  const of = (k, i, j) => sum(range(n).map((h) => maps[k](h)[i][j])) / n;
  const mean = (k) => {                                                  // of all heads
    if (!means.has(k)) means.set(k, maps[k](0).map((row, i) => row.map((w, j) => (w === null ? null : of(k, i, j)))));
    return means.get(k);
  };
  return { layers, heads, n, names, measures, tops, texts, maps, mean, looks: get("_looks"), hunts: get("_hunts"), writes: get("_writes") };
}

const flat = (D, pair) => (pair ? pair[0] * D.heads + pair[1] : null), pairOf = (D, h) => [Math.floor(h / D.heads), h % D.heads];
const titleOf = (D, h) => `layer ${Math.floor(h / D.heads)}, head ${h % D.heads}`;
const bestOf = ({ shares }) => shares.indexOf(Math.max(...shares));
const hereOf = (D, { text, look: [i, j] }, h) => D.maps[text](h)[i][j] ?? 0;
const textOf = (D, S) => (S.mode === "hunt" ? D.hunts[S.task].text : S.text);

/** What follows from the traits: the kinds of the heads, their order, what was tried */
function follow(D, S) {
  D.least = S.least;
  D.kinds = kindsOf(D.measures, S.least);
  const order = orderOf(S.mode === "hunt" ? "layers" : S.sort, D.measures, D.kinds, S.least);
  Object.assign(S, { a: flat(D, S.picked), b: flat(D, S.beside), order });
  if (S.mode !== "hunt") return;
  const hunt = D.hunts[S.task];
  S.triedNow = (S.tried[hunt.name] ?? []).map((one) => flat(D, one));
  S.last = S.triedNow.at(-1) ?? null;
  S.verdict = S.last === null ? null : { ...judged(hunt, S.last, hereOf(D, hunt, S.last)), shown: S.shown === hunt.name };
}

/** The sentence below the picture */
function said(D, S) {
  if (S.mode === "hunt") {
    const hunt = D.hunts[S.task], { verdict } = S;
    if (S.at !== null) return `${nameOf(S.at, D.heads)} gives this look ${share(hereOf(D, hunt, S.at))} in this text.`;
    if (!verdict) return "Each small map is one head on this text. Point at one to see it, click to answer.";
    const won = verdict.won && !verdict.shown ? ", found" : "", over = `over ${hunt.n} ${hunt.over}, place ${verdict.place} of ${D.n}`;
    return `${nameOf(S.last, D.heads)}: ${share(verdict.share)} ${over}${won}. ${S.triedNow.length} tried.`;
  }
  if (S.at !== null) return `${about(S.at, D)}.`;
  if (S.kind !== null) {
    const { name, what } = D.looks[S.kind], count = D.kinds.filter((kind) => kind === S.kind).length, least = S.least[name];
    return `${count} of ${D.n} heads are ${name}: ${least === undefined ? what : `${share(least)} or more ${what}`}.`;
  }
  const how = D.writes ? "The last row writes what comes next." : "Point at a head to see it; click another to compare.";
  if (S.b === null) return `${about(S.a, D)}. ${how}`;
  const alike = D.texts.length ? share(agreement(D.maps[S.text](S.a), D.maps[S.text](S.b))) : "";
  return `A ${briefly(S.a, D)}. B ${briefly(S.b, D)}.${alike ? ` On this text ${alike} of their weight is the same.` : ""}`;
}

/** Beside the heads: the map of one with its measures, or of two, one above the other or, on `halves`, side by side; in a hunt a map */
function paintSide(pen, D, S, [width, high], halves, ink) {
  const hunt = S.mode === "hunt", k = textOf(D, S), text = D.texts[k], half = (width - 16) / 2, bars = D.names.length * ROW + 4;
  const two = !hunt && S.at === null && S.b !== null, shown = S.at ?? (hunt ? S.last : S.a);
  const one = (h, title, [x, y, wide, tall], look = D.writes ? [text.tokens.length - 1] : null) => {
    if (text) paintMap(pen, title, h === null ? D.mean(k) : D.maps[k](h), text, [x, y, wide, tall], look, ink);
    else put(pen, title, x, y + 9, ink.ink, { size: 13, bold: true, align: "left" });
  };
  const profile = (h, spot) => paintProfile(pen, h, D, spot, ink);
  if (two) {
    const wide = halves ? half : width, tall = halves ? high : (high - 8) / 2;
    [S.a, S.b].forEach((h, at) => {
      const [x, y] = halves ? [at * (half + 16), 0] : [0, at * (tall + 8)];
      one(h, `${"AB"[at]}  ${titleOf(D, h)}`, [x, y, wide, tall]);
      if (!text) profile(h, [x, y + 24, wide]);
    });
  } else if (hunt) one(shown, shown === null ? `mean of all ${D.n} heads` : titleOf(D, shown), [0, 0, width, high], D.hunts[S.task].look);
  else {
    one(shown, titleOf(D, shown), halves ? [0, 0, half, high] : [0, 0, width, high - bars - 10]);
    profile(shown, text ? (halves ? [half + 16, 22, half] : [0, high - bars, width]) : [0, 24, width]);
  }
  return two ? "two heads as maps" : shown === null ? "the mean of all heads as a map" : `${titleOf(D, shown)} as a map`;
}

/** The row of controls and the kinds of heads. @returns set(S): as the state says */
function controls(house, D, act) {
  const bar = make("div", house.root, { class: "row" }), orders = [...ORDERS, ...D.names];
  const mode = D.hunts.length ? choice(bar, "what to do", ["look", "hunt"], (name) => act.send({ mode: name }, { kind: null })) : null;
  const order = menu(bar, "order", [...TOLD, ...D.names.map((name) => `most: ${name}`)], (k) => act.send({ sort: orders[k] }));
  const titles = D.texts.map(({ pieces }) => cut(pieces.join("").trim(), 170));
  const which = titles.length > 1 ? menu(bar, "maps of", titles, (k) => act.send({ text: k })) : null;
  house.present(bar);
  const over = make("div", house.root, { class: "over" });
  const keyRow = make("div", over, { class: "keys", role: "group", "aria-label": "kinds of heads" });
  const legend = D.looks.map((one, k) => {
    const button = press(keyRow, "", () => act.toggle(k));
    make("i", button, { "aria-hidden": "true" }, one.sign);
    make("span", button);
    return button;
  });
  const limit = slider(keyRow, "limit", { min: 0.05, max: 0.95, step: 0.05, say: share, wide: 130 }, act.limit);
  const sentence = make("p", over, { class: "sentence" });
  return {
    node: bar,
    tint: (dark) => legend.forEach(({ firstChild: sign }, k) => {
      const colour = dark ? D.looks[k].dark : D.looks[k].light;
      Object.assign(sign.style, { background: colour, color: inkOn(rgb(colour)) });
    }),
    set(S) {
      const hunt = S.mode === "hunt", least = S.kind === null ? undefined : S.least[D.looks[S.kind].name];
      house.root.classList.toggle("hunting", hunt);
      mode?.set(S.mode);
      order.set(orders.indexOf(S.sort));
      which?.set(textOf(D, S));
      for (const one of [order, which]) if (one) one.node.disabled = hunt;
      limit.set(least ?? 0.3, least === undefined ? "choose a kind" : "");
      legend.forEach((button, k) => {
        button.lastChild.textContent = `${D.looks[k].name} ${D.kinds.filter((kind) => kind === k).length}`;
        button.setAttribute("aria-pressed", S.kind === k);
      });
      const words = hunt ? shortened(D.texts[textOf(D, S)].pieces, D.hunts[S.task].look) : [];
      sentence.replaceChildren("Each small map is one head on: ", ...words);
    },
  };
}

/** The pieces of a text with the two of a look marked; of a long one those around them */
function shortened(pieces, look) {
  const parts = pieces.map((piece, k) => (look.includes(k) ? make("b", null, { class: k === look[0] ? "q" : "k" }, piece) : piece));
  if (pieces.join("").length <= LONG) return parts;
  const [first, last] = [Math.max(0, Math.min(...look) - BESIDE), Math.max(...look) + BESIDE];
  return [first ? "… " : "", ...parts.slice(first, last + 1), last < pieces.length - 1 ? " …" : ""];
}

/** Point, click, slide a finger, keys. `find()`: where the heads are */
function hands(grid, S, find, act) {
  let finger = false;
  const headAt = (event) => {
    const box = grid.getBoundingClientRect(), { G, wide } = find(), zoom = box.width / wide || 1;
    return S.order[G?.at([(event.clientX - box.left) / zoom, (event.clientY - box.top) / zoom])] ?? null;
  };
  const pick = (event) => { const h = headAt(event); if (h !== null) act.pick(h); };
  grid.addEventListener("pointermove", (event) => act.point(headAt(event)));
  grid.addEventListener("pointerdown", (event) => { finger = event.pointerType === "touch"; act.point(headAt(event)); });
  grid.addEventListener("pointerup", (event) => finger && pick(event));  // where a finger is lifted
  grid.addEventListener("click", (event) => finger || pick(event));
  for (const name of ["pointerleave", "blur"]) grid.addEventListener(name, () => act.point(null));
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], Home: [-999, 0], End: [999, 0] };
  keys(grid, ({ key }) => {
    const here = S.at ?? (S.mode === "hunt" ? S.last : S.a) ?? 0, first = S.at === null && key.startsWith("Arrow");
    if (steps[key]) return () => act.point(S.order[find().G.step(S.order.indexOf(here), first ? [0, 0] : steps[key])]);
    if ((key === "Enter" || key === " ") && S.at !== null) return () => act.pick(S.at);
    if (key !== "Escape" || (S.at === null && S.b === null)) return null;
    return () => (S.at === null ? act.send({ beside: null }) : act.point(null));
  }, (go) => go());
}

function inksOf(house, looks) {
  const plain = ["ink", "faint", "query", "query-text", "key-text"].map((one) => [one, house.colour(one)]);
  const [paper, shut, line, key, dark] = ["paper", "blocked", "line", "key-text", "ink"].map((one) => rgb(house.colour(one)));
  const deep = fillOf(key.map((part, n) => 0.9 * part + 0.1 * dark[n]));   // to be read where nobody may look, too
  const kinds = looks.map((one) => rgb(house.dark() ? one.dark : one.light));
  return { ramp: scaleOf(house, false), paper, shut, line, kinds, ...Object.fromEntries(plain), "key-text": deep };
}

/** The page, below `el`. `more(house, bar)`: what another picture puts above it; @returns {{set, note, close}} or nothing
 *  set(S) as the state says; note() a sentence in place of the picture's */
export function allHeads({ model, el }, more = () => null) {
  const house = dress({ model, el }, "atlas"), D = read((name) => model.get(name)), small = new Map();
  const S = { at: null, kind: null, shown: null }, place = { wide: 0, G: null };
  const shared = keep(model, ["sort", "mode", "text", "task", "picked", "beside", "least", "tried", "found"], () => change({}));
  let ink = null;
  D.small = D.texts.length ? (h) => {
    const key = textOf(D, S) * D.n + h;
    if (!small.has(key)) small.set(key, dots(D.maps[textOf(D, S)](h), ink));
    return small.get(key);
  } : null;

  const clock = frames(() => {
    const { wide, tall, high, halves } = place, zoom = +house.root.style.zoom || 1, hunt = S.mode === "hunt";
    if (!wide) return false;
    ink ??= inksOf(house, D.looks);
    place.G = geometry({ ...D, wide, high: tall, sorted: sortedOf(S) });
    const pen = sharp(grid, wide, tall, zoom), room = [aside.clientWidth, high];
    paintHeads(pen, place.G, D, S, ink);
    paintFrame(pen, place.G, D, S, ink);
    if (hunt) room[halves ? 0 : 1] = halves ? (room[0] - 16) / 2 : high - CARD;
    map.setAttribute("aria-label", paintSide(sharp(map, ...room, zoom), D, S, room, halves, ink));
    return false;
  });
  function change(news) {
    Object.assign(S, shared.get(), news);
    follow(D, S);
    bar.set(S);
    if (S.mode === "hunt") {
      const hunt = D.hunts[S.task];
      told.set(hunt, D.texts[hunt.text].tokens, S.verdict, S.triedNow.length, nameOf(bestOf(hunt), D.heads), D.n);
    }
    extra?.set(S);
    house.say(extra?.note() || said(D, S));
    clock.ask();
  }
  const act = {
    send(news, own = {}) {
      shared.send(news, 150);
      change({ at: null, ...own });
    },
    point(h) { if (h !== S.at) change({ at: h }); },
    toggle: (k) => change({ kind: S.kind === k ? null : k }),
    limit: (v) => act.send({ least: { ...S.least, [D.looks[S.kind].name]: v } }),
    pick(h) {
      const at = { at: S.at };
      const pair = pairOf(D, h);
      if (S.mode !== "hunt") return act.send(S.b !== null ? { picked: pair, beside: null } : h === S.a ? {} : { beside: pair }, at);
      const hunt = D.hunts[S.task], all = [...S.triedNow.filter((one) => one !== h), h].map((one) => pairOf(D, one));
      const tried = { ...S.tried, [hunt.name]: all };
      const found = judged(hunt, h, 0).won && S.shown !== hunt.name ? { found: { ...S.found, [hunt.name]: pair } } : {};
      return act.send({ tried, picked: pair, beside: null, ...found }, at);
    },
    next: () => act.send({ task: (S.task + 1) % D.hunts.length }, { shown: null }),
    show() {
      S.shown = D.hunts[S.task].name;
      act.pick(bestOf(D.hunts[S.task]));
    },
  };
  const bar = controls(house, D, act), extra = more(house, bar.node), stage = make("div", house.root, { class: "stage beside", style: `--column:${SIDE}px` });
  const grid = make("canvas", stage, { tabindex: 0, role: "application", "aria-label": HELP, "data-lm-suppress-shortcuts": "true" });
  const aside = make("div", stage, { class: "aside" }), told = card(aside, act, D.hunts.length > 1), map = make("canvas", aside, { role: "img" });
  const again = () => {                                                  // another text came
    Object.assign(D, read((name) => model.get(name)));
    small.clear();
    change({});
  };
  model.on("change:_maps", again);
  house.root.append(house.line);
  hands(grid, S, () => place, act);
  change({});
  house.watch(() => {
    const all = house.root.clientWidth - 12, narrow = all < NARROW, phone = all < PHONE;
    if (all < 100) return;
    stage.classList.toggle("beside", !narrow);
    house.root.classList.toggle("halves", narrow && !phone);
    const rows = Math.ceil(D.layers / blocks(D.layers, D.heads, all, 390));
    const tall = narrow ? Math.min(420, 20 + Math.max(rows * 24, 160)) : 560 - stage.offsetTop - 50;
    const high = phone ? 440 : narrow ? 236 : tall;
    Object.assign(place, { tall, high, wide: narrow ? all : all - SIDE - 20, halves: narrow && !phone });
    aside.style.height = `${place.high}px`;
    ink = null;
    small.clear();
    bar.tint(house.dark());
    change({});
  });
  house.start();
  return () => {
    model.off("change:_maps", again);
    extra?.close();
    clock.stop();
    shared.close();
    house.close();
  };
}
