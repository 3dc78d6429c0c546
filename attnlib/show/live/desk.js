// The desk: a head is two columns of faders, what a feature asks for and what it offers. score = loudness · ask · offer; the
// map is its softmax, and a lamp fills as the job is done, in sentences that are not seen, too.

import {
  cut, dot, dress, frames, isEven, keep, keys, make, measure, menu, numbers, place, press, share, sketch, slider, softmax,
} from "./core.js";
import { said, tenth, tiles } from "./tiles.js";

const LONGEST = 92, SQUARE = 14, CARD = 104, FADER = 25, BOLD = "600 13px system-ui, sans-serif", NONE = 1e-9;

// ---- numbers: pure --------------------------------------------------------------------------------------------------------

/** One column: x (n, F) -> what each word asks and offers, (n,), and the weights, (n, n) */
export function headOf(x, { asks, offers, loudness }) {
  const ask = x.map((v) => dot(v, asks)), offer = x.map((v) => dot(v, offers));
  return { ask, offer, weights: ask.map((a) => softmax(offer.map((b) => loudness * a * b))) };
}

const largest = (row, open = () => true) => row.reduce((top, w, j) => (open(j) && (top < 0 || w > row[top]) ? j : top), -1);

/** What keeps a head from its job in a sentence, in words; null where it is done. job: { wanted (n, n), called, due } */
export function fault(words, { ask, offer, weights }, { wanted, called, due }) {
  if (!wanted.flat().some(Boolean)) return null;
  for (const [i, word] of words.entries()) {
    const got = weights[i].reduce((sum, w, j) => sum + (wanted[i][j] ? w : 0), 0), who = [word, "q"];
    if (!wanted[i].some(Boolean) || got >= due) continue;
    if (Math.abs(ask[i]) < NONE) return [who, " asks for nothing yet."];
    if (Math.max(...offer) - Math.min(...offer) < NONE) return [who, " asks, but nobody offers more than another."];
    const rival = largest(weights[i], (j) => !wanted[i][j]), much = rival >= 0 && weights[i][rival] > 1.2 / words.length;
    const takes = rival === i ? [" It gives ", ["itself", "k"]] : [" ", [words[rival], "k"], " gets"];
    return [who, ` gives ${called} ${said(got)}; ${said(due)} is wanted.`, ...(much ? [...takes, ` ${said(weights[i][rival])}.`] : [" Louder?"])];
  }
  const loud = words.findIndex((word, i) => !wanted[i].some(Boolean) && !isEven(weights[i]));
  return loud < 0 ? null : [[words[loud], "q"], " looks, too, but the job is not its own: it should look at all alike."];
}

/** All that follows from the faders. */
export function judged(state, data) {
  const heads = data.tables.map((x) => headOf(x, state)), jobs = data.wanted[state.job];
  const about = { called: data.called[state.job], due: data.shares[state.job] };
  const faults = heads.map((head, s) => fault(data.sentences[s], head, { wanted: jobs[s], ...about }));
  const idle = jobs.map((wanted) => !wanted.flat().some(Boolean));
  return { ...heads[state.sentence], wanted: jobs[state.sentence], faults, idle, good: faults.filter((one) => !one).length };
}

/** What is missing, in words. */
export function missing({ faults, idle }, { sentence }, sentences) {
  if (faults[sentence]) return faults[sentence];
  const other = faults.findIndex(Boolean);
  if (other < 0) return [["Done", "part"], ` in all ${faults.length} sentences. The head knows features, not words.`];
  return [[idle[sentence] ? "Nobody has this job here." : "Done here.", "part"], ` But in “${sentences[other].slice(0, 3).join(" ")} …”: `, ...faults[other]];
}

/** The sum of the row that is chosen, in words. */
export function summed(words, { ask, offer, weights }, { at, loudness }) {
  const row = weights[at], j = largest(row), fine = (x) => String(+x.toFixed(2)).replace("-", "−");
  if (!isEven(row)) {
    const score = fine(loudness * ask[at] * offer[j]);
    return `${words[at]} → ${words[j]}: loudness ${fine(loudness)} × ask ${fine(ask[at])} × offer ${fine(offer[j])} = ${score}, a share of ${said(row[j])}`;
  }
  const why = Math.abs(ask[at]) < NONE ? "asks for nothing" : loudness ? "asks, and nobody offers more" : "asks without a voice";
  return `${words[at]} ${why}: all alike, ${share(1 / words.length)} each`;
}

