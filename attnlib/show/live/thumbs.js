// Small pictures of all heads to choose from, and where they stand: beside the large one, or below it.
//
//   staged(stage, pen, names, count, tall) -> {place, size}    the loom, and beside it (or below) room for so many thumbs of that size
//   thumbs(parent, label, onchoice)          buttons with a thumb each; set([{ name, data, why }], chosen, morph, colour, width, height)
//   thumb(pen, width, height, data, morph, colour)     one head on a canvas; data as weave.js takes it, colour: of dress()
import { clamp, make, press, sharp } from "./core.js";
import { LEAST, loom } from "./weave.js";

/** One head on a canvas of width × height, as threads and as a map. */
export function thumb(pen, width, height, { weights, mask, even }, m, colour) {
  const rows = weights.length, columns = weights[0]?.length ?? 1, cell = (width - 2) / columns, tall = (height - 2) / rows;
  const tones = [colour("w3"), colour("w4")];
  const yq = (i) => 2 + ((height - 4) / rows) * (i + 0.5), yk = (j) => 2 + ((height - 4) / columns) * (j + 0.5);
  if (m > 0) {
    Object.assign(pen, { globalAlpha: m, fillStyle: colour("line") });
    mask?.forEach((row, i) => {
      for (let j = 0, from = 0; j <= columns; j++) {                     // what is shut, in one piece where it hangs together
        if (j < columns && !row[j]) continue;
        if (j > from) pen.fillRect(1 + from * cell, 1 + i * tall, (j - from) * cell + 0.3, tall + 0.3);
        from = j + 1;
      }
    });
    weights.forEach((row, i) => even[i] || row.forEach((w, j) => {
      if (!(w > LEAST)) return;
      Object.assign(pen, { globalAlpha: m * clamp(w * 1.2), fillStyle: tones[+(w > 0.6)] });
      pen.fillRect(1 + j * cell, 1 + i * tall, cell, tall);
    }));
    Object.assign(pen, { globalAlpha: m, strokeStyle: colour("line"), lineWidth: 1 });
    pen.strokeRect(0.5, 0.5, width - 1, height - 1);
  }
  if (m < 1) {
    Object.assign(pen, { strokeStyle: colour("w3"), fillStyle: colour("hatch") });
    weights.forEach((row, i) => {
      const y = yq(i);
      pen.globalAlpha = 1 - m;
      if (even[i]) pen.fillRect(4, y - 0.5, 6, 1);
      else row.forEach((w, j) => {
        if (!(w > 0.04)) return;
        pen.globalAlpha = (1 - m) * (0.35 + 0.6 * clamp(w));
        pen.lineWidth = Math.max(0.5, clamp(w) * Math.min(5, ((height - 4) / rows) * 0.8));
        pen.beginPath();
        pen.moveTo(4, y);
        pen.bezierCurveTo(width / 2, y, width / 2, yk(j), width - 4, yk(j));
        pen.stroke();
      });
    });
  }
  pen.globalAlpha = 1;
}

/** Do the small pictures stand below the large one? Where the page is narrow, if few words leave them room; on a phone always. */
export const below = (width, count, n) => count > 1 && (width < 548 || (width < 720 && (count > 16 || (count <= 8 && n <= 12))));

/** The picture, and beside it as many small ones as there is room for, or all of them below it. `tall`: height for all of it,
 *  and `room` for the small ones, where they stand beside; on a phone the page grows as far as its words need. */
export function staged(stage, pen, names, count, tall, room = tall) {
  const width = stage.clientWidth, many = count > 8, wide = width >= 720 && (count > 16 || names.k.length <= 16);
  const n = Math.max(names.q.length, names.k.length), under = below(width, count, n);
  const column = count < 2 || under ? 0 : wide ? 248 : 132;                              // where words are many, they need the room
  const across = !column ? Math.min(count, many ? Math.min(8, Math.floor(width / 60)) : 4)
    : many && (room < 300 || count > 18) ? 4 : many && wide ? 3 : many || wide ? 2 : 1;
  const rows = Math.ceil(count / across), phone = width < 548, wish = n > 12 ? 70 + 16 * n : phone ? 74 + 20 * n : 64 + 18 * n;
  const named = phone && !many ? 44 : 28;
  const gap = across > 2 && !wide ? 2 : 8, left = (tall - 6 - wish) / rows - named;
  const high = under ? clamp(left, phone ? 48 : 30, 60) : Math.min(66, room / rows - 28);
  const own = under ? Math.max(phone ? wish : 58 + 16 * n, tall - 6 - rows * (high + named)) : tall;
  const place = loom(names, column ? width - column - 16 : width, own);
  stage.classList.toggle("phone", named > 28);                           // names of the small pictures on two lines
  stage.classList.toggle("beside", column > 0);
  for (const [name, value] of [["across", across], ["column", `${column}px`], ["gap", `${gap}px`]]) stage.style.setProperty(`--${name}`, value);
  pen.resize(place.width, own);
  const size = { width: Math.floor(((column || width) - gap * (across - 1)) / across) - 10, height: Math.max(10, Math.floor(high)) };
  return { place, size };
}

/** Small pictures to choose from. set([{ name, data | null, why }], chosen, morph, colour, width, height): without data a dashed place. */
export function thumbs(parent, label, onchoice) {
  const group = make("div", parent, { class: "thumbs", role: "group", "aria-label": label }), buttons = [];
  return {
    node: group,
    set(list, chosen, morph, colour, width, height) {
      while (buttons.length < list.length) {
        const at = buttons.length, button = press(group, "", () => onchoice(at));
        const parts = { name: make("span", button), why: make("small", button), canvas: make("canvas", button, { "aria-hidden": "true" }) };
        buttons.push({ button, ...parts });
      }
      buttons.forEach(({ button, name, why, canvas }, at) => {
        button.hidden = at >= list.length;
        if (button.hidden) return;
        const one = list[at];
        for (const [node, text] of [[name, one.name], [why, one.why ?? ""]]) if (node.textContent !== text) node.textContent = text;
        why.hidden = !one.why;
        button.classList.toggle("off", !one.data);
        button.setAttribute("aria-pressed", at === chosen);
        canvas.hidden = !one.data;
        const tall = height - (one.why ? 16 : 0), zoom = +group.closest(".attnlib-live").style.zoom || 1;
        if (one.data) thumb(sharp(canvas, width, tall, zoom), width, tall, one.data, morph, colour);
      });
    },
  };
}
