// Threads: who looks at whom, as threads between two columns of words or as a map, one head at a time.
import { choice, dress, frames, keep, keys, make, numbers, press, sketch } from "./core.js";
import { advance, aim, drawn, evens, loom, picked, pluck, spun, stepped, telling, thumbSize, thumbs, weave, within } from "./weave.js";

const tallOf = (q, k, many) => (many ? 400 : Math.min(400, 70 + 40 * Math.max(q.length, k.length)));      // of the picture
const LABEL = "Who looks at whom. Up and down choose a word, Shift adds one, x changes sides, "
  + "left and right choose a head, m turns threads into a map.";

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
  const tall = tallOf(heads[0].q, heads[0].k, many);
  const state = { ...shown.get(), kept: false }, moving = spun(heads[state.head].weights, state.form);
  let place = null, size = null, touched = 0;

  const bar = make("div", house.root, { class: "row" });
  if (model.get("title")) make("b", bar, {}, model.get("title"));
  const form = choice(bar, "picture", ["threads", "map"], (name) => hand({ form: name }));
  const clear = press(bar, "clear", () => hand({ pins: [] }));
  house.present(bar);
  const stage = make("div", house.root, { class: "stage" }), pen = sketch(stage, { tabindex: 0, role: "application", "aria-label": LABEL });
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
    const wide = stage.clientWidth;
    if (wide < 100) return;                                              // not in sight yet
    size = thumbSize(heads.length, wide, tall);
    stage.classList.toggle("beside", many && size.beside);
    stage.style.setProperty("--across", size.across);
    place = loom(heads[0], many && size.beside ? wide - 264 : wide, tall);
    pen.resize(place.width, tall);
    change({});
  });
  pen.svg.addEventListener("pointerdown", (event) => { touched = event.timeStamp; });
  pen.svg.addEventListener("click", (event) => {                         // Shift, or a touch that stays: one more
    const word = pluck(event, place), more = event.shiftKey || event.ctrlKey || event.metaKey || event.timeStamp - touched > 450;
    if (word) hand(picked(state, word.side, word.at, more));
  });
  keys(pen.svg, (event) => {
    const to = { ArrowLeft: state.head + heads.length - 1, ArrowRight: state.head + 1 }[event.key];
    if (to !== undefined && many) return { head: to % heads.length };
    if (event.key === "m") return { form: state.form === "map" ? "threads" : "map" };
    return stepped(event, state, heads[0].q.length, heads[0].k.length);
  }, hand);
  house.start();
  return () => {
    picture.stop();
    shown.close();
    house.close();
  };
}

export default { render };
