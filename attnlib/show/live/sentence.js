// A cell in words.
import { lost, share } from "./core.js";
import { added, chosen, largest } from "./heat.js";

/** A weight in words: .85, and where it is small .002 */
const fine = (v) => (Math.abs(v) < 0.0195 ? `${v < 0 ? "−" : ""}${Math.abs(v).toFixed(3).slice(1)}` : share(v));

/** What a row adds up to, where that is not 1 */
const oddSum = (sum) => (sum.toFixed(2) === "1.00" ? "" : `; the row adds up to ${sum.toFixed(2).replace("-", "−")}`);

/** Names as a sentence has them: a patch in its row and column; what has no name is a token */
export function spelled(names, grid) {
  const nameless = names.every((name, n) => name === `${n}`);
  return names.map((name) => (nameless ? `token ${name}` : grid.length ? name.replace(/^(\d+),(\d+)$/, "row $1, column $2") : name));
}

/** The read-out of a cell, in parts for dress().say: text, or [word, "q" | "k"] */
export function sentence(one, [i, j], { tokens, key_tokens, side, signed, pins }) {
  const v = one.at(i, j), said = [[tokens[i], "q"], ` (query ${i}) looks at `, [key_tokens[j], "k"], ` (key ${j})`];
  if (isNaN(v)) return [...said, ": NaN, not a number."];
  const closed = one.closed(i, j);
  if (closed && (Math.abs(v) <= one.nothing || signed)) return [...said, `: ${one.shut}.`];
  if (signed) return [...said, `: ${v > 0 ? "+" : ""}${fine(v)}.`];
  const open = one.row(i).filter((_, n) => !one.closed(i, n)), rank = 1 + open.filter((u) => u > v + one.nothing).length;
  const alike = open.filter((u) => Math.abs(u - v) <= one.nothing).length, ranks = alike > 1 ? `${rank} to ${rank + alike - 1}` : rank;
  const of = open.length < one.nk ? `the ${open.length} allowed` : open.length, place = v < 0.0005 ? "" : `, rank ${ranks} of ${of}`;
  said.push(closed ? `: not allowed, but has the weight ${fine(v)}` : ` ${fine(v)}${place}`, oddSum(one.sum(i)));
  if (side === "key") said.push(`; the column adds up to ${one.column(j).reduce((a, b) => a + b, 0).toFixed(2)}, which need not be 1`);
  said.push(".");
  const words = chosen(pins, [i, j], side);
  if (words.length < 2) return said;
  const sums = added(one, words, side), most = sums.indexOf(largest(sums));
  if (most < 0) return [...said, ` Together the ${words.length} are NaN.`];
  const [verb, word] = side === "key" ? ["get from", [tokens[most], "q"]] : ["give", [key_tokens[most], "k"]];
  return [...said, ` Together the ${words.length} ${verb} `, word, ` ${share(sums[most])}${side === "key" ? "" : ` of ${words.length}`}${lost(sums)}.`];
}
