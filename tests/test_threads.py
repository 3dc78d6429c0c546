"""Threads and weave.js: the geometry and the numbers in node, what Python takes and sends, and the
picture in a browser, by mouse, keyboard and finger.
"""

import base64
import io
import itertools
import json
import re

import node
import numpy as np
import pytest
from PIL import Image
from shown import Shown, frame, opened

from attnlib import masks, toy
from attnlib.show import AttentionView, Threads, threads
from attnlib.show.live import threads as live

SENTENCE = "The cat sat on the mat because it was tired"
SEEN = toy.look(SENTENCE, n_heads=8)
LOCAL = toy.look(SENTENCE, n_heads=8, pattern="local")


def shares(*shape, seed=0, mask=None):
    logits = np.random.default_rng(seed).normal(0, 2, shape)
    e = np.exp(logits) if mask is None else np.where(mask, np.exp(logits), 0)
    return e / e.sum(axis=-1, keepdims=True)


def toys(**how):
    return Threads(SEEN.weights, SEEN.tokens, titles=SEEN.names, **{"head": 1, "pins": [7]} | how)


# ---- in node -------------------------------------------------------------------------------------


def run(tmp_path, script, data=None):
    script = f'import * as weave from "./weave.js";\n{script}'
    return node.run(node.modules(tmp_path), script, data)


RULER = "const wide = (text, font) => text.length * (font.startsWith('600') ? 8.5 : 7);\n"
LENGTHS = [1, 2, 5, 10, 17, 24]


def test_everything_has_its_place(tmp_path):
    """Words, threads, cells: inside the picture at every width, and in the order of the text."""
    words = {"short": "it", "long": "x" * 40, "mixed": None}
    cases = [
        [[word or "abcdefghij"[: 1 + i % 10] for i in range(n)] for n in (n_q, n_k)] + [width]
        for word in words.values()
        for n_q, n_k in [*zip(LENGTHS, LENGTHS), (3, 24), (24, 3), (10, 16)]
        for width in (280, 548, 588, 700, 968)
    ]
    script = (
        RULER + "console.log(JSON.stringify(data.map(([q, k, width]) =>"
        " weave.loom({ q, k }, width, 400, wide))));"
    )
    for (q, k, width), place in zip(cases, run(tmp_path, script, cases)):
        assert place["n_q"] == len(q) and place["n_k"] == len(k)
        if width >= 500:
            assert place["x1"] - place["x0"] > 0.25 * width, "room for the threads"
            assert place["cell"] > 8 and place["row"] > 10
        assert 6 + place["q"]["wide"] <= place["quiet"] < place["x0"] < place["x1"]
        assert place["x1"] + place["k"]["wide"] < place["sum"] <= width
        assert place["x0"] + place["cell"] * len(k) <= width + 1e-9
        assert place["top"] + place["row"] * len(q) <= 400
        lean = {0: 0, -45: 0.72}[place["tilt"]]
        right = [
            place["x0"] + place["cell"] * (j + 0.5) + w * lean
            for j, w in enumerate(place["k"]["widths"])
        ]
        if width >= 500:
            assert max(right) <= width + 1, "a slanted name ends inside the picture"
        for side, n in (("q", len(q)), ("k", len(k))):
            assert 26 + place[side]["pitch"] * n <= 400 + 1e-9
            assert 13 <= place[side]["size"] <= max(13, min(15, 0.75 * place[side]["pitch"]))
            assert len(place[side]["names"]) == n


def test_a_long_name_keeps_the_number_of_its_repeat(tmp_path):
    script = (
        RULER + "console.log(JSON.stringify(data.map((name) =>"
        " weave.fitted(name, 70, '12px', wide))));"
    )
    names = [
        "incomprehensible₁",
        "incomprehensible₁₂",
        "short₂",
        "👍🏽👍🏽👍🏽👍🏽👍🏽👍🏽👍🏽",
        "",
    ]
    got = run(tmp_path, script, names)
    assert got[:3] == ["incompre…₁", "incompr…₁₂", "short₂"] and got[3].endswith("…") and not got[4]


def test_what_several_words_give_is_added_up(tmp_path):
    w = shares(5, 7)
    script = """const data_ = { weights: data, q: [..."abcde"], k: [..."fghijkl"] };
    const looks = [["query", [0, 3]], ["key", [6]], ["key", []]];
    console.log(JSON.stringify(looks.map(([side, pins]) => weave.given(data_, { side, pins }))));"""
    rows, columns, none = run(tmp_path, script, w.tolist())
    np.testing.assert_allclose(rows, w[0] + w[3])
    np.testing.assert_allclose(columns, w[:, 6])
    assert none == [0] * 5


def test_even_rows_are_those_of_python(tmp_path):
    weights = [*SEEN.weights, *LOCAL.weights]
    allowed = [SEEN.mask] * 8 + [LOCAL.mask] * 8
    script = (
        "console.log(JSON.stringify(data.map(([weights, mask]) => weave.evens(weights, mask))));"
    )
    data = [[w.tolist(), m.tolist()] for w, m in zip(weights, allowed)]
    got = run(tmp_path, script, data)
    for w, mask, even in zip(weights, allowed, got):
        for i, row in enumerate(w):
            seen = row[mask[i]]
            assert even[i] == (len(seen) > 1 and np.ptp(seen) < 0.012 < seen.sum())
    assert sum(map(sum, got)) > 20