// ---- geometry: pure ---------------------------------------------------------------------------------------------------------

/** Where the map is: names at its left and above, a square of ask or offer beside each. */
export function geometry(width, height, names, last) {
  const n = names.length, label = Math.min(LONGEST, Math.max(...names)), x = label + 32, y = tenth(label * 0.71) + 30;
  const w = Math.min(44, (width - x - Math.max(56, last * 0.75)) / n), h = Math.min(34, (height - y - 2) / n);
  return { n, x, y, w, h, label, width, height };
}

// ---- drawing ------------------------------------------------------------------------------------------------------------------

function square(put, name, [cx, cy], value, most, tone) {
  const side = tenth(SQUARE * Math.sqrt(Math.abs(value) / most)), fill = value < 0 ? "var(--paper)" : tone;
  if (side < 1) return;
  put(name, "rect", 2, { x: tenth(cx - side / 2), y: tenth(cy - side / 2), width: side, height: side, rx: 3, fill, stroke: tone, "stroke-width": 1.5 });
}

function paintMap(put, at, N, state, words, has) {
  const { x, y, w, h, n, label } = at, even = N.weights.map((row) => isEven(row)), most = (side) => Math.max(1, ...side.map(Math.abs));
  const looked = words.map((_, j) => N.wanted.some((row) => row[j])), goals = [];
  put("band", "rect", 0, { x: 0, y: tenth(y + state.at * h), width: tenth(x + n * w), height: tenth(h), rx: 6, fill: "color-mix(in srgb, var(--query) 9%, var(--paper))" });
  tiles(put, "w", 1, N.weights, even, at);
  put("frame", "rect", 2, { x, y, width: tenth(n * w), height: tenth(n * h), fill: "none", stroke: "var(--line)" });
  words.forEach((word, i) => {
    const cy = y + (i + 0.5) * h, cx = x + (i + 0.5) * w, works = N.wanted[i].some(Boolean), under = has[i] ? " has" : "";
    const tone = (on, side) => `${on ? `part ${side}` : ""}${under}`;
    put(`row${i}`, "text", 3, { x: label, y: tenth(cy + 4.5), "text-anchor": "end", class: tone(works || i === state.at, i === state.at ? "q" : "") }, cut(word, label));
    put(`top${i}`, "text", 3, { transform: `translate(${tenth(cx + 4)} ${y - 25}) rotate(-45)`, class: tone(looked[i], "k") }, cut(word, label));
    square(put, `ask${i}`, [label + 17, cy], N.ask[i], most(N.ask), "var(--query)");
    square(put, `offer${i}`, [cx, y - 12], N.offer[i], most(N.offer), "var(--key)");
    N.weights[i].forEach((weight, j) => {
      if (N.wanted[i][j]) goals.push(`M${tenth(x + j * w + 2)} ${tenth(y + i * h + 2)}h${tenth(w - 4)}v${tenth(h - 4)}h${tenth(4 - w)}z`);
      if (even[i] || w < 25 || h < 14 || weight < 1.2 / n || (i !== state.at && j !== largest(N.weights[i]))) return;
      const look = { x: tenth(x + (j + 0.5) * w), y: tenth(cy + 4.5), "text-anchor": "middle", fill: weight > 0.5 ? "var(--paper)" : "var(--ink)" };
      put(`n${i}.${j}`, "text", 3, { ...look, class: "small" }, share(weight));
    });
  });
  put("goals", "path", 2, { d: goals.join(""), fill: "none", stroke: "var(--key)", "stroke-width": 1.5, "stroke-dasharray": "3 3" });
  put("asks", "text", 3, { x: label, y: y - 8, "text-anchor": "end", class: "small q" }, "asks ↓");
  put("offers", "text", 3, { x: tenth(x + n * w + 6), y: y - 8, class: "small k" }, "← offers");
}

// ---- state and hands ------------------------------------------------------------------------------------------------------------

const SIDES = ["asks", "offers"];

