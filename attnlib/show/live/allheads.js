// The atlas: all heads of a model on one page, in the colour and the sign of what they do; the one under the hand as a map with
// its measures, two of them one above the other; and a hunt, in which each head is a small map and a click is judged on many texts.

import { dots, fillOf, inkOn, paintFrame, paintHeads, paintMap, paintProfile, paintShares, put, ROW, sortedOf } from "./cells.js";
import { choice, cut, dress, frames, keep, keys, make, menu, numbers, press, rgb, scaleOf, share, sharp, slider } from "./core.js";
import {
  about, agreement, bestOf, blocks, briefly, bytesOf, called, counted, geometry, judged, kindsOf, mapsOf, nameOf, orderOf, range, repeating,
  sum, verdictOf,
} from "./heads.js";

const SIDE = 268, NARROW = 700, PHONE = 480, LONG = 100, BESIDE = 4;
const ORDERS = ["layers", "kind"], TOLD = ["layer by layer", "by kind"];

// ---- the page -----------------------------------------------------------------------------------------------------------------

const LONGEST = "Found, in 100 clicks. The best is 10.10.";              // of what a hunt may answer
const HELP = "All heads: arrow keys move, Enter or Space picks, Esc lets go.";

/** All that is written beside the heads in a hunt. set(hunt, pieces, verdict or null, {tried, best, shown, isBest, total}, fixed):
 *  as high as its text at most is, where `fixed` */