def test_clicks_and_keys_choose_words(tmp_path):
    script = """
    const look = (side, pins, kept = false) => ({ side, pins, kept });
    const key = (key, shiftKey = false) => ({ key, shiftKey });
    const q = "query", k = "key", { picked, stepped } = weave;
    console.log(JSON.stringify([
      picked(look(q, [7]), q, 2), picked(look(q, [7]), q, 7), picked(look(q, [7]), q, 2, true),
      picked(look(q, [7, 2]), q, 7, true), picked(look(q, [7, 2]), q, 2),
      picked(look(q, [7]), k, 1), picked(look(q, [7]), k, 1, true),
      stepped(key("ArrowDown"), look(q, [3]), 4, 4), stepped(key("ArrowUp"), look(q, []), 4, 4),
      stepped(key("ArrowDown"), look(q, []), 4, 4),
      stepped(key("ArrowDown", true), look(q, [0]), 4, 4),
      stepped(key("ArrowDown"), look(q, [0, 1], true), 4, 4),
      stepped(key("ArrowUp"), look(q, [0, 1]), 4, 4),
      stepped(key("Home"), look(k, [3]), 4, 6), stepped(key("End"), look(k, [3]), 4, 6),
      stepped(key(" "), look(q, [1]), 4, 4), stepped(key(" "), look(q, [1, 2], true), 4, 4),
      stepped(key(" "), look(q, []), 4, 4),
      stepped(key("Escape"), look(q, [1]), 4, 4), stepped(key("Escape"), look(q, []), 4, 4),
      stepped(key("x"), look(q, [1]), 4, 4), stepped(key("x"), look(k, [5]), 4, 6),
      stepped(key("b"), look(q, [1]), 4, 4),
    ]));"""
    q, k = "query", "key"
    assert run(tmp_path, script) == [
        {"side": q, "pins": [2]},
        {"side": q, "pins": []},
        {"side": q, "pins": [7, 2]},
        {"side": q, "pins": [2]},
        {"side": q, "pins": [2]},
        {"side": k, "pins": [1]},
        {"side": k, "pins": [1]},
        {"pins": [0], "kept": False},
        {"pins": [3], "kept": False},
        {"pins": [0], "kept": False},
        {"pins": [0, 1], "kept": False},
        {"pins": [0, 1, 2], "kept": False},
        {"pins": [0], "kept": False},
        {"pins": [0], "kept": False},
        {"pins": [5], "kept": False},
        {"kept": True},
        {"pins": [1], "kept": True},
        {"kept": False},
        {"pins": [], "kept": False},
        None,
        {"side": k, "pins": [1], "kept": False},
        {"side": q, "pins": [0], "kept": False},
        None,
    ]


def test_a_motion_starts_ends_and_turns_back(tmp_path):
    script = """
    const a = [[1, 0]], b = [[0, 1]], said = [];
    const moving = weave.spun(a, "threads");
    const go = (ms) => {
      const on = weave.advance(moving, ms), row = weave.drawn(moving)[0];
      said.push([on, +moving.morph.toFixed(3), row.map((w) => +w.toFixed(3))]);
    };
    weave.aim(moving, a, "map", true); go(175); go(400);
    weave.aim(moving, b, "map", true); go(0); go(125); go(300);
    weave.aim(moving, a, "threads", false); go(1e9);
    weave.aim(moving, [[1, 0, 0]], "threads", true); go(0);
    console.log(JSON.stringify(said));"""
    assert run(tmp_path, script) == [
        [True, 0.875, [1, 0]],
        [False, 1, [1, 0]],
        [True, 1, [1, 0]],
        [True, 1, [0.125, 0.875]],
        [False, 1, [0, 1]],
        [False, 0, [1, 0]],
        [False, 0, [1, 0, 0]],
    ]


PEN = """
function pen() {
  const all = new Map();
  const put = (name, tag, layer, given, text) => all.set(name, { tag, ...given, text });
  return { all, hatch: "url(#h)", put };
}
const drawing = ({ weights, mask = null, look }) => {
  const q = weights.map((_, i) => `q${i}`), k = weights[0].map((_, j) => `k${j}`);
  const data_ = { q, k, weights, mask, even: weave.evens(weights, mask) }, one = pen();
  weave.weave(one, data_, weave.loom(data_, 700, 400, wide), look);
  return Object.fromEntries(one.all);
};
"""


def drawn(tmp_path, *cases):
    script = RULER + PEN + "console.log(JSON.stringify(data.map(drawing)));"
    return run(tmp_path, script, list(cases))


def numbers(path):
    return [float(x) for x in re.findall(r"-?[\d.]+", path)]


