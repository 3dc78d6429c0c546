// All heads as small pictures to choose from: their cells, where they stand, and the paint.
import { held, included, paintPixels, range, short, write } from "./heat.js";

const NONE = -9;                                         // no number among the small pictures stands for what is shown

/** The largest of each block of cells, so that no line gets lost: a number, NaN, or null where nothing is allowed */
export function thumbnail(one, dots) {
  const { nq, nk } = one, [down, across] = [Math.ceil(nq / dots), Math.ceil(nk / dots)], evens = range(nq).map(one.even);
  const block = (a, b) => {
    let most = 0, open = false;
    for (let i = a * down; i < Math.min(nq, (a + 1) * down); i++) {
      for (let j = b * across; j < Math.min(nk, (b + 1) * across); j++) {
        const v = one.at(i, j);
        if (isNaN(v)) return NaN;
        if (Math.abs(v) > Math.abs(most) && !evens[i]) most = v;
        open ||= !one.closed(i, j);
      }
    }
    return open ? most : null;
  };
  return range(Math.ceil(nq / down)).map((a) => range(Math.ceil(nk / across)).map((b) => block(a, b)));
}

/** Where the small pictures are: layers downwards and heads to the right, turned where that fits a narrow page; a layer alone is
 *  a square, or where its heads have names, a list. `least`: pixels of the smallest, each way; what has no room then is scrolled.
 *  @returns sizes; at([x, y]) -> [layer, head] or null, layerAt([x, y]) -> layer or null; place(layer, head) -> [x, y] */
export function tiles({ layers, heads }, { width, tall, narrow, titles, least = 4 }) {
  const alone = layers === 1, named = alone && !narrow && titles.length > 1 && heads <= 8;
  const turned = narrow && layers > heads && (width - 24) / layers >= least;
  const columns = named ? 1 : alone ? (narrow ? heads : Math.ceil(Math.sqrt(heads))) : turned ? layers : heads;
  const rows = named ? heads : alone ? Math.ceil(heads / columns) : turned ? heads : layers;
  const x = alone ? 2 : 22, y = alone ? 20 : 36, w = (width - x - 2) / columns, h = (tall - y - 2) / rows, most = named ? 44 : 64;
  const cw = Math.max(least, Math.min(most, w, 1.6 * h)), ch = Math.max(least, Math.min(most, h, 1.6 * w));
  return {
    width: named ? width : Math.max(x + columns * cw + 2, alone ? 40 : 110), height: y + rows * ch + 2,
    x, y, cw, ch, rows, columns, alone, turned, named,
    place(layer, head) {
      const [r, c] = alone ? [Math.floor(head / columns), head % columns] : turned ? [head, layer] : [layer, head];
      return [x + c * cw, y + r * ch];
    },
    at([px, py]) {
      const [c, r] = [Math.floor((px - x) / (named ? width : cw)), Math.floor((py - y) / ch)];
      if (c < 0 || r < 0 || c >= columns || r >= rows) return null;
      const found = alone ? [0, r * columns + c] : turned ? [c, r] : [r, c];
      return found[1] < heads ? found : null;
    },
    layerAt([px, py]) {                                  // its number is above or beside its heads
      const n = Math.floor(turned ? (px - x) / cw : (py - y) / ch);
      return !alone && (turned ? py < y : px < x) && n >= 0 && n < layers ? n : null;
    },
  };
}

/** Every head as a small picture, `pictures`: its colours, or null; what is shown is framed, and what cannot be shown is pale */
export function paintAtlas(pen, data, where, pictures, state, ink) {
  const { layers, heads } = data, { layer, head, titles } = state, parts = included(data, state).map((at) => where.place(...at));
  const { cw, ch, x, y, alone, turned, named } = where, gap = cw > 30 ? 4 : 1;
  const numbers = (count, size, chosen_, put) => range(count).forEach((n) => {       // the chosen one, and so many others as can be read
    const here = n === chosen_, free = n % (size > 17 ? 1 : 5) === 0 && Math.abs(n - chosen_) * size > 15;
    if (here || free) put(`${n}`, (n + 0.5) * size, here ? ink.ink : ink.faint, { bold: here });
  });
  write(pen, alone ? "heads" : turned ? "↓ head, → layer" : "↓ layer, → head", x, 9, ink.faint);
  const across = (text, at, fill, how) => write(pen, text, x + at, y - 8, fill, { align: "center", ...how });
  const down = (text, at, fill, how) => write(pen, text, x - 5, y + at, fill, { align: "right", ...how });
  if (!alone) {
    numbers(heads, turned ? ch : cw, state.how === "head" ? head : NONE, turned ? down : across);
    numbers(layers, turned ? cw : ch, state.how.endsWith("all") ? NONE : layer, turned ? across : down);
  }
  for (const [n, cells] of pictures.entries()) {
    const [l, h] = [Math.floor(n / heads), n % heads], [a, b] = where.place(l, h), here = state.how === "head" && l === layer && h === head;
    pen.globalAlpha = held(data, { ...state, layer: l, head: h, how: "head" }) ? 1 : 0.25;
    if (cells) paintPixels(pen, cells, a, b, cw - gap, ch - gap);
    pen.globalAlpha = 1;
    Object.assign(pen, { strokeStyle: ink.hatch, lineWidth: 0.5 });
    pen.strokeRect(a - 0.5, b - 0.5, cw - gap + 1, ch - gap + 1);
    if (named) write(pen, short(titles[h]), a + cw + 4, b + (ch - gap) / 2, here ? ink.ink : ink.faint, { bold: here, size: 13 });
  }
  const [left, right, top, bottom] = [0, 1].flatMap((axis) => [Math.min, Math.max].map((most) => most(...parts.map((at) => at[axis]))));
  Object.assign(pen, { strokeStyle: ink.query, lineWidth: 2.5 });
  pen.strokeRect(left - 0.5, top - 0.5, right - left + cw - gap + 1, bottom - top + ch - gap + 1);
}
