// What hands and keys do with AttentionView: pure functions from a state to what changes.
//
// `state`: pinned, pins, side, layer, head, form, size {layers, heads, nq, nk}, woven: are these threads, why: why there can be
// none, or "", cell(line, n): the cell of a word by itself, held(look): is this layer and head there? On a page some are not.
import { clamp } from "./core.js";
import { chosen, range } from "./heat.js";
import { beside } from "./text.js";

export const SIDES = ["query", "key"], lineOf = (side) => SIDES.indexOf(side);

/** A click at a cell. With `more` its word is added to those that are chosen, or taken out of them. @returns what changes */
export function clicked(cell, more, state) {
  const line = lineOf(state.side), word = cell[line], before = chosen(state.pins, state.pinned, state.side);
  if (!more) return { pinned: cell, pins: [] };
  if (!before.includes(word)) return { pinned: cell, pins: [...before, word] };
  const left = before.filter((n) => n !== word);
  return { pinned: left.length ? state.cell(line, left.at(-1)) : null, pins: left };
}

/** The same for a word among threads, where a click also says from which side one looks */
export function wordClicked(side, n, more, state) {
  const before = side === state.side ? state : { ...state, side, pinned: null, pins: [] };
  return { side, ...clicked(state.cell(lineOf(side), n), more, before) };
}

/** Among words or patches that stand in lines */
const lineKeys = ({ pinned, pins, side, cell, spots }, key, more) => {
  const line = lineOf(side), to = beside(spots(line), key, pinned ? pinned[line] : -1);
  return to === undefined ? {} : { [key]: () => ({ pinned: cell(line, to), pins: more ? chosen(pins, pinned, side) : pins }) };
};

const mapKeys = ({ pinned, size: { nq, nk } }) => {
  const [i, j] = pinned ?? [-1, -1], go = (a, b) => () => ({ pinned: pinned ? [clamp(a, 0, nq - 1), clamp(b, 0, nk - 1)] : [0, 0] });
  return {
    ArrowUp: go(i - 1, j), ArrowDown: go(i + 1, j), ArrowLeft: go(i, j - 1), ArrowRight: go(i, j + 1), Home: go(i, 0), End: go(i, nk - 1),
  };
};

const threadKeys = ({ pinned, pins, side, cell, size: { nq, nk } }, more) => {
  const line = lineOf(side), count = line ? nk : nq, word = pinned ? pinned[line] : -1;
  const go = (n) => () => ({ pinned: cell(line, (n + count) % count), pins: more ? chosen(pins, pinned, side) : pins });
  const across = (to) => () => ({ side: to, ...(to === side ? {} : { pins: [] }) });
  return {
    ArrowUp: go(Math.max(word, 0) - 1), ArrowDown: go(word + 1), Home: go(0), End: go(count - 1),
    ArrowLeft: across("query"), ArrowRight: across("key"),
  };
};

/** What changes, led to a head that is there; nothing where there is none */
export function reached(news, state) {
  const { size: { layers, heads }, held } = state;
  if (!held || !news.how || held({ ...state, ...news })) return news;
  const all = range(layers * heads).map((n) => ({ layer: Math.floor(n / heads), head: n % heads, ...news }));
  return news.how === "head" ? all.find((one) => held({ ...state, ...one })) : undefined;
}

/** To the next layer or head that is there, round and round */
const turned = (state, name, way) => {
  const count = state.size[`${name}s`], next = range(count).map((k) => (state[name] + way * (k + 1) + count) % count);
  return next.map((n) => ({ [name]: n, how: "head" })).find((news) => reached(news, state));
};

/** A key. @returns what changes, or nothing */
export function keyChange({ key, shiftKey }, state) {
  const { pinned, pins, side } = state;
  const kept = (word) => ({ pins: pins.includes(word) ? pins.filter((n) => n !== word) : [...pins, word] });
  const answers = {
    ...(state.spots ? lineKeys(state, key, shiftKey) : state.woven ? threadKeys(state, shiftKey) : mapKeys(state)),
    Escape: () => ({ pinned: null, pins: [] }), " ": () => (pinned ? kept(pinned[lineOf(side)]) : null),
    "[": () => turned(state, "head", -1), "]": () => turned(state, "head", 1), "{": () => turned(state, "layer", -1), "}": () => turned(state, "layer", 1),
    x: () => ({ side: SIDES[1 - lineOf(side)], pins: [] }), m: () => (state.why ? null : { form: state.kind === "map" ? state.other : "map" }),
  };
  return answers[key]?.();
}

/** Why these weights cannot be shown as threads, or "" */
export function whyNot({ low, high }, { signed, compact, grid }) {
  if (compact || signed) return "a map alone";
  return low < -1e-3 || high > 1.01 ? `${grid?.length ? "patches" : "threads"} need rows that sum to 1` : "";
}
