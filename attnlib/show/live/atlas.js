// The atlas: all heads of a model on one page, in the colour and the sign of what they do; the one under the hand as a map with
// its measures, two of them one above the other; and a hunt, in which each head is a small map and a click is judged on many texts.

import { choice, clamp, cut, dress, frames, keep, keys, lerp, make, measure, menu, numbers, press, rgb, scaleOf, share, sharp, slider } from "./core.js";
import { about, agreement, bare, blocks, briefly, bytesOf, geometry, judged, kindsOf, mapsOf, nameOf, number, orderOf, range, strength, sum } from "./heads.js";

const STRONG = 0.25, LABEL = 84, SIDE = 268, NARROW = 700, PHONE = 480, LONG = 150, BESIDE = 6, ROW = 17, TEXT = "px system-ui, sans-serif";
const ORDERS = ["layers", "kind"], TOLD = ["layer by layer", "by kind"];

// ---- paint: draws and returns nothing ----------------------------------------------------------------------------------------

function put(pen, text, x, y, fill, { size = 12, bold = false, align = "center" } = {}) {
  Object.assign(pen, { font: `${bold ? 600 : 400} ${size}${TEXT}`, textAlign: align, textBaseline: "middle", fillStyle: fill });
  pen.fillText(text, x, y);
}
const fillOf = (colour) => `rgb(${colour.map(Math.round)})`;
/** Black or white, whichever can be read on a colour: at least 4.5 to 1 */
const inkOn = (colour) => (sum(colour.map((c, k) => [0.2126, 0.7152, 0.0722][k] * (c / 255) ** 2.2)) < 0.18 ? "#ffffff" : "#000000");
const mixed = (paper, colour, t) => paper.map((c, k) => lerp(c, colour[k], t));

/** A map as a picture of one dot a cell */
function dots(rows, { ramp, shut }) {
  const n = rows.length, image = new ImageData(n, n), small = new OffscreenCanvas(n, n);
  rows.flat().forEach((w, k) => image.data.set([...(w === null ? shut : ramp[Math.round(255 * clamp(w))]), 255], 4 * k));
  small.getContext("2d").putImageData(image, 0, 0);
  return small;
}

const gapOf = ({ cw, ch }, { small }) => (Math.min(cw, ch) > 34 && small ? 4 : 1.5);

/** All heads, each in the colour of its kind; or each as a small map, in a hunt and where cells are large. */
function paintHeads(pen, G, D, S, ink) {
  const { cw, ch } = G, sorted = S.sort !== "layers" && S.mode === "look", byOne = sorted && S.sort !== "kind" ? D.measures[S.sort] : null;
  const names = Object.keys(S.least), one = D.looks.find(({ name }) => name === S.sort), tried = S.mode === "hunt" ? S.triedNow : [];
  const big = cw >= 36 && ch >= 44 && D.small, label = 18;
  S.order.forEach((h, slot) => {
    const [x, y] = G.spot(slot), kind = D.kinds[h], gap = gapOf(G, D), [w, high] = [cw - gap, ch - gap], off = S.kind !== null && S.kind !== kind && S.mode === "look";
    const tone = byOne ? (one ? ink.kinds[D.looks.indexOf(one)] : ink.ramp[190]) : ink.kinds[kind];
    const t = (byOne ? 0.04 + 0.96 * strength(byOne, h) : 0.2 + 0.8 * strength(D.measures[names[kind]], h)) * (off ? 0.15 : 1), colour = mixed(ink.paper, tone, t);
    if (S.mode === "hunt" && D.small) {
      pen.imageSmoothingEnabled = false;
      pen.drawImage(D.small(h), x, y, w, high);
      if (!tried.includes(h)) return;
      pen.fillStyle = fillOf(ink.paper);
      pen.fillRect(x + w / 2 - 15, y + high / 2 - 8, 30, 16);
      put(pen, share(D.hunts[S.task].shares[h]), x + w / 2, y + high / 2, ink.ink, { bold: true });
      Object.assign(pen, { strokeStyle: ink.query, lineWidth: 2 });
      pen.strokeRect(x + 0.5, y + 0.5, w - 1, high - 1);
      return;
    }
    pen.fillStyle = fillOf(colour);
    pen.fillRect(x, y, w, big ? label : high);
    if (big) {
      Object.assign(pen, { imageSmoothingEnabled: false, globalAlpha: off ? 0.15 : 1 });
      pen.drawImage(D.small(h), x, y + label, w, high - label);
      pen.globalAlpha = 1;
    }
    const text = nameOf(h, D.heads), fits = sorted && measure(text, `12${TEXT}`) < w, faint = off || (byOne && byOne[h] < 0.1);
    if (!faint && Math.min(cw, ch) >= 11) put(pen, fits ? text : D.looks[kind].sign, x + w / 2 + (fits && S.b !== null && [S.a, S.b].includes(h) ? 6 : 0), y + (big ? label : high) / 2, inkOn(colour));
  });
}

