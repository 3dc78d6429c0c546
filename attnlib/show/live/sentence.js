// A cell in words, and the sentence above a map.
import { best, make, rgb, share } from "./core.js";
import { SIDES, lineOf } from "./hands.js";
import { added, chosen, css, largest, level, ray, readable } from "./heat.js";
import { NS } from "./text.js";

/** A weight in words: .85, and where it is small .002 */
const fine = (v) => (Math.abs(v) < 0.0195 ? `${v < 0 ? "−" : ""}${Math.abs(v).toFixed(3).slice(1)}` : share(v));

/** What a row adds up to, where that is not 1 */
const oddSum = (sum) => (sum.toFixed(2) === "1.00" ? "" : `; the row adds up to ${sum.toFixed(2).replace("-", "−")}`);

/** The read-out of a cell, in parts for dress().say: text, or [word, "q" | "k"] */
export function sentence(one, [i, j], { tokens, key_tokens, side, signed, pins }) {
  const v = one.at(i, j), said = [[tokens[i], "q"], ` (query ${i}) looks at `, [key_tokens[j], "k"], ` (key ${j})`];
  if (isNaN(v)) return [...said, ": NaN, not a number."];
  const closed = one.closed(i, j);
  if (closed && (Math.abs(v) <= one.nothing || signed)) return [...said, `: ${one.shut}.`];
  if (signed) return [...said, `: ${v > 0 ? "+" : ""}${fine(v)}.`];
  const open = one.row(i).filter((_, n) => !one.closed(i, n)), rank = 1 + open.filter((u) => u > v + one.nothing).length;
  const alike = open.filter((u) => Math.abs(u - v) <= one.nothing).length, ranks = alike > 1 ? `${rank} to ${rank + alike - 1}` : rank;
  said.push(closed ? `: not allowed, but has the weight ${fine(v)}` : ` ${fine(v)}, rank ${ranks} of ${open.length}`, oddSum(one.sum(i)));
  if (side === "key") said.push(`; the column adds up to ${one.column(j).reduce((a, b) => a + b, 0).toFixed(2)}, which need not be 1`);
  said.push(".");
  const words = chosen(pins, [i, j], side);
  if (words.length < 2) return said;
  const sums = added(one, words, side), most = sums.indexOf(largest(sums));
  const [verb, word] = side === "key" ? ["get from", [tokens[most], "q"]] : ["give", [key_tokens[most], "k"]];
  return [...said, ` Together the ${words.length} ${verb} `, word, ` ${share(sums[most])}${side === "key" ? "" : ` of ${words.length}`}.`];
}

/** The sentence: its words twice, and lines between them. It stays while the hand moves: a click needs both its ends on one word. */
export function laySentence(strip, names) {
  const laid = strip.dataset.words, now = JSON.stringify(names);
  if (laid === now) return;
  strip.dataset.words = now;
  strip.replaceChildren();
  names.forEach((words, line) => {
    if (line) strip.append(document.createElementNS(NS, "svg"));
    const row = make("div", strip);
    make("span", row, { class: line ? "side k" : "side q" }, SIDES[line]);
    words.forEach((word, n) => make("span", row, { class: "word", dir: "auto", "data-place": `${line},${n}` }, word));
  });
}

/** Lines only from the word that is looked at; `follow`: it comes into sight */
export function paintSentence(strip, one, focus, state, ink, follow) {
  const line = lineOf(state.side), rows = [...strip.querySelectorAll("div")].map((row) => [...row.children].slice(1));
  const words = chosen(state.pins, focus, state.side), from = focus && rows[line][focus[line]], seen = focus && ray(one, focus, state);
  const [bad, blocked, paper] = [ink.bad, ink.blocked, ink.paper].map(rgb), look = { ...state, low: one.low, high: one.high };
  const tone = (n, v) => (isNaN(v) ? bad : seen.closed[n] ? blocked : seen.shown[n] ? ink.ramp[level(v, seen.most, look)] : paper);
  const dressed = (side, n) => {
    if (side === line) return words.includes(n) ? `border-color:${line ? ink.key : ink.query}` : "";
    if (!focus) return "";
    const c = tone(n, seen.values[n]);
    return `background:${css(c)};color:${readable(c)};${seen.closed[n] ? "text-decoration:line-through" : ""}`;
  };
  rows.forEach((row, side) => row.forEach((word, n) => {
    const now = dressed(side, n);
    if ((word.dataset.style ?? "") !== now) word.style.cssText = word.dataset.style = now;
  }));
  const lines = strip.querySelector("svg");
  lines.replaceChildren();
  if (!focus) return;
  const off = from.offsetLeft - strip.scrollLeft;
  if (follow && (off < 60 || off + from.offsetWidth > strip.clientWidth)) strip.scrollLeft = from.offsetLeft - strip.clientWidth / 2;
  const middle = (word) => word.offsetLeft + word.offsetWidth / 2, strongest = best(seen.values).filter(([v, n]) => seen.shown[n] && v > 0);
  const ends = strongest.slice(0, state.top_k || 8).map(([v, n]) => [v, middle(from), middle(rows[1 - line][n])]);
  for (const [v, here, there] of ends) {
    const path = lines.appendChild(document.createElementNS(NS, "path")), [a, b] = line ? [there, here] : [here, there];
    path.setAttribute("d", `M${a} 0 C${a} 15 ${b} 13 ${b} 28`);
    path.setAttribute("stroke-width", Math.max(0.4, (6 * v) / Math.max(1, one.high)));
  }
}