/** The faders, a row for each feature, with the names of the columns over each half. @returns a function that shows a state */
function faders(parent, names, act) {
  const box = make("div", parent, { class: "faders", role: "group", "aria-label": "mixing desk", style: `--rows:${names.length};--half:${Math.ceil(names.length / 2)}` });
  const heading = (look) => {
    const row = make("div", box, { class: `fader ${look}`, "aria-hidden": "true" });
    for (const [text, side] of [["asks", "q"], ["", ""], ["offers", "k"]]) make("b", row, { class: side }, text);
  };
  const inputs = names.map((name, f) => {
    if (f === 0 || f === Math.ceil(names.length / 2)) heading(f ? "second" : "first");
    const row = make("div", box, { class: "fader" }), [asks, label, offers] = ["asks", "", "offers"].map((side) => {
      if (!side) return make("span", row, {}, name);
      const input = make("input", row, { type: "range", min: -1, max: 1, step: 0.1, class: side, "aria-label": `${side}: ${name}`, "data-lm-suppress-shortcuts": "true" });
      const zero = () => { act.move(side, f, 0); act.rest(); };
      input.addEventListener("input", () => act.move(side, f, +input.value));
      input.addEventListener("change", act.rest);
      input.addEventListener("dblclick", zero);
      input.addEventListener("keydown", (event) => {
        event.stopPropagation();
        if (["0", "Delete", "Backspace"].includes(event.key)) { event.preventDefault(); zero(); }
      });
      input.addEventListener("focus", () => act.change({ feature: f }));
      input.addEventListener("blur", () => act.change({ feature: -1 }));
      return input;
    });
    row.addEventListener("pointerenter", () => act.change({ feature: f }));
    row.addEventListener("pointerleave", () => act.change({ feature: -1 }));
    return { asks, label, offers };
  });
  return (state, here) => inputs.forEach((row, f) => {
    row.label.classList.toggle("absent", !here[f]);
    row.label.title = here[f] ? "" : "no word of this sentence has it";
    for (const side of SIDES) {
      const value = state[side][f], input = row[side], at = 50 + value * 46, now = `${value} ${here[f]}`;
      if (input.dataset.now === now) continue;
      input.dataset.now = now;
      input.value = value;
      input.setAttribute("aria-valuetext", value.toFixed(1));
      input.style.setProperty("--from", `${Math.min(50, at)}%`);
      input.style.setProperty("--to", `${Math.max(50, at)}%`);
      input.classList.toggle("moved", value !== 0);
    }
  });
}

/** The lamp, the job and the sentences it is tried on. @returns a function that shows what is so */
function card(house, parent, { titles, sentences, names }, act) {
  const box = make("div", parent, { class: "card" }), lamp = make("div", box, { class: "lamp", "aria-hidden": "true" });
  const rest = make("div", box), job = menu(rest, "", titles, (k) => act.send({ job: k, at: null }));
  job.node.setAttribute("aria-label", "job");
  rest.append(house.line);
  const tests = make("div", rest, { class: "tests", role: "group", "aria-label": "tried on" });
  make("span", tests, {}, "tried on");
  const buttons = sentences.map((words, s) => press(tests, "", () => act.send({ sentence: s, at: null })));
  return (state, N) => {
    const all = N.good === N.faults.length;
    job.set(state.job);
    lamp.classList.toggle("done", all);
    lamp.textContent = all ? "✓" : "";
    lamp.style.setProperty("--good-part", `${(100 * N.good) / N.faults.length}%`);
    buttons.forEach((button, s) => {
      const done = !N.faults[s], text = `${N.idle[s] ? "·" : done ? "✓" : "–"} ${names[s]}`;
      if (button.textContent !== text) button.textContent = text;
      button.classList.toggle("met", done && !N.idle[s]);
      button.setAttribute("aria-label", `${N.idle[s] ? "nobody has the job" : done ? "done" : "not done"}: ${sentences[s].join(" ")}`);
      button.setAttribute("aria-pressed", s === state.sentence);
    });
    house.say(missing(N, state, sentences));
  };
}

const TRAITS = [...SIDES, "loudness", "job", "sentence"];