def test_threads_are_as_thick_as_their_weights(tmp_path):
    w = [[0.7, 0.29, 0.01], [0.1, 0.2, 0.7], [1 / 3, 1 / 3, 1 / 3]]
    (marks,) = drawn(tmp_path, {"weights": w, "look": {"morph": 0, "side": "query", "pins": [0]}})
    assert "w0.2" not in marks and "w2.0" not in marks and "mark2" in marks
    thick = {}
    for i, j in [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]:
        xy = numbers(marks[f"w{i}.{j}"]["d"])
        assert len(xy) == 16
        thick[i, j] = xy[15] - xy[1], xy[9] - xy[7]
    for cell, (start, end) in thick.items():
        assert start == pytest.approx(end, abs=0.11)
        assert start / thick[0, 0][0] == pytest.approx(w[cell[0]][cell[1]] / 0.7, abs=0.02)
    tops = [numbers(marks[f"w1.{j}"]["d"]) for j in range(3)]
    for above, below in itertools.pairwise(tops):  # side by side at their word
        assert above[15] == pytest.approx(below[1], abs=0.2)
    assert marks["sum0"]["text"] == ".70" and "sum2" not in marks
    assert marks["handq0"]["aria-pressed"] == "true" and marks["handk0"]["aria-pressed"] == "false"


def test_a_map_is_made_of_cells(tmp_path):
    w = shares(4, 6, seed=3, mask=np.tri(4, 6, 2, bool))
    mask = np.tri(4, 6, 2, bool).tolist()
    (marks,) = drawn(
        tmp_path,
        {"weights": w.tolist(), "mask": mask, "look": {"morph": 1, "side": "query", "pins": [3]}},
    )
    for i in range(4):
        for j in range(6):
            assert (f"shut{i}.{j}" in marks) != mask[i][j]
            assert (f"w{i}.{j}" in marks) == mask[i][j]
            assert (f"n{i}.{j}" in marks) == (i == 3 and w[i, j] > 0.02)
    xs = [numbers(marks[f"w3.{j}"]["d"])[0] for j in range(6)]
    assert np.allclose(np.diff(xs), np.diff(xs)[0], atol=0.11) and xs[1] > xs[0]
    corner = numbers(marks["w0.0"]["d"])
    assert corner[0] == corner[14] and corner[1] == corner[3] and corner[9] == corner[11]


def test_what_is_wrong_is_red(tmp_path):
    w = [[0.5, 0.5], [0.6, 0.4]]
    mask = [[True, False], [True, True]]
    threads_, map_ = drawn(
        tmp_path,
        {"weights": w, "mask": mask, "look": {"morph": 0, "side": "query", "pins": []}},
        {"weights": w, "mask": mask, "look": {"morph": 1, "side": "query", "pins": []}},
    )
    for marks in (threads_, map_):
        reds = [name for name, mark in marks.items() if mark.get("fill") == "var(--bad)"]
        assert reds == ["w0.1"]


def test_words_below_the_picture(tmp_path):
    script = """
    const say = ({ weights, mask, side, pins }) => {
      const q = [..."abc"].slice(0, weights.length), k = [..."ABC"];
      const one = { weights, mask, q, k, even: weave.evens(weights, mask) };
      return weave.telling(one, { side, pins }).map((part) => [part].flat()[0]).join("");
    };
    console.log(JSON.stringify(data.map(say)));"""
    w = [[0.8, 0.15, 0.05], [0.3, 0.6, 0.1], [1 / 3] * 3]
    half = [[0.4, 0.1, 0], [0, 0, 0]]
    cases = [
        {"weights": w, "mask": None, "side": "query", "pins": [0]},
        {"weights": w, "mask": None, "side": "query", "pins": [2]},
        {"weights": w, "mask": None, "side": "query", "pins": [0, 1]},
        {"weights": w, "mask": None, "side": "key", "pins": [1]},
        {"weights": w, "mask": None, "side": "key", "pins": [0, 1]},
        {"weights": w, "mask": None, "side": "query", "pins": []},
        {"weights": half, "mask": [[True] * 3, [False] * 3], "side": "query", "pins": [0, 1]},
        {"weights": [[1 / 3] * 3] * 3, "mask": None, "side": "query", "pins": []},
    ]
    assert [one.strip() for one in run(tmp_path, script, cases)] == [
        "a (query) looks at A (key) .80. 1 other looks everywhere alike.",
        "c (query) looks at all 3 words alike, .33 each.",
        "b (query) looks at B (key) .60. a looks at A .80."
        " Together the 2 give A 1.10 of 2. 1 other looks everywhere alike.",
        "B (key) is looked at by b (query) .60. 1 word looks everywhere alike.",
        "B (key) is looked at by b (query) .60. A is looked at by a .80. a gives the 2"
        " together .95. 1 word looks everywhere alike.",
        "1 word looks everywhere alike.",
        "b (query) may look at nobody. a looks at A (key) .40; the row adds up to 0.50. Together"
        " the 2 give A .40 of 2.",
        "Every word looks everywhere alike.",
    ]


