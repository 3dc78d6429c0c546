// How the atlas is painted: its heads, the measures of one, a map. Each draws and returns nothing.
import { clamp, cut, lerp, measure, share } from "./core.js";
import { bare, nameOf, number, range, strength, sum } from "./heads.js";

export const ROW = 17;                                                   // px of a bar
const STRONG = 0.25, LABEL = 84, LINE = 13, BADGE = 10, TEXT = "px system-ui, sans-serif";

export function put(pen, text, x, y, fill, { size = 12, bold = false, align = "center" } = {}) {
  Object.assign(pen, { font: `${bold ? 600 : 400} ${size}${TEXT}`, textAlign: align, textBaseline: "middle", fillStyle: fill });
  pen.fillText(text, x, y);
}
export const fillOf = (colour) => `rgb(${colour.map(Math.round)})`;
const lightOf = (colour) => sum(colour.map((c, k) => [0.2126, 0.7152, 0.0722][k] * (c / 255) ** 2.2));
/** Black or white, whichever can be read on a colour: at least 4.5 to 1 */
export const inkOn = (colour) => (lightOf(colour) < 0.18 ? "white" : "black");
/** Can a bar be seen on the paper? 3 to 1 */
const stands = (...two) => { const [a, b] = two.map((one) => lightOf(one) + 0.05); return Math.max(a / b, b / a) >= 3; };
const mixed = (paper, colour, t) => paper.map((c, k) => lerp(c, colour[k], t));

/** A map as a picture of one dot a cell */
export function dots(rows, { ramp, shut }) {
  const n = rows.length, image = new ImageData(n, n), small = new OffscreenCanvas(n, n);
  rows.flat().forEach((w, k) => image.data.set([...(w === null ? shut : ramp[Math.round(255 * clamp(w))]), 255], 4 * k));
  small.getContext("2d").putImageData(image, 0, 0);
  return small;
}

export const sortedOf = ({ mode, sort }) => mode === "look" && sort !== "layers";
const gapOf = ({ cw, ch }, { small }) => (Math.min(cw, ch) > 34 && small ? 4 : 1.5);

/** All heads, each in the colour of its kind; or each as a small map, in a hunt and where cells are large. */
export function paintHeads(pen, G, D, S, ink) {
  const { cw, ch } = G, gap = gapOf(G, D), w = cw - gap, high = ch - gap, named = sortedOf(S);
  const one = D.looks.findIndex(({ name }) => name === S.sort);
  const by = named && S.sort !== "kind" ? D.measures[S.sort] : null, names = Object.keys(S.least), big = cw >= 36 && ch >= 44 && D.small ? 18 : 0;
  S.slots.forEach((h, slot) => {
    const [x, y] = G.spot(slot), kind = D.kinds[h], off = S.kind !== null && S.kind !== kind;
    if (S.mode === "hunt") return paintSmall(pen, D, S, h, [x, y, w, high], ink);
    const tone = !by ? ink.kinds[kind] : one < 0 ? ink.ramp[190] : ink.kinds[one];
    const strong = by ? 0.04 + 0.96 * strength(by, h) : 0.2 + 0.8 * strength(D.measures[names[kind]], h);
    const colour = mixed(ink.paper, tone, strong * (off ? 0.15 : 1));
    pen.fillStyle = fillOf(colour);
    pen.fillRect(x, y, w, big || high);
    if (big) {
      Object.assign(pen, { imageSmoothingEnabled: false, globalAlpha: off ? 0.15 : 1 });
      pen.drawImage(D.small(h), x, y + big, w, high - big);
      pen.globalAlpha = 1;
    }
    if (off || Math.min(cw, ch) < 11) return undefined;
    const text = nameOf(h, D.heads), fits = named && measure(text, `12${TEXT}`) < w, badge = S.b !== null && [S.a, S.b].includes(h) ? BADGE : 0;
    const dim = by && strong < 0.14;                                     // it hardly does it
    if (dim && !fits) return undefined;
    return put(pen, fits ? text : D.looks[kind].sign, x + (badge + w) / 2, y + (big || high) / 2, dim ? ink.faint : inkOn(colour));
  });
}

/** A head in a hunt: its map, and a frame where it was tried */
function paintSmall(pen, D, S, h, [x, y, w, high], ink) {
  pen.imageSmoothingEnabled = false;
  pen.drawImage(D.small(h), x, y, w, high);
  if (!S.triedNow.includes(h)) return;
  Object.assign(pen, { strokeStyle: ink.query, lineWidth: 2 });
  pen.strokeRect(x + 0.5, y + 0.5, w - 1, high - 1);
}

/** The shares of the heads that were tried, above all cells; upright where a cell is narrow, and none where it is too small */
export function paintShares(pen, G, D, S, ink) {
  const w = G.cw - gapOf(G, D), high = G.ch - gapOf(G, D);
  S.triedNow.forEach((h) => {
    const text = share(D.hunts[S.task].shares[h]), long = measure(text, `12${TEXT}`), [x, y] = G.spot(h), level = long <= w - 3;
    const [wide, tall] = [w - 3, high - 3].map((room, k) => Math.min(room, level === (k === 0) ? long + 4 : 16));
    if (!level && (long > high - 2 || w < LINE)) return;
    pen.save();
    pen.translate(x + w / 2, y + high / 2);
    pen.fillStyle = fillOf(ink.paper);
    pen.fillRect(-wide / 2, -tall / 2, wide, tall);
    if (!level) pen.rotate(-Math.PI / 2);
    put(pen, text, 0, 0.5, ink.ink);
    pen.restore();
  });
}