function render({ model, el }) {
  const house = dress({ model, el }, "desk"), get = (name) => model.get(name), { root } = house, sentences = get("sentences"), features = get("features");
  const flat = numbers(get("_table"), [sentences.flat().length, features.length]);
  const tables = sentences.map((words) => flat.splice(0, words.length));
  const read = (text, n) => Array.from({ length: n }, (_, i) => Array.from({ length: n }, (cell, j) => text[i * n + j] === "1"));
  const wanted = get("_wanted").map((job) => job.map((text, s) => read(text, sentences[s].length)));
  const looked = (job, s) => sentences[s].findIndex((_, j) => job[s].some((row) => row[j]));
  const first = (s) => wanted.map((job) => looked(job, s)).find((j) => j >= 0) ?? 0;
  const names = sentences.map((words, s) => words[first(s)]);
  const data = { tables, wanted, sentences, names, called: get("_called"), shares: get("_shares"), titles: get("titles") };
  const memory = keep(model, TRAITS, (news) => change("job" in news || "sentence" in news ? { ...news, at: null } : news));
  const state = { ...memory.get(), at: null, feature: -1 };
  let N = null, at = null;
  const rowOf = () => Math.max(0, wanted[state.job][state.sentence].findIndex((row) => row.some(Boolean)));
  const clock = frames(() => {
    if (!at) return false;
    const words = sentences[state.sentence], x = tables[state.sentence];
    paintMap(drawing.put, at, N, state, words, x.map((v) => v[state.feature] > 0));
    drawing.done();
    return false;
  });
  function change(news) {
    Object.assign(state, news);
    if (!N || Object.keys(news).some((name) => TRAITS.includes(name))) N = judged(state, data);
    state.at ??= rowOf();
    if ("sentence" in news) layout();
    showFaders(state, features.map((_, f) => tables[state.sentence].some((v) => v[f])));
    showCard(state, N);
    loudness.set(state.loudness);
    const sum = summed(sentences[state.sentence], N, state);
    if (sumLine.textContent !== sum) sumLine.textContent = sum;
    clock.ask();
  }
  const outward = () => Object.fromEntries(TRAITS.map((name) => [name, state[name]]));
  const act = {
    change,
    send(news) { change(news); memory.send(outward()); },
    move: (side, f, value) => change({ [side]: state[side].map((old, k) => (k === f ? value : old)) }),
    rest: () => memory.send(outward(), 150),
  };
  const bar = make("div", root, { class: "row" });
  if (get("title")) make("b", bar, {}, get("title"));
  const loudness = slider(bar, "loudness", { min: 0, max: 12, step: 0.5 }, (x) => change({ loudness: x }), act.rest);
  press(bar, "clear", () => act.send(Object.fromEntries(SIDES.map((side) => [side, features.map(() => 0)]))));
  house.present(bar).style.marginLeft = "auto";
  const stage = make("div", root, { class: "stage" }), showFaders = faders(stage, features, act), right = make("div", stage, { class: "right" });
  const showCard = card(house, right, data, act), help = "What the head looks at. Up and down choose a word.";
  const drawing = sketch(right, { tabindex: 0, role: "application", "aria-label": help }, 4), sumLine = make("p", right, { class: "sum", "aria-live": "polite" });
  const rowAt = (event) => Math.floor((place(drawing.svg, event)[1] - at.y) / at.h);
  const choose = (event) => { const i = rowAt(event); if (i >= 0 && i < at.n && i !== state.at) change({ at: i }); };
  drawing.svg.addEventListener("pointermove", (event) => { if (event.pointerType === "mouse") choose(event); });
  drawing.svg.addEventListener("click", choose);
  keys(drawing.svg, ({ key }) => {
    const by = { ArrowUp: -1, ArrowDown: 1 }[key], n = sentences[state.sentence].length;
    return by && { at: (state.at + by + n) % n };
  }, change);
  function layout() {
    const wide = right.clientWidth, lengths = sentences[state.sentence].map((word) => measure(word, BOLD));
    if (wide < 100) return;
    const high = root.clientWidth >= 700 ? Math.max(300, 24 + FADER * features.length - CARD - 24) : 320;
    at = geometry(wide, high, lengths, lengths.at(-1));
    drawing.resize(wide, high);
  }
  change({});
  house.watch(() => { layout(); change({}); });
  house.start();
  return () => { clock.stop(); memory.close(); house.close(); };
}

export default { render };
