// Patches of an image: a grid for the last keys, names for those in front of them (CLS, registers) and for queries that are
// words. Where everything is, and the paint; what is looked at comes from text.js.
import { TITLES, clamp, cut, rgb } from "./core.js";
import { css, range, readable, write } from "./heat.js";
import { shade } from "./text.js";

const CHIP = 28;                                         // a line of names

/** Names in columns of one width, as boxes [x, y, width, height], no wider than `room` together if that can be */
function chips(names, y, room, wide) {
  const widest = Math.max(...names.map((name) => wide(name, 13) + 16)), w = clamp(widest, 24, Math.min(120, room));
  const across = Math.max(1, Math.floor(room / w));
  return names.map((_, n) => [2 + (n % across) * w, y + CHIP * Math.floor(n / across), w - 6, CHIP - 4]);
}

/** @returns {{x, y, cell, front, own, wide, high, q, k}} own: queries are words of their own; q, k: the box of every query and key */
export function patchwork({ nq, nk }, [h, w], { q, k }, { width, tall, wide }) {
  const front = nk - h * w, own = nq !== nk, above = own ? chips(q, 20, width, wide) : [], top = own ? above.at(-1)[1] + CHIP + 24 : 2;
  const names = k.slice(0, front), column = Math.min(120, Math.max(0, ...names.map((name) => wide(name, 13) + 16)));
  const left = front * CHIP <= tall - top ? column : 0, before = chips(names, top, left || width, wide);
  const x = left + (left ? 10 : 2), y = left || !front ? top : before.at(-1)[1] + CHIP;
  const size = Math.min((width - x - 2) / w, (tall - y - 2) / h, 48), cell = size > 6 ? Math.floor(size) : Math.max(size, 3);
  const keys = [...before, ...range(h * w).map((n) => [x + (n % w) * cell, y + Math.floor(n / w) * cell, cell, cell])];
  const [right, low] = [0, 1].map((n) => Math.max(...[...above, ...keys].map((box) => box[n] + box[n + 2])) + 4);
  return { width: right, height: low, x, y, cell, front, own, wide: w * cell, high: h * cell, q: own ? above : keys, k: keys };
}

const centre = ([x, y, w, h]) => [x + w / 2, y + h / 2];
export const spotsOfPatches = (place, line) => place[line ? "k" : "q"].map(centre);

/** What is at a point, { side, n }, or null; where queries are patches, too, it is of this side */
export function patchAt(place, [px, py], side) {
  const on = (boxes) => boxes.findIndex(([x, y, w, h]) => px >= x && px < x + w && py >= y && py < y + h), n = on(place.k);
  if (n >= 0) return { side: place.own ? "key" : side, n };
  const word = place.own ? on(place.q) : -1;
  return word >= 0 ? { side: "query", n: word } : null;
}

/** The image that came as bytes, as a canvas. size [rows, columns] */
export function imageOf(bytes, [rows, columns]) {
  const canvas = new OffscreenCanvas(columns, rows), image = new ImageData(columns, rows);
  for (const n of range(rows * columns)) image.data.set([0, 1, 2].map((c) => bytes.getUint8(3 * n + c)).concat(255), 4 * n);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/** Every patch as blue as it is looked at, over the image in pale grey if there is one; what is chosen is framed. `seen`: seenBy */
export function paintPatches(pen, place, seen, look, ink, { image, q, k }) {
  const { x, y, cell, wide, high, own, front } = place, line = look.side === "key" ? 1 : 0, gap = cell >= 8 && !image ? 1 : 0;
  const title = (text, at, name) => write(pen, text, 0, at, ink[name], { size: 13, bold: true });
  pen.imageSmoothingEnabled = Boolean(image) && image.width > 32;
  Object.assign(pen, { filter: "grayscale(1)", globalAlpha: 0.5 });
  if (image) pen.drawImage(image, x, y, wide, high);
  Object.assign(pen, { filter: "none", globalAlpha: 1 });
  if (own) title(TITLES.query, 10, "query-text");
  if (own) title(TITLES.key, place.k[0][1] - 14, "key-text");
  const draw = ([a, b, w, h], at, n, name) => {
    const v = seen.values[n], shaded = !own || at !== line, t = shaded && v > 0 ? shade(v, seen, look) : 0;
    const colour = shaded && isNaN(v) ? rgb(ink.bad) : !shaded || seen.closed[n] ? rgb(ink.blocked) : ink.ramp[image && !name ? 190 : t];
    pen.fillStyle = css(colour);
    pen.globalAlpha = name || !image || isNaN(v) ? 1 : (0.9 * t) / 255;
    pen.beginPath();
    pen.roundRect(a, b, w - gap, h - gap, name ? 6 : 0);
    pen.fill();
    pen.globalAlpha = 1;
    if (name) write(pen, cut(name, w - 6), a + w / 2, b + h / 2, readable(colour), { size: 13, align: "center" });
  };
  place.k.forEach((box, n) => draw(box, 1, n, n < front ? k[n] : ""));
  if (own) place.q.forEach((box, n) => draw(box, 0, n, q[n]));
  const frame = ([a, b, w, h], colour, lineWidth) => {
    Object.assign(pen, { strokeStyle: colour, lineWidth });
    pen.strokeRect(a, b, w - gap, h - gap);
  };
  frame([x - 0.5, y - 0.5, wide + 1 + gap, high + 1 + gap], ink.hatch, 1);
  for (const n of look.pins) for (const [colour, thick] of [[ink.paper, 5], [line ? ink.key : ink.query, 3]]) frame(place[line ? "k" : "q"][n], colour, thick);
}
