// Threads: who looks at whom, as threads between two columns of words or as a map, one head at a time.
import { choice, clamp, dress, frames, keep, make, numbers, press, sketch } from "./core.js";
import { below, staged, thumbs } from "./thumbs.js";
import { advance, aim, drawn, evens, handled, spun, telling, weave, within } from "./weave.js";

// The height of the picture: many words have higher rows, as far as all of it fits into 560 px
const tallOf = (n, many, room) => (n > 16 ? clamp(room, 400, 472) : many ? 400 : Math.min(400, 70 + 40 * n));

/** What the traits of Python say, as heads: [{ name, q, k, weights, mask, even }] */
export function headsOf({ _shape: shape, _weights, _mask, tokens, key_tokens, titles }) {
  const bits = _mask.byteLength ? numbers(_mask, shape) : null;
  return numbers(_weights, shape).map((weights, h) => {
    const mask = bits && bits[h].map((row) => row.map((bit) => bit > 0));
    return { name: titles[h] ?? `head ${h}`, q: tokens, k: key_tokens, weights, mask, even: evens(weights, mask) };
  });
}

function render({ model, el }) {
  const house = dress({ model, el }, "threads"), shown = keep(model, ["head", "pins", "side", "form"], change);
  const given = ["_shape", "_weights", "_mask", "tokens", "key_tokens", "titles"];
  const heads = headsOf(Object.fromEntries(given.map((name) => [name, model.get(name)]))), many = heads.length > 1;
  const state = { ...shown.get(), kept: false }, moving = spun(heads[state.head].weights, state.form);
  let place = null, size = null;

  const bar = make("div", house.root, { class: "row" });
  if (model.get("title")) make("b", bar, {}, model.get("title"));
  const form = choice(bar, "picture", ["threads", "map"], (name) => hand({ form: name }));
  const clear = press(bar, "clear", () => hand({ pins: [] }));
  house.present(bar);
  const stage = make("div", house.root, { class: "stage" }), pen = sketch(stage);
  const small = many && thumbs(stage, "choose a head", (head) => hand({ head }));
  const picture = frames((ms) => {
    const on = advance(moving, ms);
    weave(pen, { ...heads[state.head], weights: drawn(moving) }, place, { ...state, morph: moving.morph });
    pen.done();
    if (many) small.set(heads.map((data) => ({ name: data.name, data })), state.head, moving.morph, house.colour, size.width, size.height);
    return on;
  });

  function change(news) {
    Object.assign(state, news);
    const data = heads[state.head];
    aim(moving, data.weights, state.form, "head" in news);
    form.set(state.form);
    clear.disabled = !state.pins.length;
    house.say(within([many ? `${data.name}: ` : "", ...telling(data, state)], stage.clientWidth, 2));
    if (place) picture.ask();
  }
  function hand(news) {                                                  // what the reader does goes back to Python
    change({ kept: false, ...news });
    const sent = { ...news };
    delete sent.kept;
    shown.send(sent, 150);
  }
  house.watch(() => {
    if (stage.clientWidth < 100) return;                                 // not in sight yet
    const n = Math.max(heads[0].q.length, heads[0].k.length), under = below(stage.clientWidth, heads.length, n);
    const tall = under ? 576 - bar.offsetHeight : tallOf(n, many, 500 - bar.offsetHeight);         // 636 px on a narrow page
    ({ place, size } = staged(stage, pen, heads[0], heads.length, tall));
    change({});
  });
  handled(pen.svg, () => ({ state, place, count: heads.length }), hand);
  house.start();
  return () => {
    picture.stop();
    shown.close();
    house.close();
  };
}

export default { render };
