// What all live pictures share: the numbers of attention, a drawing that is told what it shows, controls of one family,
// the theme of the page, and the way back to Python. A picture imports from here; Python joins the two into one file.

// ---- numbers: pure ------------------------------------------------------------------------------------------------
// Arrays of arrays, rows first. The same as attnlib in Python; tests/test_core.py holds one against the other.

/** @returns {number} the sum of the products of two rows */
export const dot = (a, b) => a.reduce((sum, x, c) => sum + x * b[c], 0);

/** Scores -> shares of 1. A score of -Infinity gets nothing; a row without any other stays 0. */
export function softmax(row) {
  const peak = row.reduce((top, s) => Math.max(top, s), -Infinity);
  if (peak === -Infinity) return row.map(() => 0);
  const e = row.map((s) => Math.exp(s - peak));                          // the largest becomes 1: nothing overflows
  const total = e.reduce((sum, x) => sum + x, 0);
  return e.map((x) => x / total);
}

/** q (n_q, d), k (n_k, d), v (n_k, d_v); mask[i][j] true = may attend. @returns scores (n_q, n_k), weights, output (n_q, d_v) */
export function attention(q, k, v, { scale = 1 / Math.sqrt(q[0].length), softcap = 0, mask = null, bias = null, temperature = 1 } = {}) {
  const open = (i, j) => !mask || mask[i][j], cap = (s) => (softcap ? softcap * Math.tanh(s / softcap) : s);
  const scores = q.map((a, i) => k.map((b, j) => cap(dot(a, b) * scale) + (bias ? bias[i][j] : 0)));
  const weights = scores.map((row, i) => softmax(row.map((s, j) => (open(i, j) ? s / temperature : -Infinity))));
  const output = weights.map((row) => v[0].map((_, c) => row.reduce((sum, w, j) => sum + w * v[j][c], 0)));
  return { scores, weights, output };
}

/** Who may look at whom: query i, key j, steps of the window (itself included), number of global tokens. */
export const PATTERNS = {
  standard: () => true,
  causal: (i, j) => j <= i,
  local: (i, j, window) => Math.abs(i - j) < window,
  "global-local": (i, j, window, globals) => Math.abs(i - j) < window || i < globals || j < globals,
};

/** @returns {boolean[][]} (n_q, n_k), true = may attend; the last query stands at the last key */
export function masked(pattern, n_q, n_k = n_q, window = 3, globals = 1) {
  const row = (i) => Array.from({ length: n_k }, (_, j) => PATTERNS[pattern](i + n_k - n_q, j, window, globals));
  return Array.from({ length: n_q }, (_, i) => row(i));
}

/** Does a row look at all that it may see alike? `open`: what it may see. A row without weight looks at nothing. */
export function isEven(row, open = row.map(() => true)) {
  const seen = row.filter((_, j) => open[j]);
  return seen.length > 1 && Math.max(...seen) - Math.min(...seen) < 0.012 && seen.reduce((sum, w) => sum + w, 0) > 0.012;
}

/** Keys of a row with their weights, the largest first, NaN last: [[weight, key], …] */
export const best = (row) => row.map((w, j) => [w, j]).sort(([a, i], [b, j]) => isNaN(a) - isNaN(b) || b - a || i - j);
/** How many are NaN, in words, behind what is said of the others */
export const lost = (values) => {
  const n = values.filter(Number.isNaN).length;
  return n ? `; ${n} ${n > 1 ? "are" : "is"} NaN` : "";
};

/** A weight as it is printed: .85, 1.00 */
export const share = (w) => (Number.isNaN(w) ? "NaN" : w >= 0.995 ? w.toFixed(2) : w < -0.005 ? `−${share(-w)}` : Math.abs(w).toFixed(2).slice(1));

/** The two sides of attention, in plain words and in the field's. */
export const TITLES = { query: "looks (query)", key: "is looked at (key)" };

