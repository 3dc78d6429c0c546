"""Machine: what the page computes against attnlib, the geometry and the time in node, what Python
takes and sends, and the picture in a browser, by mouse, keyboard and finger.
"""

import base64
import io
import re
from itertools import pairwise

import node
import numpy as np
import pytest
from PIL import Image
from shown import MARGIN, Shown

from attnlib import SelfAttention, masks, softmax
from attnlib.show import Machine, product

STAGES = product.STAGES
KNOWN = [
    ["The", "small word"],
    ["cat", "noun", "alive", "animal"],
    ["sat", "verb"],
    ["on", "small word"],
    ["the", "small word"],
    ["mat", "noun", "thing"],
    ["because", "small word"],
    ["it", "pronoun"],
    ["was", "verb"],
    ["tired", "quality"],
]
WORDS = [word for word, *_ in KNOWN]
ASKS, KINDS = ["noun", "alive", "verb", "small word"], ["noun", "verb", "small word", "pronoun"]
GIVES = ["animal", "thing", "verb", "small word", "quality"]


def has(names):
    return np.array([[float(name in features) for name in names] for _, *features in KNOWN])


def toys(**how):
    """Two heads by hand: a pronoun looks for nouns; each word for its like."""
    q = np.stack([has(["pronoun"]) * [9, 3.6, 0, 0], 9 * has(KINDS)])
    k, v = np.stack([has(ASKS), has(KINDS)]), np.stack([has(GIVES)] * 2)
    names = {"columns": [ASKS, KINDS], "values": GIVES, "titles": ["pronoun → noun", "same kind"]}
    about = [", ".join(features) for _, *features in KNOWN]
    return Machine(q, k, v, WORDS, about=about, **names | how)


def drawn(rng, n_q=6, n_k=None, d=4, d_v=3, heads=1, **how):
    n_k = n_q if n_k is None else n_k
    loud = how.pop("loud", 1.0)
    q = rng.normal(size=(heads, n_q, d)) * loud
    return Machine(q, rng.normal(size=(heads, n_k, d)), rng.normal(size=(heads, n_k, d_v)), **how)


def all_of_it(rng, n=6):
    """A mask, a bias, a scale and a softcap."""
    bias = rng.normal(size=(n, n))
    return {"mask": masks.causal(n), "bias": bias, "scale": 0.8, "softcap": 1.5}