def test_words_below_the_picture_leave_nothing_out(tmp_path):
    """Rows without weight, hidden weight, NaN by key, many words, words that come later."""
    script = """
    console.log(JSON.stringify(data.map(({ weights, later, sums, side, pins }) => {
      const q = [..."abcdefg"].slice(0, weights.length), k = [..."ABC"];
      const one = { weights, mask: null, q, k, even: weave.evens(weights, null), sums,
        later: later === undefined ? undefined : (_, n) => n > later };
      const nan = one.weights.map((row) => row.map((w) => w ?? NaN));
      return weave.telling({ ...one, weights: nan }, { side, pins })
        .map((part) => [part].flat()[0]).join("").trim(); })));"""
    row = [0.8, 0.15, 0.05]
    told = {"side": "query", "pins": [0]}
    cases = [
        told | {"weights": [[0, 0, 0]]},
        told | {"weights": [[0, 0, 0]], "sums": [1]},
        told | {"weights": [[0, 0.6, 0.05]], "sums": [1]},
        {"weights": [row, [None, 0.5, 0.5]], "side": "key", "pins": [0]},
        {"weights": [row] * 7, "side": "query", "pins": [0, 1, 2, 3, 4]},
        {"weights": [row, [0, 0, 0]], "later": 0, "side": "query", "pins": [1]},
        {"weights": [[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]], "side": "query", "pins": [0, 1]},
    ]
    assert run(tmp_path, script, cases) == [
        "a (query) gives no weight; the row adds up to 0.00.",
        "a (query): all that it looks at is hidden.",
        "a (query) looks at B (key) .60; .35 of the row is hidden.",
        "A (key) is looked at by a (query) .80; 1 is NaN.",
        "e (query) looks at A (key) .80. d looks at A .80. c looks at A .80. 2 more are chosen."
        " Together the 5 give A 4.00 of 5.",
        "b (query) is not there yet.",
        "b (query) looks at C (key) .70. a looks at A .70. Together the 2 give A .80 of 2.",
    ]


# ---- Python --------------------------------------------------------------------------------------


def test_what_crosses_is_what_was_given(tmp_path):
    mask = masks.causal(10)
    view = Threads(LOCAL.weights, LOCAL.tokens, titles=LOCAL.names, mask=mask, head=3, pins=[2, 5])
    state, blobs = view._for_a_page()
    sent = np.frombuffer(blobs["_weights"][0], "<f4").reshape(8, 10, 10)
    np.testing.assert_array_equal(sent, LOCAL.weights.astype("f4"))
    np.testing.assert_array_equal(
        np.frombuffer(blobs["_mask"][0], "<f4").reshape(8, 10, 10) > 0, np.stack([mask] * 8)
    )
    assert state["head"] == 3 and state["pins"] == [2, 5] and state["form"] == "threads"
    script = """import { headsOf } from "./threads.js";
    for (const name of ["_weights", "_mask"]) {
      const raw = Uint8Array.from(atob(data[name]), (c) => c.charCodeAt(0));
      data[name] = new DataView(raw.buffer);
    }
    console.log(JSON.stringify(headsOf(data)));"""
    raw = {name: base64.b64encode(blob[0]).decode() for name, blob in blobs.items()}
    heads = node.run(node.modules(tmp_path), script, state | raw)
    for h, head in enumerate(heads):
        np.testing.assert_allclose(head["weights"], LOCAL.weights[h], atol=1e-7)
        assert head["name"] == LOCAL.names[h] and head["mask"] == mask.tolist()
        assert head["q"] == head["k"] == LOCAL.tokens


W = shares(2, 4, 4)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"weights": np.ones((2, 3))}, ["tokens has 4 names", "2 entries"]),
        ({"weights": np.ones(4)}, ["weights", "(4,)"]),
        ({"weights": np.ones((2, 2, 4, 4))}, ["weights", "(2, 2, 4, 4)"]),
        ({"weights": np.ones((0, 4, 4))}, ["weights", "no axis of length 0"]),
        ({"weights": np.full((4, 4), -np.inf)}, ["infinite", "softmax"]),
        ({"weights": shares(30, 30), "tokens": None}, ["24 words", "AttentionView"]),
        ({"weights": shares(60, 4, 4)}, ["48 heads", "(60, 4, 4)"]),
        ({"tokens": "abcd"}, ["tokens must be a list"]),
        ({"tokens": list("abc")}, ["tokens has 3 names", "4 entries"]),
        ({"key_tokens": list("abc")}, ["key_tokens has 3 names", "n_k"]),
        ({"mask": np.full((4, 4), 2)}, ["mask must be boolean"]),
        ({"mask": np.ones((3, 4), bool)}, ["mask", "(3, 4)"]),
        ({"titles": ["one"]}, ["titles has 1 names", "2 heads"]),
        ({"head": 2}, ["head must be at most 1"]),
        ({"head": -1}, ["head must be at least 0"]),
        ({"pins": [4]}, ["pins must be at most 3"]),
        ({"form": "arcs"}, ["form must be one of 'threads', 'map'"]),
        ({"side": "value"}, ["side must be one of 'query', 'key'"]),
    ],
)
def test_refused_by_name(change, words):
    with pytest.raises((ValueError, TypeError)) as error:
        Threads(**{"weights": W, "tokens": list("abcd")} | change)
    for word in words:
        assert word in str(error.value), error.value


def most_telling(weights, mask, own):
    """The docstring of Threads, row by row: (the word that looks, the word it looks at) or None."""
    found = []
    for i, row in enumerate(weights):
        open_ = [j for j in range(len(row)) if mask is None or mask[i, j]]
        j = max(open_, key=lambda j: row[j], default=0)
        above = row[j] - 1 / len(open_) if open_ else 0
        if above > 0.05:
            found.append((j == 0 or (own and i == j), -above, i, j))
    return min(found)[2:] if found else None


