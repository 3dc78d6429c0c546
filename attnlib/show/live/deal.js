// Jobs dealt into heads: a head adds up the scores of its jobs and has one softmax. Below, how well each job is done where it is,
// and which pairs get on.

import {
  best, clamp, cut, dress, ease, frames, isEven, keep, keys, lerp, make, measure, menu, numbers, place, press, share, sketch, slider,
  softmax,
} from "./core.js";
import { percent, tenth, tiles } from "./tiles.js";

const CHIP = 29, NAME = 18, GAP = 12, LONGEST = 74, ALLIES = 0.8, LEAST = 118;
const BOLD = "600 13px system-ui, sans-serif", SMALL = "12px system-ui, sans-serif";

// ---- numbers: pure --------------------------------------------------------------------------------------------------------

const total = (row) => row.reduce((sum, x) => sum + x, 0);

/** One head: the softmax of the sum of its jobs' scores, (n, n); all alike without a job. */
export const mixed = (scores, jobs, loudness) =>
  scores[0].map((row, i) => softmax(row.map((_, j) => loudness * jobs.reduce((sum, job) => sum + scores[job][i][j], 0))));

/** Of what the job's own head gives to other words, how much does this head give, too? A mean over the words that have the job:
 *  those whose own head looks at another word more than at all alike. NaN where none has it. */
export function overlap(weights, alone) {
  const parts = alone.flatMap((row, i) => {
    const others = row.map((w, j) => (j === i ? 0 : w)), both = others.map((w, j) => Math.min(w, weights[i][j]));
    return Math.max(...others) > 1.01 / row.length ? [total(both) / total(others)] : [];
  });
  return total(parts) / parts.length;
}

/** All that follows from a deal: heads of lists of jobs. */
export function judged(deal, loudness, scores, goal) {
  const head = (jobs) => mixed(scores, jobs, loudness), heads = deal.map(head), even = head([]);
  const alone = scores.map((_, job) => head([job]));
  const home = scores.map((_, job) => deal.findIndex((jobs) => jobs.includes(job)));
  const done = home.map((h, job) => overlap(heads[h], alone[job])), real = done.filter((x) => !Number.isNaN(x));
  const mean = total(real) / Math.max(1, real.length), used = deal.filter((jobs) => jobs.length).length;
  const met = [used <= goal.heads, mean >= goal.share];
  return { alone, heads, home, done, mean, used, met, even: alone.map((one) => overlap(even, one)) };
}

/** How two jobs get on in one head: [how well each is done, are they allies?] */
export function together([a, b], loudness, scores) {
  const both = mixed(scores, [a, b], loudness), done = [a, b].map((job) => overlap(both, mixed(scores, [job], loudness)));
  return [done, !done.some((x) => x < ALLIES)];
}

const upTo = (n) => Array.from({ length: n }, (_, k) => k);
export const pairsOf = (n) => upTo(n).flatMap((a) => upTo(n).filter((b) => b > a).map((b) => [a, b]));
const shown = (x) => (Number.isNaN(x) ? "–" : String(Math.round(100 * x)));

/** What the deal teaches, in words. */
export function lesson({ done, used, mean, met, home }, names, goal) {
  const list = `${used} head${used > 1 ? "s" : ""}, together ${percent(mean)}.`;
  const real = done.map((x, job) => [x, job]).filter(([x]) => !Number.isNaN(x)).sort((a, b) => a[0] - b[0]);
  const ask = used === goal.heads ? ` Can ${used} heads do ${percent(goal.share)}?` : "";
  if (!real.length) return [list, " No word of this sentence has any of these jobs."];
  const [[least, worst]] = real, mates = names.filter((_, job) => job !== worst && home[job] === home[worst]);
  const why = " Those that share a head want different rows: where one asks, the other is silent or agrees.";
  if (met.every(Boolean)) return [list, " ", ["The goal is reached.", "part"], why];
  if (least > 0.995) return [list, ` Each job is done in full. Now save a head: can ${goal.heads} do ${percent(goal.share)}?`];
  const shares = mates.length ? `; it shares its head with ${mates.join(", ")}` : "";
  return [list, " ", [names[worst], "part"], ` suffers most (${percent(least)})${shares}. A row shares out 1: what one job takes, the others lack.${ask}`];
}

/** The word whose jobs look most firmly at others. */
export function first(alone) {
  const firm = alone[0].map((_, i) => total(alone.map((one) => (isEven(one[i]) ? 0 : Math.max(...one[i].filter((w, j) => j !== i))))));
  return firm.indexOf(Math.max(...firm));
}

/** Whom a head looks at from one word, in words. */
export function looks(row, words, at) {
  if (isEven(row)) return `${words[at]}: all alike`;
  const top = best(row).filter(([w], k) => k === 0 || (k < 2 && w > 0.12));
  return `${words[at]} → ${top.map(([w, j]) => `${words[j]} ${share(w)}`).join(", ")}`;
}

