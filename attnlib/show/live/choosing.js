// The numbers behind the arrows: scores, shares and mixtures of a query in the plane, round scales, and what is said of them.

import { clamp, dot, share, softmax } from "./core.js";

export const TURN = 2 * Math.PI, RIM = 72;                               // a full turn; the pieces of the rim

export const length = (a) => Math.hypot(...a);
export const polar = (angle, r) => [r * Math.cos(angle), r * Math.sin(angle)];
export const degrees = ([x, y]) => Math.round((Math.atan2(y, x) * 360) / TURN);

/** Squares as shares of their sum; nothing but zeros is shared out evenly. */
export function squared(scores) {
  const all = dot(scores, scores);
  return scores.map((s) => (all > 0 ? (s * s) / all : 1 / scores.length));
}

/** What a state makes of its arrows: products q·k, scores, what the softmax takes, weights, and the mixture of the values. */
export function judged({ query, arrows, values, temperature, shares, compare }) {
  const products = arrows.map((k) => dot(query, k)), long = arrows.map((k) => length(query) * length(k));
  const scores = compare === "cosine" ? products.map((s, i) => (long[i] > 0 ? s / long[i] : 0)) : products;
  const used = scores.map((s) => s / temperature), weights = shares === "squares" ? squared(scores) : softmax(used);
  return { products, scores, used, weights, mixture: values.length ? dot(weights, values) : null };
}

/** What the rim shows: in each direction the mixture, or without values the largest share. */
export function around(state, n = RIM) {
  return Array.from({ length: n }, (_, i) => {
    const there = judged({ ...state, query: polar(((i + 0.5) / n) * TURN, length(state.query)) });
    return there.mixture ?? Math.max(...there.weights);
  });
}

/** The next round number above. */
export function roundUp(x, steps = [1, 1.5, 2, 3, 4, 5, 7.5, 10]) {
  const ten = 10 ** Math.floor(Math.log10(x));
  return +(ten * steps.find((step) => step * ten >= x * (1 - 1e-9))).toPrecision(3);
}

/** How far the plane reaches: to the longest arrow, and a round number. */
export const reachOf = (arrows) => roundUp(Math.max(...arrows.map(length)) || 1);

/** The scale under the beam, between round numbers: { low, high, step } */
export function spanOf(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)], step = roundUp((high - low) / 6 || 1, [1, 2, 5, 10]);
  const more = +(low === high), [a, b] = [Math.floor(low / step) - more, Math.ceil(high / step) + more];
  return { low: a * step, high: b * step, step };
}

/** A number with two decimals, as far as they say anything. */
export function said(x) {
  const size = Math.abs(x), text = size >= 1000 || (size > 0 && size < 0.005) ? size.toExponential(1) : size.toFixed(size >= 100 ? 0 : 2);
  return (x < 0 ? "−" : "") + text;
}

export const plain = (x) => String(+x.toPrecision(6)).replace("-", "−");

/** Where the share of key i comes from, in two lines. */
export function chain(state, now, i) {
  const { query: q, arrows, temperature: t, shares } = state, k = arrows[i], s = now.scores[i], of = `in all: ${share(now.weights[i])}`;
  const e = Math.exp(now.used[i]), whole = now.used.reduce((total, u) => total + Math.exp(u), 0);
  const sum = `${said(q[0])} × ${said(k[0])} + ${said(q[1])} × ${said(k[1])} = ${said(now.products[i])}`;
  const cosine = `q·k ${said(now.products[i])} ÷ (${said(length(q))} × ${said(length(k))}) = ${said(now.scores[i])}`;
  const raised = `exp(${said(s)}${t === 1 ? "" : ` ÷ ${said(t)}`}) = ${said(e)}, of ${said(whole)} ${of}`;
  const squares = `${s < 0 ? `(${said(s)})` : said(s)}² = ${said(s ** 2)}, of ${said(dot(now.scores, now.scores))} ${of}`;
  return [state.compare === "cosine" ? cosine : sum, shares === "squares" ? squares : raised];
}

/** A state in words. */
export function sentence(state, now, { names, who, unit, legend = true }) {
  const { query, values, shares } = state, order = now.weights.map((_, i) => i).sort((a, b) => now.weights[b] - now.weights[a]);
  const [first, second] = order, top = now.weights[first], even = 1 / names.length, alone = names.length > 1 && top > 0.9;
  const counts = names.length === 1 ? `${names[0]} is alone and gets all.` : top < even + 0.015 ? `All count alike, ${share(even)} each.`
    : `${names[first]} counts most, ${share(top)}${alone ? ", nearly alone" : `, then ${names[second]}, ${share(now.weights[second])}`}.`;
  const worst = shares === "squares" && now.scores[first] < 0 && top > even + 0.015 ? ` A square forgets the sign: ${names[first]} disagrees, and counts.` : "";
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const mixed = values.length ? ` The mixture is ${said(now.mixture)}${unit}; the plain mean is ${said(mean)}.` : "";
  const rim = ` The rim is darker where the ${values.length ? "mixture would be higher" : "largest share would be larger"}.`;
  return `${who}: ${degrees(query)}°, length ${said(length(query))}. ${counts}${worst}${mixed}${legend && !worst ? rim : ""}`.replace("-", "−");
}

export const STEPS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/** A key on an arrow: turned by 2 degrees, or longer by a twentieth of the plane; with Shift, five times as much. */
export function nudged(v, reach, { key, shiftKey }) {
  const [turn, grow] = STEPS[key] ?? [0, 0], by = shiftKey ? 5 : 1;
  const angle = Math.atan2(v[1], v[0]) + (turn * by * TURN) / 180, step = (grow * by * reach) / 40;
  return turn || grow ? polar(angle, clamp(length(v) + step, reach / 200, reach)) : null;
}

/** Labels { x, y, w } that would lie on one before them go up, or where there is no more room down. */
export function stacked(labels, top = 12, high = 15) {
  const done = [];
  for (const one of labels) {
    for (const way of [-1, 1]) {
      const trial = { ...one }, aside = (other) => Math.abs(other.x - trial.x) >= (other.w + trial.w) / 2 + 4;
      const hits = () => done.find((other) => !aside(other) && Math.abs(other.y - trial.y) < high);
      for (let other = hits(); other; other = hits()) trial.y = other.y + way * (high + 0.01);
      if (trial.y >= top || way > 0) { done.push(trial); break; }
    }
  }
  return done;
}