@pytest.mark.parametrize("kind", ["plain", "causal", "cross", "self and first", "first"])
def test_it_opens_with_the_word_that_tells_most(kind):
    for seed in range(30):
        mask, keys = np.tri(5, dtype=bool) if kind == "causal" else None, None
        w = shares(3, 5, 5, seed=seed, mask=mask)
        if kind == "cross":
            keys = list("ABCDE")
        if "first" in kind:  # a look at itself and at the first word tells less than any other
            w = np.where(np.eye(5, dtype=bool) & ("self" in kind), 9.0, 0.01 + w / 50)
            w[..., 0] = 9.0 if seed % 2 else w[..., 0]
            w[:, 3, 2] = 3.0 if seed % 3 else w[:, 3, 2]
            w = w / w.sum(axis=-1, keepdims=True)
        i, j = most_telling(w[1], mask, keys is None)
        how = {"key_tokens": keys, "mask": mask, "head": 1}
        assert Threads(w, list("abcde"), **how).pins == [i]
        assert Threads(w, list("abcde"), side="key", **how).pins == [j]
        assert Threads(w, list("abcde"), pins=[], **how).pins == []
        assert Threads(w, list("abcde"), pins=(4, 0), **how).pins == [4, 0]


def test_a_row_that_may_see_one_word_alone_is_never_the_first():
    """Also where nobody says that the weights are causal, and the others hardly tell."""
    for seed in range(20):
        mask = np.tri(5, dtype=bool)
        w = shares(1, 5, 5, seed=seed, mask=mask)
        w[:, :, 1:] *= 0.02  # all others look at the first word
        w[0, 2, 2], w[0, 0, 0] = 1.0, 1.0
        w = w / w.sum(axis=-1, keepdims=True)
        assert Threads(w, list("abcde")).pins == Threads(w, list("abcde"), mask=mask).pins != [0]
        for kind in (Threads, AttentionView):
            both = kind(w, list("abcde"), key_tokens=list("abcde"))
            found = (both.pins or both.pinned)[:1]
            assert found == Threads(w, list("abcde")).pins, "the same words, though said twice"
    assert Threads(np.tri(2) / [[1], [2]], ["a", "b"]).pins == [], "a first row tells nothing"


def test_where_nothing_tells_nothing_is_chosen():
    assert Threads(np.full((4, 4), 0.25), list("abcd")).pins == []
    assert Threads(np.full((4, 4), np.nan), list("abcd")).pins == []
    only = masks.causal(3) / np.arange(1, 4)[:, None]
    assert Threads(only, list("abc"), mask=masks.causal(3)).pins == [], "1 of 1 is an even share"
    assert Threads(np.eye(3), list("abc")).pins == [0], "looks at themselves, where all are"
    assert toys(pins=None).pins == [7]
    leak = [[0.5, 0.5, 0], [0.2, 0.2, 0.6], [0, 0.1, 0.9]]
    mask = np.array([[True] * 3, [True, True, False], [True] * 3])
    assert Threads(leak, list("abc"), mask=mask).pins == [2], "what is forbidden tells nothing"


def test_refused_later_too():
    view = Threads(shares(2, 3, 5), key_tokens=list("abcde"))
    for name, value in [("head", 2), ("pins", [3]), ("pins", [-1]), ("form", "arcs")]:
        with pytest.raises(Exception, match=name):
            setattr(view, name, value)
    view.pins = [2]
    view.side, view.pins = "key", [4]
    with pytest.raises(ValueError, match="pins must be at most 2"):
        view.side = "query"
    assert view.pins == [4] and view.side == "key"


@pytest.mark.parametrize("tokens", [["one"], list("aaaa"), ["<b>x</b>", "שלום", "x" * 40, ""], []])
def test_any_words(tokens):
    n = len(tokens) or 3
    view = Threads(shares(n, n), tokens or None)
    assert len(view.tokens) == n and len(set(view.tokens)) == n
    assert (
        view.to_png()[:4] == b"\x89PNG"
        and "<b>x" not in view.to_html().decode().split("<script")[0]
    )


def image(raw):
    return Image.open(io.BytesIO(raw))


@pytest.mark.parametrize(
    "view",
    [
        toys(),
        toys(form="map", head=2, pins=[2, 5]),
        Threads(LOCAL.weights, LOCAL.tokens, mask=LOCAL.mask, titles=LOCAL.names, pins=[3]),
        Threads(shares(10, 16), list("1997-12-03"), list("december 3, 1997"), title="A date"),
        Threads(shares(24, 24, seed=1), [f"word{i}" for i in range(24)]),
        Threads(shares(3, 1, 1)),
        toys(pins=[1, 5], side="key"),
    ],
    ids=["toys", "map", "local", "date", "24", "one", "key"],
)
def test_the_bundle(view):
    data, metadata = view._repr_mimebundle_()
    picture = image(base64.b64decode(data["image/png"]))
    assert 200 < picture.width <= 932 and len(view.to_png()) <= 25_000
    alt = metadata["image/png"]["alt"]
    assert len(alt) > 30 and data["text/plain"].startswith(alt)
    assert "application/vnd.jupyter.widget-view+json" in data


def test_most_bundles_are_small():
    assert max(len(one.to_png()) for one in (toys(), toys(pins=[]), toys(head=2))) <= 15_000