// ---- geometry: pure ---------------------------------------------------------------------------------------------------------

/** Where the heads are: beside each other, or in two rows; { x, y, w } of each, and the room for its chips and its map. */
export function geometry(width, heads, jobs, n, longest) {
  const left = Math.min(LONGEST, longest) + 8, fit = clamp(Math.floor((width - left + GAP) / (LEAST + GAP)), 1, heads);
  const rows = Math.ceil(heads / fit), across = Math.ceil(heads / rows), w = tenth((width - left - (across - 1) * GAP) / across);
  const slot = jobs * CHIP + 6, h = clamp(148 / n, 9.2, 15), map = NAME + slot + 6, step = map + n * h + 24;
  const box = (k) => ({ x: left + (k % across) * (w + GAP), y: Math.floor(k / across) * step, w, leads: k % across === 0 });
  return { n, left, slot, h, map, step, boxes: upTo(heads).map(box), width, height: rows * step };
}

/** The head at a place, or -1 */
export const headAt = (at, [px, py]) =>
  at.boxes.findIndex(({ x, y, w }) => px >= x - GAP / 2 && px < x + w + GAP / 2 && py >= y && py < y + at.step);
const rowAt = (at, [, py]) => {
  const box = at.boxes.find(({ y }) => py >= y + at.map && py < y + at.map + at.n * at.h);
  return box ? Math.floor((py - box.y - at.map) / at.h) : -1;
};

// ---- drawing ------------------------------------------------------------------------------------------------------------------

function paint(put, at, N, moving, state, words) {
  at.boxes.forEach(({ x, y, w, leads }, k) => {
    const jobs = state.deal[k], hot = state.over === k, { h, n } = at, top = y + at.map, cell = { x, y: top, w: w / n, h };
    const dashed = { "stroke-dasharray": jobs.length ? "none" : "4 4" };
    const slot = { ...dashed, fill: hot ? "var(--blocked)" : "none", stroke: hot ? "var(--ink)" : "var(--hatch)" };
    const free = { x: tenth(x + w / 2), y: y + NAME + at.slot / 2 + 4, "text-anchor": "middle", class: "faint" };
    const ring = { x: x - 1, y: tenth(top + state.at * h - 0.5), width: w + 2, height: tenth(h + 1), rx: 2, fill: "none", stroke: "var(--query)" };
    put(`head${k}`, "text", 2, { x, y: y + 13, class: "part" }, `head ${k + 1}`);
    put(`slot${k}`, "rect", 0, { x, y: y + NAME, width: w, height: at.slot, rx: 6, ...slot });
    if (!jobs.length) put(`free${k}`, "text", 2, free, "drop a job here");
    if (jobs.length) tiles(put, `w${k}`, 1, moving[k], N.heads[k].map((row) => isEven(row)), cell);
    put(`map${k}`, "rect", 1, { opacity: jobs.length ? 1 : 0.4, x, y: top, width: w, height: tenth(n * h), fill: "none", stroke: "var(--line)" });
    if (jobs.length) put(`at${k}`, "rect", 2, { ...ring, "stroke-width": 1.5 });
    const says = looks(N.heads[k][state.at], words, state.at), quiet = isEven(N.heads[k][state.at]) ? " faint" : "";
    if (jobs.length) put(`says${k}`, "text", 2, { x, y: tenth(top + n * h + 16), class: `small${quiet}` }, cut(says, w + (x + w + 20 > at.width ? 2 : GAP - 4), (text) => measure(text, SMALL)));
    if (!leads) return;
    words.forEach((word, i) => {
      const look = { x: at.left - 8, y: tenth(top + (i + 0.5) * h + 4.5), "text-anchor": "end", class: i === state.at ? "small part q" : "small" };
      if (at.h > 12 || i === state.at || (i % 2 === 0 && Math.abs(i - state.at) > 1)) put(`word${k}.${i}`, "text", 2, look, cut(word, LONGEST));
    });
  });
}