/** Numbers of layers and heads, or what the order is; and frames around what is chosen. */
export function paintFrame(pen, G, D, S, ink) {
  const { cw, ch, top } = G, gap = gapOf(G, D) - 1.5;
  const how = S.sort === "kind" ? "row by row, kind by kind, the strongest first" : "row by row, the largest first";
  if (sortedOf(S)) put(pen, cut(how, G.room, (text) => measure(text, `12${TEXT}`)), G.left, G.top / 2 - 1, ink.faint, { align: "left" });
  else {
    for (const c of range(G.columns)) if (cw > 16 || c % D.heads === 0) put(pen, `${c % D.heads}`, G.across(c) + cw / 2, 10, ink.faint);
    for (const layer of range(D.layers)) {
      const x = G.across(Math.floor(layer / G.rows) * D.heads) - 5, r = layer % G.rows;
      if (ch >= 13 || r % 5 === 0) put(pen, `${layer}`, x, top + (r + 0.5) * ch - 1, ink.faint, { align: "right" });
    }
  }
  const frame = (h, colour, sign) => {
    const slot = S.slots.indexOf(h), [x, y] = G.spot(slot);
    if (slot < 0) return;                                                // on another page
    Object.assign(pen, { strokeStyle: fillOf(ink.paper), lineWidth: 4.5 });
    pen.strokeRect(x - 1, y - 1, cw + 0.5 - gap, ch + 0.5 - gap);
    Object.assign(pen, { strokeStyle: colour, lineWidth: 2.5 });
    pen.strokeRect(x - 1, y - 1, cw + 0.5 - gap, ch + 0.5 - gap);
    if (!sign) return;
    pen.fillStyle = colour;
    pen.fillRect(x - 2, y - 2, BADGE + 2, 15);
    put(pen, sign, x + 4, y + 6, fillOf(ink.paper), { bold: true });
  };
  if (S.mode === "look") [S.a, S.b].forEach((h, k) => h !== null && frame(h, ink.ink, S.b === null ? "" : "AB"[k]));
  else if (S.last !== null) frame(S.last, ink.ink);
  if (S.at !== null) frame(S.at, ink.query);
}

/** The measures of a head as bars */
export function paintProfile(pen, h, D, [x, y, wide], ink) {
  Object.keys(D.measures).forEach((name, k) => {
    const v = D.measures[name][h], at = y + k * ROW + ROW / 2, room = wide - 108 - 38, kind = D.looks.findIndex((one) => one.name === name);
    const own = D.kinds[h] === kind, label = cut(name, 102, (text) => measure(text, `12${TEXT}`));
    put(pen, label, x, at, own ? ink.ink : ink.faint, { align: "left", bold: own });
    pen.fillStyle = fillOf(ink.line);
    pen.fillRect(x + 108, at, room, 1);
    pen.fillStyle = kind < 0 ? fillOf(ink.ramp[190]) : stands(ink.kinds[kind], ink.paper) ? fillOf(ink.kinds[kind]) : ink.faint;
    pen.fillRect(x + 108, at - 4, Math.max(1, room * clamp(v / D.tops[name])), 8);
    put(pen, number(v, D.tops[name]), x + wide, at, ink.ink, { align: "right" });
    if (D.least[name] === undefined) return;
    pen.fillStyle = ink.ink;
    pen.fillRect(x + 107 + room * clamp(D.least[name] / D.tops[name]), at - 6, 1.5, 12);      // from here on it is a kind
  });
}

/** A map: who looks in orange at the left, and where nobody may look, or behind it, what each looks at most; `look`: a row
 *  in bold, and a frame around a cell of it */
export function paintMap(pen, title, rows, { tokens, causal }, [x, y, wide, high], look, ink) {
  const n = tokens.length, names = tokens.map(bare), width = (text) => measure(text, `600 12${TEXT}`);
  const longest = Math.max(...names.map(width));
  const label = Math.min(LABEL, longest + 6), right = Math.min(causal ? 40 : 70, longest + 6), x0 = x + label, y0 = y + 22;
  const cw = Math.min(26, (wide - label - right) / n), ch = Math.min(20, (high - 24) / n);
  const every = Math.ceil(12.5 / ch), gap = ch > 6 ? 0.5 : 0;
  put(pen, title, x, y + 9, ink.ink, { size: 13, bold: true, align: "left" });
  rows.forEach((row, i) => {
    const top = Math.max(...row), far = row.indexOf(top), own = look?.[0] === i;
    row.forEach((w, j) => {
      pen.fillStyle = fillOf(w === null ? ink.shut : ink.ramp[Math.round(255 * clamp(w))]);
      pen.fillRect(x0 + j * cw, y0 + i * ch, cw - gap, ch - gap);
    });
    if (!own && (i % every || Math.abs(i - look?.[0]) * ch < LINE)) return;
    const at = x0 + (causal ? i + 1 : n) * cw + 4, room = x + wide - at, middle = y0 + (i + 0.5) * ch;
    put(pen, cut(names[i], label - 4, width), x0 - 5, middle, ink["query-text"], { align: "right", bold: own });
    if (top > STRONG && n > 1 && (i || !causal) && room > 14) {
      put(pen, cut(names[far], room, width), at, middle, ink["key-text"], { align: "left", bold: own });
    }
  });
  if (look?.length !== 2) return;
  Object.assign(pen, { strokeStyle: ink.query, lineWidth: 2 });
  pen.strokeRect(x0 + look[1] * cw - 1, y0 + look[0] * ch - 1, cw + 1, ch + 1);
}