def test_the_figure_says_what_it_shows():
    figure = threads(SEEN.weights, SEEN.tokens, titles=SEEN.names, head=1, pins=[7])
    assert figure.alt == (
        "pronoun → noun, as threads. it → cat 0.85, it → mat 0.14. 9 of 10 rows are even."
    )
    written = {text.get_text() for text in figure.texts} | {
        text.get_text() for text in figure.sheet.texts
    }
    assert {"looks (query)", "is looked at (key)", ".85", ".14", "cat .85", *SEEN.names} <= written
    assert "all alike" in written
    many = threads(shares(12, 6, 6), head=11)
    assert "head 11" in {text.get_text() for text in many.sheet.texts}, (
        "the large one is among them"
    )


# ---- in a browser --------------------------------------------------------------------------------


@pytest.fixture
def browser(stages):
    return stages.browser


@pytest.fixture
def open_(browser, tmp_path):
    pages = []

    def open_one(view, *where, **how):
        pages.append(opened(browser, view, tmp_path, *where, **how))
        return pages[-1]

    yield open_one
    for page in pages:
        page.tab.clean()
        page.close()


def test_plain_words_and_those_of_the_field_meet(open_):
    page = open_(toys(pins=[7, 1]))
    said = page.said()
    assert said.count("(query)") == said.count("(key)") == 1
    for form, titles in [
        ("threads", {"looks (query)", "is looked at (key)"}),
        ("map", {"looks (query)", "is looked at (key) →"}),
    ]:
        page.press(form)
        assert titles <= set(page.texts())


def test_every_control(open_):
    page = open_(toys())
    assert page.chosen() == ["it looks"] and page.pressed("threads")
    assert page.said().startswith("pronoun → noun: it (query) looks at cat (key) .85, mat .14.")
    page.word("sat")
    assert (
        page.chosen() == ["sat looks"] and "sat (query) looks at all 10 words alike" in page.said()
    )
    page.word("it", modifiers=["Shift"])
    assert page.chosen() == ["sat looks", "it looks"]
    page.word("it", modifiers=["Shift"])
    assert page.chosen() == ["sat looks"]
    page.word("cat", side="is looked at")
    assert (
        page.chosen() == ["cat is looked at"]
        and "cat (key) is looked at by it (query) .85" in page.said()
    )
    page.press("clear")
    assert page.chosen() == [] and page.root.get_by_role("button", name="clear").is_disabled()
    page.press("same kind")
    assert page.pressed("same kind") and not page.pressed("pronoun → noun")
    before = page.marks("path")
    page.press("map")
    assert page.pressed("map") and page.marks("path") > before
    page.svg.locator("[data-row][data-q='5']").click()
    page.rest()
    assert page.chosen() == ["mat looks"] and ".48" in page.texts()


def test_a_thread_can_be_clicked(open_):
    page = open_(toys(pins=[]))
    box = page.svg.bounding_box()
    place = page.svg.locator("path[data-q='7']").first.bounding_box()
    x = place["x"] + place["width"] / 2
    assert place["x"] > box["x"]
    page.page.mouse.click(x, place["y"] + place["height"] / 2)
    page.rest()
    assert page.chosen() == ["it looks"]


def test_a_click_on_a_thread_keeps_what_is_chosen(open_):
    """In the middle of a thick one; seen from the other side, it chooses the word that is looked
    at.
    """
    page = open_(toys(pins=[7]))
    middle = """(svg, name) => { const path = svg.querySelector(name), box = path.getBBox();
        const { x, y } = svg.getBoundingClientRect();
        return [x + box.x + box.width / 2, y + box.y + box.height / 2]; }"""
    spot = page.svg.evaluate(middle, "path[data-q='7'][data-to='1']")
    for side, chosen in [("looks", "it looks"), ("is looked at", "cat is looked at")]:
        if side != "looks":
            page.word("tired", side=side)
        for _ in range(2):
            page.page.mouse.click(*spot)
            page.rest()
            assert page.chosen() == [chosen]
    page.word("it")
    page.word("was", modifiers=["Shift"])
    page.page.mouse.click(*spot)
    page.rest()
    assert page.chosen() == ["it looks", "was looks"]
    page.page.keyboard.down("Shift")
    page.page.mouse.click(*spot)
    page.page.keyboard.up("Shift")
    page.rest()
    assert page.chosen() == ["it looks", "was looks"]


def test_by_keyboard(open_):
    page = open_(toys())
    page.keys("ArrowUp")
    assert page.chosen() == ["because looks"]
    page.keys("Shift+ArrowDown")
    assert page.chosen() == ["because looks", "it looks"]
    page.keys("Space", "ArrowDown")
    assert page.chosen() == ["because looks", "it looks", "was looks"]
    page.keys("Escape")
    assert page.chosen() == []
    page.keys("Home")
    assert page.chosen() == ["The looks"]
    assert "same kind: The (query) looks at" in page.keys("ArrowRight")
    assert "one token back" in page.keys("ArrowLeft", "ArrowLeft")
    page.keys("m")
    assert page.pressed("map")
    page.keys("x")
    assert page.chosen() == ["The is looked at"]
    page.keys("m", "End")
    assert page.pressed("threads") and page.chosen() == ["tired is looked at"]
    page.page.keyboard.press("Tab")
    assert page.page.evaluate("document.activeElement.innerText").startswith("one token back")