const DIGITS = "₀₁₂₃₄₅₆₇₈₉";
/** Words that come more than once get a number: a b a -> a₁ b a₂; a name that is taken already is passed over. */
export function nameRepeats(words) {
  const counts = new Map(), seen = new Map(), taken = new Set(words);
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return words.map((word) => {
    let name = word;
    while (counts.get(word) > 1 && taken.has(name)) {
      seen.set(word, (seen.get(word) ?? 0) + 1);
      name = word + [...String(seen.get(word))].map((digit) => DIGITS[digit]).join("");
    }
    taken.add(name);
    return name;
  });
}

export const clamp = (x, low = 0, high = 1) => Math.min(high, Math.max(low, x));
export const lerp = (a, b, t) => a + (b - a) * t;
export const ease = (t) => 1 - (1 - clamp(t)) ** 3;                      // quick at first, then slow

/** Numbers that came as bytes (float32, little-endian) -> nested arrays of that shape */
export function numbers(view, shape) {
  const flat = new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
  const part = (from, [n, ...rest]) => {
    const size = rest.reduce((a, b) => a * b, 1);
    return Array.from({ length: n }, (_, i) => (rest.length ? part(from + i * size, rest) : flat[from + i]));
  };
  return part(0, shape);
}

// ---- drawing: a picture says each frame what is there; what it does not name is hidden --------------------------------

/** An HTML element below `parent`. Text is only ever set as text. */
export function make(tag, parent, attributes = {}, text) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  if (text !== undefined) node.textContent = text;
  parent?.append(node);
  return node;
}

const SVG = "http://www.w3.org/2000/svg";
let patterns = 0;

/** An SVG below `parent` with as many layers; @returns {{svg, put, done, resize, hatch}}
 *  put(name, tag, layer, attributes, text)  the mark of this name, made once, changed only where it differs
 *  done()                                    the frame is told: what was not named is hidden
 *  hatch                                     a fill for what is forbidden, "url(#…)" */
