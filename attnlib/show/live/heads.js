// The heads of a model: of what kind each is, their order, their maps, how a click is judged, and where their cells are. All pure.

import { clamp, share } from "./core.js";

const RANKS = 3, HERE = 0.3, NAMED = 40, FINGER = 24;     // px of a cell in which the name of its head can be read; that can be tapped
const REPEATED = ["induction", "same token"];              // what is seen in a text that repeats

// ---- numbers: pure; a head is its place, layer · heads + head -------------------------------------------------------------

export const range = (n) => Array.from({ length: n }, (_, i) => i);
export const sum = (list) => list.reduce((a, b) => a + b, 0);

/** The kind of each head: the first whose measure is as large as its least; as many as there are kinds: none. */
export function kindsOf(measures, least) {
  const names = Object.keys(least), [first] = Object.values(measures);
  return first.map((_, h) => {
    const found = names.findIndex((name) => measures[name][h] >= least[name]);
    return found < 0 ? names.length : found;
  });
}

/** How strong the colour of a head is, 0 to 1: its measure, of what is mixed something in the middle */
export const strength = (values, h) => (values ? clamp(values[h] / Math.max(1, ...values)) : 0.6);

/** The heads in an order: as the model has them; by kind, the strongest first; by a measure, the largest first */
export function orderOf(sort, measures, kinds, least) {
  const heads = range(kinds.length), names = Object.keys(least), worth = (h) => strength(measures[names[kinds[h]]], h);
  if (sort === "kind") return heads.sort((a, b) => kinds[a] - kinds[b] || worth(b) - worth(a) || a - b);
  return sort === "layers" ? heads : heads.sort((a, b) => measures[sort][b] - measures[sort][a] || a - b);
}

/** The maps of a text: (head) -> rows of weights, null where a token may not look. `from`: where its bytes begin */
export function mapsOf(view, from, { tokens, causal }) {
  const n = tokens.length, each = causal ? (n * (n + 1)) / 2 : n * n, known = new Map();
  return (h) => {
    if (!known.has(h)) {
      let at = from + h * each;
      known.set(h, range(n).map((i) => range(n).map((j) => (causal && j > i ? null : view.getUint8(at++) / 255))));
    }
    return known.get(h);
  };
}

/** How many bytes the maps of a text take */
export const bytesOf = ({ tokens: { length: n }, causal }, heads) => heads * (causal ? (n * (n + 1)) / 2 : n * n);

/** How much of their weight two maps have on the same tokens, 0 to 1; a token that can only look at itself does not count */
export function agreement(a, b) {
  const rows = range(a.length).filter((i) => i || a[0].length < 2 || a[0][1] !== null);
  if (a.length < 2 && a[0][0] !== null) return 1;
  return sum(rows.map((i) => sum(a[i].map((w, j) => Math.min(w ?? 0, b[i][j] ?? 0))))) / rows.length;
}

/** What each head is worth in a hunt: its share, less the one it has when another word asks */
const worthOf = ({ shares, another }) => shares.map((one, h) => one - (another?.[h] ?? 0));
export const bestOf = (hunt) => { const worth = worthOf(hunt); return worth.indexOf(Math.max(...worth)); };

/** A head that was clicked, judged on many texts: { share, other (when another word asks, or null), place, won, here }.
 *  `whoever`: it looks there when another word asks, too; `only`: it fits here, and not in the others */
export function judged(hunt, head, here) {
  const worth = worthOf(hunt), mine = hunt.shares[head], other = hunt.another?.[head] ?? null;
  const at = 1 + worth.filter((one) => one > worth[head]).length, won = at <= RANKS && worth[head] > hunt.baseline;
  const whoever = !won && other > mine / 2 && Math.max(mine, other) >= HERE;
  return { share: mine, other, place: at, won, here, whoever, only: !won && !whoever && here >= HERE && mine < here / 2 };
}

/** The text that says most of its words twice, or null where none does: for what is seen in such a text alone */
export function repeating(name, texts) {
  const twice = texts.map(({ pieces }) => 1 - new Set(pieces.map((one) => one.trim())).size / pieces.length);
  const most = Math.max(0, ...twice);
  return REPEATED.includes(name) && most ? twice.indexOf(most) : null;
}

// ---- geometry: pure -------------------------------------------------------------------------------------------------------

/** In how many blocks of layers, side by side, the cells come out largest: what counts is their shorter side. */
export function blocks(layers, heads, wide, high) {
  const side = (count) => Math.min(wide / (heads * count), high / Math.ceil(layers / count));
  return range(layers).reduce((best, k) => (side(k + 1) > side(best) ? k + 1 : best), 1);
}

/** Where the cells are. In the model's order rows are layers, in blocks side by side; in any other they are read row by row, as many
 *  at a time (`each`) as a finger can tell apart.
 *  @returns {{cw, ch, columns, rows, each, spot, at, step}} spot(slot) -> [x, y]; at([x, y]) -> slot or null; step(slot, [dx, dy]) */