def long(n=24, d=128, seed=0, **how):
    """A head as one meets it in a trained model: two columns count, the others are noise."""
    rng = np.random.default_rng(seed)
    q, k, v = (rng.uniform(-0.5, 0.5, (n, d)) for _ in range(3))
    q[n - 3, [17, 90]] += 5
    k[n // 2, [17, 90]] += 4
    return Machine(q, k, v, [f"word{i}" for i in range(n)], **how)


# ---- in node: the numbers ------------------------------------------------------------------------

READ = """
const bytes = (text) => { const raw = Buffer.from(text, "base64");
  return new DataView(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.byteLength)); };
const get = (one) => (name) => (one[name]?.bytes === undefined ? one[name]
  : bytes(one[name].bytes));
const numbers = (one, word = one.word, key = one.key, phone = false) => {
  const given = p.unpack(get(one)), open = given.open(one.head, one.masking);
  const all = p.computed(given.heads[one.head], open, one._scale, one.temperature);
  return p.chosen(all, word, key, phone); };
"""


def sent(machine):
    """The traits of a machine as they reach the page, as JSON."""
    state, blobs = machine._for_a_page()
    coded = {name: {"bytes": base64.b64encode(b"".join(of)).decode()} for name, of in blobs.items()}
    return state | coded


def run(tmp_path, script, data=None):
    script = f'import * as p from "./product.js";\n{READ}\n{script}'
    return node.run(node.modules(tmp_path), script, data)


def cases():
    rng = np.random.default_rng(5)
    yield toys()
    yield toys(head=1, mask=masks.causal(10))
    for n_q, n_k, d, d_v, heads in [(1, 1, 1, 1, 1), (3, 7, 2, 5, 2), (24, 24, 128, 128, 1)]:
        yield drawn(rng, n_q, n_k, d, d_v, heads, head=heads - 1)
    for loud in (0.01, 30.0):
        yield drawn(rng, loud=loud)
    yield drawn(rng, mask=np.tri(6, k=-1, dtype=bool))  # the first row sees nobody
    yield drawn(rng, heads=2, head=1, mask=rng.random((2, 6, 6)) < 0.6)
    yield drawn(rng, scale=1.0)
    yield drawn(rng, softcap=0.7)
    yield drawn(rng, heads=2, head=1, bias=3 * rng.normal(size=(2, 6, 6)), mask=masks.causal(6))
    yield Machine(*rng.normal(size=(3, 6, 4)) * 3, **all_of_it(rng))
    yield drawn(rng, mask={"all": None, "own": np.eye(6, dtype=bool)})
    yield Machine(rng.normal(size=(4, 5, 3)), *rng.normal(size=(2, 2, 5, 3)), head=3)
    for machine in [drawn(rng), long(mask=masks.causal(24)), toys(), drawn(rng, **all_of_it(rng))]:
        for temperature in (0.25, 3.0):
            machine.temperature = temperature
            yield machine
    chosen = drawn(rng, mask={"all": None, "own": np.eye(6, dtype=bool)})
    chosen.masking = "own"
    yield chosen


def states():
    """(a machine's state as the page gets it, what Python says of the same state)"""
    return [
        (sent(one), {"scores": one.scores, "weights": one.weights, "output": one.output})
        for one in cases()
    ]


def test_the_page_computes_what_python_says(tmp_path):
    found = states()
    script = """console.log(JSON.stringify(data.map((one) => {
      const given = p.unpack(get(one)), open = given.open(one.head, one.masking);
      const { scaled, weights, output } = p.computed(given.heads[one.head], open, one._scale,
        one.temperature);
      const scores = scaled.map((row, i) => row.map((s, j) => (open[i][j] ? s : null)));
      return { scores, weights, output }; })));"""
    computed = run(tmp_path, script, [one for one, _ in found])
    for got, (state, wanted) in zip(computed, found, strict=True):
        shut = np.isneginf(wanted["scores"])
        scores = np.array(got["scores"], float)
        assert (np.isnan(scores) == shut).all(), state["_shape"]
        wanted["scores"], got["scores"] = wanted["scores"][~shut], scores[~shut]
        for name, right in wanted.items():
            np.testing.assert_allclose(got[name], right, rtol=1e-6, atol=1e-6, err_msg=name)


def test_python_says_what_a_formula_says():
    """.scores, .weights and .output once more, by hand."""
    rng = np.random.default_rng(0)
    machine = drawn(rng, 5, 5, 4, 3, 2, head=1, mask=masks.causal(5), scale=0.3)
    machine.temperature = 2.0
    q, k, v = (one[1].astype(float) for one in (machine.q, machine.k, machine.v))
    scores = np.where(np.tri(5, dtype=bool), q @ k.T * 0.3 / 2, -np.inf)
    np.testing.assert_allclose(machine.scores, scores)
    np.testing.assert_allclose(machine.weights, softmax(scores))
    np.testing.assert_allclose(machine.output, softmax(scores) @ v)


def test_the_order_is_scale_softcap_bias_mask():
    """.weights once more, by hand; the temperature divides what the softmax takes."""
    rng = np.random.default_rng(0)
    machine = drawn(rng, **all_of_it(rng), tokens=list("abcdef"))
    machine.temperature = 2.0
    q, k = (one[0].astype(float) for one in (machine.q, machine.k))
    scores = (1.5 * np.tanh(q @ k.T * 0.8 / 1.5) + machine.bias[0]) / 2
    scores = np.where(np.tri(6, dtype=bool), scores, -np.inf)
    np.testing.assert_allclose(machine.scores, scores)
    np.testing.assert_allclose(machine.weights, softmax(scores))


def test_a_softcap_and_a_bias_are_lines_of_the_receipt(tmp_path):
    """Each number follows from the one above it, in the page and in the still."""
    rng = np.random.default_rng(9)
    machine = drawn(rng, **all_of_it(rng), tokens=list("abcdef"), word=4, key=2)
    q, k = machine.q[0, 4].astype(float), machine.k[0, 2].astype(float)
    scaled = q @ k * 0.8
    capped = 1.5 * np.tanh(scaled / 1.5)
    biased = capped + machine.bias[0, 4, 2]
    rows = {"× .80": scaled, "softcap 1.50": capped}
    lines = run(tmp_path, "console.log(JSON.stringify(p.chain(numbers(data))));", sent(machine))
    found = {name: float(text.replace("−", "-")) for stage, name, text in lines if stage == 3}
    for name, number in rows.items():
        assert found[name] == pytest.approx(number, abs=0.0006), name
    bias, number = list(found.items())[2]
    assert float(bias.removeprefix("+ bias, ").replace("−", "-")) == pytest.approx(
        machine.bias[0, 4, 2], abs=0.0006
    )
    assert number == pytest.approx(biased, abs=0.0006)
    alt = machine.figure().alt
    assert all(f"{name} {text}" in alt for stage, name, text in lines if stage == 3)
    machine.temperature = 2.0
    lines = run(tmp_path, "console.log(JSON.stringify(p.chain(numbers(data))));", sent(machine))
    (name, text), *_ = [(name, text) for stage, name, text in lines if name == "÷ 2.00"]
    assert float(text.replace("−", "-")) == pytest.approx(biased / 2, abs=0.0006)


def test_wide_heads_are_folded(tmp_path):
    """The kept columns have the largest products of the chosen pair; nothing is lost in the sum."""
    rng = np.random.default_rng(1)
    found = [drawn(rng, 5, 5, d, d_v) for d, d_v in [(1, 9), (6, 6), (7, 7), (64, 20), (128, 128)]]
    script = """console.log(JSON.stringify(data.map((one) => {
      const { kept, parts, columns, gives, q, k, v, output, raw, word, key } = numbers(one);
      return { kept, parts, columns, gives, q, k, v, output, raw: raw[word][key] }; })));"""
    for machine, got in zip(found, run(tmp_path, script, [sent(one) for one in found])):
        q, k, v = (one[0].astype(float) for one in (machine.q, machine.k, machine.v))
        pairs, d = q[machine.word] * k[machine.key], q.shape[1]
        kept, rest = product.fold(np.abs(pairs))
        assert got["kept"] == kept.tolist() and len(kept) == (d if d <= 6 else 5)
        assert np.abs(pairs[kept]).min() >= np.abs(pairs[rest]).max(initial=0)
        np.testing.assert_allclose(sum(got["parts"]), got["raw"], rtol=1e-9)
        np.testing.assert_allclose(np.array(got["q"])[:, : len(kept)], q[:, kept])
        if len(rest):
            assert got["columns"][-1] == f"{len(rest)} others"
            length = np.linalg.norm(q[:, rest], axis=1)
            np.testing.assert_allclose(np.array(got["q"])[:, -1], length)
            np.testing.assert_allclose(got["parts"][-1], pairs[rest].sum(), atol=1e-12)
        out, others = product.fold(np.abs(machine.output[machine.word]))
        assert got["gives"][: len(out)] == [f"column {f}" for f in out]
        np.testing.assert_allclose(np.array(got["v"])[:, : len(out)], v[:, out])
        lengths = np.linalg.norm(machine.output[:, others], axis=1)
        if len(others):
            np.testing.assert_allclose(np.array(got["output"])[:, -1], lengths, rtol=1e-6)


def test_a_waterfall_adds_up(tmp_path):
    rng = np.random.default_rng(2)
    found = [drawn(rng, 7, 7, 3, 4), toys(), long()]
    script = """console.log(JSON.stringify(data.map((one) => { const made = numbers(one);
      return made.gives.map((_, f) => p.waterfall(made, f)); })));"""
    for machine, falls in zip(found, run(tmp_path, script, [sent(one) for one in found])):
        kept, rest = product.fold(np.abs(machine.output[machine.word]))
        values, weights = machine.v[machine.head].astype(float), machine.weights[machine.word]
        for f, fall in zip(kept, falls):
            parts = weights * values[:, f]
            np.testing.assert_allclose(fall["plus"] - fall["minus"], fall["total"], atol=1e-9)
            np.testing.assert_allclose([b - a for a, b in fall["pieces"]], parts, atol=1e-9)
            up = [[a, b] for a, b in fall["pieces"] if b > a]
            assert all(np.isclose(one[1], two[0]) for one, two in pairwise(up)), "end to end"
        if len(rest):
            assert falls[-1]["pieces"] == [] and falls[-1]["minus"] == 0


def test_the_page_and_the_still_say_the_same_of_a_pair(tmp_path):
    """Numbers are printed alike in JavaScript and in Python, and so is the receipt."""
    tops = [0.003, 0.05, 0.85, 1.9, 2.0, 12.6, 99.9, 100.0, 4000.0]
    pairs = [[x * top, top] for top in tops for x in (1, -0.39, 0.004, 0, 0.5)]
    found = [toys(), toys(head=1), long(), long(scale=0.5)]
    data = {"pairs": pairs, "states": [sent(one) for one in found]}
    script = """console.log(JSON.stringify([data.pairs.map((pair) => p.said(...pair)),
      data.states.map((one) => p.chain(numbers(one)))]));"""
    numbers, chains = run(tmp_path, script, data)
    for got, pair in zip(numbers, pairs):
        assert got == product.number(*pair), pair
    assert {".85", "−.33", "12.6", "0", "4000", "6.3"} <= {*numbers, product.number(6.3, 12.6)}
    for machine, got in zip(found, chains):
        alt = machine.figure().alt
        for _, name, text in (got[0], got[1], got[2], got[-1]):
            assert f"{name} {text}" in alt.replace("weight, after softmax", "weight")


def test_the_receipt_is_the_softmax(tmp_path):
    """e to the score ÷ the row's total = the weight; with large scores, less the row's largest."""
    machine = drawn(np.random.default_rng(3), loud=60.0)
    data = [sent(toys()), sent(machine), sent(drawn(np.random.default_rng(4)))]
    script = "console.log(JSON.stringify(data.map((one) => p.chain(numbers(one)))));"
    found = [[(name, text) for _, name, text in one] for one in run(tmp_path, script, data)]
    assert found[0][2:] == [
        ("mask", "open"),
        ("e to that", "545"),
        ("÷ row total", "643"),
        ("weight", ".85"),
    ]
    largest = machine.scores[machine.word].max()
    names = dict(found[1])
    assert names[f"e to (that − {product.number(largest, 200, exact=True)})"] == "1.00"
    share = float(names["weight"].replace("1.00", "1"))
    assert abs(share - machine.weights[machine.word].max()) < 0.006
    e, total = (float(dict(found[2])[name]) for name in ("e to that", "÷ row total"))
    assert abs(e / total - float(dict(found[2])["weight"])) < 0.02


@pytest.mark.parametrize("stage", range(8))
def test_each_stage_has_its_sentence(tmp_path, stage):
    rng = np.random.default_rng(6)
    shut = drawn(rng, mask=np.zeros((6, 6), bool), tokens=list("abcdef"))
    found = [toys(), toys(word="cat"), long(), shut, drawn(rng, 3, 5, tokens=list("xyz"))]
    found.append(drawn(rng, 1, 1, 2, 2, tokens=["x" * 40], columns=["y" * 40] * 2))
    script = """const [stage, states] = data;
      console.log(JSON.stringify(states.map((one) => p.sentence({ ...numbers(one),
        words: [one.tokens, one.key_tokens], about: one.about, cross: one._cross }, stage))));"""
    said = [
        (title, "".join(part if isinstance(part, str) else part[1] for part in parts))
        for title, parts in run(tmp_path, script, [stage, [sent(one) for one in found]])
    ]
    for title, text in said:
        assert 3 < len(title) < 32 and text.endswith((".", *"0123456789")), (title, text)
        assert max(map(len, text.split())) <= 20, "long words are cut"
        assert not re.search(r"undefined|NaN|Infinity|\.\.|  ", text), text
    wanted = {
        0: ["Chosen: it, pronoun", "cat, noun, alive", "Chosen: word", "", "5 others answer"],
        1: ["it asks for noun 9.0, alive 3.6", "nothing", "Of 128 columns, the 5 that"],
        2: ["it and cat: 12.6"],
        3: ["There are 4 columns: divide by √4 = 2. ", "", "√128 = 11.3"],
        4: ["Nothing is forbidden", "", "", "36 of 36 looks are forbidden"],
        5: ["it gives cat .85", "cat prefers nobody: .10 for each", "", "may look at nobody"],
        6: ["it takes .85 of what cat gives"],
        7: [
            "it goes out as animal .85, thing .14, mostly of cat (.85).",
            "small word .40, verb .20, animal .10. This word prefers nobody: the plain mean.",
            "mostly of word12 (.51). Hatched: the length of the other 123 columns.",
            "a goes out as nothing.",
        ],
    }
    for part, (_, text) in zip(wanted[stage], said):
        assert part in text, text


# ---- in node: places and time --------------------------------------------------------------------

SHAPES = [(1, 1, 1, 1), (3, 3, 2, 2), (10, 10, 4, 5), (14, 14, 7, 17), (24, 24, 128, 128)]
PLACED = """const places = (one, width, word, eye = word) => {
  const phone = width < p.PHONE, small = { room: [48, 48], high: 540 };
  const told = { cross: one._cross, room: [64, 60], high: 470, eye, ...(phone ? small : {}) };
  const made = { ...numbers(one, word, 0, phone), ...told };
  return [made, p.geometry(made, width)]; };
"""


def test_everything_has_its_place(tmp_path):
    """Inside the picture at every width; the rows fill the same height wherever the eye is."""
    rng = np.random.default_rng(7)
    found = [sent(drawn(rng, *shape)) for shape in [*SHAPES, (2, 24, 5, 5), (24, 2, 128, 1)]]
    script = (
        PLACED
        + """
      const widths = [284, 396, 536, 576, 590, 770];
      console.log(JSON.stringify(data.flatMap((one) => widths.flatMap((width) =>
        [0, 0.4, one._shape[1] - 1].filter((eye) => eye < one._shape[1]).map((eye) => {
          const [made, at] = places(one, width, Math.floor(eye), eye);
          return { at, eye, width, n_q: made.q.length, n_k: made.k.length, g: made.gives.length,
            seats: ["q", "k", "v"].map((kind) => made[kind].map((row, i) =>
              row.map((_, f) => [0, 1, 1.5, 2].map((t) => p.seat(at, kind, i, f, t, 0))))) };
        })))));"""
    )
    heights = {}
    for one in run(tmp_path, script, found):
        at, width = one["at"], one["width"]
        shape = (one["n_q"], one["n_k"], one["g"])
        assert at["grid"]["cw"] > (5 if width < 420 else 7) and min(at["heights"]) > 2.5, shape
        assert max(at["heights"]) >= 17 or one["eye"] == 0.4, "the chosen row can be read"
        assert at["far"] + at["sum"] + 30 <= width + 1
        high = 540 if width < 420 else 470
        assert at["v"]["y"] + 16 * one["g"] <= at["sums"]["y"] + 16 * one["g"] <= high
        assert width >= 420 or at["v"]["y"] + 16 * one["g"] + 16 <= at["sums"]["y"]
        assert np.isclose(sum(at["heights"]), at["grid"]["bottom"] - at["grid"]["y"])
        heights.setdefault((shape, high), set()).add(round(sum(at["heights"]), 6))
        for kind in one["seats"]:
            for x, y, w, h in np.array(kind).reshape(-1, 4):
                assert w > 0 and h > 0 and -1 < x - w / 2 and x + w / 2 < width + 1
                assert 32 < y - h / 2 and y + h / 2 <= high + 1
    assert all(len(found) == 1 for found in heights.values())


def test_a_point_finds_its_word_and_its_key(tmp_path):
    rng = np.random.default_rng(8)
    found = [sent(drawn(rng, *shape)) for shape in [(10, 10, 4, 5), (24, 24, 9, 9), (4, 7, 3, 3)]]
    script = (
        PLACED
        + """
      console.log(JSON.stringify(data.map((one) => { const [made, at] = places(one, 590, 2);
        const x = (j) => at.grid.x + (j + 0.5) * at.grid.cw, y = (i) => at.centres[i];
        const seen = (time, ...point) => Object.values(p.hit(at, made, time, ...point));
        return { cells: made.q.flatMap((_, i) => made.k.map((__, j) => seen(7, x(j), y(i)))),
          name: seen(7, 10, y(1)), above: seen(7, x(2), at.grid.y - 20), below: seen(7, x(2), 460),
          corner: seen(7, 5, 30), list: seen(0, 40, 32 + 1.5 * at.born.rows),
          pinned: seen(0, at.half, 32 + 1.5 * at.born.rows),
          strips: seen(1, at.born.q + 5, 94 + 1.5 * at.born.rows),
          other: seen(1, at.born.k + 5, 94 + 2.5 * at.born.keys) }; })));"""
    )
    for one, (n_q, n_k) in zip(run(tmp_path, script, found), [(10, 10), (24, 24), (4, 7)]):
        assert one["cells"] == [[i, j] for i in range(n_q) for j in range(n_k)]
        assert one["name"] == [1, -1] and one["above"] == one["below"] == [-1, 2]
        assert one["corner"] == [-1, -1] and one["list"] == one["strips"] == [1, -1]
        assert one["pinned"] == [-1, -1], "the numbers of the chosen word choose no other"
        assert one["other"] == ([-1, 2] if n_q != n_k else [2, -1])


def test_time_passes(tmp_path):
    """A step takes 350 ms, a jump over all of them twice as long; play stops at each stage."""
    script = """
      const rest = { time: 0, target: 0, speed: 1 / 350, playing: false, rest: 0, word: 3, eye: 3 };
      const until = (news) => { const s = { ...rest, ...news };
        for (let gone = 0; ; gone += 16) if (gone > 1e5 || !p.advance(s, 16)) return [s, gone]; };
      const step = until({ target: 1 }), back = until({ time: 7, target: 0, speed: 3.5 / 350 });
      const eye = until({ eye: 0 }), calm = { ...rest, target: 5, eye: 0 };
      p.advance(calm, 1e9);
      const play = { ...rest, playing: true, rest: 700 };
      const stops = new Set();
      let gone = 0;
      for (; p.advance(play, 16); gone += 16) if (play.rest > 2000) stops.add(play.time);
      const all = { step, back, eye, calm, play, gone, stops: [...stops] };
      console.log(JSON.stringify(all));"""
    found = run(tmp_path, script)
    assert found["step"][0]["time"] == 1 and 300 <= found["step"][1] <= 350
    assert found["back"][0]["time"] == 0 and 600 <= found["back"][1] <= 700
    assert found["eye"][0]["eye"] == 3 and 150 <= found["eye"][1] <= 400
    assert found["calm"]["time"] == 5 and abs(found["calm"]["eye"] - 3) < 1e-9
    assert found["play"]["time"] == 7 and not found["play"]["playing"]
    assert (
        found["stops"] == [1, 2, 3, 4, 5, 6, 7][: len(found["stops"])] and len(found["stops"]) >= 6
    )
    assert 25_000 < found["gone"] < 35_000


# ---- Python --------------------------------------------------------------------------------------


def test_it_opens_at_the_most_decided_word():
    machine = toys()
    assert (machine.word, machine.key, machine.stage) == (7, 1, "output")
    assert WORDS[machine.key] == "cat" and machine.weights[7, 1].round(2) == 0.85
    causal = toys(mask=masks.causal(10))
    assert causal.word == 7, "the first word looks at itself alone, and decides nothing"
    named = toys(word="mat", key="tired", stage="words")
    assert (named.word, named.key, named.stage) == (5, 9, "words")
    pieces = ["The", " cat", " sat", " it", " was", "!"]
    found = [drawn(np.random.default_rng(0), tokens=pieces, word=one) for one in (" it", "␣it", 3)]
    assert [one.word for one in found] == [3, 3, 3]
    assert "2 heads, 10 queries, 10 keys, 4 columns" in repr(machine)


def test_grouped_heads_and_layers():
    layer = SelfAttention(12, 4, n_kv_heads=2, rng=np.random.default_rng(0))
    x = np.random.default_rng(1).normal(size=(1, 5, 12))
    steps = layer.steps(x)
    machine = Machine.of(steps, list("abcde"), head=3)
    for head in range(4):
        machine.head = head
        np.testing.assert_allclose(machine.weights, steps.weights[0, head], atol=1e-6)


def test_a_layers_mask_bias_scale_and_softcap_come_along():
    layer = SelfAttention(12, 3, rng=np.random.default_rng(0))
    layer.scoring = {"scale": 0.9, "softcap": 2.0}
    rng = np.random.default_rng(1)
    how = {"mask": masks.causal(5), "bias": rng.normal(size=(3, 5, 5))}
    steps = layer.steps(rng.normal(size=(5, 12)), **how)
    machine = Machine.of(steps, list("abcde"), head=2)
    np.testing.assert_allclose(machine.weights, steps.weights[2], atol=1e-6)
    other = Machine.of(steps, list("abcde"), mask=None, bias=None, softcap=None, scale=1.0)
    np.testing.assert_allclose(other.scores, steps.q[0] @ steps.k[0].T, atol=1e-5)


def test_masks_are_a_choice():
    assert toys().mask is None and toys()._masks == []
    one = toys(mask=masks.causal(10))
    assert one._masks == ["masked", "not masked"] and (one.mask == masks.causal(10)).all()
    one.masking = "not masked"
    assert one.mask.all() and (one.weights[0] > 0).all()
    each = toys(mask={"open": None, "each": np.stack([masks.causal(10), np.eye(10, dtype=bool)])})
    assert each.masking == "open" and len(each.masks["open"]) == 2
    each.masking, each.head = "each", 1
    assert (each.weights == np.eye(10)).all()
    assert (toys(mask=masks.causal(10)[None, None]).mask == masks.causal(10)).all()


ARRAY = np.zeros((3, 2))
ERRORS = {
    "one axis": (lambda: Machine(np.zeros(3), ARRAY, ARRAY), ValueError, ["q", "n_q", "(3,)"]),
    "five axes": (lambda: Machine(np.zeros((1,) * 5), ARRAY, ARRAY), ValueError, ["q", "heads"]),
    "a batch": (lambda: Machine(np.zeros((2, 1, 3, 2)), ARRAY, ARRAY), ValueError, ["q", "heads"]),
    "empty": (lambda: Machine(np.zeros((0, 2)), ARRAY, ARRAY), ValueError, ["q", "length 0"]),
    "text": (lambda: Machine("abc", ARRAY, ARRAY), TypeError, ["q", "real numbers"]),
    "NaN": (lambda: Machine(ARRAY, ARRAY * np.nan, ARRAY), ValueError, ["k", "finite"]),
    "large": (lambda: Machine(ARRAY + 1e300, ARRAY, ARRAY), ValueError, ["q", "finite", "inf"]),
    "25 tokens": (
        lambda: Machine(*[np.zeros((25, 2))] * 3),
        ValueError,
        ["q has 25 tokens", "up to 24", "q[..., :24, :]"],
    ),
    "130 columns": (
        lambda: Machine(ARRAY, ARRAY, np.zeros((3, 130))),
        ValueError,
        ["v has 130 columns", "up to 128", "split_heads(v, n_heads)"],
    ),
    "widths": (lambda: Machine(ARRAY, np.zeros((3, 3)), ARRAY), ValueError, ["q and k", "width"]),
    "keys": (lambda: Machine(ARRAY, ARRAY, ARRAY[:2]), ValueError, ["k and v", "tokens"]),
    "heads": (
        lambda: Machine(np.zeros((3, 3, 2)), *[np.zeros((2, 3, 2))] * 2),
        ValueError,
        ["q has 3 heads", "k 2", "grouped"],
    ),
    "tokens": (lambda: Machine(ARRAY, ARRAY, ARRAY, ["a"]), ValueError, ["tokens", "1 names", "3"]),
    "a string": (lambda: Machine(ARRAY, ARRAY, ARRAY, "abc"), TypeError, ["tokens", "list"]),
    "key tokens": (
        lambda: Machine(ARRAY, ARRAY, ARRAY, key_tokens=["a"]),
        ValueError,
        ["key_tokens", "n_k"],
    ),
    "a bias of other tokens": (
        lambda: Machine(ARRAY, ARRAY, ARRAY, bias=np.zeros((4, 4))),
        ValueError,
        ["bias", "(4, 4)", "(1, 3, 3)"],
    ),
    "an endless bias": (
        lambda: Machine(ARRAY, ARRAY, ARRAY, bias=np.full((3, 3), -np.inf)),
        ValueError,
        ["bias must be finite", "mask="],
    ),
    "no softcap": (lambda: Machine(ARRAY, ARRAY, ARRAY, softcap=0), ValueError, ["softcap", "0"]),
    "a float mask": (
        lambda: Machine(ARRAY, ARRAY, ARRAY, mask=np.zeros((3, 3))),
        TypeError,
        ["mask", "boolean", "mask.astype(bool)"],
    ),
    "a mask's shape": (
        lambda: Machine(ARRAY, ARRAY, ARRAY, mask=np.ones((2, 3), bool)),
        ValueError,
        ["mask", "(2, 3)", "(1, 3, 3)"],
    ),
    "no masks": (lambda: Machine(ARRAY, ARRAY, ARRAY, mask={}), ValueError, ["mask", "dict"]),
    "scale": (lambda: Machine(ARRAY, ARRAY, ARRAY, scale=0), ValueError, ["scale", "above 0"]),
    "columns": (lambda: Machine(ARRAY, ARRAY, ARRAY, columns=["a"]), ValueError, ["columns", "2"]),
    "values": (lambda: Machine(ARRAY, ARRAY, ARRAY, values="ab"), TypeError, ["values", "list"]),
    "columns of heads": (
        lambda: Machine(ARRAY, ARRAY, ARRAY, columns=[["a", "b"], ["c", "d"]]),
        ValueError,
        ["columns", "2 heads", "1"],
    ),
    "about": (lambda: Machine(ARRAY, ARRAY, ARRAY, about=["x"]), ValueError, ["about", "3"]),
    "titles": (
        lambda: Machine(ARRAY, ARRAY, ARRAY, titles=["x", "y"]),
        ValueError,
        ["titles", "2"],
    ),
    "head": (lambda: Machine(ARRAY, ARRAY, ARRAY, head=1), ValueError, ["head", "at most 0"]),
    "word": (lambda: Machine(ARRAY, ARRAY, ARRAY, word=3), ValueError, ["word", "at most 2"]),
    "no such word": (
        lambda: Machine(ARRAY, ARRAY, ARRAY, ["a", "b", "c"], key="d"),
        ValueError,
        ["key", "a, b, c", "'d'"],
    ),
    "stage": (
        lambda: Machine(ARRAY, ARRAY, ARRAY, stage="end"),
        ValueError,
        ["stage", "'words'", "'output'"],
    ),
    "a set word": (lambda: setattr(toys(), "word", 10), ValueError, ["word", "at most 9"]),
    "a set head": (lambda: setattr(toys(), "head", -1), ValueError, ["head", "at least 0"]),
    "a set temperature": (
        lambda: setattr(toys(), "temperature", 0.0),
        ValueError,
        ["temperature", "above 0"],
    ),
    "a set mask": (
        lambda: setattr(toys(mask=masks.causal(10)), "masking", "x"),
        ValueError,
        ["masking", "'not masked'"],
    ),
}


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case.replace(" ", "-"))
def test_what_does_not_fit_is_refused_by_name(case):
    call, kind, words = ERRORS[case]
    with pytest.raises(kind) as caught:
        call()
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_what_is_given_stays_as_it_is():
    rng = np.random.default_rng(0)
    q, k, v = rng.normal(size=(3, 5, 4)).astype(np.float32)
    before = q.copy()
    machine = Machine(q, k, v)
    q += 1
    np.testing.assert_array_equal(machine.q[0], before)


