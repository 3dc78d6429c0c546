// The heads of a model: of what kind each is, their order, their maps, how a click is judged, and where their cells are. All pure.

import { clamp, share } from "./core.js";

const RANKS = 3, HERE = 0.3, NAMED = 40;                  // px of a cell in which the name of its head can be read

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

/** A head that was clicked, judged on many texts: { share, place, won, here }. `only`: it fits here, and not in the others */
export function judged({ shares, baseline }, head, here) {
  const mine = shares[head], at = 1 + shares.filter((one) => one > mine).length, won = at <= RANKS && mine > baseline;
  return { share: mine, place: at, won, here, only: !won && here >= HERE && mine < here / 2 };
}

// ---- geometry: pure -------------------------------------------------------------------------------------------------------

/** In how many blocks of layers, side by side, the cells come out largest: what counts is their shorter side. */
export function blocks(layers, heads, wide, high) {
  const side = (count) => Math.min(wide / (heads * count), high / Math.ceil(layers / count));
  return range(layers).reduce((best, k) => (side(k + 1) > side(best) ? k + 1 : best), 1);
}

/** Where the cells are. In the model's order rows are layers, in blocks side by side; in any other they are read row by row.
 *  @returns {{cw, ch, columns, rows, spot, at, step}} spot(slot) -> [x, y]; at([x, y]) -> slot or null; step(slot, [dx, dy]) */
export function geometry({ layers, heads, wide, high, sorted }) {
  const count = blocks(layers, heads, wide, high), left = 24, top = 20, n = layers * heads, gap = count > 1 && !sorted ? 26 : 0;
  const columns = sorted ? Math.min(heads * count, Math.max(1, Math.floor((wide - left) / NAMED))) : heads * count;
  const rows = Math.ceil(sorted ? n / columns : layers / count);
  const cw = Math.min(110, (wide - left - gap * (count - 1)) / columns), ch = Math.min(84, (high - top) / rows);
  const slotOf = (r, c) => {
    const block = Math.floor(c / heads), slot = sorted ? r * columns + c : (block * rows + r) * heads + (c % heads);
    return r >= 0 && c >= 0 && r < rows && c < columns && slot < n ? slot : null;
  };
  const placeOf = (slot) => {
    if (sorted) return [Math.floor(slot / columns), slot % columns];
    const layer = Math.floor(slot / heads), block = Math.floor(layer / rows);
    return [layer - block * rows, block * heads + (slot % heads)];
  };
  const across = (c) => left + c * cw + Math.floor(c / heads) * gap;
  return {
    cw, ch, rows, columns, count, left, top, gap, across,
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

/** A head in words: its kind, and the other measures in which it is largest */
export function about(h, D) {
  const { name, what } = D.looks[D.kinds[h]], own = D.measures[name], most = mostOf(h, D, name).slice(0, 2);
  const first = own ? `${number(own[h], D.tops[name])} ${what}` : what;
  return `${nameOf(h, D.heads)}: ${name}, ${first}${most.length ? `; also ${most.join(", ")}` : ""}`;
}

/** The same in few words: the measure of its kind, and the largest other one */
export function briefly(h, D) {
  const { name } = D.looks[D.kinds[h]], own = D.measures[name], [other] = mostOf(h, D, name);
  return `${nameOf(h, D.heads)}: ${name}${own ? ` ${number(own[h], D.tops[name])}` : ""}${other ? `, ${other}` : ""}`;
}
