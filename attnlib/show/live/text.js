// Long texts: the text as it reads, each word as blue as it is looked at, and a loupe, the largest weights of what is chosen.
// Words are laid once; a hand changes their colours. `data`: as weave.js takes it; `pins`: the chosen words of a side.
import { TITLES, best, clamp, make, rgb, share } from "./core.js";
import { css, largest, level, range, readable } from "./heat.js";
import { given } from "./weave.js";

const ARCS = 8, BARS = 7;

// ---- numbers: pure ---------------------------------------------------------------------------------------------------------

/** What the chosen words give (side "key": get), added up; without any, what all do.
 *  @returns {{values, most, closed}} an entry for each word of the other side, closed where none of the chosen may look */
export function seenBy(data, { side, pins }) {
  const key = side === "key", all = () => ((data.all ??= {})[side] ??= given(data, { side, pins: range(data[key ? "k" : "q"].length) }));
  const values = pins.length ? given(data, { side, pins }) : all(), open = ([a, b]) => data.mask[key ? b : a][key ? a : b];
  const closed = values.map((_, m) => Boolean(data.mask && pins.length) && !pins.some((n) => open([n, m])));
  const most = largest(values), alike = !pins.length && key && most - values.reduce((a, b) => Math.min(a, b), most) < 0.02;
  return { values, most: alike ? Infinity : most, closed };                // every query gives 1 in all: that is no shade
}

/** How blue a word is, 0 to 255: relative to the largest, for a weight among many is small */
export function shade(v, { most }, { scale }) {
  const t = level(v, most, { scale: "row" });
  return scale === "sqrt" ? Math.round(Math.sqrt(255 * t)) : t;
}