def test_by_finger(open_):
    page = open_(toys(), touch=True)
    page.svg.locator("[data-q='2']").first.tap()
    page.rest()
    assert page.chosen() == ["sat looks"]
    page.root.get_by_role("button", name="map", exact=True).tap()
    page.root.get_by_role("button", name="look-alikes").tap()
    page.rest()
    assert page.pressed("map") and page.pressed("look-alikes")


def test_a_touch_that_stays_adds_a_word(open_):
    page = open_(toys())
    page.word("cat", delay=600)
    assert page.chosen() == ["cat looks", "it looks"]


@pytest.mark.parametrize(
    "view",
    [
        toys(),
        Threads(LOCAL.weights[:1], LOCAL.tokens, mask=LOCAL.mask, form="map", pins=[4, 6]),
        Threads(shares(2, 24, 24), ["x" * 40, "שלום", *[f"word{i}" for i in range(22)]]),
        Threads(shares(20, 3, 9), key_tokens=[f"a word {i}" for i in range(9)], form="map"),
    ],
    ids=["toys", "one head", "long words", "many heads"],
)
def test_it_fits_at_every_width(open_, view):
    page = open_(view)
    for width in (560, 600, 800, 980):
        page.resize(width)
        height = page.height()
        assert height <= (560 if width >= 800 else 760), width
        assert page.overflow() <= 1 and min(page.sizes()) >= 12
        page.keys("ArrowDown", "ArrowRight", "x", "m")
        assert page.height() == height and page.overflow() <= 1, width


TWENTY_FOUR = [f"word{i}" for i in range(24)]
NARROW = """(root) => {
  const seen = (node) => node.getAttribute("visibility") !== "hidden" && node.textContent
    && +(node.getAttribute("opacity") ?? 1) > 0.5;
  const box = (node) => { const b = node.getBoundingClientRect();
    return [b.x, b.y, b.right, b.bottom]; };
  const texts = [...root.querySelectorAll("svg[tabindex] text")].filter(seen);
  const level = texts.filter((one) => !/rotate[(]-45/.test(one.getAttribute("transform")));
  const small = [...root.querySelectorAll(".thumbs button")].map(box);
  return { texts: level.map((one) => [one.textContent, ...box(one)]), small,
    picture: box(root.querySelector("svg[tabindex]")), root: box(root),
    cut: [...root.querySelectorAll(".thumbs span")].filter((one) =>
      one.scrollWidth > one.clientWidth || one.scrollHeight > one.clientHeight + 1).length }; }"""


def overlaps(boxes):
    """Pairs of texts on each other: by more than the air around their letters."""
    return [
        (a[0], b[0])
        for a, b in itertools.combinations(boxes, 2)
        if min(a[3], b[3]) - max(a[1], b[1]) > 0.5 and min(a[4], b[4]) - max(a[2], b[2]) > 5
    ]


@pytest.mark.parametrize("words", [10, 24])
def test_nothing_overlaps_on_a_narrow_page(open_, words):
    """Down to 360 px: small pictures four across below, threads that run from left to right."""
    many = Threads(shares(8, 24, 24), TWENTY_FOUR, titles=SEEN.names, pins=[3], head=2)
    page = open_(toys() if words == 10 else many)
    for width in (360, 400, 440, 480, 520, 556, 600, 700):
        page.resize(width)
        for form in ("threads", "map"):
            page.press(form)
            now = page.root.evaluate(NARROW)
            assert overlaps(now["texts"]) == [], (width, form)
            left, _, right, low = now["picture"]
            assert all(left - 1 <= x and beyond <= right + 1 for _, x, _, beyond, _ in now["texts"])
            below = all(y >= low for _, y, _, _ in now["small"])
            assert below == (width < 560 or words == 10), width
            if below:
                assert len({round(y) for _, y, _, _ in now["small"]}) == 2, "four across"
                assert now["cut"] == 0, (width, "names of heads are whole")
            if width >= 556 and words == 10:
                assert page.height() <= 636
        page.press("threads")
        path = page.svg.locator("path[data-to]:visible").first.evaluate(
            "(one) => one.getBBox().width"
        )
        assert path > 85, width


def test_a_number_stands_in_a_cell_where_it_fits(open_):
    """From 18 px on, in type of 12 px; it never sticks out."""
    page, shown = open_(toys(form="map", pins=[7])), []
    for width in (280, 330, 360, 400, 600):
        page.resize(width)
        cell = page.svg.locator("path[data-q='7'][data-to='1']").bounding_box()["width"] + 1
        number = page.svg.locator("text:visible", has_text=re.compile(r"^\.85$"))
        shown.append((cell, number.count()))
        if number.count():
            assert number.bounding_box()["width"] <= cell
    assert [there for cell, there in shown if cell < 18] == [0] * sum(c < 18 for c, _ in shown)
    assert all(there for cell, there in shown if cell > 20) and shown[-1][0] > 30


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_everybody_can_use_it(open_, dark):
    for view in (toys(), toys(form="map")):
        page = open_(view, dark=dark)
        assert ("dark" in page.root.get_attribute("class")) == dark
        assert node.axe(page.page) == []
        assert page.svg.get_attribute("role") == "application"
        assert page.root.locator(".say").get_attribute("aria-live") == "polite"