/** Bars and pairs, as tables. @returns a function that shows what is so */
function tables(parent, names, heads, act) {
  const wide = Math.ceil(Math.min(130, Math.max(...names.map((name) => measure(name)))));
  const box = make("div", parent, { class: "tables", style: `--named:${wide}px` });
  const left = make("div", box), right = make("div", box), pairs = pairsOf(names.length), head = make("div", left, { class: "head" });
  make("b", head, {}, "how well each job is done");
  make("span", head, { class: "faint" }, "▏all alike");
  const jobs = names.map((name, job) => {
    const row = make("div", left, { class: "job" });
    make("span", row, { title: name }, name);
    const where = menu(row, "", upTo(heads).map((h) => `head ${h + 1}`), (h) => act.deal(job, h));
    where.node.setAttribute("aria-label", `${name} is in`);
    return { where, bar: make("i", row), says: make("b", row) };
  });
  const tried = make("b", make("div", right, { class: "head" }));
  const list = make("ul", right, { class: "pairs", style: `--pairs:${pairs.length}`, tabindex: pairs.length > 6 ? 0 : null });
  const lines = pairs.map(([a, b]) => {
    const line = make("li", list);
    make("span", line, {}, `${names[a]} + ${names[b]}`);
    return [line, make("b", line)];
  });
  return (N, state, scores) => {
    jobs.forEach(({ where, bar, says }, job) => {
      where.set(N.home[job]);
      bar.style.setProperty("--got", percent(N.done[job] || 0).replace(" ", ""));
      bar.style.setProperty("--even", percent(N.even[job] || 0).replace(" ", ""));
      says.textContent = Number.isNaN(N.done[job]) ? "no one" : percent(N.done[job]);
    });
    tried.textContent = `pairs tried: ${state.tried.length} of ${pairs.length}`;
    lines.forEach(([line, verdict], k) => {
      const known = state.tried.some((pair) => String(pair) === String(pairs[k]));
      const [done, allies] = known ? together(pairs[k], state.loudness, scores) : [[], false];
      line.className = known ? "tried" : "";
      verdict.textContent = known ? `${allies ? "allies" : "rivals"} ${done.map(shown).join(" · ")} %` : "?";
    });
  };
}

function goals(root) {
  const line = make("p", root, { class: "goal" }), name = make("b", line, {}, "Goal"), marks = [0, 1].map(() => make("span", line));
  return (N, goal) => {
    const all = N.met.every(Boolean);
    line.classList.toggle("done", all);
    name.textContent = all ? "Solved" : "Goal";
    const texts = [`at most ${goal.heads} heads (now ${N.used})`, `together ${percent(goal.share)} of all jobs (now ${percent(N.mean)})`];
    marks.forEach((mark, k) => {
      mark.textContent = `${N.met[k] ? "✓" : "○"} ${texts[k]}`;
      mark.className = N.met[k] ? "met" : "";
    });
  };
}

// ---- state and hands ------------------------------------------------------------------------------------------------------------

/** A chip for each job: dragged, moved by keys, or touched and then a head. */
function chips(board, svg, names, act, state) {
  return names.map((name, job) => {
    const chip = press(board, name, () => { if (!chip.dragged) act.change({ picked: state.picked === job ? -1 : job }); }, { class: "chip", title: name });
    let from = null;
    const end = (event) => {
      if (!from) return;
      const to = chip.dragged && event.type === "pointerup" ? headAt(act.find(), place(svg, event)) : -1;
      from = null;
      chip.classList.remove("held");
      if (to >= 0) act.deal(job, to); else act.change({ over: -1 });
      if (chip.dragged) setTimeout(() => { chip.dragged = false; });       // after the click that ends a drag
    };
    chip.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      const [px, py] = place(svg, event), [x, y] = act.spot(job);
      from = [px - x, py - y, px, py];
      chip.dragged = false;
      chip.setPointerCapture(event.pointerId);
    });
    chip.addEventListener("pointermove", (event) => {
      if (!from) return;
      const [px, py] = place(svg, event), over = headAt(act.find(), [px, py]);
      if (!chip.dragged && Math.hypot(px - from[2], py - from[3]) < 4) return;
      chip.dragged = true;
      chip.classList.add("held");
      chip.style.transform = `translate(${tenth(px - from[0])}px, ${tenth(py - from[1])}px)`;
      if (over !== state.over) act.change({ over });
    });
    for (const name_ of ["pointerup", "pointercancel"]) chip.addEventListener(name_, end);
    keys(chip, ({ key }) => {
      const heads = state.deal.length, by = { ArrowLeft: -1, ArrowRight: 1 }[key], to = by ? act.home(job) + by : +key - 1;
      return key !== " " && to >= 0 && to < heads && { to };
    }, ({ to }) => act.deal(job, to));
    return chip;
  });
}

