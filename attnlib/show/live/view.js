// AttentionView: one heat map that can be touched, in a notebook (anywidget) or in a page of its own.
// Everything lives under `el`; tokens are only ever set as text. Python owns the numbers: weights come as
// uint16 between `_range` (65535 is NaN), row sums as uint16, the mask as bits. Nothing is fetched.

const THEMES = {
  light: { ink: "#1b1f24", faint: "#6b7280", paper: "#ffffff", blocked: "#e9eaec", hatch: "#b4b8bf", bad: "#d4002a",
    query: "#D55E00", key: "#009E73",
    weights: ["#f7fbff", "#c6dbef", "#6baed6", "#2171b5", "#08306b"],
    signed: ["#7f3b08", "#e08214", "#fee0b6", "#f7f7f7", "#d8daeb", "#8073ac", "#2d004b"] },
  dark: { ink: "#e8eaed", faint: "#9aa0aa", paper: "#181a1f", blocked: "#2b2e35", hatch: "#565b66", bad: "#ff5c77",
    query: "#D55E00", key: "#009E73",
    weights: ["#1d2733", "#1f4468", "#2b73b3", "#6fb1e4", "#e3f1fd"],
    signed: ["#fdb863", "#c76b12", "#6b3a0c", "#23252b", "#453a66", "#8274bd", "#cfc6f2"] },
};

// ---- small tools -------------------------------------------------------------------------------------------

const LONGEST = 16;                                      // signs of a name beside the picture; the read-out has it all
const short = (name) => (name.length > LONGEST ? [...name].slice(0, LONGEST - 1).join("") + "…" : name);
const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

const brightness = (c) => 0.2126 * (c[0] / 255) ** 2.2 + 0.7152 * (c[1] / 255) ** 2.2 + 0.0722 * (c[2] / 255) ** 2.2;

function ramp(stops) {                                   // 256 colours between the stops
  const table = [];
  for (let i = 0; i < 256; i++) {
    const place = (i / 255) * (stops.length - 1), low = Math.min(Math.floor(place), stops.length - 2);
    const a = rgb(stops[low]), b = rgb(stops[low + 1]);
    table.push(a.map((c, k) => Math.round(c + (b[k] - c) * (place - low))));
  }
  return table;
}

function make(tag, parent, style, attributes = {}) {
  const node = document.createElement(tag);
  node.style.cssText = style;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  parent.append(node);
  return node;
}

function isDark(node) {                                  // by what is really behind the view
  for (; node; node = node.parentElement) {
    const c = getComputedStyle(node).backgroundColor.match(/[\d.]+/g);
    if (c && (c.length < 4 || +c[3] > 0)) return c[0] * 0.3 + c[1] * 0.59 + c[2] * 0.11 < 128;
  }
  return false;
}

function sharp(canvas, width, height) {                  // a canvas in CSS pixels, crisp on every screen
  const dots = window.devicePixelRatio || 1;
  Object.assign(canvas, { width: Math.ceil(width * dots), height: Math.ceil(height * dots) });
  Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
  const pen = canvas.getContext("2d");
  pen.scale(dots, dots);
  return pen;
}

// ---- the numbers -------------------------------------------------------------------------------------------

function table(model) {                                  // readable access to what Python sent
  const [layers, heads, nq, nk] = model.get("_shape"), [low, high] = model.get("_range");
  const [lowest, highest] = model.get("_sum_range"), first = model.get("_first"), bytes = (name) => model.get(name);
  const numbers = (view) => new Uint16Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
  const weights = numbers(bytes("_weights")), sums = numbers(bytes("_sums")), bits = bytes("_mask");
  const plane = Math.ceil((nq * nk) / 8), planes = bits.byteLength / plane;      // every plane of the mask starts at a byte
  const sent = weights.length / (heads * nq * nk);
  const number = (raw, from, to) => (raw === 65535 ? NaN : from + (raw / 65534) * (to - from));
  return {
    layers, heads, nq, nk, low, high, masked: planes > 0, nothing: (high - low) / 131068,      // less than this is 0
    has: (layer) => layer >= first && layer < first + sent,
    value: (layer, head, i, j) => number(weights[(((layer - first) * heads + head) * nq + i) * nk + j], low, high),
    sum: (layer, head, i) => (sums.length ? number(sums[(layer * heads + head) * nq + i], lowest, highest) : NaN),
    blocked(layer, head, i, j) {
      if (!planes) return false;
      const at = i * nk + j, start = planes === 1 ? 0 : (layer * heads + head) * plane;
      return !((bits.getUint8(start + (at >> 3)) >> (7 - (at & 7))) & 1);
    },
  };
}