/** Names as they stand in the text: [text, whether it goes on with the one before, whether the line ends] */
export function flowing(names) {
  const bare = names.map((name) => name.replace(/(?<=.)[₀-₉]+$/, "")), counts = new Map();
  for (const name of bare) counts.set(name, (counts.get(name) ?? 0) + 1);
  const texts = names.map((name, n) => (counts.get(bare[n]) > 1 ? bare[n] : name)), marked = texts.some((text) => /^␣.|.␣$/.test(text));
  const alone = (text) => /^[<[].*[>\]]$/.test(text);
  const starts = (text, before) => /^␣/.test(text) || /[␣↵]$/.test(before) || alone(text) || alone(before);
  return texts.map((text, n) => {
    const glued = n > 0 && (marked ? !starts(text, texts[n - 1]) : /^##.|^[.,;:!?…)\]}’”]+$/.test(text));
    return [text.replace(/^␣(?=.)|(?<=.)␣$|^##(?=.)/g, ""), glued, text.endsWith("↵")];
  });
}

/** Where a key leads from place `n` (-1: from none) among things that stand at these points, or nothing */
export function beside(spots, key, n) {
  const step = { ArrowLeft: n - 1, ArrowRight: n + 1, Home: 0, End: spots.length - 1 }[key], way = { ArrowUp: -1, ArrowDown: 1 }[key];
  if (step !== undefined || (way && n < 0)) return clamp(step ?? 0, 0, spots.length - 1);
  if (!way) return undefined;
  const ahead = spots.map(([x, y], m) => [(y - spots[n][1]) * way, Math.abs(x - spots[n][0]), m]).filter(([far]) => far > 4);
  const row = Math.min(...ahead.map(([far]) => far));    // of the next line, the nearest
  return ahead.filter(([far]) => far < row + 4).sort((a, b) => a[1] - b[1])[0]?.[2] ?? n;
}

const few = (v) => (v < 0.0195 ? Math.max(0, v).toFixed(3).slice(1) : share(v));

/** What the colours are, in a line */
export function legendOf({ most }, { side, pins }) {
  if (most === Infinity) return "choose one, to see who looks at it";
  const [own, other] = side === "key" ? ["green: is looked at", "looks"] : ["orange: looks", "is looked at"];
  return `${pins.length ? `${own} · ` : ""}blue: ${other}${pins.length ? "" : side === "key" ? " at all" : " by all"}, up to ${few(most)}`;
}

/** From one word to another: over both in a line, else from the foot of the upper to the head of the lower */
export function arc([ax, ay], [bx, by], half) {
  const way = Math.sign(Math.round((by - ay) / 4)) || -1, [a, b] = [ay + way * half, by - (Math.abs(by - ay) < 4 ? -1 : 1) * way * half];
  const [c, d] = Math.abs(by - ay) < 4 ? [a - 16, b - 16] : [a + 0.6 * (b - a), a + 0.4 * (b - a)];
  return `M${ax} ${a}C${ax} ${c} ${bx} ${d} ${bx} ${b}`;
}

// ---- the text --------------------------------------------------------------------------------------------------------------

export const NS = "http://www.w3.org/2000/svg";

/** The words, once: of both sides where they are not the same. @returns {{box, svg, lines: [spans, spans], same}} */
export function layText(box, { q, k }) {
  const same = String(q) === String(k), svg = document.createElementNS(NS, "svg");
  box.replaceChildren(svg);
  const lines = (same ? [q] : [q, k]).map((names, line) => {
    if (!same) make("div", box, { class: line ? "k" : "q" }, Object.values(TITLES)[line]);
    const text = make("p", box, { dir: "auto" });
    return flowing(names).map(([name, glued, ends], n) => {
      if (!glued) text.append(" ");
      const word = make("span", text, { "data-place": `${line},${n}` }, name), [number] = names[n].match(/[₀-₉]*$/);
      if (!name.endsWith(number)) word.dataset.number = number;
      if (ends) make("br", text);
      return word;
    });
  });
  return { box, svg, same, lines: [lines[0], lines.at(-1)] };
}

/** Words as large, and lines as far apart, as there is room for, so that arcs are seen */
export function fitText({ box, svg }, height) {
  let pitch = 27;
  svg.setAttribute("height", 0);
  for (const more of [24, 12, 6, 3, 2, 1, 0]) {
    box.style.cssText = `height:${height}px;line-height:${pitch + more}px;font-size:${pitch + more > 35 ? 20 : 15}px`;
    if (box.scrollHeight <= height) pitch += more;
  }
  svg.setAttribute("height", box.lastChild.offsetTop + box.lastChild.offsetHeight);
}

const centreOf = (word) => [word.offsetLeft + word.offsetWidth / 2, word.offsetTop + word.offsetHeight / 2];

/** The middle of every word of a side */
export const spotsOf = ({ lines }, line) => lines[line].map(centreOf);

/** A word that keys have moved out of sight comes back */
export function bringWord({ box, lines }, line, n) {
  const at = lines[line][n]?.offsetTop ?? 0;
  if (at < box.scrollTop || at > box.scrollTop + box.clientHeight - 30) box.scrollTop = at - box.clientHeight / 2;
}

/** Colours of the words that stay, and arcs from the chosen to the strongest. look {side, pins, scale}; `seen`: seenBy */
export function paintText({ box, svg, lines, same }, data, seen, look, ink) {
  const line = look.side === "key" ? 1 : 0, chosen = new Set(look.pins), frame = `box-shadow:inset 0 0 0 2px ${line ? ink.key : ink.query};`;
  const tone = (v, closed) => {
    if (closed && !(v > 0)) return `color:${ink.faint};`;
    if (v <= 0.03 * seen.most) return "";
    const colour = isNaN(v) ? rgb(ink.bad) : ink.ramp[shade(v, seen, look)];
    return `background:${css(colour)};color:${readable(colour)};`;
  };
  for (const at of same ? [0] : [0, 1]) lines[at].forEach((word, n) => {
    const shaded = same || at !== line ? tone(seen.values[n], seen.closed[n]) : "";
    const now = shaded + ((same || at === line) && chosen.has(n) ? frame : "");
    if (word.look !== now) word.style.cssText = word.look = now;
  });
  const weights = (n) => best(line ? data.weights.map((row) => row[n]) : data.weights[n]).slice(0, ARCS);
  const others = (n) => weights(n).filter(([v, m]) => v > 0.03 && !(same && n === m));
  const strong = look.pins.slice(-3).flatMap((n) => others(n).map(([v, m]) => [v, n, m]));
  svg.replaceChildren(...strong.map(([v, n, m]) => {
    const path = document.createElementNS(NS, "path"), [own, other] = [lines[line][n], lines[1 - line][m]];
    path.setAttribute("d", arc(centreOf(own), centreOf(other), own.offsetHeight / 2));
    path.setAttribute("stroke-width", clamp(6 * v, 0.8, 5));
    return path;
  }));
  const part = box.clientHeight / box.scrollHeight, { style } = box.parentElement;     // where text is scrolled, marks beside it
  const marks = part < 1 ? strong.map(([, , m]) => Math.round(lines[1 - line][m].offsetTop * part + box.offsetTop)) : [];
  style.backgroundImage = marks.map(() => `linear-gradient(${css(ink.ramp[165])} 0 0)`).join();
  style.backgroundPosition = marks.map((y) => `100% ${y}px`).join();
}

/** The loupe: the largest of what is chosen, as bars with numbers */
export function paintLoupe(box, data, { values, most }, { side, pins }) {
  const [own, other] = side === "key" ? [data.k, data.q] : [data.q, data.k], name = pins.length > 1 ? `${pins.length} words` : own[pins[0]];
  box.replaceChildren();
  if (!pins.length) return;
  make("b", box, { class: side === "key" ? "k" : "q" }, side === "key" ? `→ ${name}` : `${name} →`);
  for (const [v, m] of best(values).slice(0, BARS).filter(([w], n) => w >= 0.01 || (!n && w > 0))) {
    make("span", box, { class: `bar ${side === "key" ? "q" : "k"}`, style: `--w:${v / most}` }, other[m]);
    make("span", box, {}, few(v));
  }
}