function render({ model, el }) {
  const house = dress({ model, el }, "deal"), get = (name) => model.get(name), { root } = house, names = get("names"), words = get("tokens");
  const n = words.length, LISTS = ["deal", "tried"], each = (lists, of) => lists.map((one) => one.map(of));
  const inward = (news) => Object.fromEntries(
    Object.entries(news).map(([name, value]) => [name, LISTS.includes(name) ? each(value, (job) => names.indexOf(job)) : value]));
  const memory = keep(model, ["deal", "tried", "loudness", "goal"], (news) => change(inward(news)));
  const scores = numbers(get("_scores"), [names.length, n, n]), state = { ...inward(memory.get()), over: -1, picked: -1, blend: 1, at: 0 };
  const heads = state.deal.length;
  let N = judged(state.deal, state.loudness, scores, state.goal), moving = N.heads, old = moving, at = null;
  state.at = first(N.alone);
  const clock = frames((ms) => {
    if (!at) return false;
    state.blend = Math.min(1, state.blend + ms / 260);
    const t = ease(state.blend);
    moving = t < 1 ? N.heads.map((head, k) => head.map((row, i) => row.map((w, j) => lerp(old[k][i][j], w, t)))) : N.heads;
    paint(drawing.put, at, N, moving, state, words);
    drawing.done();
    return t < 1;
  });
  const sent = (name) => (LISTS.includes(name) ? each(state[name], (job) => names[job]) : state[name]);
  const outward = () => Object.fromEntries([...LISTS, "loudness"].map((name) => [name, sent(name)]));
  function change(news) {
    Object.assign(state, news);
    if (["deal", "loudness", "goal"].some((name) => name in news)) {
      [old, state.blend] = [moving, "deal" in news ? 0 : 1];
      state.tried = [...state.tried, ...state.deal.filter((jobs) => jobs.length === 2).map((jobs) => [...jobs].sort((a, b) => a - b))]
        .filter((pair, k, all) => all.findIndex((one) => String(one) === String(pair)) === k);
      N = judged(state.deal, state.loudness, scores, state.goal);
    }
    show();
    clock.ask();
  }
  const dealt = (homeOf) => upTo(heads).map((h) => upTo(names.length).filter((job) => homeOf(job) === h));
  const act = {
    change,
    find: () => at,
    home: (job) => N.home[job],
    spot(job) {
      const { x, y } = at.boxes[N.home[job]];
      return [x + 5, y + NAME + 4 + state.deal[N.home[job]].indexOf(job) * CHIP];
    },
    all(deal) { change({ deal, picked: -1, over: -1 }); memory.send(outward(), 150); },
    deal: (job, to) => act.all(dealt((one) => (one === job ? to : N.home[one]))),
  };
  const bar = make("div", root, { class: "row" });
  if (get("title")) make("b", bar, {}, get("title"));
  const loudness = slider(bar, "loudness", { min: 0, max: 12, step: 0.5 }, (x) => change({ loudness: x }), () => memory.send(outward(), 150));
  press(bar, "a head each", () => act.all(dealt((job) => Math.min(job, heads - 1))));
  press(bar, "all in one", () => act.all(dealt(() => 0)));
  house.present(bar).style.marginLeft = "auto";
  const board = make("div", root, { class: "board" }), help = "Heads, each with its jobs and what it looks at. Up and down choose a word.";
  const drawing = sketch(board, { tabindex: 0, role: "application", "aria-label": help }, 3), { svg } = drawing;
  const all = chips(board, svg, names, act, state);
  const showTables = tables(root, names, heads, act);
  root.append(house.line);
  const showGoal = goals(root);
  function show() {
    loudness.set(state.loudness);
    showTables(N, state, scores);
    showGoal(N, state.goal);
    house.say(lesson(N, names, state.goal));
    if (!at) return;
    all.forEach((chip, job) => {
      const { w } = at.boxes[0];
      chip.style.width = `${w - 10}px`;
      chip.classList.toggle("tight", names.some((name) => measure(name, BOLD) > w - 20));
      chip.setAttribute("aria-pressed", job === state.picked);
      chip.setAttribute("aria-label", `${names[job]}, in head ${N.home[job] + 1}. Left and right move it.`);
      if (!chip.classList.contains("held")) chip.style.transform = `translate(${act.spot(job).map((v) => `${v}px`).join(", ")})`;
    });
  }
  const point = (event) => { const i = rowAt(at, place(svg, event)); if (i >= 0 && i !== state.at) change({ at: i }); };
  svg.addEventListener("pointermove", (event) => { if (event.pointerType === "mouse" && !event.buttons) point(event); });
  svg.addEventListener("click", (event) => {
    const to = headAt(at, place(svg, event));
    if (state.picked >= 0 && to >= 0) act.deal(state.picked, to); else point(event);
  });
  keys(svg, ({ key }) => { const by = { ArrowUp: -1, ArrowDown: 1 }[key]; return by && { at: (state.at + by + n) % n }; }, change);
  house.watch(() => {
    if (board.clientWidth < 100) return;
    at = geometry(board.clientWidth, heads, names.length, n, Math.max(...words.map((word) => measure(word, BOLD))));
    drawing.resize(at.width, at.height);
    change({});
  });
  show();
  house.start();
  return () => { clock.stop(); memory.close(); house.close(); };
}

export default { render };
