// A table of weights as tiles: few paths of a colour each, however many cells there are.

import { blue, share } from "./core.js";

const LEVELS = 25;

export const tenth = (x) => Math.round(10 * x) / 10;

/** Shares as tiles, row by row; a row that is `even` is quiet: a thin mark in each cell. */
export function tiles(put, name, layer, rows, even, { x, y, w, h }) {
  const ways = new Map(), add = (level, d) => ways.set(level, (ways.get(level) ?? "") + d);
  rows.forEach((row, i) => row.forEach((weight, j) => {
    if (even[i]) return add("even", `M${tenth(x + (j + 0.3) * w)} ${Math.round(y + (i + 0.7) * h) + 0.5}h${tenth(0.4 * w)}`);
    const top = tenth(y + i * h + 0.5), left = tenth(x + j * w + 0.5);
    return add(Math.round(LEVELS * weight), `M${left} ${top}h${tenth(w - 1)}v${tenth(h - 1)}h${tenth(1 - w)}z`);
  }));
  for (const [level, d] of ways) {
    const look = level === "even" ? { stroke: "var(--hatch)", fill: "none" } : { fill: blue(level / LEVELS) };
    put(`${name}.${level}`, "path", layer, { d, ...look });
  }
}

/** A share as it is said in a sentence: .80, 78 % */
export const percent = (x) => `${Math.round(100 * x)} %`;
export const said = (x) => (x >= 0.995 ? "1" : share(x));