// ---- the view ----------------------------------------------------------------------------------------------

function render({ model, el }) {
  const get = (name) => model.get(name);
  const set = (changes) => { for (const n in changes) model.set(n, changes[n]); model.save_changes(); };
  const signed = get("signed"), compact = get("compact");
  let data = table(model), colours, map, cell, left, above, hover = null, inStrip = false;

  const root = make("div", el, "font:13px system-ui,sans-serif;max-width:100%;overflow-x:auto;padding:2px", { class: "attnlib-view" });
  const heading = make("div", root, "font-weight:600;margin-bottom:4px");
  const bar = make("div", root, "display:flex;flex-wrap:wrap;gap:4px 14px;align-items:center;margin-bottom:6px");
  const strip = make("div", root, "position:relative;overflow-x:auto;white-space:nowrap;padding:2px 0;margin-bottom:4px", { class: "attnlib-sentence" });
  const middle = make("div", root, "display:flex;flex-wrap:wrap;gap:14px;align-items:flex-start");
  const stage = make("div", middle, "position:relative;overflow:auto;max-width:100%");
  const base = make("canvas", stage, "display:block");
  const overlay = make("canvas", stage, "position:absolute;left:0;top:0;outline-offset:-2px;cursor:crosshair", { tabindex: "0",
    role: "application", "data-lm-suppress-shortcuts": "true", "aria-label":
      "attention weights: arrow keys move, Home and End go to the ends of a row, brackets change the head, braces the layer, Escape unpins" });
  const atlas = make("canvas", middle, "cursor:pointer", { role: "img", "aria-label": "all heads, one small picture each" });
  const said = make("div", root, "min-height:1.4em;margin-top:4px;font-variant-numeric:tabular-nums", { "aria-live": "polite", class: "attnlib-readout" });
  const notes = make("div", root, "margin-top:2px", { class: "attnlib-notes" });

  // controls: name -> [label, element kind, choices]
  const controls = {};
  function control(name, label, tag, attributes, choices = []) {
    const wrap = make("label", bar, "display:inline-flex;gap:5px;align-items:center");
    wrap.append(label);
    const wide = tag === "select" ? "max-width:11em" : attributes.type === "number" ? "width:4.5em" : "";
    const input = make(tag, wrap, `font:inherit;${wide}`, { "data-lm-suppress-shortcuts": "true", ...attributes });
    choices.forEach((text, i) => { make("option", input, "", { value: i }).textContent = text; });
    input.addEventListener("keydown", (event) => event.stopPropagation());
    controls[name] = input;
    return input;
  }
  const SCALES = ["absolute", "row", "sqrt"], SIDES = ["query", "key"];
  if (!compact) {
    control("layer", "layer", "select", {}).onchange = (e) => set({ layer: +e.target.value });
    control("head", "head", "select", {}).onchange = (e) => set({ head: +e.target.value });
    control("side", "view by", "select", {}, SIDES).onchange = (e) => set({ side: SIDES[e.target.value] });
    if (!signed) control("scale", "colours", "select", {}, ["absolute, 0 to 1", "relative to each row's largest", "square root"])
      .onchange = (e) => set({ scale: SCALES[e.target.value] });
    control("top", "only the top", "input", { type: "number", min: 0, step: 1 })
      .oninput = (e) => set({ top_k: Math.max(0, Math.floor(+e.target.value) || 0) });
    control("least", "at least", "input", { type: "number", min: 0, max: 1, step: 0.05 })
      .oninput = (e) => set({ threshold: Math.max(0, +e.target.value || 0) });
    control("sink", "hide the first column", "input", { type: "checkbox" }).onchange = (e) => set({ hide_first: e.target.checked });
  }

  const here = () => [Math.min(get("layer"), data.layers - 1), Math.min(get("head"), data.heads - 1)];
  const at = (i, j) => data.value(...here(), i, j);
  const blocked = (i, j) => data.blocked(...here(), i, j);
  const fits = (p) => (p && p[0] >= 0 && p[1] >= 0 && p[0] < data.nq && p[1] < data.nk ? p : null);
  const pinned = () => fits(get("pinned"));
  const rowOf = (i) => Array.from({ length: data.nk }, (_, j) => at(i, j));

  function shownRow(i) {                                 // which cells of a row pass "top", "at least", "hide"
    const row = rowOf(i), top = get("top_k"), least = get("threshold");
    const bar = top > 0 && top < row.length ? [...row].map((v) => (isNaN(v) ? -1 : Math.abs(v))).sort((a, b) => b - a)[top - 1] : -Infinity;
    return row.map((v, j) => isNaN(v) || (Math.abs(v) >= bar && Math.abs(v) >= least && !(get("hide_first") && j === 0)));
  }

  function shade(v, most) {                              // a weight -> a colour
    const scale = signed ? "absolute" : get("scale");
    const largest = scale === "row" ? most || 1 : signed ? Math.max(Math.abs(data.low), Math.abs(data.high)) : Math.max(1, data.high);
    const t = signed ? (v / largest + 1) / 2 : scale === "sqrt" ? Math.sqrt(Math.max(0, v) / largest) : v / largest;
    return map[Math.max(0, Math.min(255, Math.round(t * 255)))];
  }

  function paint() {                                     // the heat map itself, once per change of numbers
    const { nq, nk } = data, tokens = get("tokens"), keys = get("key_tokens");
    const length = (name) => 8 + 6.6 * Math.min(name.length, LONGEST), longest = (names) => Math.max(...names.map(length));
    cell = Math.min(34, (compact ? 175 : 380) / Math.max(nq, nk));
    if (cell < 3) cell = Math.max(1, Math.floor((compact ? 220 : 560) / Math.max(nq, nk)));        // whole pixels: all rows alike
    const labels = cell >= 9;
    left = (labels ? longest(tokens) : 10) + 20;
    above = (labels ? 0.75 * longest(keys) + 6 : 8) + 18;
    const sums = labels && data.nq <= 40 && !signed ? 36 : 26;
    const slanted = labels ? keys.map((name, j) => left + (j + 0.5) * cell + 0.62 * length(name)) : [];
    const width = Math.max(left + nk * cell + sums, left + (data.masked ? 190 : 110), ...slanted), height = Math.max(above + nq * cell + 24, 130);
    const pen = sharp(base, width, height);
    sharp(overlay, width, height);
    const picture = new ImageData(nk, nq), mostOf = (row) => Math.max(...row.filter((v) => !isNaN(v)));
    let hidden = 0, total = 0;
    for (let i = 0; i < nq; i++) {
      const row = rowOf(i), shown = shownRow(i), most = mostOf(row);
      for (let j = 0; j < nk; j++) {
        const v = row[j];
        if (v > 0 || v < 0) { total += Math.abs(v); if (!shown[j]) hidden += Math.abs(v); }
        const c = isNaN(v) ? rgb(colours.bad) : blocked(i, j) ? rgb(colours.blocked) : shown[j] ? shade(v, most) : rgb(colours.paper);
        picture.data.set([...c, 255], 4 * (i * nk + j));
      }
    }
    const small = new OffscreenCanvas(nk, nq);
    small.getContext("2d").putImageData(picture, 0, 0);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(small, left, above, nk * cell, nq * cell);
    pen.strokeStyle = colours.hatch;
    pen.strokeRect(left - 0.5, above - 0.5, nk * cell + 1, nq * cell + 1);
    if (cell >= 5) marks(pen);
    if (labels) names(pen, tokens, keys, sums > 30);
    pen.font = "bold 11px system-ui,sans-serif";
    pen.fillStyle = colours.key;
    pen.fillText("key (who is looked at) →", left, 11);
    pen.save();
    pen.translate(10, above + Math.max(nq * cell, 110));
    pen.rotate(-Math.PI / 2);
    pen.fillStyle = colours.query;
    pen.fillText("← query (who looks)", 0, 0);
    pen.restore();
    legend(pen, left, above + nq * cell + 8);
    return total ? hidden / total : 0;
  }

  function marks(pen) {                                  // hatch what is not allowed, frame a weight that stands there
    for (let i = 0; i < data.nq; i++) for (let j = 0; j < data.nk; j++) {
      if (!blocked(i, j)) continue;
      const x = left + j * cell, y = above + i * cell;
      pen.strokeStyle = colours.hatch;
      pen.lineWidth = 1;
      pen.beginPath(); pen.moveTo(x, y + cell); pen.lineTo(x + cell, y); pen.stroke();
      if (signed || !(Math.abs(at(i, j)) > data.nothing)) continue;
      pen.strokeStyle = colours.bad;
      pen.lineWidth = 2;
      pen.strokeRect(x + 2, y + 2, cell - 4, cell - 4);
    }
  }

  function names(pen, tokens, keys, sums) {
    pen.font = `${Math.min(12, cell * 0.8 + 2)}px system-ui,sans-serif`;
    pen.fillStyle = colours.ink;
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    tokens.forEach((name, i) => pen.fillText(short(name), left - 5, above + (i + 0.5) * cell, left - 24));
    pen.textAlign = "left";
    keys.forEach((name, j) => {
      pen.save();
      pen.translate(left + (j + 0.5) * cell, above - 6);
      pen.rotate(-0.9);
      pen.fillText(short(name), 0, 0, (above - 24) / 0.75);
      pen.restore();
    });
    if (sums) for (let i = 0; i < data.nq; i++) {
      const sum = data.sum(...here(), i), empty = Math.abs(sum) < 1e-4 && rowOf(i).every((v, j) => blocked(i, j));
      pen.fillStyle = empty || Math.abs(sum - 1) < 1e-3 ? colours.faint : colours.bad;
      pen.fillText(isNaN(sum) ? "NaN" : sum.toFixed(2), left + data.nk * cell + 6, above + (i + 0.5) * cell);
    }
    pen.textBaseline = "alphabetic";
  }

  function legend(pen, x, y) {                           // what the colours mean, in numbers
    const row = get("scale") === "row" && !signed, root = get("scale") === "sqrt" && !signed;
    const high = signed ? Math.max(Math.abs(data.low), Math.abs(data.high)) : Math.max(1, data.high);
    for (let i = 0; i < 48; i++) { pen.fillStyle = `rgb(${map[Math.round(i * 5.4)]})`; pen.fillRect(x + i, y, 1.5, 9); }
    pen.font = "11px system-ui,sans-serif";
    pen.fillStyle = colours.faint;
    pen.textAlign = "right";
    pen.fillText(signed ? `−${+high.toPrecision(2)}` : "0", x - 4, y + 9);
    pen.textAlign = "left";
    pen.fillText(row ? "row's largest" : `${+high.toPrecision(signed ? 2 : 3)}${root ? " (root)" : ""}`, x + 53, y + 9);
    if (!data.masked) return;
    pen.fillStyle = colours.blocked; pen.fillRect(x + 110, y, 14, 9);
    pen.strokeStyle = colours.hatch; pen.beginPath(); pen.moveTo(x + 110, y + 9); pen.lineTo(x + 124, y); pen.stroke();
    pen.fillStyle = colours.faint; pen.fillText("not allowed", x + 129, y + 9);
  }

  function paintAtlas() {                                // every head as a small picture; the chosen one is framed
    const { layers, heads, nq, nk } = data, show = !compact && layers * heads > 1;
    atlas.style.display = show ? "" : "none";
    if (!show) return;
    const columns = layers > 1 ? heads : Math.min(heads, 4), size = Math.max(18, Math.min(68, 300 / Math.max(layers, columns)));
    const rows = layers > 1 ? layers : Math.ceil(heads / columns), pen = sharp(atlas, columns * size + 22, rows * size + 18);
    atlas.tile = (x, y) => { const c = Math.floor((x - 20) / size), r = Math.floor((y - 16) / size);
      return c < 0 || r < 0 || c >= columns || r >= rows ? null : layers > 1 ? [r, c] : r * columns + c < heads ? [0, r * columns + c] : null; };
    pen.font = "10px system-ui,sans-serif"; pen.fillStyle = colours.faint;
    pen.fillText(layers > 1 ? "head →   (layer ↓)" : "heads", 20, 10);
    const dots = Math.max(1, Math.floor(size - 3)), every = [Math.ceil(nq / dots), Math.ceil(nk / dots)];
    const high = Math.ceil(nq / every[0]), wide = Math.ceil(nk / every[1]);
    for (let l = 0; l < layers; l++) for (let h = 0; h < heads; h++) {
      const x = 20 + (layers > 1 ? h : h % columns) * size, y = 16 + (layers > 1 ? l : Math.floor(h / columns)) * size;
      if (data.has(l)) {
        const picture = new ImageData(wide, high);
        for (let a = 0; a < high; a++) for (let b = 0; b < wide; b++) {   // the largest of each block: no line gets lost
          let best = 0, open = false, nan = false;
          for (let i = a * every[0]; i < Math.min(nq, (a + 1) * every[0]); i++) for (let j = b * every[1]; j < Math.min(nk, (b + 1) * every[1]); j++) {
            const v = data.value(l, h, i, j);
            if (Math.abs(v) > Math.abs(best)) best = v;
            nan ||= isNaN(v);
            open ||= !data.blocked(l, h, i, j);
          }
          picture.data.set([...(nan ? rgb(colours.bad) : open ? shade(best, 1) : rgb(colours.blocked)), 255], 4 * (a * wide + b));
        }
        const small = new OffscreenCanvas(wide, high);
        small.getContext("2d").putImageData(picture, 0, 0);
        pen.imageSmoothingEnabled = false;
        pen.drawImage(small, x, y, size - 3, size - 3);
      }
      const chosen = l === here()[0] && h === here()[1];
      pen.lineWidth = chosen ? 2.5 : 0.5;
      pen.strokeStyle = chosen ? colours.query : colours.hatch;
      pen.strokeRect(x - 0.5, y - 0.5, size - 2, size - 2);
    }
  }

  let words = [], lines = null;                          // the spans of both sentences, and the lines between them

  function layStrip() {                                  // the spans stay while the hand moves: a click needs both its ends on one
    strip.replaceChildren();
    lines = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    lines.setAttribute("aria-hidden", "true");
    words = [get("tokens"), get("key_tokens")].map((names, side) => {
      if (side) { lines.style.cssText = "display:block;height:34px;overflow:visible"; strip.append(lines); }
      const line = make("div", strip, "display:inline-flex;gap:3px;align-items:center");
      make("span", line, `width:3.6em;flex:none;color:${side ? colours.key : colours.query};font-weight:600`).textContent = side ? "key" : "query";
      return names.map((name, n) => {
        const word = make("span", line, "padding:1px 5px;border-radius:4px;cursor:pointer;border:1.5px solid transparent");
        word.textContent = name;
        word.dataset.place = [side, n];
        word.onclick = () => set({ pinned: cellOf(side, n) });
        return word;
      });
    });
  }

  function paintStrip(focus) {                           // lines only from the focused word
    strip.style.display = compact ? "none" : "";
    if (compact) return;
    const byQuery = get("side") === "query", plain = { borderColor: "transparent", textDecoration: "", background: "", color: "" };
    lines.replaceChildren();
    words.flat().forEach((word) => Object.assign(word.style, plain));
    if (!focus) return;
    const [i, j] = focus, from = byQuery ? words[0][i] : words[1][j], many = byQuery ? words[1] : words[0];
    from.style.borderColor = byQuery ? colours.query : colours.key;
    const values = many.map((_, n) => (byQuery ? at(i, n) : at(n, j))), most = Math.max(...values.filter((v) => !isNaN(v)));
    const shown = byQuery ? shownRow(i) : values.map((_, n) => shownRow(n)[j]);
    const strongest = values.map((v, n) => [v, n]).filter(([v, n]) => shown[n] && v > 0).sort((a, b) => b[0] - a[0]).slice(0, get("top_k") || 8);
    values.forEach((v, n) => {
      const closed = byQuery ? blocked(i, n) : blocked(n, j);
      if (closed) many[n].style.textDecoration = "line-through";
      const c = isNaN(v) ? rgb(colours.bad) : closed ? rgb(colours.blocked) : shown[n] ? shade(v, most) : rgb(colours.paper);
      many[n].style.background = `rgb(${c})`;
      many[n].style.color = brightness(c) < 0.18 ? "#fff" : "#000";         // at least 4.5 to 1 on every colour
    });
    const off = from.offsetLeft - strip.scrollLeft;       // a word that is out of sight comes into sight
    if (!inStrip && (off < 50 || off + from.offsetWidth > strip.clientWidth)) strip.scrollLeft = from.offsetLeft - strip.clientWidth / 2;
    const x = (node) => node.offsetLeft + node.offsetWidth / 2 - strip.offsetLeft * (node.offsetParent !== strip);
    for (const [v, n] of strongest) {
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path"), [a, b] = byQuery ? [x(from), x(many[n])] : [x(many[n]), x(from)];
      path.setAttribute("d", `M${a} 0 C${a} 18 ${b} 16 ${b} 34`);
      path.setAttribute("fill", "none");
      path.setAttribute("stroke", colours.faint);
      path.setAttribute("stroke-width", Math.max(0.4, 6 * Math.abs(v) / Math.max(1, data.high)));
      path.setAttribute("stroke-opacity", 0.7);
      lines.append(path);
    }
  }

  function sentence([i, j]) {                            // the read-out
    const v = at(i, j), row = rowOf(i), allowed = row.filter((_, n) => !blocked(i, n)).length;
    const name = `query ${i} "${get("tokens")[i]}" → key ${j} "${get("key_tokens")[j]}": `;
    if (isNaN(v)) return name + "NaN, not a number";
    if (blocked(i, j) && (Math.abs(v) <= data.nothing || signed)) return name + "not allowed";
    const rank = 1 + row.filter((u, n) => u > v && !blocked(i, n)).length;
    const number = signed ? `${v > 0 ? "+" : ""}${v.toFixed(3)}` : `${v.toFixed(3)} (rank ${rank} of ${allowed})`;
    const column = get("side") === "key" ? `, column sum ${Array.from({ length: data.nq }, (_, n) => at(n, j)).reduce((a, b) => a + b, 0).toFixed(2)} (columns need not sum to 1)` : "";
    return name + (blocked(i, j) ? "not allowed, but has the weight " : "") + number + (signed ? "" : `, row sum ${data.sum(...here(), i).toFixed(3)}`) + column;
  }

  const HELP = ["Click a cell, or use the arrow keys.",
    "Point at a cell, or click to pin it; with the keyboard, focus the picture and use the arrow keys."];

  function focusOn() {                                   // what changes while the hand moves: frame, strip, read-out
    const focus = hover || pinned(), pen = overlay.getContext("2d");
    pen.clearRect(0, 0, overlay.width, overlay.height);
    if (focus) {
      const [i, j] = focus, byQuery = get("side") === "query";
      pen.lineWidth = 1;
      pen.strokeStyle = byQuery ? colours.query : colours.key;
      if (byQuery) pen.strokeRect(left - 1, above + i * cell - 1, data.nk * cell + 2, cell + 2);
      else pen.strokeRect(left + j * cell - 1, above - 1, cell + 2, data.nq * cell + 2);
      pen.lineWidth = 2.5;
      pen.strokeStyle = colours.ink;
      pen.strokeRect(left + j * cell, above + i * cell, Math.max(cell, 3), Math.max(cell, 3));
    }
    paintStrip(focus);
    said.textContent = focus ? sentence(focus) : HELP[compact ? 0 : 1];
  }

  function refresh() {
    data = table(model);
    hover = fits(hover);
    root.style.colorScheme = isDark(el) ? "dark" : "light";
    colours = THEMES[isDark(el) ? "dark" : "light"];
    map = ramp(signed ? colours.signed : colours.weights);
    root.style.color = colours.ink;
    const titles = get("titles"), fill = (select, count, name) => {
      const old = [...select.options].map((option) => option.textContent);
      if (old.length !== count || old.some((text, n) => text !== name(n))) {
        select.replaceChildren();
        for (let n = 0; n < count; n++) make("option", select, "", { value: n }).textContent = name(n);
      }
      select.parentElement.style.display = count > 1 ? "inline-flex" : "none";
    };
    if (!compact) {
      fill(controls.layer, data.layers, (n) => `${n}`);
      fill(controls.head, data.heads, (n) => titles[n] || `${n}`);
      controls.layer.value = here()[0]; controls.head.value = here()[1];
      controls.side.value = SIDES.indexOf(get("side"));
      if (controls.scale) controls.scale.value = SCALES.indexOf(get("scale"));
      if (document.activeElement !== controls.top) controls.top.value = get("top_k") || "";
      if (document.activeElement !== controls.least) controls.least.value = get("threshold") || "";
      controls.sink.checked = get("hide_first");
    }
    if (!data.has(here()[0])) { said.textContent = `layer ${here()[0]} is not here: it comes from the kernel`; return; }
    heading.textContent = get("title");
    const hidden = paint();
    paintAtlas();
    if (!compact) layStrip();
    notes.replaceChildren();
    const say = (text, color) => { make("div", notes, `color:${color}`).textContent = text; };
    if (hidden > 0) say(`${(100 * hidden).toFixed(hidden < 0.1 ? 1 : 0)} % of the weight is hidden; what is shown is not rescaled`, colours.faint);
    get("_notes").forEach((text) => say(`⚠ ${text}`, colours.bad));
    focusOn();
  }

  // hand and keyboard
  const cellAt = (event) => {
    const box = overlay.getBoundingClientRect(), j = Math.floor((event.clientX - box.left - left) / cell), i = Math.floor((event.clientY - box.top - above) / cell);
    return i >= 0 && j >= 0 && i < data.nq && j < data.nk ? [i, j] : null;
  };
  const cellOf = (side, n) => {                          // of a word: its cell in the pinned row, or the largest of its own row or column
    const p = pinned();
    if (p && (get("side") === "query") === (side === 1)) return side ? [p[0], n] : [n, p[1]];
    const values = Array.from({ length: side ? data.nq : data.nk }, (_, m) => (side ? at(m, n) : at(n, m)));
    const best = values.reduce((top, v, m) => (v > values[top] || isNaN(values[top]) ? m : top), 0);
    return side ? [best, n] : [n, best];
  };
  strip.addEventListener("mousemove", (event) => {
    const place = event.target.dataset.place, found = place ? cellOf(...place.split(",").map(Number)) : null;
    inStrip = true;
    if (String(found) !== String(hover)) { hover = found; later(); }
  });
  strip.addEventListener("mouseleave", () => { inStrip = false; hover = null; later(); });
  overlay.addEventListener("mousemove", (event) => { hover = cellAt(event); later(); });
  overlay.addEventListener("mouseleave", () => { hover = null; later(); });
  overlay.addEventListener("click", (event) => { const c = cellAt(event); if (c) set({ pinned: c }); });
  overlay.addEventListener("focus", () => { overlay.style.outline = `2px solid ${colours.query}`; });
  overlay.addEventListener("blur", () => { overlay.style.outline = ""; });
  atlas.addEventListener("click", (event) => { const t = atlas.tile(event.offsetX, event.offsetY); if (t) set({ layer: t[0], head: t[1] }); });
  overlay.addEventListener("keydown", (event) => {
    const [i, j] = pinned() || [-1, -1], wrap = (n, size) => (n + size) % size, [l, h] = here();
    const go = (a, b) => ({ pinned: i < 0 ? [0, 0] : [Math.max(0, Math.min(data.nq - 1, a)), Math.max(0, Math.min(data.nk - 1, b))] });
    const change = { ArrowUp: () => go(i - 1, j), ArrowDown: () => go(i + 1, j), ArrowLeft: () => go(i, j - 1), ArrowRight: () => go(i, j + 1),
      Home: () => go(i, 0), End: () => go(i, data.nk - 1), Escape: () => ({ pinned: null }),
      "[": () => ({ head: wrap(h - 1, data.heads) }), "]": () => ({ head: wrap(h + 1, data.heads) }),
      "{": () => ({ layer: wrap(l - 1, data.layers) }), "}": () => ({ layer: wrap(l + 1, data.layers) }) }[event.key];
    if (!change || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    hover = null;
    set(change());
  });

  // what Python or the reader changes is drawn once per frame; only what moves with the hand if the numbers are the same
  const numbers = ["_weights", "_range", "_shape", "_first", "_sums", "_sum_range", "_mask", "_notes", "layer", "head", "side", "scale",
    "top_k", "threshold", "hide_first", "tokens", "key_tokens", "titles", "title"];
  let due = 0, stale = true;
  const draw = () => { if (stale) refresh(); else if (data.has(here()[0])) focusOn(); stale = false; };
  const later = () => { cancelAnimationFrame(due); due = requestAnimationFrame(draw); };
  const changed = () => { stale = true; later(); };
  const classes = () => { root.className = ["attnlib-view", ...(get("_dom_classes") || [])].join(" "); };    // add_class in Python
  classes();
  model.on("change:_dom_classes", classes);
  numbers.forEach((name) => model.on(`change:${name}`, changed));
  model.on("change:pinned", later);
  const watcher = new MutationObserver(changed), system = matchMedia("(prefers-color-scheme: dark)");     // light and dark
  watcher.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
  system.addEventListener("change", changed);
  later();
  return () => {
    cancelAnimationFrame(due);
    watcher.disconnect();
    system.removeEventListener("change", changed);
    numbers.forEach((name) => model.off(`change:${name}`, changed));
    model.off("change:pinned", later);
    model.off("change:_dom_classes", classes);
  };
}

export default { render };