/** Numbers of layers and heads, or what the order is; and frames around what is chosen. */
function paintFrame(pen, G, D, S, ink) {
  const { cw, ch, top } = G, gap = gapOf(G, D) - 1.5;
  if (S.mode === "look" && S.sort !== "layers") put(pen, S.sort === "kind" ? "row by row, kind by kind, the strongest first" : "row by row, the largest first", G.left, 9, ink.faint, { align: "left" });
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
    put(pen, cut(name, 102, (text) => measure(text, `12${TEXT}`)), x, at, D.kinds[h] === kind ? ink.ink : ink.faint, { align: "left", bold: D.kinds[h] === kind });
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

/** A map: who looks in orange at the left, and where nobody may look, or behind it, what each looks at most; a frame at `look`. */
function paintMap(pen, title, rows, { tokens, causal }, [x, y, wide, high], look, ink) {
  const n = tokens.length, names = tokens.map(bare), font = `12${TEXT}`, longest = Math.max(...names.map((name) => measure(name, font)));
  const label = Math.min(LABEL, longest + 6), right = Math.min(causal ? 40 : 70, longest + 6), x0 = x + label, y0 = y + 22;
  const cw = Math.min(26, (wide - label - right) / n), ch = Math.min(20, (high - 22) / n), every = Math.ceil(12.5 / ch), gap = ch > 6 ? 0.5 : 0;
  put(pen, title, x, y + 9, ink.ink, { size: 13, bold: true, align: "left" });
  rows.forEach((row, i) => {
    const top = Math.max(...row), far = row.indexOf(top), own = look?.[0] === i;
    row.forEach((w, j) => {
      pen.fillStyle = fillOf(w === null ? ink.shut : ink.ramp[Math.round(255 * clamp(w))]);
      pen.fillRect(x0 + j * cw, y0 + i * ch, cw - gap, ch - gap);
    });
    if (i % every && !own) return;
    put(pen, cut(names[i], label - 4, (text) => measure(text, font)), x0 - 5, y0 + (i + 0.5) * ch, ink["query-text"], { align: "right", bold: own });
    const at = x0 + (causal ? i + 1 : n) * cw + 4, room = x + wide - at;
    if (top > STRONG && n > 1 && (i || !causal) && room > 14) {
      put(pen, cut(names[far], room, (text) => measure(text, font)), at, y0 + (i + 0.5) * ch, ink["key-text"], { align: "left", bold: own });
    }
  });
  if (!look) return;
  Object.assign(pen, { strokeStyle: ink.query, lineWidth: 2 });
  pen.strokeRect(x0 + look[1] * cw - 1, y0 + look[0] * ch - 1, cw + 1, ch + 1);
}

// ---- the page -----------------------------------------------------------------------------------------------------------------

const HELP = "All heads: arrow keys move, Enter or Space picks, Esc lets go.";

/** All that is written beside the heads in a hunt. set(hunt, tokens, judgement or null, how many tried, was it shown) */
function card(parent, { next, show, several }) {
  const box = make("div", parent, { class: "card" }), ask = make("p", box, { class: "part" }), said = make("p", box);
  const big = make("span", said, { class: "big" }), rest = make("span", said), verdict = make("p", box), base = make("p", box, { class: "faint" }), row = make("div", box, { class: "row" });
  const other = press(row, "another hunt", next), best = press(row, "show the best", show);
  other.hidden = !several;
  return {
    node: box,
    set(hunt, tokens, judgement, n, best_, total) {
      const [from, to] = hunt.look.map((k) => bare(tokens[k]));
      ask.replaceChildren("Find a head that looks from ", make("span", null, { class: "q" }, from), " to ", make("span", null, { class: "k" }, to), ".");
      base.textContent = hunt.baseline ? `The best fixed distance gets ${share(hunt.baseline)}.` : "";
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

function render({ model, el }) {
  const house = dress({ model, el }, "atlas"), get = (name) => model.get(name), [layers, heads] = get("_shape"), n = layers * heads;
  const names = get("_names"), looks = get("_looks"), texts = get("_texts"), hunts = get("_hunts");
  const measures = Object.fromEntries(numbers(get("_measures"), [names.length, n]).map((values, k) => [names[k], values]));
  const tops = Object.fromEntries(names.map((name) => [name, Math.max(1, ...measures[name])]));
  const starts = texts.map((_, k) => sum(texts.slice(0, k).map((one) => bytesOf(one, n))));
  const maps = texts.map((one, k) => mapsOf(get("_maps"), starts[k], one)), means = new Map(), small = new Map();
  const S = { at: null, kind: null }, D = { layers, heads, measures, tops, looks, hunts };
  const shared = keep(model, ["sort", "mode", "text", "task", "picked", "beside", "least", "tried", "found"], () => change());
  const flat = (pair) => (pair ? pair[0] * heads + pair[1] : null), pair = (h) => (h === null ? null : [Math.floor(h / heads), h % heads]);
  let G = null, ink = null, wide = 0, tall = 0, narrow = false, phone = false;

  const textNow = () => (S.mode === "hunt" ? hunts[S.task].text : S.text);
  function meanOf(k) {                                                   // of all heads: what a hunt shows before a head is pointed at
    if (!means.has(k)) means.set(k, maps[k](0).map((row, i) => row.map((w, j) => (w === null ? null : sum(range(n).map((h) => maps[k](h)[i][j])) / n))));
    return means.get(k);
  }
  function take() {                                                      // from the traits, all that is shown
    Object.assign(S, shared.get());
    [S.a, S.b] = [flat(S.picked), flat(S.beside)];
    D.least = S.least;
    D.kinds = kindsOf(measures, S.least);
    S.order = orderOf(S.mode === "hunt" ? "layers" : S.sort, measures, D.kinds, S.least);
    if (S.mode !== "hunt") return;
    S.triedNow = (S.tried[hunts[S.task].name] ?? []).map(flat);
    S.last = S.triedNow.at(-1) ?? null;
  }
  const verdict = () => {
    const hunt = hunts[S.task], [i, j] = hunt.look;
    if (S.last === null) return null;
    return { ...judged(hunt, S.last, maps[hunt.text](S.last)[i][j] ?? 0), shown: S.shown === hunt.name };
  };
  const bestOf = ({ shares }) => shares.indexOf(Math.max(...shares));
  function said() {
    const all = { heads, measures, tops, kinds: D.kinds, looks };
    if (S.mode === "hunt") {
      const hunt = hunts[S.task], [i, j] = hunt.look, judgement = verdict();
      if (S.at !== null) return `${nameOf(S.at, heads)} gives this look ${share(maps[hunt.text](S.at)[i][j] ?? 0)} in this text.`;
      if (!judgement) return "Each small map is one head on this text. Point at one to see it, click to answer.";
      return `${nameOf(S.last, heads)}: ${share(judgement.share)} over ${hunt.n} ${hunt.over}, place ${judgement.place} of ${n}${judgement.won ? ", found" : ""}. ${S.triedNow.length} tried.`;
    }
    if (S.at !== null) return about(S.at, all);
    if (S.kind !== null) {
      const { name, what } = looks[S.kind], count = D.kinds.filter((kind) => kind === S.kind).length, least = S.least[name];
      return `${count} of ${n} heads are ${name}: ${least === undefined ? what : `${share(least)} or more ${what}`}.`;
    }
    const alike = S.b !== null && texts.length ? ` On this text ${share(agreement(maps[S.text](S.a), maps[S.text](S.b)))} of their weight is the same.` : "";
    if (S.b !== null) return `A ${briefly(S.a, all)}. B ${briefly(S.b, all)}.${alike}`;
    return `${about(S.a, all)}. Point at a head to see it; click another to compare.`;
  }
  function side() {
    const hunt = S.mode === "hunt", halves = narrow && !phone, half = (aside.clientWidth - 16) / 2;
    const width = hunt && halves ? half : aside.clientWidth, high = hunt && !halves ? side.high - 204 : side.high, k = textNow(), text = texts[k];
    const pen = sharp(sideways, width, high, +house.root.style.zoom || 1), two = !hunt && S.at === null && S.b !== null;
    const shown = hunt ? S.at ?? S.last : S.at ?? S.a, name = (h) => `layer ${Math.floor(h / heads)}, head ${h % heads}`;
    sideways.setAttribute("aria-label", shown === null ? "the mean of all heads as a map" : two ? "two heads as maps" : `${name(shown)} as a map`);
    if (two) {
      const across = halves ? 1 : 0, part = across ? half : width, down = across || !text ? high : (high - 8) / 2;
      [S.a, S.b].forEach((h, at) => {
        const spot = [at * across * (part + 16), across ? 0 : at * (down + 8)];
        if (text) paintMap(pen, `${"AB"[at]}  ${name(h)}`, maps[k](h), text, [...spot, part, down], null, ink);
        else {
          put(pen, `${"AB"[at]}  ${name(h)}`, spot[0], spot[1] + 9, ink.ink, { size: 13, bold: true, align: "left" });
          paintProfile(pen, h, D, [spot[0], spot[1] + 24 + (across ? 0 : at * (names.length * ROW - down + 24)), part], ink);
        }
      });
      return;
    }
    const bars = hunt ? 0 : names.length * ROW + 4, beside = halves && !hunt, room = beside ? half : width;
    if (text) paintMap(pen, shown === null ? `mean of all ${n} heads` : name(shown), shown === null ? meanOf(k) : maps[k](shown), text,
      [0, 0, room, beside ? high : high - bars - (bars ? 10 : 0)], hunt ? hunts[S.task].look : null, ink);
    else put(pen, name(shown), 0, 9, ink.ink, { size: 13, bold: true, align: "left" });
    if (bars) paintProfile(pen, shown, D, beside && text ? [room + 16, 22, room] : [0, text ? high - bars : 24, width], ink);
  }
  const clock = frames(() => {
    if (!wide) return false;
    const dark = house.dark();
    ink ??= {
      ramp: scaleOf(house, false), paper: rgb(house.colour("paper")), shut: rgb(house.colour("blocked")), line: rgb(house.colour("line")),
      kinds: looks.map((one) => rgb(dark ? one.dark : one.light)),
      ...Object.fromEntries(["ink", "faint", "query", "query-text", "key-text"].map((one) => [one, house.colour(one)])),
    };
    D.small = texts.length ? (h) => {
      const key = textNow() * n + h;
      if (!small.has(key)) small.set(key, dots(maps[textNow()](h), ink));
      return small.get(key);
    } : null;
    G = geometry({ layers, heads, wide, high: tall, sorted: S.mode === "look" && S.sort !== "layers" });
    const pen = sharp(grid, wide, tall, +house.root.style.zoom || 1);
    paintHeads(pen, G, D, S, ink);
    paintFrame(pen, G, D, S, ink);
    side();
    return false;
  });
  function change(news = {}) {
    Object.assign(S, news);
    take();
    tell();
    clock.ask();
  }
  const send = (news) => { shared.send(news, 150); change(); };
  function tell() {
    const hunt = S.mode === "hunt";
    house.root.classList.toggle("hunting", hunt);
    controls.forEach((set) => set());
    looks.forEach((one, k) => {
      legend[k].lastChild.textContent = `${one.name} ${D.kinds.filter((kind) => kind === k).length}`;
      legend[k].setAttribute("aria-pressed", S.kind === k);
    });
    if (hunt) {
      const { look, text } = hunts[S.task], { pieces } = texts[text], long = pieces.join("").length > LONG;
      const [first, last] = long ? [Math.min(...look) - BESIDE, Math.max(...look) + BESIDE] : [0, pieces.length];
      const parts = pieces.map((piece, k) => (look.includes(k) ? make("b", null, { class: k === look[0] ? "q" : "k" }, piece) : piece));
      sentence.replaceChildren("Each small map is one head on: ", first > 0 ? "… " : "", ...parts.slice(Math.max(0, first), last + 1), last < pieces.length - 1 ? " …" : "");
      told.set(hunts[S.task], texts[text].tokens, verdict(), S.triedNow.length, nameOf(bestOf(hunts[S.task]), heads), n);
    }
    house.say(said());
  }
  function pick(h) {
    if (S.mode !== "hunt") return send(S.b !== null ? { picked: pair(h), beside: null } : h === S.a ? {} : { beside: pair(h) });
    const hunt = hunts[S.task], { name } = hunt, tried = { ...S.tried, [name]: [...S.triedNow.filter((one) => one !== h), h].map(pair) };
    const [i, j] = hunt.look, { won } = judged(hunt, h, maps[hunt.text](h)[i][j] ?? 0);
    S.shown = S.shown === name && won ? name : null;
    return send({ tried, picked: pair(h), beside: null, ...(won && !S.shown ? { found: { ...S.found, [name]: pair(h) } } : {}) });
  }

  const bar = make("div", house.root, { class: "row" }), controls = [];
  if (hunts.length) {
    const mode = choice(bar, "what to do", ["look", "hunt"], (name) => { S.at = S.kind = null; send({ mode: name }); });
    controls.push(() => mode.set(S.mode));
  }
  const orders = [...ORDERS, ...names], order = menu(bar, "order", [...TOLD, ...names.map((name) => `most: ${name}`)], (k) => { S.at = null; send({ sort: orders[k] }); });
  controls.push(() => { order.set(orders.indexOf(S.sort)); order.node.disabled = S.mode === "hunt"; });
  if (texts.length) {
    const which = menu(bar, "maps of", texts.map(({ pieces }) => cut(pieces.join("").trim(), 170)), (k) => send({ text: k }));
    controls.push(() => { which.set(textNow()); which.node.disabled = S.mode === "hunt"; });
  }
  house.present(bar);
  const over = make("div", house.root, { class: "over" }), keyRow = make("div", over, { class: "keys", role: "group", "aria-label": "kinds of heads" });
  const legend = looks.map((one, k) => {
    const button = press(keyRow, "", () => change({ kind: S.kind === k ? null : k }));
    make("i", button, { "aria-hidden": "true" }, one.sign);
    make("span", button);
    return button;
  });
  const limit = slider(keyRow, "limit", { min: 0.05, max: 0.95, step: 0.05, say: share, wide: 130 }, (v) => send({ least: { ...S.least, [looks[S.kind].name]: v } }));
  controls.push(() => {
    const least = S.kind === null ? undefined : S.least[looks[S.kind].name];
    limit.set(least ?? 0.3, least === undefined ? "choose a kind" : "");
  });
  const sentence = make("p", over, { class: "sentence" }), stage = make("div", house.root, { class: "stage beside" });
  const grid = make("canvas", stage, { tabindex: 0, role: "application", "aria-label": HELP, "data-lm-suppress-shortcuts": "true" });
  const aside = make("div", stage, { class: "aside" }), told = card(aside, {
    several: hunts.length > 1,
    next() { S.at = S.shown = null; send({ task: (S.task + 1) % hunts.length }); },
    show() {
      S.shown = hunts[S.task].name;
      pick(bestOf(hunts[S.task]));
    },
  });
  const sideways = make("canvas", aside, { role: "img", "aria-label": "map" });
  house.root.append(house.line);

  const headAt = (event) => {
    const box = grid.getBoundingClientRect(), zoom = box.width / wide || 1, slot = G?.at([(event.clientX - box.left) / zoom, (event.clientY - box.top) / zoom]);
    return slot === null || slot === undefined ? null : S.order[slot];
  };
  const point = (h) => { if (h !== S.at) change({ at: h }); };
  grid.addEventListener("pointermove", (event) => point(headAt(event)));
  let finger = false;
  const choose = (event) => { const h = headAt(event); if (h !== null) pick(h); };
  grid.addEventListener("pointerdown", (event) => { finger = event.pointerType === "touch"; point(headAt(event)); });
  grid.addEventListener("pointerup", (event) => finger && choose(event));         // where it is lifted
  grid.addEventListener("pointerleave", () => point(null));
  grid.addEventListener("click", (event) => finger || choose(event));
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], Home: [-999, 0], End: [999, 0] };
  keys(grid, ({ key }) => {
    const here = S.at ?? (S.mode === "hunt" ? S.last : S.a) ?? 0;
    if (steps[key]) return () => point(S.order[G.step(S.order.indexOf(here), S.at === null && !key.match(/Home|End/) ? [0, 0] : steps[key])]);
    if ((key === "Enter" || key === " ") && S.at !== null) return () => pick(S.at);
    return key === "Escape" && (S.at !== null || S.b !== null) ? () => (S.at !== null ? point(null) : send({ beside: null })) : null;
  }, (go) => go());
  grid.addEventListener("blur", () => point(null));

  change();
  house.watch(() => {
    const all = house.root.clientWidth - 12;
    if (all < 100) return;
    [narrow, phone] = [all < NARROW, all < PHONE];
    house.root.classList.toggle("halves", narrow && !phone);
    stage.classList.toggle("beside", !narrow);
    stage.style.setProperty("--column", `${SIDE}px`);
    const count = blocks(layers, heads, all, 390), rows = Math.ceil(layers / count);
    tall = narrow ? Math.min(420, 20 + Math.max(rows * 24, 160)) : 560 - stage.offsetTop - 50;
    side.high = phone ? 440 : narrow ? 236 : tall;
    wide = narrow ? all : all - SIDE - 20;
    aside.style.height = `${side.high}px`;
    ink = null;
    small.clear();
    const dark = house.dark();
    legend.forEach((button, k) => {
      const colour = dark ? looks[k].dark : looks[k].light;
      button.firstChild.style.background = colour;
      button.firstChild.style.color = inkOn(rgb(colour));
    });
    change();
  });
  house.start();
  return () => { clock.stop(); shared.close(); house.close(); };
}

export default { render };