export function sketch(parent, attributes = {}, depth = 4) {
  const svg = document.createElementNS(SVG, "svg"), pool = new Map(), id = `attnlib-hatch-${++patterns}-${Math.random().toString(36).slice(2, 8)}`;
  for (const [name, value] of Object.entries({ "data-lm-suppress-shortcuts": "true", ...attributes })) svg.setAttribute(name, value);
  const grown = (tag, into, given) => {
    const node = into.appendChild(document.createElementNS(SVG, tag));
    for (const [name, value] of Object.entries(given)) node.setAttribute(name, value);
    return node;
  };
  const pattern = grown("pattern", grown("defs", svg, {}), { id, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
  grown("rect", pattern, { width: 6, height: 6, style: "fill:var(--blocked)" });
  grown("line", pattern, { x1: 0, y1: 0, x2: 0, y2: 6, style: "stroke:var(--hatch)" });
  const layers = Array.from({ length: depth }, () => grown("g", svg, {}));
  const STYLED = new Set(["fill", "stroke", "font-size", "cursor"]);
  let named = new Set();
  function put(name, tag, layer, given, text) {
    let mark = pool.get(name);
    if (!mark) pool.set(name, mark = { node: grown(tag, layers[layer], "tabindex" in given ? mine : {}), said: {} });
    for (const [key, value] of Object.entries({ visibility: "visible", ...given })) {
      if (mark.said[key] === value) continue;
      mark.said[key] = value;
      if (STYLED.has(key)) mark.node.style.setProperty(key, value); else mark.node.setAttribute(key, value);
    }
    if (text !== undefined && mark.said.text !== text) mark.node.textContent = mark.said.text = text;
    named.add(name);
    return mark.node;
  }
  function done() {
    for (const [name, mark] of pool) {
      if (!named.has(name) && mark.said.visibility !== "hidden") mark.node.setAttribute("visibility", mark.said.visibility = "hidden");
    }
    named = new Set();
  }
  function resize(width, height) {
    svg.setAttribute("width", width);
    svg.setAttribute("height", height);
  }
  parent.append(svg);
  return { svg, put, done, resize, hatch: `url(#${id})` };
}

let ruler = null;
/** How wide a text is, in CSS pixels. */
export function measure(text, font = "13px system-ui, sans-serif") {
  ruler ??= document.createElement("canvas").getContext("2d");
  ruler.font = font;
  return ruler.measureText(text).width;
}

/** As much of a text as fits: "internationa…" */
export function cut(text, room, wide = measure) {
  const letters = [...text];
  if (wide(text) <= room) return text;
  while (letters.length > 1 && wide(`${letters.join("")}…`) > room) letters.pop();
  return `${letters.join("")}…`;
}

/** A canvas in CSS pixels, crisp on every screen; @returns its pen, on clean paper */
export function sharp(canvas, width, height, zoom = 1) {
  const dots = (window.devicePixelRatio || 1) * zoom, w = Math.ceil(width * dots), h = Math.ceil(height * dots);
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
  Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
  const pen = canvas.getContext("2d");
  pen.setTransform(dots, 0, 0, dots, 0, 0);
  pen.clearRect(0, 0, width, height);
  return pen;
}

/** A weight as a CSS colour of the blue scale; the five stops are --w0 … --w4. */
export function blue(w) {
  const at = clamp(w) * 3.999, stop = Math.floor(at);
  return `color-mix(in oklab, var(--w${stop + 1}) ${Math.round(100 * (at - stop))}%, var(--w${stop}))`;
}

export const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

/** 256 colours between the stops of the theme's scale, of shares or of numbers with a sign */
export function scaleOf(house, signed) {
  const stops = Array.from({ length: signed ? 7 : 5 }, (_, n) => rgb(house.colour(`${signed ? "s" : "w"}${n}`)));
  return Array.from({ length: 256 }, (_, i) => {
    const at = (i / 255) * (stops.length - 1), low = Math.min(Math.floor(at), stops.length - 2);
    return stops[low].map((c, k) => Math.round(lerp(c, stops[low + 1][k], at - low)));
  });
}

/** Where an event is, in the units of an SVG or canvas, also when the picture is shown larger. */
export function place(node, event) {
  const box = node.getBoundingClientRect(), width = +node.getAttribute("width") || node.clientWidth || box.width;
  const zoom = box.width / width || 1;
  return [(event.clientX - box.left) / zoom, (event.clientY - box.top) / zoom];
}

// ---- time -----------------------------------------------------------------------------------------------------------

/** Does the reader want things to move? */
export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** One frame at a time: `ask()` draws at the next frame; tick(ms) answers true while something moves. */
export function frames(tick) {
  let due = 0, last = 0;
  const run = (now) => {
    due = 0;
    const gone = clamp(last ? now - last : 16, 0, 50);
    last = now;
    if (tick(calm() ? 1e9 : gone)) ask(); else last = 0;
  };
  function ask() { due ||= requestAnimationFrame(run); }
  return { ask, stop: () => cancelAnimationFrame(due) };
}

// ---- the house around a picture ------------------------------------------------------------------------------------------

export function isDark(node) {                                           // by what is really behind the picture
  for (; node; node = node.parentElement) {
    const c = getComputedStyle(node).backgroundColor.match(/[\d.]+/g);
    if (c && (c.length < 4 || +c[3] > 0)) return c[0] * 0.3 + c[1] * 0.59 + c[2] * 0.11 < 128;
  }
  return false;
}

/** The root of a picture below `el`: themed, announced, freed. @returns {{root, say, dark, colour, watch, present, close}}
 *  say(text)      a sentence for all, and for screen readers once it stands still; or its parts, text or [text, class]
 *  colour(name)   a token of the theme as a plain colour, for canvases: "ink", "w3"
 *  watch(f)       f() when theme, width or dots of the screen change, and once at first
 *  present()      a button that shows the picture alone, twice as large or as large as the screen */
export function dress({ model, el }, name, { readout = true } = {}) {
  const root = make("div", el, { class: `attnlib-live ${name}`, dir: "ltr" }), heard = [], ends = [];
  const line = readout ? make("p", null, { class: "say", "aria-live": "polite" }) : null;
  const colours = new Map();                                             // as they are now: to ask the page for one takes long
  let tone = "", width = 0, dots = 0, screen = null, due = 0;
  const classes = () => {
    root.className = ["attnlib-live", name, tone, root.classList.contains("present") ? "present" : "", ...(model.get("_dom_classes") || [])].filter(Boolean).join(" ");
  };
  const look = () => {
    const now = isDark(el) ? "dark" : "light", wide = root.clientWidth, fine = devicePixelRatio * (+root.style.zoom || 1);
    if (now === tone && wide === width && fine === dots) return;
    [tone, width, dots] = [now, wide, fine];
    screen?.removeEventListener("change", look);
    screen = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);          // a canvas is drawn again where the page is enlarged
    screen.addEventListener("change", look);
    classes();
    colours.clear();
    heard.forEach((f) => f());
  };
  const soon = () => { due ||= requestAnimationFrame(() => { due = 0; look(); }); };       // the style of a theme comes behind its name
  const themes = new MutationObserver(soon), system = matchMedia("(prefers-color-scheme: dark)"), sizes = new ResizeObserver(look);
  themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
  sizes.observe(root);
  system.addEventListener("change", look);
  model.on("change:_dom_classes", classes);
  const full = () => {
    const on = document.fullscreenElement === root;
    root.classList.toggle("present", on);
    const tall = root.dataset.tall || root.scrollHeight;                  // 800 px are enough for any of them: the rest makes it larger
    root.style.zoom = on ? clamp(Math.min(innerWidth / clamp(width, 1, 800), innerHeight / Math.max(1, tall)), 1, 3) : "";
    root.querySelector(".shown-alone")?.setAttribute("aria-pressed", on);
    look();
  };
  document.addEventListener("fullscreenchange", full);
  ends.push(() => document.removeEventListener("fullscreenchange", full));
  return {
    root,
    say(text) {
      if (!line.parentElement) root.append(line);                        // unless a picture has a place for it
      const parts = [text].flat(), [plain, tones] = [0, 1].map((n) => parts.map((part) => [part].flat()[n] ?? "").join(n ? " " : ""));
      if (line.textContent === plain && line.dataset.tones === tones) return;
      line.dataset.tones = tones;
      line.replaceChildren(...parts.map((part) => (Array.isArray(part) ? make("span", null, { class: part[1] }, part[0]) : part)));
    },
    line,
    dark: () => tone === "dark",
    colour(token) {
      if (!colours.has(token)) colours.set(token, getComputedStyle(root).getPropertyValue(`--${token}`).trim());
      return colours.get(token);
    },
    watch(f) { heard.push(f); if (tone) f(); },
    start: look,
    present(bar) {
      const button = press(bar, "present", () => {
        if (document.fullscreenElement) document.exitFullscreen();
        else {
          root.dataset.tall = root.scrollHeight;
          (root.requestFullscreen?.() ?? Promise.reject()).catch(() => {   // a frame that may not: larger where it stands
            root.classList.toggle("present");
            root.style.zoom = root.classList.contains("present") ? 2 : "";
            button.setAttribute("aria-pressed", root.classList.contains("present"));
          });
        }
      });
      button.classList.add("shown-alone");
      button.setAttribute("aria-pressed", "false");
      return button;
    },
    ends,
    close() {
      cancelAnimationFrame(due);
      themes.disconnect();
      sizes.disconnect();
      system.removeEventListener("change", look);
      screen?.removeEventListener("change", look);
      model.off("change:_dom_classes", classes);
      ends.forEach((end) => end());
    },
  };
}

/** Some traits of the model as state that both sides may change.
 *  keep(names, changed)   @returns {{get, send, close}}; changed(news) is called when Python sets one
 *  send(news)             to Python at the end of a gesture: at once, or `later` after the last of several keys */
export function keep(model, names, changed) {
  let due = 0, waiting = {};
  const heard = names.map((name) => [`change:${name}`, () => changed({ [name]: model.get(name) })]);
  heard.forEach(([event, f]) => model.on(event, f));
  const flush = () => {
    clearTimeout(due);
    const news = waiting;
    waiting = {};
    for (const [name, value] of Object.entries(news)) model.set(name, value);
    if (Object.keys(news).length) model.save_changes();
  };
  return {
    get: () => ({ ...Object.fromEntries(names.map((name) => [name, model.get(name)])), ...waiting }),
    send(news, later = 0) {
      Object.assign(waiting, news);
      clearTimeout(due);
      if (later) due = setTimeout(flush, later); else flush();
    },
    close() {
      flush();
      heard.forEach(([event, f]) => model.off(event, f));
    },
  };
}

// ---- controls: one family ---------------------------------------------------------------------------------------------------

const mine = { "data-lm-suppress-shortcuts": "true" };                   // in Lab the arrow keys reach only what says so
const quiet = (node) => { node.addEventListener("keydown", (event) => event.stopPropagation()); return node; };

/** A button with a verb. */
export function press(parent, text, onclick, attributes = {}) {
  const button = make("button", parent, { type: "button", ...mine, ...attributes }, text);
  button.addEventListener("click", onclick);
  return button;
}

/** Buttons of which one is down. @returns {{node, set}} */
export function choice(parent, label, names, onchoice, { glyph = null } = {}) {
  const group = make("span", parent, { class: "group", role: "group", "aria-label": label });
  const buttons = names.map((name) => {
    const button = press(group, "", () => onchoice(name), { value: name });
    if (glyph) button.append(glyph(name));
    button.append(name);
    return quiet(button);
  });
  return { node: group, set: (chosen) => buttons.forEach((button) => button.setAttribute("aria-pressed", button.value === String(chosen))) };
}

/** A slider with its name and its number. set(value, why): with a reason it is dead, and says so instead. @returns {{node, set}} */
export function slider(parent, label, { min, max, step = 1, say = String, wide = 0 }, onmove, onrest = () => {}) {
  const box = make("label", parent, { class: "slider" }, `${label} `), span = make("span", box, { class: "set", ...(wide ? { style: `min-width:${wide}px` } : {}) });
  const input = quiet(make("input", span, { type: "range", min, max, step, ...mine, "aria-label": label })), out = make("output", span), reason = make("span", span, { class: "why" });
  input.addEventListener("input", () => onmove(+input.value));
  input.addEventListener("change", () => onrest(+input.value));
  return {
    node: input,
    set(value, why = "") {
      if (+input.value !== value) input.value = value;
      out.textContent = say(value);
      input.setAttribute("aria-valuetext", why || say(value));
      input.disabled = Boolean(why);
      span.classList.toggle("dead", Boolean(why));
      reason.textContent = why;
    },
  };
}

/** A menu. @returns {{node, set}} */
export function menu(parent, label, names, onchoice) {
  const box = make("label", parent, {}, `${label} `), select = quiet(make("select", box, { ...mine, "aria-label": label }));
  const fill = (list) => select.replaceChildren(...list.map((name, value) => make("option", null, { value }, name)));
  fill(names);
  select.addEventListener("change", () => onchoice(+select.value));
  return { node: select, fill, set: (at) => { select.value = at; } };
}

/** Keys of a picture: keys(node, event => a change or nothing, change). Ctrl, Alt and Meta are left to the browser. */
export function keys(node, answer, change) {
  node.addEventListener("keydown", (event) => {
    if (event.target !== node || event.ctrlKey || event.altKey || event.metaKey) return;
    const news = answer(event);
    if (!news) return;
    event.preventDefault();
    event.stopPropagation();
    change(news);
  });
}

/** A drag by mouse, finger or pen: moved([x, y], event) from the first touch on, rested() at its end. */
export function drag(node, moved, rested = () => {}) {
  const go = (event) => moved(place(node, event), event);
  const stop = () => {
    removeEventListener("pointermove", go);
    removeEventListener("pointerup", stop);
    removeEventListener("pointercancel", stop);
    rested();
  };
  node.addEventListener("touchstart", (event) => event.cancelable && event.preventDefault(), { passive: false });      // a finger drags here, it does not scroll
  node.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    go(event);
    addEventListener("pointermove", go);
    addEventListener("pointerup", stop);
    addEventListener("pointercancel", stop);
  });
}