export function geometry({ layers, heads, wide, high, sorted }) {
  const count = blocks(layers, heads, wide, high), left = 24, n = layers * heads, gap = count > 1 && !sorted ? 26 : 0;
  const columns = sorted ? Math.min(heads * count, Math.max(1, Math.floor((wide - left) / NAMED))) : heads * count;
  const most = Math.max(1, Math.floor((high - 30) / FINGER)), all = Math.ceil(sorted ? n / columns : layers / count);
  const paged = sorted && all > most, rows = paged ? most : all, top = paged ? 30 : 20, each = paged ? rows * columns : n;
  const cw = Math.min(110, (wide - left - gap * (count - 1)) / columns), ch = Math.min(84, (high - top) / rows);
  const slotOf = (r, c) => {
    const block = Math.floor(c / heads), slot = sorted ? r * columns + c : (block * rows + r) * heads + (c % heads);
    return r >= 0 && c >= 0 && r < rows && c < columns && slot < each ? slot : null;
  };
  const placeOf = (slot) => {
    if (sorted) return [Math.floor(slot / columns), slot % columns];
    const layer = Math.floor(slot / heads), block = Math.floor(layer / rows);
    return [layer - block * rows, block * heads + (slot % heads)];
  };
  const across = (c) => left + c * cw + Math.floor(c / heads) * gap;
  return {
    cw, ch, rows, columns, count, left, top, gap, each, across,
    spot(slot) { const [r, c] = placeOf(slot); return [across(c), top + r * ch]; },
    at([x, y]) {
      const c = range(columns).find((one) => x >= across(one) && x < across(one) + cw);
      return c === undefined ? null : slotOf(Math.floor((y - top) / ch), c);
    },
    step(slot, [dx, dy]) {
      const [r, c] = placeOf(slot);
      return slotOf(clamp(r + dy, 0, rows - 1), clamp(c + dx, 0, columns - 1)) ?? slot;
    },
  };
}

// ---- words: pure ----------------------------------------------------------------------------------------------------------

export const nameOf = (h, heads) => `${Math.floor(h / heads)}.${h % heads}`;
export const number = (v, top) => (top > 1 ? v.toFixed(1) : share(v));
export const bare = (token) => token.replace(/^␣(?=.)|(?<=.)␣$/g, "");

const mostOf = (h, { measures, tops }, but) => Object.keys(measures).filter((name) => name !== but && tops[name] <= 1)
  .sort((a, b) => measures[b][h] - measures[a][h]).map((name) => `${name} ${share(measures[name][h])}`);

/** Measures that are no shares, with their unit if they name one: "reach in tokens" -> "reach 4.6 tokens" */
const otherwise = (h, { measures, tops }) => Object.keys(measures).filter((name) => tops[name] > 1).map((name) => {
  const [what, unit = ""] = name.split(/ in (?=[^ ]+$)/);
  return `${what} ${number(measures[name][h], tops[name])}${unit && ` ${unit}`}`;
});

/** A head in words: its kind, the other measures in which it is largest, and what is no share */
export function about(h, D) {
  const { name, what } = D.looks[D.kinds[h]], own = D.measures[name], most = mostOf(h, D, name).slice(0, 2);
  const first = own && D.tops[name] <= 1 ? `${share(own[h])} ${what}` : what, far = otherwise(h, D);
  return `${nameOf(h, D.heads)}: ${name}, ${[first, ...(most.length ? [`also ${most.join(", ")}`] : []), ...far].join("; ")}`;
}

/** The same in few words: the measure of its kind, the largest other one, and what is no share */
export function briefly(h, D) {
  const { name } = D.looks[D.kinds[h]], own = D.measures[name], most = mostOf(h, D, name).slice(0, 1);
  return `${nameOf(h, D.heads)}: ${[`${name}${own ? ` ${number(own[h], D.tops[name])}` : ""}`, ...most, ...otherwise(h, D)].join(", ")}`;
}

const ORDINALS = ["first", "second", "third", "fourth", "fifth"];

/** Which one is meant, of words that come more than once: ["the last ", "to"] */
export function called(pieces, k) {
  const words = pieces.map((one) => one.trim()), same = range(words.length).filter((i) => words[i] === words[k]), at = same.indexOf(k);
  const which = k === words.length - 1 || (at >= ORDINALS.length && at === same.length - 1) ? "last" : ORDINALS[at] ?? `${at + 1}th`;
  return [same.length > 1 ? `the ${which} ` : "", words[k] || pieces[k]];
}

/** How often a head is right, behind its share: " of 120 sentences, but .72 when another word asks" */
export function counted({ n, over }, { other, whoever }) {
  return other === null ? `over ${n} ${over}` : `of ${n} ${over}, ${whoever ? "but" : "and"} in ${share(other)} when another word asks`;
}

/** What a click was, in a sentence. `tried`: how many; `best`: its name; shown, isBest: was it shown, and is it this one? */
export function verdictOf(hunt, { won, whoever, only, place }, { tried, best, shown, isBest }) {
  if (shown && (isBest || won)) return isBest ? `Shown: ${best}.` : `One of the three best; ${best} was shown.`;
  if (won) return `Found, in ${tried} ${tried > 1 ? "clicks" : "click"}. ${place > 1 ? `The best is ${best}.` : "None is better."}`;
  return whoever ? "It looks there whoever asks." : only ? "It fits here, and not in the others." : hunt.hint;
}