@pytest.mark.parametrize("width", [600, 800, 980])
def test_many_words_can_be_read(open_, width):
    """Rows are higher than their type; names above the map stand level or at 45 degrees."""
    view = Threads(shares(8, 24, 24), [f"word{i}" for i in range(24)], pins=[3], head=2)
    page = open_(view, width)
    rows = """(svg) => [...svg.querySelectorAll("[data-q][role=button]")]
        .map((one) => [one.getBoundingClientRect().y, one.getBoundingClientRect().height])"""
    names = """(svg) => [...svg.querySelectorAll("text[transform*=rotate]")]
        .filter((one) => +one.getAttribute("opacity") > 0.5)
        .map((one) => [one.getAttribute("transform").match(/rotate\\((.*)\\)/)[1],
            one.transform.baseVal.getItem(0).matrix.e, parseFloat(one.style.fontSize)])"""
    for form in ("threads", "map"):
        page.press(form)
        for (y, height), (after, _) in itertools.pairwise(page.svg.evaluate(rows)):
            assert height >= 16 and after == pytest.approx(y + height, abs=0.01), (
                "no gap for a hand"
            )
        found = page.svg.evaluate(names)
        assert all(13 <= size <= 15 for *_, size in found)
        assert {float(turn) for turn, *_ in found} == ({-45} if form == "map" else {0})
    assert width < 800 or len(found) == 24
    for (_, x, _), (_, after, _) in itertools.pairwise(found):
        assert after - x >= 13, "names side by side"
    assert page.height() <= 560


def test_names_above_the_map_give_way_to_those_that_are_meant(tmp_path):
    w = np.full((24, 24), 0.01)
    w[3, [4, 7, 8]] = 0.3, 0.3, 0.17
    look = {"morph": 1, "side": "query", "pins": [3]}
    script = (
        RULER + PEN.replace("700, 400", "440, 400") + "console.log(JSON.stringify(drawing(data)));"
    )
    marks = run(tmp_path, script, {"weights": w.tolist(), "look": look})
    shown = [j for j in range(24) if marks[f"k{j}"]["opacity"] == 1]
    assert {4, 7, 8} < set(shown) and not {3, 5, 6, 9} & set(shown)
    assert len(shown) == 12 and 22 in shown


def test_where_nothing_may_move_the_end_is_there_at_once(open_):
    page = open_(toys(), calm=True)
    page.svg.focus()
    page.page.keyboard.press("m")
    page.tab.page.evaluate("() => new Promise(requestAnimationFrame)")
    page.tab.page.evaluate("() => new Promise(requestAnimationFrame)")
    now = page.texts()
    page.rest()
    assert page.texts() == now and page.pressed("map")


def test_two_views_and_python_show_the_same(stages):
    tab = stages.open(toys(), views=2)
    page = tab.page
    ids = page.evaluate("() => [...document.querySelectorAll('[id]')].map((node) => node.id)")
    assert len(ids) == len(set(ids)) == 2
    one, two = [Shown(tab, root) for root in page.locator(".attnlib-live").all()]
    one.press("map")
    one.word("cat")
    page.wait_for_timeout(250)
    assert two.pressed("map") and two.said() == one.said()
    assert one.said().startswith("pronoun → noun: cat (query) looks")
    sent = page.evaluate("Object.assign({}, ...sent)")
    assert sent == {"form": "map", "pins": [1]}
    page.evaluate("python({ head: 2, form: 'threads', pins: [2], side: 'key' })")
    one.rest()
    for shown in (one, two):
        assert shown.pressed("threads") and shown.pressed("same kind")
        assert shown.chosen() == ["sat is looked at"]


def test_one_message_a_gesture_and_nothing_left_behind(stages):
    tab = stages.open(toys())
    page = tab.page
    shown = Shown(tab, page.locator(".attnlib-live"))
    shown.svg.focus()
    for _ in range(5):
        page.keyboard.press("ArrowUp")
    page.wait_for_timeout(400)
    assert page.evaluate("sent.length") == 1 and page.evaluate("sent[0].pins") == [2]
    assert page.evaluate("Object.values(heard).flat().length") > 3
    page.keyboard.press("ArrowUp")
    page.evaluate("ends.forEach((end) => end())")
    assert page.evaluate("Object.values(heard).flat().length") == 0
    assert page.evaluate("sent.at(-1).pins") == [1], "what was under way still arrives"


def test_how_long_a_change_takes(browser, open_, capsys):
    page = open_(Threads(shares(8, 20, 20), [f"w{i}" for i in range(20)]))
    key = (
        "document.querySelector('svg[tabindex]').dispatchEvent("
        "new KeyboardEvent('keydown', { key: 'ArrowDown', bubbles: true }))"
    )
    took = frame(browser, page, key)
    with capsys.disabled():
        print(f"\n  Threads, 20 words, 8 heads: {took:.1f} ms of script, layout and paint a change")


def test_numbers_of_python_and_page_agree():
    assert live.MOST == int(
        re.search(r"MOST = (\d+)", (node.LIVE / "weave.js").read_text("utf-8"))[1]
    )
    assert json.dumps(toys()._for_a_page()[0])