function card(parent, { next, show, restart }, several) {
  const box = make("div", parent, { class: "card" }), ask = make("p", box, { class: "part" }), line = make("p", box);
  const verdict = make("p", box), base = make("p", box, { class: "faint" }), row = make("div", box, { class: "row" });
  const other = press(row, "another hunt", next), best = press(row, "show the best", show);
  const again = press(row, "start again", (event) => event.detail < 2 && restart());       // and not by the second click of two on the other
  let known = "";
  other.hidden = !several;
  const write = (hunt, judgement, about_) => {
    line.replaceChildren(...(judgement ? [
      judgement.other === null ? "" : "Right in ", make("span", null, { class: "big" }, share(judgement.share)),
      ` ${counted(hunt, judgement)}. Here ${share(judgement.here)}. Place ${judgement.place} of ${about_.total}.`,
    ] : [`A click is judged on ${hunt.n} ${hunt.over}.`]));
    verdict.textContent = judgement ? verdictOf(hunt, judgement, about_) : hunt.hint;
  };
  return {
    box,
    set(hunt, pieces, judgement, about_, fixed) {
      const [from, to] = hunt.look.map((k) => called(pieces, k)), key = fixed ? `${hunt.name} ${box.clientWidth}` : "";
      const word = (side, text) => make("span", null, { class: side }, text), alone = hunt.another ? ", and from no other word," : "";
      ask.replaceChildren(`Find a head that looks from ${from[0]}`, word("q", from[1]), `${alone} to ${to[0]}`, word("k", to[1]), ".");
      base.textContent = hunt.baseline ? `A rule that reads no words: ${share(hunt.baseline)}.` : "";
      const over = Boolean(judgement?.won) || about_.shown, focused = [best, again].includes(box.getRootNode().activeElement);
      [best.hidden, again.hidden] = [over, !over];
      best.disabled = about_.tried < 3;
      if (focused) (over ? again : best).focus();
      if (key !== known) {
        box.style.height = "";
        write(hunt, { share: 0, other: hunt.another ? 0 : null, here: 0, place: about_.total, whoever: false }, about_);
        verdict.textContent = hunt.hint.length > LONGEST.length ? hunt.hint : LONGEST;
        known = fixed && box.clientWidth ? key : "";
        if (known) box.style.height = `${box.offsetHeight}px`;
      }
      write(hunt, judgement, about_);
      verdict.classList.toggle("won", Boolean(judgement?.won) && !about_.shown);
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
  return { layers, heads, n, names, measures, tops, texts, maps, mean, looks: get("_looks"), hunts: get("_hunts"), writes: get("_writes"), title: get("title") };
}

const flat = (D, pair) => (pair ? pair[0] * D.heads + pair[1] : null), pairOf = (D, h) => [Math.floor(h / D.heads), h % D.heads];
const titleOf = (D, h) => `layer ${Math.floor(h / D.heads)}, head ${h % D.heads}`;
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
  S.verdict = S.last === null ? null : judged(hunt, S.last, hereOf(D, hunt, S.last));
}

/** The sentence below the picture */
function said(D, S) {
  if (S.mode === "hunt") {
    const hunt = D.hunts[S.task], { verdict } = S;
    if (S.at !== null) return `${nameOf(S.at, D.heads)} gives this look ${share(hereOf(D, hunt, S.at))} in this text.`;
    if (!verdict) return "Each small map is one head on this text. Point at one to see it, click to answer.";
    const won = verdict.won && !S.shown.includes(hunt.name) ? ", found" : "", told = `${share(verdict.share)} ${counted(hunt, verdict)}`;
    return `${nameOf(S.last, D.heads)}: ${verdict.other === null ? "" : "right in "}${told}; place ${verdict.place} of ${D.n}${won}. ${S.triedNow.length} tried.`;
  }
  if (S.at !== null) return `${about(S.at, D)}.`;
  if (S.kind !== null) {
    const { name, what } = D.looks[S.kind], count = D.kinds.filter((kind) => kind === S.kind).length, least = S.least[name];
    const theirs = what.replace(/\bits looks\b/, "their looks");
    return `${count} of ${D.n} heads are ${name}: ${least === undefined ? theirs : `${share(least)} or more ${theirs}`}.`;
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
  if (D.title) make("b", house.root, { class: "title" }, D.title);
  const bar = make("div", house.root, { class: "row" }), orders = [...ORDERS, ...D.names];
  const mode = D.hunts.length ? choice(bar, "what to do", ["look", "hunt"], (name) => act.send({ mode: name }, { kind: null })) : null;
  const order = menu(bar, "order", [...TOLD, ...D.names.map((name) => `most: ${name}`)], (k) => act.sort(orders[k]));
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
    over,
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
      limit.set(least ?? 0.3, least !== undefined ? "" : S.kind === null ? "choose a kind" : "it has none");
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
    return S.slots[G?.at([(event.clientX - box.left) / zoom, (event.clientY - box.top) / zoom])] ?? null;
  };
  const pick = (event) => { const h = headAt(event); if (h !== null) act.pick(h); };
  grid.addEventListener("pointermove", (event) => act.point(headAt(event)));
  grid.addEventListener("pointerdown", (event) => { finger = event.pointerType === "touch"; act.point(headAt(event)); });
  grid.addEventListener("pointerup", (event) => finger && pick(event));  // where a finger is lifted
  grid.addEventListener("click", (event) => finger || pick(event));
  for (const name of ["pointerleave", "blur"]) grid.addEventListener(name, () => act.point(null));
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], Home: [-999, 0], End: [999, 0] };
  keys(grid, ({ key }) => {
    const here = S.at ?? (S.mode === "hunt" ? S.last : S.a), first = S.at === null && key.startsWith("Arrow");
    const from = Math.max(0, S.slots.indexOf(here));
    if (steps[key]) return () => act.point(S.slots[find().G.step(from, first ? [0, 0] : steps[key])] ?? S.slots[from]);
    if ((key === "Enter" || key === " ") && S.at !== null) return () => act.pick(S.at);
    if (key !== "Escape" || (S.at === null && (S.b === null || S.mode === "hunt"))) return null;
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

/** The page, below `el`. `more(house, bar, again)`: what another picture puts above it; @returns {{set, note, close}} or nothing
 *  again() says all anew; set(S) as the state says; note(S) a sentence in place of the picture's */
export function allHeads({ model, el }, more = () => null) {
  const house = dress({ model, el }, "atlas"), D = read((name) => model.get(name)), small = new Map();
  const S = { at: null, kind: null, page: 0, slots: [] }, place = { wide: 0, high: 0, lift: 0, G: null };
  const shared = keep(model, ["sort", "mode", "text", "task", "picked", "beside", "least", "tried", "found", "shown"], ({ sort }) => change(sort ? { page: 0 } : {}));
  let ink = null;
  D.small = D.texts.length ? (h) => {
    const key = textOf(D, S) * D.n + h;
    if (!small.has(key)) small.set(key, dots(D.maps[textOf(D, S)](h), ink));
    return small.get(key);
  } : null;

  const clock = frames(() => {
    const { wide, tall, high, lift, halves } = place, zoom = +house.root.style.zoom || 1, hunt = S.mode === "hunt";
    if (!wide) return false;
    ink ??= inksOf(house, D.looks);
    const pen = sharp(grid, wide, tall, zoom), room = [aside.clientWidth, high];
    paintHeads(pen, place.G, D, S, ink);
    paintFrame(pen, place.G, D, S, ink);
    if (hunt) paintShares(pen, place.G, D, S, ink);
    if (hunt) room[halves ? 0 : 1] = halves ? (room[0] - 16) / 2 : high + lift - told.box.offsetHeight - 8;
    map.setAttribute("aria-label", paintSide(sharp(map, ...room, zoom), D, S, room, halves, ink));
    return false;
  });
  /** Where the cells are, and which heads are in them: of a sorted page as many as a finger can tell apart */
  function lay() {
    const { wide, tall } = place;
    if (!wide) return;
    place.G = geometry({ ...D, wide, high: tall, sorted: sortedOf(S) });
    const { each } = place.G, pages = Math.ceil(D.n / each), first = each * (S.page %= pages), next = first + each;
    S.slots = S.order.slice(first, next);
    others.hidden = pages === 1;
    others.textContent = next < D.n ? `more: ${next + 1} to ${Math.min(D.n, next + each)}` : "back to the first";
    place.G.room = wide - place.G.left - (others.hidden ? 0 : others.offsetWidth + 8);
  }
  function change(news) {
    Object.assign(S, shared.get(), news);
    follow(D, S);
    lay();
    const lift = S.mode === "hunt" ? place.lift : 0;                     // a hunt has no kinds: its card begins where they are
    Object.assign(aside.style, { marginTop: `${-lift}px`, height: `${place.high + lift}px` });
    bar.set(S);
    if (S.mode === "hunt") {
      const hunt = D.hunts[S.task], best = bestOf(hunt), seen = { shown: S.shown.includes(hunt.name), isBest: S.last === best };
      const about_ = { tried: S.triedNow.length, best: nameOf(best, D.heads), total: D.n, ...seen };
      told.set(hunt, D.texts[hunt.text].pieces, S.verdict, about_, !place.halves);
    }
    extra?.set(S);
    house.say(extra?.note(S) || said(D, S));
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
    pick(h, news = {}) {
      const at = { at: S.at }, pair = pairOf(D, h);
      if (S.mode !== "hunt") return act.send(S.b !== null ? { picked: pair, beside: null } : h === S.a ? {} : { beside: pair }, at);
      const hunt = D.hunts[S.task], all = [...S.triedNow.filter((one) => one !== h), h].map((one) => pairOf(D, one));
      const won = judged(hunt, h, 0).won && !(news.shown ?? S.shown).includes(hunt.name);
      const found = won ? { found: { ...S.found, [hunt.name]: pair } } : {};
      return act.send({ tried: { ...S.tried, [hunt.name]: all }, ...found, ...news }, at);
    },
    /** By a measure its two best are chosen, and a text in which it is seen */
    sort(name) {
      const [a, b = null] = ORDERS.includes(name) ? [] : orderOf(name, D.measures, D.kinds, S.least), text = repeating(name, D.texts);
      const best = a === undefined ? {} : { picked: pairOf(D, a), beside: b === null ? null : pairOf(D, b) };
      act.send({ sort: name, ...best, ...(text === null ? {} : { text }) }, { page: 0 });
    },
    turn: () => change({ page: S.page + 1, at: null }),
    next: () => act.send({ task: (S.task + 1) % D.hunts.length }),
    show() {
      const hunt = D.hunts[S.task];
      act.pick(bestOf(hunt), { shown: [...S.shown, hunt.name] });
    },
    restart() {
      const { name } = D.hunts[S.task], without = (all) => Object.fromEntries(Object.entries(all).filter(([one]) => one !== name));
      act.send({ tried: without(S.tried), found: without(S.found), shown: S.shown.filter((one) => one !== name) });
    },
  };
  const bar = controls(house, D, act), extra = more(house, bar.node, () => change({})), stage = make("div", house.root, { class: "stage beside", style: `--column:${SIDE}px` });
  const field = make("div", stage, { class: "field" }), others = press(field, "", act.turn, { class: "more" });
  const grid = make("canvas", field, { tabindex: 0, role: "application", "aria-label": HELP, "data-lm-suppress-shortcuts": "true" });
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
    const all = stage.clientWidth, narrow = all < NARROW, phone = all < PHONE;
    if (all < 100) return;
    stage.classList.toggle("beside", !narrow);
    house.root.classList.toggle("halves", narrow && !phone);
    house.root.classList.toggle("wide", !narrow);
    const rows = Math.ceil(D.layers / blocks(D.layers, D.heads, all, 390));
    const tall = narrow ? Math.min(420, 20 + Math.max(rows * 24, 160)) : 560 - stage.offsetTop - 50;
    const high = phone ? 440 : narrow ? 236 : tall;
    const lift = narrow ? 0 : stage.offsetTop - bar.over.offsetTop;
    Object.assign(place, { tall, high, lift, wide: narrow ? all : all - SIDE - 20, halves: narrow && !phone });
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
