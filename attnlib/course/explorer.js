// The whole machine at once: the toy world of attnlib/toy.py, computed in the page for each change; random and trained
// heads, which the kernel feeds; threads and map of one of them, and all of them small.
import { PATTERNS, choice, dot, dress, frames, keep, make, masked, menu, nameRepeats, numbers, press, share, sketch, slider, softmax } from "../show/live/core.js";
import { staged, thumbs } from "../show/live/thumbs.js";
import { MOST, advance, aim, drawn, evens, handled, spun, telling, weave, within } from "../show/live/weave.js";

// ---- the toy world: pure --------------------------------------------------------------------------------------------------

const CJK = /[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{2ffff}]/u;
const KINDS_OF_SIGN = [["'", /['\u2019]/u], ["j", /\u200c|\u200d|\u00ad/u], ["f", /[\u{1f1e6}-\u{1f1ff}]/u],
  ["m", /\p{M}|[\u{1f3fb}-\u{1f3ff}\u{e0020}-\u{e007f}]/u], ["c", CJK], ["a", /[\p{L}\p{N}]/u], [" ", /[\p{Cc}\p{Cf}\p{Cs}\s]/u], ["s", /./su]];

/** Words and punctuation marks, as toy.tokenize cuts them. */
export function tokenize(text) {
  const signs = [...text], kinds = signs.map((sign) => KINDS_OF_SIGN.find(([, test]) => test.test(sign))[0]).join("");
  const found = kinds.matchAll(/a[amj]*(?:'a[amj]*)*|cm*|ffm*|[^ mj](?:m|j[^ ])*|m+/g);
  return [...found].map((one) => signs.slice(one.index, one.index + one[0].length).join(""));
}

/** The world as it is asked: { words: Map word -> features, nouns, kinds } of what Python sent */
export function worldOf({ words, nouns, kinds }) {
  const table = new Map();
  for (const [feature, list] of Object.entries(words)) for (const word of list.split(" ")) table.set(word, [...(table.get(word) ?? []), feature]);
  return { words: table, nouns, kinds };
}

/** @returns {Set<string>} empty for a word that the toy does not know */
export function features(word, world, taught = {}) {
  const low = word.toLowerCase(), found = new Set(world.words.get(low));
  if (/^\p{Nd}+$/u.test(low)) found.add("number");
  if (!/[\p{L}\p{N}]/u.test(word)) found.add("punctuation");
  if (!found.size && Object.hasOwn(taught, low)) found.add(taught[low]);
  if (world.nouns.some((noun) => found.has(noun))) found.add("noun");
  if (found.has("animal") || found.has("person")) found.add("alive");
  return found;
}

const CRC = Uint32Array.from({ length: 256 }, (_, c) => {
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});
const crc32 = (text) => ~new TextEncoder().encode(text).reduce((c, byte) => CRC[(c ^ byte) & 255] ^ (c >>> 8), -1) >>> 0;
/** Pieces of 2 and 3 signs, each with a column of its own; of length 1. (40) */
export function spelling(word) {
  const row = Array(40).fill(0), signs = [...`<${word.toLowerCase()}>`];
  for (const size of [2, 3]) for (let start = 0; start + size <= signs.length; start++) {
    const code = crc32(signs.slice(start, start + size).join(""));
    row[(code >>> 1) % 40] += code % 2 ? 1 : -1;
  }
  const length = Math.max(1e-9, Math.hypot(...row));
  return row.map((x) => x / length);
}

const SPEEDS = Array.from({ length: 16 }, (_, i) => 10000 ** (-i / 16));
/** How near place i is to place j, as the two heads of position see it. */
const NEAR = {
  none: () => 0,
  sinusoidal: (i, j) => (100 / 16) * SPEEDS.reduce((sum, speed) => sum + Math.cos(speed * (i - j)), 0),
  learned: (i, j) => (i === j ? 6 : 0),
};
/** The score of query a at place i and key b at place j; features are Sets. */
export const HEADS = {
  "one token back": (a, b, i, j, near) => near(i, j + 1),
  "pronoun → noun": (a, b) => 4.5 * a.is.has("pronoun") * (b.is.has("noun") + 0.4 * b.is.has("alive")),
  "same kind": (a, b, i, j, near, kinds) => 4.5 * kinds.filter((kind) => a.is.has(kind) && b.is.has(kind)).length,
  "look-alikes": (a, b) => 6 * dot(a.spelling, b.spelling),
  "one token ahead": (a, b, i, j, near) => near(i, j - 1),
  "verb → who acts": (a, b) => 4.5 * (a.is.has("verb") && b.is.has("alive")),
  "first token": (a, b, i, j, near) => near(0, j),
  "everyone alike": () => 0,
};
const NAMES = Object.keys(HEADS), BY_PLACE = new Set(["one token back", "one token ahead", "first token"]);

let asked = {};                                                          // the last scores: a slider comes by many times
function scored(words, taught, encoding, world) {
  const key = JSON.stringify([words, taught, encoding]);
  if (asked.key === key && asked.world === world) return asked;
  const x = words.map((word) => ({ is: features(word, world, taught), spelling: spelling(word) }));
  const scores = NAMES.map((name) => x.map((a, i) => x.map((b, j) => HEADS[name](a, b, i, j, NEAR[encoding], world.kinds))));
  asked = { key, world, scores, known: x.map(({ is }) => is.size > 0) };
  return asked;
}

/** What the toy sees. @returns {{names, mask, weights (8, n, n), known}} as toy.look says it */
export function look(words, { pattern, window, globals_, encoding, temperature, taught }, world) {
  const { scores, known } = scored(words, taught, encoding, world), mask = masked(pattern, words.length, words.length, window, globals_);
  const weights = scores.map((head) => head.map((row, i) => softmax(row.map((s, j) => (mask[i][j] ? s / temperature : -Infinity)))));
  return { names: nameRepeats(words), mask, weights, known };
}

/** The word that is chosen when a sentence is new: its last pronoun, or its last word. */
export const tellingWord = (words, world, taught) => {
  const pronoun = words.findLastIndex((word) => features(word, world, taught).has("pronoun"));
  return pronoun < 0 ? words.length - 1 : pronoun;
};

// ---- what is shown: pure ----------------------------------------------------------------------------------------------------

const BY_HAND = "built by hand", TRAINED = "tiny-gpt", MODELS = [BY_HAND, "random", TRAINED];

/** The heads by hand, as the picture takes them. @returns {{heads, words, known, cut}} */
export function byHand(state, world) {
  const all = tokenize(state.sentence), words = all.slice(0, MOST), { names, mask, weights, known } = look(words, state, world);
  const heads = weights.map((one, h) => {
    const why = BY_PLACE.has(NAMES[h]) && state.encoding === "none" ? "needs places" : "";
    return { name: NAMES[h], why, q: names, k: names, weights: one, mask, even: evens(one, mask) };
  });
  return { heads, words, known, cut: all.length > MOST ? all.length : 0 };
}

/** What the kernel fed, in the same form; a weight below 0 is masked. */
export function fedHeads({ q, k, names, next, of }, bytes) {
  const heads = numbers(bytes, [names.length, q.length, k.length]).map((rows, h) => {
    const mask = rows.map((row) => row.map((w) => w >= 0)), weights = rows.map((row) => row.map((w) => Math.max(0, w)));
    return { name: names[h], why: "", q, k, weights, mask, even: evens(weights, mask) };
  });
  return { heads, words: q, known: q.map(() => true), cut: 0, next, of };
}

/** Everything below the picture, as parts for say(). */
export function sentenceOf(seen, state) {
  const data = seen.heads[state.head], trained = seen.of === TRAINED, said = telling(data, state);
  const open = data.mask.flat().filter(Boolean).length, all = data.q.length * data.k.length;
  const strangers = [...new Set(seen.words.filter((_, i) => !seen.known[i]))], shown = strangers.slice(0, 3).map((word) => word.slice(0, 20)).join(", ");
  if (data.why && state.pins.length) said.push("Without places this head has nothing to hold on to. ");
  if (strangers.length) said.push("Not known here: ", [shown, "stranger"], `${strangers.length > 3 ? ` and ${strangers.length - 3} more` : ""}, only a spelling at a place. `);
  if (strangers.length && !state.pins.some((pin) => !seen.known[pin])) said.push("Choose one in the picture to teach it. ");
  if (open < all) said.push(`${open} of ${all} looks are allowed. `);
  if (seen.cut) said.push(`The first ${MOST} of ${seen.cut} words. `);
  if (seen.of === "random") said.push("Random numbers: whatever you see means nothing. ");
  if (trained) said.push("tiny-gpt cuts words into pieces (␣ is a space) and never looks ahead. ");
  return said;
}

// ---- the page ----------------------------------------------------------------------------------------------------------------

const WAIT = 3000;                                                      // so long for a kernel that does not answer
const TRAITS = ["sentence", "model", "pattern", "heads", "window", "globals_", "encoding", "temperature", "head", "pins", "side", "form", "taught"];
const FED = new Set(["sentence", "model", "pattern", "heads", "window", "globals_", "encoding", "temperature"]);
const SENTENCES = ["The cat sat on the mat because it was tired", "The cat sat on the mat because it was soft", "My friend gave her dog a ball and it ran to the river",
  "The old farmer said that his horse was hungry", "The robot wrote a poem while we slept"];

function glyph(name) {                                                   // a pattern as the mask of five words
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 5 5");
  svg.setAttribute("aria-hidden", "true");
  masked(name, 5, 5, 2, 1).forEach((row, i) => row.forEach((open, j) => {
    const cell = svg.appendChild(document.createElementNS(svg.namespaceURI, "rect"));
    const box = { x: j + 0.06, y: i + 0.06, width: 0.88, height: 0.88, opacity: open ? 1 : 0.2 };
    for (const [key, value] of Object.entries(box)) cell.setAttribute(key, value);
  }));
  return svg;
}

/** A group of buttons that can be dead, with its reason. */
function reasoned(row, label, names, onchoice) {
  const box = make("span", row, { class: "set" }, `${label} `), inner = make("span", box, { class: "set", style: "min-width:198px" });
  const group = choice(inner, label, names, onchoice), why = make("span", inner, { class: "why" });
  return {
    set(value, reason = "") {
      group.set(value);
      why.textContent = reason;
      inner.classList.toggle("dead", Boolean(reason));
    },
  };
}

/** All controls; on a very narrow page some are behind "more". @returns set(state, seen, offered: can these heads be chosen), their node */
function controls(house, hand, another, unfold) {
  const node = make("div", house.root, { class: "controls" }), rows = [0, 1, 2].map((n) => make("div", node, { class: n > 1 ? "row extra" : "row" }));
  const text = make("input", rows[0], { type: "text", class: "sentence", "aria-label": "sentence", spellcheck: "false", "data-lm-suppress-shortcuts": "true" });
  text.addEventListener("keydown", (event) => event.stopPropagation());
  text.addEventListener("input", () => hand({ sentence: text.value }, 300));
  press(rows[0], "another sentence", another, { class: "extra" });
  const form = choice(rows[0], "picture", ["threads", "map"], (name) => hand({ form: name }));
  house.present(rows[0]);
  const pattern = choice(rows[1], "pattern: who may look at whom", Object.keys(PATTERNS), (name) => hand({ pattern: name }), { glyph });
  const more = press(rows[1], "more", () => {
    const open = node.classList.toggle("open");
    more.textContent = open ? "less" : "more";
    more.setAttribute("aria-expanded", open);
    unfold();
  }, { "aria-expanded": "false", class: "more" });
  const window_ = slider(rows[1], "window", { min: 1, max: 10, wide: 104 }, (n) => hand({ window: n }, 150));
  const globals_ = slider(rows[1], "global tokens", { min: 0, max: 4, wide: 116 }, (n) => hand({ globals_: n }, 150));
  const places = reasoned(rows[2], "places", Object.keys(NEAR), (name) => hand({ encoding: name }));
  const temperature = slider(rows[2], "temperature", { min: -1, max: 0.7, step: 0.02, say: (x) => (10 ** x).toFixed(x < 0 ? 2 : 1), wide: 124 },
    (x) => hand({ temperature: Math.abs(10 ** x - 1) < 0.06 ? 1 : 10 ** x }, 150));
  const model = menu(rows[2], "heads", MODELS, (at) => hand({ model: MODELS[at] }));
  const heads = slider(rows[2], "", { min: 1, max: NAMES.length, wide: 84 }, (n) => hand({ heads: n }, 150));
  heads.node.setAttribute("aria-label", "number of heads");
  heads.node.style.width = "64px";
  return {
    node,
    set(state, seen, offered) {
      const trained = seen.of === TRAINED, local = state.pattern.includes("local");
      if (text.value !== state.sentence) text.value = state.sentence;
      form.set(state.form);
      pattern.set(trained && state.pattern === "standard" ? "causal" : state.pattern);
      pattern.node.firstChild.disabled = trained;
      window_.set(state.window, local ? "" : "needs local");
      globals_.set(state.globals_, state.pattern === "global-local" ? "" : "needs global-local");
      places.set(state.encoding, trained ? "its own, from its training" : "");
      temperature.set(Math.log10(state.temperature));
      model.set(MODELS.indexOf(state.model));
      const dead = MODELS.map((name) => !offered(name)), named = MODELS.map((name, at) => `${name}${dead[at] ? ": needs a running kernel" : ""}`);
      [...model.node.options].forEach((option, at) => Object.assign(option, { disabled: dead[at], textContent: named[at] }));
      heads.set(state.heads, trained ? "4 layers × 4" : "");
    },
  };
}

/** The next tokens of tiny-gpt as bars that can be pressed, and the buttons that write. */
function writing(parent, wish) {
  const box = make("div", parent, { class: "writing" }), row = make("div", box, { class: "row" });
  let running = 0;
  const stop = () => {
    clearTimeout(running);
    running = 0;
    on.textContent = "▶ write on";
    on.setAttribute("aria-pressed", "false");
  };
  press(row, "write one token", () => wish("write"));
  const on = press(row, "▶ write on", () => {
    if (running) return stop();
    on.textContent = "❚❚ stop";
    on.setAttribute("aria-pressed", "true");
    running = setTimeout(() => wish("write"));
  });
  press(row, "← back", () => wish("back"), { "aria-label": "take one token back" });
  make("div", box, { class: "head" }, "next token");
  const bars = make("div", box, { class: "bars" });
  return {
    stop,
    set(next, fresh) {                                                   // fresh: the kernel has answered just now
      box.hidden = !next?.length;
      bars.replaceChildren(...(next ?? []).slice(0, 6).map(([name, w, token]) => {
        const bar = press(null, "", () => wish("write", token), { "aria-label": `write ${name}, ${share(w)}` });
        make("span", bar, {}, name);
        make("i", make("span", bar), { style: `width:${(100 * w).toFixed(1)}%` });
        make("span", bar, {}, share(w));
        return bar;
      }));
      if (box.hidden) stop();
      else if (running && fresh) running = setTimeout(() => wish("write"), 500);
    },
  };
}

function render({ model, el }) {
  const house = dress({ model, el }, "explorer"), world = worldOf(model.get("_world")), shown = keep(model, TRAITS, follow);
  const state = { ...shown.get(), kept: false }, teach = model.get("_world").teach;
  // on a page of its own, or in a notebook that was saved and is opened again
  const alone = () => !("widget_manager" in model) || model.get("layout")?.comm_live === false;
  const read = () => (model.get("_fed").of ? fedHeads(model.get("_fed"), model.get("_weights")) : null);
  let fed = read(), seen = fed?.of === state.model ? fed : byHand(state, world), place = null, size = null, waiting = 0, dumb = "", wishes = 0;
  const offered = (name) => name === BY_HAND || name === fed?.of || !alone();

  const another = () => hand({ sentence: SENTENCES[(SENTENCES.indexOf(state.sentence) + 1) % SENTENCES.length] });
  const panel = controls(house, hand, another, () => { fit(); change({}); });
  const stage = make("div", house.root, { class: "stage" }), pen = sketch(stage);
  const side = make("div", stage), small = thumbs(side, "choose a head", (head) => hand(seen.of ? { head } : { head, heads: Math.max(state.heads, head + 1) }));
  const write = writing(side, wish), lesson = make("div", house.root, { class: "lesson" });
  const learn = menu(lesson, "teach", [], (at) => hand({ taught: { ...state.taught, [lesson.dataset.word]: teach[at - 1] } }));
  const moving = spun(seen.heads[state.head].weights, state.form);
  const picture = frames((ms) => {
    const on = advance(moving, ms), data = { ...seen.heads[state.head], weights: drawn(moving) };
    weave(pen, data, place, { ...state, morph: moving.morph, dotted: (_, at) => !seen.known[at] });
    pen.done();
    const off = (h) => !seen.of && h >= state.heads;
    small.set(seen.heads.map((one, h) => ({ name: off(h) ? `head ${h + 1}: off` : one.name, why: off(h) ? "" : one.why, data: off(h) ? null : one })),
      state.head, moving.morph, house.colour, size.width, size.height);
    return on;
  });

  // ... what follows is the wiring: change() computes and paints, hand() also tells Python
  function change(news, fresh = false) {
    const before = seen.heads[0].q.length, smooth = ["head", "pattern", "encoding", "model"].some((name) => name in news && news[name] !== state[name]);
    Object.assign(state, news);
    if (state.model === BY_HAND) {
      const now = tokenize(state.sentence).length ? byHand(state, world) : null;
      pen.svg.classList.toggle("stale", !now);
      seen = now ?? seen;
    } else if (fed?.of === state.model) seen = fed;
    state.head = Math.min(state.head, (seen.of ? seen.heads.length : state.heads) - 1);
    state.pins = state.pins.filter((pin) => pin < seen.heads[0][state.side === "query" ? "q" : "k"].length);
    aim(moving, seen.heads[state.head].weights, state.form, smooth);
    if (place && (before !== seen.heads[0].q.length || "sentence" in news || fresh || "model" in news)) fit();
    panel.set(state, seen, offered);
    write.set(seen.next, fresh);
    say();
    if (place) picture.ask();
  }
  function say() {
    const word = state.pins.length === 1 ? seen.words[state.pins[0]] : "", low = word?.toLowerCase();
    const can = !seen.of && word && (!seen.known[state.pins[0]] || Object.hasOwn(state.taught, low));
    lesson.hidden = !can;
    if (can) {
      lesson.dataset.word = low;
      learn.fill([`what is ${word}?`, ...teach]);
      learn.set(teach.indexOf(state.taught[low]) + 1);
    }
    house.line.classList.toggle("taught", Boolean(can));
    house.line.classList.toggle("tall", stage.clientWidth < 720);
    const room = stage.clientWidth - (can ? 250 : 0), note = dumb || (state.model !== BY_HAND && model.get("_fed").note);
    const parts = within(note ? [note] : sentenceOf(seen, state), room, stage.clientWidth < 720 ? 3 : 2);
    house.say(tokenize(state.sentence).length ? parts : "Type at least one word.");
  }
  function hand(news, later = 0) {
    dumb = "";
    const words = tokenize(news.sentence ?? state.sentence).slice(0, MOST), fresh = "sentence" in news || news.model === BY_HAND;
    if (fresh && words.length && (news.model ?? state.model) === BY_HAND) Object.assign(news, { side: "query", pins: [tellingWord(words, world, state.taught)] });
    if (news.model === BY_HAND) news.head = Math.min(1, state.heads - 1);
    const old = state.model;
    change({ kept: false, ...news });
    const sent = { ...news };
    delete sent.kept;
    const ask = state.model !== BY_HAND && Object.keys(news).some((name) => FED.has(name));
    shown.send(sent, ask ? Math.min(later, 300) * (later > 200) : later || 150);
    if (ask) expect(old);
  }
  function wish(verb, token = "") {
    model.set("_wish", [++wishes, verb, token]);
    model.save_changes();
    expect(state.model);
  }
  function expect(old) {                                                   // an answer of the kernel; or to say that none came
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      dumb = "A running kernel computes these heads, and none answers: what you see is what it showed last.";
      write.stop();
      change(seen.of === state.model ? {} : { model: seen.of ?? (old === state.model ? BY_HAND : old) });
    }, alone() ? 0 : WAIT);
  }
  function answered() {
    clearTimeout(waiting);
    [dumb, fed] = ["", read()];
    change(shown.get(), true);
  }
  function follow(news) { if (!(state.model !== BY_HAND && "sentence" in news)) change(news); else Object.assign(state, news); }
  function fit() {                                                         // 560 px in all, 636 on a narrow page, also unfolded
    for (const [name, wide] of [["narrow", 720], ["tight", 640]]) panel.node.classList.toggle(name, stage.clientWidth < wide);
    const rest = (stage.clientWidth < 720 ? 556 : 500) - panel.node.offsetHeight, tall = Math.max(rest, 26 + 15 * seen.heads[0].k.length);
    ({ place, size } = staged(stage, pen, seen.heads[0], seen.heads.length, tall, seen.next?.length ? tall - 208 : tall));
  }
  model.on("change:_fed", answered);
  house.watch(() => {
    if (house.root.clientWidth < 100) return;                            // not in sight yet
    fit();
    change({});
  });
  handled(pen.svg, () => ({ state, place, count: seen.of ? seen.heads.length : state.heads }), hand);
  house.start();
  return () => {
    clearTimeout(waiting);
    write.stop();
    picture.stop();
    model.off("change:_fed", answered);
    shown.close();
    house.close();
  };
}

export default { render };