MACHINES = {
    "toy": lambda: toys(title="Whom does it mean?"),
    "long": lambda: long(mask=masks.causal(24)),
    "cross": lambda: drawn(np.random.default_rng(0), 5, 8, tokens="le chat est là .".split()),
    "one": lambda: drawn(np.random.default_rng(0), 1, 1, 1, 1),
    "shut": lambda: drawn(np.random.default_rng(0), mask=np.zeros((6, 6), bool)),
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", MACHINES)
def test_the_still_picture(name, stage):
    machine = MACHINES[name]()
    machine.stage = stage
    data, metadata = machine._repr_mimebundle_()
    png = base64.b64decode(data["image/png"])
    assert len(png) <= 25_000 and Image.open(io.BytesIO(png)).width <= 932
    assert metadata["image/png"]["alt"] in data["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in data


def test_a_stage_gives_nothing_away_that_comes_later():
    machine = toys()
    for stage, words in zip(STAGES, ["", "", "12.6", "6.3", "open", ".85", ".85", "animal .85"]):
        machine.stage = stage
        drawn = [text.get_text() for text in machine.figure().sheet.texts]
        text = machine._repr_mimebundle_()[0]["text/plain"] + " ".join(drawn)
        later = ["12.6", "6.3", "open", ".85", "animal .85"]
        assert words in text
        assert not any(one in text for one in (later[later.index(words) + 1 :] if words else later))
        assert ("queries" in drawn) == (stage != "words") and ("outputs" in drawn) == (
            stage == "output"
        )


def test_the_page_says_what_is_shown_and_is_small(tmp_path):
    page = toys().to_html().decode()
    assert "it → cat" in page or "it looks at cat" in page
    assert len(long().to_html()) < 200_000
    toys().to_html(tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size == len(toys().to_html())


def test_its_script_is_one_module():
    assert "product.js" not in toys()._esm


# ---- in a browser --------------------------------------------------------------------------------


@pytest.fixture
def show(stage):
    """show(machine, width, …) opens it."""
    return lambda one, width=800, **how: Hands(stage(one, width=width + MARGIN, **how))


class Hands(Shown):
    """A machine on a page, with the eyes and hands of a reader."""

    def __init__(self, tab):
        super().__init__(tab)
        self.rail = self.root.get_by_role("slider", name="step")

    def choose(self, menu, name):
        self.root.get_by_label(menu, exact=True).select_option(name)
        self.rest()

    def at(self, word, key):
        """Where the cell of two words is in the window, by the names beside it and above it."""
        return self.svg.evaluate(
            """(svg, [word, key]) => { const box = svg.getBoundingClientRect();
            const shown = [...svg.querySelectorAll("text")].filter((node) =>
                node.getAttribute("visibility") !== "hidden");
            const find = (name, above) => shown.find((node) => node.textContent === name
                && Boolean(node.getAttribute("transform")) === above);
            const zoom = box.width / svg.getAttribute("width");
            return [box.left + zoom * find(key, true).getAttribute("x"),
                box.top + zoom * (find(word, false).getAttribute("y") - 4.5)]; }""",
            [word, key],
        )

    def click(self, word, key):
        self.page.mouse.click(*self.at(word, key))
        self.rest()

    def title(self):
        return self.root.locator(".told p.part").inner_text()

    def pair(self, view=0):
        pickers = self.page.locator(".attnlib-live").nth(view).locator(".pick select")
        return [pickers.nth(n).evaluate("(s) => s.selectedOptions[0].label") for n in range(2)]

    def lines(self):
        """The receipt, as far as it is to be seen."""
        texts = self.root.evaluate(
            "(root) => [...root.querySelectorAll('.parts span, .chain span')].filter((span) =>"
            " !span.classList.contains('later')).map((span) => span.textContent)"
        )
        return dict(zip(texts[::2], texts[1::2]))

    def marks(self, style=""):
        """How many marks of a look are to be seen."""
        return self.svg.evaluate(
            "(svg, style) => [...svg.querySelectorAll('path')].filter((node) => node.outerHTML"
            ".includes(style) && node.getAttribute('visibility') !== 'hidden').length",
            style,
        )

    def traits(self):
        return self.page.evaluate(
            "() => ['word', 'key', 'head', 'stage', 'temperature', 'masking'].map(model.get)"
        )

    def sends(self, name, value):
        """A trait that comes back a moment later."""
        same = "([name, value]) => model.get(name) === value"
        self.page.wait_for_function(same, arg=[name, value])


def test_a_click_chooses_word_and_key(show):
    page = show(toys())
    assert page.pair() == ["it", "cat"] and page.lines()["weight"] == ".85"
    page.click("it", "mat")
    assert page.pair() == ["it", "mat"] and page.lines()["weight"] == ".14"
    page.click("cat", "tired")
    assert page.traits()[:2] == [1, 9] and page.lines()["sum: query · key"] == "0"
    mouse = page.page.mouse
    mouse.click(30, page.at("tired", "The")[1])  # a name: and the key that it looks at most
    page.rest()
    assert page.pair() == ["tired", "The"]
    mouse.move(*page.at("it", "sat"))
    mouse.down()
    mouse.move(*page.at("it", "cat"))
    page.rest()
    assert page.pair() == ["it", "cat"] and page.traits()[:2] == [9, 0], "sent at the end only"
    mouse.up()
    assert page.traits()[:2] == [7, 1]


def test_keys(show):
    page = show(toys(), calm=True)
    for key, pair in [
        ("ArrowUp", ["because", "The"]),
        ("ArrowDown", ["it", "cat"]),
        ("ArrowRight", ["it", "sat"]),
        ("End", ["it", "tired"]),
        ("ArrowRight", ["it", "The"]),
        ("ArrowLeft", ["it", "tired"]),
        ("Home", ["it", "The"]),
    ]:
        page.keys(key)
        assert page.pair() == pair, key
    page.sends("key", 0)
    for key, title in [
        ("-", "Take that much of each"),
        ("-", "Softmax: shares of 1"),
        ("+", "Take that much of each"),
        ("a", "Take that much of each"),
        ("Alt+ArrowUp", "Take that much of each"),
    ]:
        page.keys(key)
        assert page.title() == title
    assert page.pair() == ["it", "The"]
    page.sends("stage", "mixture")
    page.rail.focus()
    for key, stage in [
        ("Home", 0),
        ("ArrowRight", 1),
        ("ArrowUp", 2),
        ("ArrowLeft", 1),
        ("End", 7),
    ]:
        page.page.keyboard.press(key)
        page.rest()
        assert page.rail.evaluate("(node) => +node.value") == stage
    page.sends("stage", "output")


def test_every_control(show):
    page = show(toys(mask={"standard": None, "causal": masks.causal(10)}), calm=True)
    page.choose("head", "same kind")
    assert page.traits()[2] == 1 and page.root.locator(".parts span").first.inner_text() == "noun"
    page.choose("head", "pronoun → noun")
    page.press("causal")
    assert page.traits()[5] == "causal" and page.pressed("causal")
    page.choose("query: the word that looks", "cat")
    page.choose("key: the word looked at", "tired")
    assert page.traits()[:2] == [1, 9] and page.lines()["mask, causal"] == "−∞"
    page.press("standard")
    page.choose("query: the word that looks", "it")
    assert page.traits()[:2] == [7, 1]
    page.slide("temperature", -0.5)
    assert page.lines()["÷ √4 ÷ 0.50"] == "12.6" and page.traits()[4] == 1
    page.root.get_by_role("slider", name="temperature").dispatch_event("change")
    assert abs(page.traits()[4] - 0.5) < 1e-9
    for n, name in enumerate(
        ["words", "q, k, v", "q · k", "÷ √d", "mask", "softmax", "× v", "sum"]
    ):
        page.press(name)
        page.sends("stage", STAGES[n])
    page.press("next step")
    page.sends("stage", "words")
    assert page.lines() == {}
    page.press("next step")
    assert page.title() == "Query, key, value"
    page.slide("step", 5.6)
    assert page.title() == "Take that much of each"


def test_the_scrubber_rests_at_a_step(show):
    """Let go between two, it glides to the nearer one: what is drawn is what is said."""
    page = show(toys())
    for x, stage, title in [
        (4.36, 4, "Mask"),
        (4.5, 5, "Softmax: shares of 1"),
        (0.3, 0, "10 words"),
    ]:
        page.slide("step", x)
        assert page.rail.input_value() == str(x), "a hand still holds it"
        page.rail.dispatch_event("change")
        page.rest()
        assert page.rail.input_value() == str(stage) and page.title() == title
        page.sends("stage", STAGES[stage])


def test_names_do_not_meet_between_two_steps(show):
    page = show(toys())
    for x in np.arange(6, 7.01, 0.05).round(2).tolist():
        page.slide("step", x)
        seen = page.svg.evaluate(
            """(svg) => ["even .10", "outputs"].map((text) => [...svg.querySelectorAll("text")]
              .find((node) => node.textContent === text && node.getAttribute("visibility")
                !== "hidden")?.getBoundingClientRect())"""
        )
        even, outputs = seen
        assert not (even and outputs) or even["top"] >= outputs["bottom"], x


def test_the_hand_shows_where_a_click_answers(show):
    page = show(toys(stage="words"), calm=True)

    def cursor(x, y):
        page.page.mouse.move(x, y)
        page.rest()
        return page.svg.evaluate("(svg) => getComputedStyle(svg).cursor")

    def middle(text):
        box = page.svg.locator("text[visibility=visible]").get_by_text(text, exact=True)
        box = box.first.bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    for text, wanted in [("cat", "pointer"), ("query of it", "auto"), ("noun", "auto")]:
        assert cursor(*middle(text)) == wanted, text
    before = page.traits()
    page.page.mouse.click(*middle("9.0"))
    page.rest()
    assert page.traits() == before
    page.press("sum")
    assert cursor(*page.at("it", "mat")) == "pointer"
    for text, wanted in [
        ("tired", "pointer"),
        ("noun", "auto"),
        ("keys", "auto"),
        ("values", "auto"),
    ]:
        assert cursor(*middle(text)) == wanted, text


def test_play_and_pause(show):
    page = show(toys(stage="words"))
    play = page.root.locator("button.go")
    assert play.inner_text() == "▶ play"
    play.click()
    page.page.wait_for_function("() => +document.querySelector('.rail input').value > 0.7")
    assert play.inner_text() == "❚❚ pause"
    play.click()
    page.rest()
    assert play.inner_text() == "▶ play"
    page.sends("stage", "qkv")
    page.svg.focus()
    page.page.keyboard.press(" ")
    page.tab.frames(2)
    assert play.inner_text() == "❚❚ pause"


def test_python_may_set_everything(show):
    page = show(toys(mask={"standard": None, "causal": masks.causal(10)}))
    page.python(word=5, key=2)
    assert page.pair() == ["mat", "sat"]
    page.python(stage="scores")
    assert page.title() == "Query meets key"
    page.python(head=1, masking="causal", temperature=2.0)
    assert page.pressed("causal") and page.pair() == ["mat", "sat"]
    assert page.root.get_by_label("temperature").input_value() == "0.5"


def test_the_picture_answers_a_hand_that_only_points(show):
    page = show(toys())
    before = page.marks()
    page.page.mouse.move(*page.at("cat", "mat"))
    page.rest()
    assert page.marks() == before + 1
    page.page.mouse.move(5, 5)
    page.rest()
    assert page.marks() == before


def test_the_steps_show_what_they_say(show):
    """Numbers, names and marks come with their stage; ÷ √d leaves a ghost of the old bar."""
    page = show(toys(stage="words"), calm=True)
    assert {"small word", "noun, alive, animal"} <= set(page.texts())
    page.press("q, k, v")
    assert {"query", "key", "value", "9.0", "3.6"} <= set(page.texts())
    page.press("q · k")
    assert {"queries", "keys", "score", "12.6", "9.0"} <= set(page.texts())
    assert not {"weight", "outputs"} & set(page.texts())
    ghost = 'stroke-dasharray="2 2"'
    assert page.marks(ghost) == 0
    page.press("÷ √d")
    assert {"12.6", "6.3", "4.5"} <= set(page.texts()) and page.marks(ghost) == 1
    page.press("softmax")
    assert {"weight", ".85", ".14", "even .10"} <= set(page.texts())
    page.press("sum")
    assert {"outputs", ".85", ".14"} <= set(page.texts()) and "even .10" not in page.texts()


def test_before_the_first_step_the_chosen_word_has_its_query_key_and_value(show):
    """By name and in numbers, at the right of the words, over the whole of the picture."""
    page = show(toys(stage="words", word="cat"), calm=True)
    placed = r"""(svg) => [...svg.querySelectorAll("text")].filter((node) => node.textContent
        && node.getAttribute("visibility") !== "hidden").map((node) => {
          const [box, all] = [node, svg].map((one) => one.getBoundingClientRect());
          return [node.textContent, box.left - all.left, box.top - all.top, box.right - all.left,
            box.bottom - all.top]; })"""
    for head, word in [(0, "cat"), (1, "it"), (0, "it")]:
        page.python(head=head, word=WORDS.index(word))
        found = page.svg.evaluate(placed)
        wide, high = (page.svg.bounding_box()[name] for name in ("width", "height"))
        right = sorted((one for one in found if one[1] > wide / 2 - 2), key=lambda one: one[2])
        said, machine = [text for text, *_ in right], toys(head=head)
        index, names = WORDS.index(word), [ASKS, KINDS][head]
        for kind, rows, columns in [
            ("query", machine.q, names),
            ("key", machine.k, names),
            ("value", machine.v, GIVES),
        ]:
            at = said.index(f"{kind} of {word}")
            numbers = rows[head, index].astype(float)
            told = said[at + 1 : at + 1 + 2 * len(columns)]
            assert [one for one in told if one in columns] == list(columns)
            printed = [product.number(x, np.abs(rows[head]).max()) for x in numbers]
            assert [one for one in told if one not in columns] == printed
        assert (
            max(one[4] for one in found) > 0.9 * high and max(one[3] for one in right) > wide - 16
        )
        for a, b in pairwise(right):
            assert a[3] <= b[1] + 1 or b[3] <= a[1] + 1 or a[4] <= b[2] + 4, "none over another"
        assert all(one[3] <= wide / 2 for one in found if one not in right)
    page.press("q, k, v")
    assert not [text for text in page.texts() if " of it" in text]


def test_a_column_of_the_outputs_is_led_to_the_row_that_has_its_name(show):
    """Each name of a value stands once, level; a line goes from the outputs down to its row."""
    for machine, n in [(toys(), 5), (long(mask=masks.causal(24)), 6)]:
        page = show(machine, calm=True)
        names, lines = page.svg.evaluate(
            r"""(svg) => { const seen = (all) => [...svg.querySelectorAll(all)].filter((node) =>
                node.getAttribute("visibility") !== "hidden");
              const names = seen("text[text-anchor=end].faint").map((node) => [node.textContent,
                +node.getAttribute("y")]).filter(([, y]) => y > 330);
              const lines = seen("path").map((node) => node.getAttribute("d")
                .slice(1).split("L").map((point) => point.split(" ").map(Number)))
                .filter((one) => one.length === 3 && one[0][0] === one[1][0] && one[0][1] > 100
                  && one[0][1] < one[1][1]);
              return [names, lines]; }"""
        )
        assert len(names) == len(lines) == n
        assert n > 5 or [text for text, _ in names] == GIVES
        once = {*GIVES} - {*ASKS} if n == 5 else set()
        assert all(page.texts().count(text) == 1 for text in once), "each stands once"
        for (_, y), line in zip(names, lines):
            assert abs(line[1][1] - (y - 4)) <= 0.11 and line[2][0] <= line[1][0]
        np.testing.assert_allclose(np.diff([line[0][0] for line in lines]), 13, atol=0.11)
        page.press("× v")
        assert "outputs" not in page.texts()


def test_no_name_touches_another_and_no_number_a_frame(show):
    page = show(toys(stage="scaled"), calm=True)
    ys = page.svg.evaluate(
        "(svg, names) => [...svg.querySelectorAll('text')].filter((node) => node.getAttribute("
        "'text-anchor') === 'end' && names.includes(node.textContent)"
        " && node.getAttribute('visibility') !== 'hidden').map((node) => +node.getAttribute('y'))",
        GIVES,
    )
    assert len(ys) == 5 and min(np.diff(sorted(ys))) >= 16
    crossed = r"""(svg) => { const edges = /M(\S+) (\S+)h(\S+)v([\d.]+)/;
      const seen = [...svg.querySelectorAll("path, text.halo")]
        .filter((node) => node.getAttribute("visibility") !== "hidden");
      const frames = seen.filter((node) => node.getAttribute("stroke-dasharray") === "2 2")
        .flatMap((path) => path.getAttribute("d").split(/(?=M)/).map((d) => d.match(edges)))
        .map(([, x, y, w, h]) => [+x, +y, +x + +w, +y + +h]);
      const texts = seen.filter((node) => node.tagName === "text" && node.textContent)
        .map((node) => ["x", "y"].map((name) => +node.getAttribute(name)));
      return [frames.length, texts.length, frames.flatMap(([left, top, right, bottom]) =>
        texts.filter(([x, y]) => left < x && x < right && top < y && y - 9 < bottom)).length]; }"""
    for warm in (0.7, 1.0, 1.3, 3.0):
        page.python(temperature=warm)
        frames, texts, hits = page.svg.evaluate(crossed)
        assert frames >= 2 and texts >= 1 and hits == 0, (warm, frames, texts, hits)


def test_what_is_written_agrees_with_a_calculator(tmp_path):
    """The printed score, divided and raised by hand, gives what is printed below it."""
    rng = np.random.default_rng(11)
    found = [drawn(rng, 5, 5, d, 3, loud=loud) for d in (2, 3, 8, 64) for loud in (0.05, 0.5, 2)]
    script = "console.log(JSON.stringify(data.map((one) => p.chain(numbers(one)))));"
    for machine, lines in zip(found, run(tmp_path, script, [sent(one) for one in found])):
        texts = {name: text.replace("−", "-").replace(",", "") for _, name, text in lines}
        score = float(texts[lines[1][1]])
        at = machine.word, machine.key
        assert abs(score - machine.scores[at]) <= 0.0005001
        assert abs(float(texts["sum: query · key"]) / np.sqrt(machine.q.shape[2]) - score) < 0.0011
        if "e to that" in texts:
            assert float(texts["e to that"]) == pytest.approx(np.exp(score), rel=0.005, abs=0.006)


def test_a_lone_slider_takes_no_row(show):
    rng = np.random.default_rng(0)
    page, tops = show(drawn(rng), 800), "(node) => Math.round(node.getBoundingClientRect().top)"
    bar = page.root.locator(".travel")
    assert page.root.locator(".row").count() == 0
    buttons = [bar.get_by_role("button", name=name) for name in ("next step", "present")]
    assert len({one.evaluate(tops) for one in buttons}) == 1
    page = show(toys(), 800)
    assert page.root.locator(".row").get_by_label("temperature").count() == 1


def test_the_receipt_follows_the_sentence(show):
    page = show(toys(), calm=True)
    box = page.root.evaluate(
        "(root) => ['.told', '.told p:last-child', '.pick', '.parts'].map((name) => {"
        " const box = root.querySelector(name).getBoundingClientRect();"
        " return [box.top, box.bottom]; })"
    )
    assert 0 <= box[2][0] - box[1][1] < 64 and abs(box[3][0] - box[2][1]) < 8
    for stop, seen in [("words", False), ("q, k, v", False), ("q · k", True)]:
        page.press(stop)
        assert page.root.locator(".pick select").first.is_visible() == seen


def test_a_mask_is_hatched_and_said(show):
    page = show(toys(mask=masks.causal(10), word="cat", stage="masked"))
    assert page.texts().count("−∞") == 8 and page.lines()["mask"] == "open"
    assert page.marks("#attnlib-hatch") == 1
    page.press("not masked")
    assert "−∞" not in page.texts() and page.marks("#attnlib-hatch") == 0


def test_what_a_screen_reader_hears(show):
    page = show(toys())
    assert page.svg.get_attribute("role") == "application"
    assert "Up and down" in page.svg.get_attribute("aria-label")
    line = page.root.locator(".say")
    assert line.get_attribute("aria-live") == "polite"
    said = "it goes out as animal .85, thing .14, mostly of cat (.85)."
    assert line.text_content() == f"Add up: the output. {said}"
    page.press("softmax")
    assert line.text_content().endswith("it gives cat .85")
    assert page.rail.get_attribute("aria-valuetext") == "softmax"
    step = page.root.locator("[aria-current=step]")
    assert step.count() == 1 and step.inner_text() == "softmax"


ODD = ["x" * 40, "שלום", "<b>", "", "a", "a"]
ODDLY = {
    "odd words": lambda: drawn(
        np.random.default_rng(0),
        6,
        6,
        9,
        9,
        tokens=ODD,
        columns=["n" * 40] * 9,
        about=["y" * 90] * 6,
    ),
    "one word": lambda: drawn(np.random.default_rng(0), 1, 1, 1, 1, tokens=["hm"]),
    "no look": lambda: drawn(np.random.default_rng(0), mask=np.zeros((6, 6), bool)),
    "long": lambda: long(mask=masks.causal(24)),
    "cross": lambda: drawn(np.random.default_rng(0), 2, 24, 5, 5),
    "toy": lambda: toys(mask=masks.causal(10), title="Whom does it mean?"),
}


FITS = """(root) => { const right = root.getBoundingClientRect().right;
  const seen = (node) => node.getAttribute("visibility") !== "hidden";
  const boxes = [...root.querySelectorAll("svg text, svg path, button, select, input, p, span")]
    .filter(seen).map((node) => node.getBoundingClientRect()).filter((box) => box.width);
  const written = [...root.querySelectorAll("*")].filter((node) => node.getClientRects().length
    && [...node.childNodes].some((one) => one.nodeType === 3 && one.textContent.trim()));
  return { height: root.getBoundingClientRect().height,
    over: Math.max(document.documentElement.scrollWidth - innerWidth,
      ...boxes.map((box) => box.right - right)),
    told: root.querySelector(".told").scrollHeight - root.querySelector(".told").clientHeight,
    type: Math.min(...written.map((node) => parseFloat(getComputedStyle(node).fontSize))) }; }"""


@pytest.mark.parametrize("name", ODDLY)
def test_it_fits_at_every_width(show, name):
    page = show(ODDLY[name](), 980, calm=True)
    for width in (980, 800, 600, 560, 408, 320, 296):
        page.page.set_viewport_size({"width": width + MARGIN, "height": 900})
        heights = set()
        for stop in (0, 1, 2, 4, 7):
            page.python(stage=STAGES[stop])
            found = page.root.evaluate(FITS)
            assert found["over"] <= 0.5, (width, stop)
            assert found["type"] >= 12 and found["told"] <= 1, (width, stop)
            heights.add(round(found["height"]))
        assert len(heights) == 1, "it keeps its size while it is handled"
        assert width < 800 or max(heights) <= 560, heights
    assert "<b>" in page.texts() or name != "odd words"
    assert page.root.locator("b, script").count() == 0


ALONE = """(root) => { const found = [];
  for (const part of [".stops button", ".parts .number", ".chain .number", ".chain span"])
    for (const node of root.querySelectorAll(part)) {
      if (getComputedStyle(node).visibility === "hidden") continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      const { x, y, width } = range.getBoundingClientRect(), own = node.getBoundingClientRect();
      const cut = part !== ".stops button" && node.scrollWidth > node.clientWidth;
      found.push([part.split(" ")[0], node.textContent, x, y, x + width, cut]); }
  return found; }"""


@pytest.mark.parametrize("name", ["toy", "long", "one word"])
def test_names_of_steps_and_numbers_stand_apart_and_whole(show, name):
    """On a phone, too: of the steps the current one is named where there is no room for all."""
    page = show(ODDLY[name](), 980, calm=True)
    for width in (980, 800, 700, 600, 500, 408, 340, 296):
        page.page.set_viewport_size({"width": width + MARGIN, "height": 900})
        for stage in STAGES:
            page.python(stage=stage)
            found = page.root.evaluate(ALONE)
            stops = sorted(one[2:5:2] for one in found if one[0] == ".stops")
            assert stops and all(a[1] + 3 <= b[0] for a, b in pairwise(stops)), (width, stage)
            assert stops[0][0] >= 0 and stops[-1][1] <= width + MARGIN
            assert len(stops) == 8 or page.root.locator("[aria-current=step]").is_visible()
            cut = [one[1] for one in found if one[5]]
            assert not cut, (width, stage, cut)


@pytest.mark.parametrize("width", [296, 340, 408])
@pytest.mark.parametrize("name", ["toy", "long"])
def test_on_a_phone_the_grid_has_the_room(show, name, width):
    """One column: the words, the picture, the receipt; the grid is nearly half as wide, or more."""
    page = show(ODDLY[name](), width, calm=True)
    for stage in ("scores", "output"):
        page.python(stage=stage)
        tops = [
            page.root.locator(part).bounding_box()["y"]
            for part in (".told", ".works svg", ".pick", ".parts", ".chain")
        ]
        assert tops == sorted(tops) and len(set(tops)) == 5
        grid = page.svg.evaluate(
            "(svg) => [...svg.querySelectorAll('path')].find((node) =>"
            " /^M([\\d. ]+)(L[\\d. ]+){3}L\\1$/.test(node.getAttribute('d'))).getBBox().width"
        )
        assert grid > 0.44 * width
        told = page.root.locator(".told")
        assert told.evaluate("(node) => node.scrollHeight <= node.clientHeight + 1")


def test_two_views_of_one_model(show):
    page = show(toys(), views=2)
    ids = page.page.evaluate("() => [...document.querySelectorAll('[id]')].map((node) => node.id)")
    assert len(ids) == len(set(ids)) == 2
    page.click("it", "mat")
    page.press("softmax")
    page.sends("stage", "weights")
    page.rest()
    other = page.page.locator(".attnlib-live").nth(1)
    assert other.locator(".told p.part").inner_text() == "Softmax: shares of 1"
    assert page.pair(1) == ["it", "mat"]
    page.page.evaluate("() => ends[1]()")
    page.click("it", "cat")
    assert page.pair(1) == ["it", "mat"] and page.pair() == ["it", "cat"]
    page.page.evaluate("() => ends[0]()")
    assert page.page.evaluate("() => Object.values(heard).flat().length") == 0


def test_a_finger(show):
    page = show(toys(), fingers=True)
    page.page.touchscreen.tap(*page.at("it", "mat"))
    page.rest()
    assert page.pair() == ["it", "mat"] and page.traits()[:2] == [7, 5]
    page.root.locator("button.go").tap()
    page.page.wait_for_timeout(900)
    page.root.locator("button.go").tap()
    assert page.svg.evaluate("(svg) => getComputedStyle(svg).touchAction") == "pan-y"
    small = page.root.evaluate(
        "(root) => [...root.querySelectorAll('button, select, input')].map((node) =>"
        " node.getBoundingClientRect()).filter((box) => box.height < 24 || box.width < 24).length"
    )
    assert small == 0


def test_who_wants_no_motion_gets_the_end_at_once(show):
    page = show(toys(stage="words"), calm=True)
    page.root.get_by_role("button", name="sum", exact=True).click()
    page.tab.frames(2)
    assert "outputs" in page.texts()
    page.root.locator("button.go").click()
    page.tab.frames(2)
    assert page.title() == "10 words", "play is a step at a time"
    page.root.locator("button.go").click()
    page.tab.frames(2)
    assert page.title() == "Query, key, value"


def test_present_shows_it_alone(show):
    page = show(toys(), 1700, height=1200)
    before = page.svg.bounding_box()["width"]
    page.press("present")
    page.page.wait_for_function("() => document.querySelector('.attnlib-live.present')")
    page.rest()
    assert page.pressed("present") and page.svg.bounding_box()["width"] > 1.2 * before
    page.click("it", "mat")
    assert page.pair() == ["it", "mat"], "a click finds its cell when all is larger, too"
    page.press("present")


@pytest.mark.parametrize("name", ["toy", "long"])
def test_a_frame(show, name, capsys):
    """The work of the page's main thread: printed, not asserted."""
    page = show(MACHINES[name]())
    acts = {
        "a moment": "document.querySelector('.rail input').value = 1 + (k % 30) / 5;"
        " document.querySelector('.rail input').dispatchEvent(new Event('input'));",
        "a word": "document.querySelector('svg[tabindex]').dispatchEvent(new KeyboardEvent("
        "'keydown', { key: k % 20 > 9 ? 'ArrowUp' : 'ArrowDown', bubbles: true }));",
    }
    devtools = page.tab.context.new_cdp_session(page.page)
    devtools.send("Performance.enable")

    def worked():
        found = devtools.send("Performance.getMetrics")["metrics"]
        return {one["name"]: one["value"] for one in found}["ThreadTime"]

    for what, act in acts.items():
        start = worked()
        page.page.evaluate(
            f"async () => {{ for (let k = 0; k < 60; k++) {{ {act}"
            " await new Promise(requestAnimationFrame); }"
            " await new Promise(requestAnimationFrame); }"
        )
        with capsys.disabled():
            print(f"\n{name}: {1000 * (worked() - start) / 60:.1f} ms for {what}", end="")
