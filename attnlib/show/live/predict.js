// A question: nothing of its answer is drawn before the reader has committed to a guess, and then it is drawn over the guess.
// A guess is a list: the cells that were chosen (row by row), the option [k], the shares of the parts, the heights of a line.

import { clamp, drag, dress, ease, frames, keep, make, numbers, press, share, sketch } from "./core.js";
import { EMPTY, PAINT, amount, geometry, total } from "./kinds.js";
import { write } from "./words.js";

// ---- numbers: pure --------------------------------------------------------------------------------------------------

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

const several = (names) => (names.length > 3 ? `${names.slice(0, 2).join(", ")} and ${names.length - 2} more` : names.join(", "));

const cellNames = ({ rows, columns, many }) =>
  rows.flatMap((row) => columns.map((column) => (
    many && rows.length === 1 ? column : rows.length > 1 && columns.length === 1 ? row : `${row} → ${column}`)));
const marks = (names, wrong, missed) => [
  `You said ${several(names) || "none"}${!wrong ? "" : wrong < names.length ? `: ${wrong} wrong` : names.length > 1 ? ": all wrong" : ": wrong"}.`,
  missed.length ? ` You left out ${several(missed)}.` : ""].join("");

/** The guess in words, beside the truth. */
export const said = {
  cells(question, guess) {
    const { truth, many } = question, names = cellNames(question), all = (which) => which.map((at) => names[at]);
    if (!many) return `You said ${names[guess[0]]}: it gets ${amount(truth[guess[0]])}.`;
    const missed = [...truth.keys()].filter((at) => truth[at] >= EMPTY && !guess.includes(at));
    return marks(all(guess), guess.filter((at) => truth[at] < EMPTY).length, all(missed));
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

/** Sentences of which one takes as much room as any: so much is kept for the verdict. */
export function longest(question) {
  const { kind, truth, many, options, parts, xs } = question, byLength = (list) => [...list].sort((a, b) => b.length - a.length);
  if (kind === "choice") return options.map((_, k) => said.choice(question, [k]));
  if (kind === "split") return ["You gave every part its share, within .01.", `You gave ${byLength(parts)[0]} 1.00; it gets 1.00.`];
  if (kind === "curve") return ["Your line is nowhere far off.", `You drew −0.001 at ${byLength(xs)[0]}; it is −0.001.`];
  const names = byLength(cellNames(question)), full = byLength(cellNames(question).filter((_, at) => truth[at] >= EMPTY));
  if (!many) return [`You said ${names[0]}: it gets 0.000.`];
  const others = names.filter((one) => !full.slice(0, 3).includes(one)); // what is left out was not said
  return [3, names.length].map((n) => marks((others.length ? others : names).slice(0, n), n, full.slice(0, n)));
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
      return state.done ? { focus: at } : { focus: at, touched: true, guess: had ? rest : [...rest, at].sort((a, b) => a - b) };
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
  cells: "Choose one cell: the row looks, the column is looked at.", many: "Choose all of them.", choice: "Choose one.",
  split: "Drag the handles, or move them with the arrow keys.", curve: "Draw the line; or ← → for the next point, ↑ ↓ to move it.",
};
let cards = 0;

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
const fresh = (one) => ({ guess: FRESH[one.kind](one), touched: false, done: false, committed: false, focus: one.given ?? 0, t: 0 });
const ready = ({ kind }, { guess, touched }) => (kind === "split" ? touched : guess.length > 0 && !guess.includes(null));

/** The verdict, then the guess in words and the reason. got: points of this guess, null for none; first: those that count */
function judge([head, says], { kind, why }, sentence, got, first) {
  head.replaceChildren();
  make("b", head, { class: "big" }, got === null ? "Shown." : verdict(kind, got));
  if (first !== null) make("i", head, { class: "disc", style: `--got: ${Math.round(100 * first)}%`, "aria-hidden": "true" });
  make("span", head, {}, first === null ? "no points" : `${first === got ? "" : "first guess: "}${amount(first)} of 1`);
  write(says, `${sentence} ${why}`.trim());
}

function render({ model, el }) {
  const house = dress({ model, el }, "predict", { readout: false }), { root } = house, id = `attnlib-predict-${++cards}`;
  const question = read(model), { kind } = question, state = { ...fresh(question), dark: false };
  root.setAttribute("role", "group");
  root.setAttribute("aria-labelledby", id);
  const card = make("div", root, { class: "card" }), ask = make("p", card, { class: "ask", id, dir: "auto" });
  const picture = make("div", card, { class: "picture" }), bar = make("div", card, { class: "hands" }), slot = make("div", bar, { class: "slot" });
  const live = { "aria-live": "polite" };
  make("p", slot, { class: "how" }, HOW[question.many ? "many" : kind]);
  const told = [make("p", slot, { class: "head", ...live }), make("p", card, { class: "says", ...live })];
  let place = null, sending = false, wired = kind === "choice";
  const pen = kind === "choice" ? null : sketch(picture, { role: "group", "aria-label": "your guess" });
  const options = pen ? null : optionsOf(picture, question, id, (guess) => change({ guess }));
  const clock = frames((gone) => { state.t = clamp(state.t + gone / 320); paint(); return state.t < 1; });
  const commit = press(bar, "commit", () => finish(true), { class: "go" });
  press(bar, "show me", () => finish(false), { class: "quiet" });
  const again = press(bar, "try again", () => { if (state.t === 1) retry(); }, { class: "again" });       // not what pressed commit twice
  house.present(bar);

  function paint() {
    const { done } = state;
    if (pen) {
      PAINT[kind](pen, question, { ...state, t: ease(state.t), dark: house.dark() }, place);
      pen.done();
    } else options(question, state);
    root.classList.toggle("done", done);
    commit.disabled = !ready(question, state);
  }
  function verdictNow() {
    if (!state.done) return told.forEach((node) => node.replaceChildren());
    const got = state.committed ? points[kind](question, state.guess) : null;
    judge(told, question, got === null ? "" : said[kind](question, state.guess), got, model.get("points"));
  }
  function change(news) { Object.assign(state, news); if (place || !pen) paint(); }
  function finish(committed) {
    const here = root.contains(document.activeElement), first = model.get("points") === null && !model.get("shown");
    change({ done: true, committed, t: 0 });
    const got = committed ? points[kind](question, state.guess) : null;
    sending = true;
    kept.send(committed ? { guess: outward(question, state.guess), committed, ...(first ? { points: got } : {}) } : { shown: true });
    sending = false;
    verdictNow();
    clock.ask();
    if (here) again.focus({ preventScroll: true });                       // the button that had the focus has gone
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
    const least = 24 * (question.columns?.length ?? 6) + 76;             // cells that a finger can hit: else they are scrolled
    place = geometry[kind](question, Math.max(width, least));
    picture.style.overflowX = width < least ? "auto" : "";
    if (pen) pen.resize(place.width, place.height);
    root.classList.toggle("flat", two && picture.offsetHeight < 120);    // one row: the words go on below it
    if (!wired) hands[kind](pen.svg, { question, state, place: () => place, hit: pen.put("hit", "rect", 3, {}), change });
    wired = true;
    paint();
    const trial = (node) => make("p", card, { class: `${node.className} trial`, "aria-hidden": "true", style: `width:${node.clientWidth}px` });
    const trials = told.map(trial), room = (n) => trials[n].offsetHeight;
    const highs = longest(question).map((one) => { judge(trials, question, one, 0, 0.99); return [room(0), room(1)]; });
    told.forEach((node, n) => { node.style.minHeight = `${Math.max(...highs.map((high) => high[n])) + 1}px`; });     // the card keeps its size
    trials.forEach((node) => node.remove());
  }
  adopt();
  house.watch(lay);
  house.start();
  return () => { clock.stop(); kept.close(); house.close(); };
}

export default { render };
