"""Painter: what the page computes against attnlib and against nudged numbers, strokes and geometry
in node, what Python takes and sends, and the picture in a browser, by mouse, keyboard and finger.
"""

import base64
import io
import re

import node
import numpy as np
import pytest
from conftest import in_both_themes
from drawn import overhang, touching, written
from matplotlib.collections import PatchCollection
from matplotlib.colors import same_color, to_rgba
from PIL import Image
from shown import MARGIN, Shown, frame

from attnlib import masks, scaled_dot_product_attention, softmax
from attnlib.show import Painter, sheet
from attnlib.show.live import painter

WORDS = painter.SENTENCE.split()
KINDS = ["small", "noun", "verb", "small", "small", "noun", "small", "pronoun", "verb", "quality"]
KIND = 4.5 * np.array([[a == b for b in KINDS] for a in KINDS], float)
AHEAD = 4.5 * np.exp(-((np.subtract.outer(np.arange(10), np.arange(10)) + 1.0) ** 2))


def toy(**how):
    return Painter(tokens=WORDS, scores={"same kind": KIND, "one token ahead": AHEAD}, **how)


def star(n=10):
    """Word 0 sees all and all see it; nobody looks at itself."""
    mask = np.zeros((n, n), bool)
    mask[0] = mask[:, 0] = True
    mask[0, 0] = False
    return mask


# ---- in node: the numbers ------------------------------------------------------------------------


def run(tmp_path, script, data=None):
    script = f'import * as p from "./painter.js";\n{script}'
    return node.run(node.modules(tmp_path), script, data)


def cases(n_cases=400):
    rng = np.random.default_rng(22)
    for number in range(n_cases):
        n = int(rng.integers(1, 17))
        mask = rng.random((n, n)) < rng.choice([0.08, 0.2, 0.5, 0.9, 1.0])
        if number % 4 == 1:
            mask = masks.causal(n)
            mask[tuple(rng.integers(0, n, 2))] ^= True
        if number % 9 in (0, 2):
            mask = star(n)
        yield Painter(
            mask,
            scores=rng.normal(size=(n, n)) * rng.choice([0, 1, 5]),
            order=("before", "before", "after")[number % 3],
            future=bool(number % 2),
            goal={
                "layers": int(rng.integers(1, 5)),
                "price": min(1.0, float(rng.uniform(0.1, 1.8))),
            },
        )


def test_node_computes_what_attnlib_computes(tmp_path):
    all_ = list(cases())
    given = [
        {"cells": one._cells, "scores": one.scores["scores"].astype(float).tolist()}
        | {"order": one.order, "future": one.future, "goal": one.goal}
        for one in all_
    ]
    found = run(
        tmp_path,
        "console.log(JSON.stringify(data.map((one) => p.judged(one.scores, p.read(one.cells), one)"
        ")));",
        given,
    )
    for one, got in zip(all_, found):
        np.testing.assert_array_equal(got["mask"], one.mask)
        np.testing.assert_allclose(got["weights"], one.weights, rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(got["layers"], one.hops)
        np.testing.assert_array_equal(got["leaks"], one.leaks)
        assert got["open"] / one.mask.size == pytest.approx(one.price)
        assert all(got["met"]) == one.solved
    kinds = [(one.order, one.future, bool(one.leaks.any()), one.solved) for one in all_]
    assert {("before", False, True, False), ("after", True, True, False)} <= set(kinds)
    assert sum(one.solved for one in all_) > 20, "both ends of the goal are met"


def test_masks_hops_is_what_the_page_counts(tmp_path):
    rng = np.random.default_rng(1)
    tables = [rng.random((n, n)) < share for n in range(1, 17) for share in (0.1, 0.2, 0.4) * 6]
    script = "console.log(JSON.stringify(data.map(p.hops)));"
    found = run(tmp_path, script, [one.tolist() for one in tables])
    for one, got in zip(tables, found):
        np.testing.assert_array_equal(got, masks.hops(one))


def test_a_stroke_is_a_slice(tmp_path):
    rng = np.random.default_rng(2)
    given = []
    for tool in ["rectangle", "row", "column", "diagonal"] * 30:
        n = int(rng.integers(2, 17))
        start, end = (rng.integers(0, n, 2).tolist() for _ in range(2))
        mask, open_ = rng.random((n, n)) < 0.5, bool(rng.random() < 0.5)
        given.append({"mask": mask.tolist(), "tool": tool, "from": start, "to": end, "open": open_})
    script = (
        "console.log(JSON.stringify(data.map((one) => [p.painted(one.mask, one),"
        " p.opens(one.mask, one.tool, one.from), p.read(p.written(one.mask))])));"
    )
    for one, (got, opens, again) in zip(given, run(tmp_path, script, given)):
        mask, ((i, j), (a, b)) = np.array(one["mask"]), (one["from"], one["to"])
        rows, columns = slice(min(i, a), max(i, a) + 1), slice(min(j, b), max(j, b) + 1)
        wanted = mask.copy()
        if one["tool"] == "diagonal":
            for k in range(min(j - i, b - a), max(j - i, b - a) + 1):
                wanted |= np.eye(len(mask), k=k, dtype=bool)
                if not one["open"]:
                    wanted &= ~np.eye(len(mask), k=k, dtype=bool)
        else:
            where = {"row": np.s_[rows], "column": np.s_[:, columns]}
            wanted[where.get(one["tool"], np.s_[rows, columns])] = one["open"]
        np.testing.assert_array_equal(got, wanted, err_msg=one["tool"])
        line = {"row": mask[i], "column": mask[:, j]}.get(one["tool"], mask[i, j])
        assert opens == (not np.all(line)) and again == one["mask"]


def test_all_fits_and_every_cell_is_found(tmp_path):
    given = [
        [n, width, tall, room]
        for n in (1, 2, 7, 10, 16)
        for width in (340, 348, 440, 559, 560, 588, 699, 700, 788, 968)
        for tall, room in ((200, [20, 20]), (260, [84, 62]))
    ]
    script = """
    console.log(JSON.stringify(data.map((one) => { const at = p.geometry(...one);
      const middle = ({ x, y, w, h }, i, j) => [x + (j + 0.5) * w, y + (i + 0.5) * h];
      return { ...at, found: at.grids.map((grid) => p.table(at.n, (i, j) =>
        String(p.cellAt(at, middle(grid, i, j))) === String([i, j]))),
        missed: [p.cellAt(at, [0, 0]), p.cellAt(at, [at.width + 90, at.height])] }; })));"""
    for (n, width, tall, _), at in zip(given, run(tmp_path, script, given)):
        assert np.all(at["found"]) and at["missed"] == [None, None]
        paints, weighs, hears = at["grids"]
        assert paints["h"] * n <= max(tall, 300) + 1e-9
        for grid in at["grids"]:
            assert grid["x"] >= 0 and grid["x"] + n * grid["w"] <= width + 1e-9
            assert grid["y"] + n * grid["h"] < at["height"]
        assert weighs["x"] + n * weighs["w"] + painter_js("BEAM") + 30 <= hears["x"]
        if width >= 560:
            assert paints["x"] + n * paints["w"] < weighs["x"] and paints["h"] == weighs["h"]
        if n == 10 and width >= 788 and tall == 260:
            assert paints["w"] >= 24, "a finger hits a cell"
        for fact in at["facts"]:
            assert fact["w"] > 90 and fact["x"] + fact["w"] <= width + 1e-9


def painter_js(name):
    source = (node.LIVE / "painter.js").read_text("utf-8")
    return int(re.search(rf"\b{name} = (\d+)", source)[1])


def said(tmp_path, one, cell, turned=False):
    """(the sentence of a cell, the facts, the conditions)"""
    script = """
    const scores = data.scores, N = p.judged(scores, p.read(data.cells), data);
    const soft = p.weigh(scores, p.table(scores.length, () => true), "before");
    const at = data.at ?? p.first(N, soft);
    const parts = p.sentence(N, data.words, at, soft, data.turned);
    console.log(JSON.stringify([parts.map((one) => [one].flat()[0]).join(""),
      p.facts(N, data.words).map((one) => one.join(" | ")),
      p.conditions(N, data.goal).map((one) => one.join(" ")), at]));"""
    scores = one.scores[one.titles[one.head]].astype(float).tolist()
    data = {"cells": one._cells, "scores": scores, "words": one.tokens, "at": cell}
    data |= {"order": one.order, "future": one.future, "goal": one.goal, "turned": turned}
    return run(tmp_path, script, data)


def test_leaks_are_named(tmp_path):
    sentence, facts, conditions, at = said(tmp_path, toy(), None)
    assert at == [1, 5], "the largest share that was struck out"
    assert sentence == (
        "A leak. cat may not look at mat, and its weight is 0. Yet mat still changes what cat gets."
    )
    assert facts[0].startswith("56 of 100 | pairs allowed: 56 %")
    assert facts[1].startswith("9 rows broken | ") and facts[2].startswith("45 leaks | ")
    assert conditions[0] == "false no leak" and conditions[3] == "false at most 40 pairs (now 56)"
    sentence, *_ = said(tmp_path, toy(), [7, 9])
    assert sentence == "A leak. it may look at tired, which comes later."
    sentence, facts, *_ = said(tmp_path, toy(pattern="causal", order="after"), None)
    assert sentence == (
        "A leak. cat may not look at mat, and its weight is 0. But softmax had given .48 to it"
        " before the mask came: mat still changes what cat gets."
    ), "one fault is found: now the picture says why"
    assert "softmax shared out the whole 1" in facts[1]
    sentence, facts, _, at = said(tmp_path, toy(order="before"), None, turned=True)
    assert at == [7, 9] and sentence == (
        "Rows sum to 1 now. A leak. it may look at tired, which comes later; through it, was hears"
        " tired too. Shut the cell."
    )
    assert facts[2] == "3 leaks | it hears tired and must not, + 2 more | true"
    sentence, *_ = said(tmp_path, toy(order="before"), [8, 9])
    assert sentence == (
        "A leak. was may not look at tired, which comes later, but hears of it through it, in"
        " 2 layers."
    )
    mended = toy(pattern="causal")
    sentence, facts, *_ = said(tmp_path, mended, [1, 5], turned=True)
    assert sentence.startswith("Repaired: each row shares out its whole 1") and facts[2].startswith(
        "1 layer | until each has heard all"
    )


def test_what_else_is_said(tmp_path):
    empty = toy(pattern="local", window=1, future=True)
    assert said(tmp_path, empty, [1, 1])[0] == "cat may look at itself and gives it 1.00 of its" + (
        " attention."
    )
    assert "never hears" in said(tmp_path, empty, [1, 2])[1][2]
    assert said(tmp_path, empty, [1, 2])[0].endswith("and never hears of it.")
    empty.mask = np.zeros((10, 10), bool)
    assert "0 ÷ 0" in said(tmp_path, empty, [3, 3])[0]
    assert said(tmp_path, empty, [0, 0])[1][1].startswith("10 rows broken | The, + 9 more may look")
    sentence, facts, conditions, _ = said(tmp_path, toy(mask=star(), future=True), [4, 4])
    assert sentence.startswith("the may not look at itself. What it knows is carried along")
    assert facts[0].startswith("18 of 100") and facts[2].startswith("2 layers | until each")
    assert all(one.startswith("true") for one in conditions)
    after = toy(pattern="causal", order="after")
    assert said(tmp_path, after, [1, 1])[0].endswith("its row adds up to .48.")


# ---- Python --------------------------------------------------------------------------------------


def test_the_mask_goes_into_the_next_cell():
    rng = np.random.default_rng(0)
    q, k, v = rng.normal(size=(3, 10, 6))
    one = Painter(tokens=WORDS, scores=q @ k.T / np.sqrt(6), order="before")
    output, weights = scaled_dot_product_attention(q, k, v, mask=one.mask)
    np.testing.assert_allclose(one.weights, weights, atol=1e-6)
    assert one.mask.dtype == bool and one.mask.shape == (10, 10) and output.shape == (10, 6)
    one.order = "after"
    np.testing.assert_allclose(one.weights, softmax(q @ k.T / 6**0.5) * one.mask, atol=1e-6)


def heard(one, layers):
    """Measured: who moves when a word is nudged, after layers of attention with a residual."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(len(one.tokens), 5))

    def attend(x):
        for _ in range(layers):
            unit = x / np.linalg.norm(x, axis=1, keepdims=True)
            scores = unit @ unit.T
            before = softmax(scores, where=one.mask)
            x = x + (before if one.order == "before" else softmax(scores) * one.mask) @ x
        return x

    return masks.influence(attend, x, size=0.1) > 1e-12


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("future", [True, False])
def test_a_leak_is_what_a_nudge_finds(order, future):
    """But for a word's own query: whom a word looks at moves with itself only."""
    rng = np.random.default_rng(4)
    for share in (0.1, 0.2, 0.4):
        n = 7
        one = Painter(rng.random((n, n)) < share, order=order, future=future)
        near, far = heard(one, 1), heard(one, n)
        np.testing.assert_array_equal(near | np.eye(n, dtype=bool), one.hops % n <= 1)
        np.testing.assert_array_equal(far | np.eye(n, dtype=bool), one.hops >= 0)
        later = np.triu(np.ones((n, n), bool), 1) & (not future)
        wanted = ((near & ~one.mask) | (far & later)) & ~np.eye(n, dtype=bool)
        np.testing.assert_array_equal(one.leaks, wanted)


def test_the_goal_is_reached_by_a_window_of_four_and_no_future():
    """The notebook on masks says so, and what a word that all see is worth there: one layer."""
    mask = np.abs(np.subtract.outer(range(10), range(10))) < 4
    one = toy(mask=mask, order="before")
    assert not one.solved
    one.mask = mask & np.tri(10, dtype=bool)
    assert one.solved and one.mask.sum() == 34 and one.hops.max() == 3
    for n in (10, 100):
        near = masks.causal(n) & masks.local(n, window=3)
        seen = near | (np.tri(n, dtype=bool) & (np.arange(n) == 0))
        assert masks.hops(seen).max() == masks.hops(near).max() - 1


def test_it_opens_broken():
    one = Painter()
    hole = one.mask ^ masks.causal(10)
    assert np.argwhere(hole).tolist() == [[7, 9]] and one.mask[7, 9]
    assert one.order == "after" and one.leaks.sum() == 45 and not one.solved
    assert (one.weights.sum(axis=1) < 0.99).sum() == 9
    one.order = "before"
    assert one.leaks.sum() == 3 and np.allclose(one.weights.sum(axis=1), 1)
    one.mask = masks.causal(10)
    assert not one.leaks.any() and not one.solved, "55 pairs are too many"
    one.mask = masks.causal(10) & masks.local(10, window=4)
    assert one.price == 0.34 and one.hops.max() == 3 and one.solved
    with pytest.raises(ValueError, match="read-only"):
        one.mask[0, 1] = True
    for words in (["a"], ["a", "b"], list("abc")):
        assert Painter(tokens=words).mask.shape == (len(words),) * 2


@pytest.mark.parametrize("n", range(2, 17))
def test_the_star_solves_it_and_nobody_needs_to_look_at_itself(n):
    one = Painter(star(n), future=True, goal={"layers": 2, "price": 2 * (n - 1) / n**2})
    assert one.solved and one.hops.max() <= 2
    one.order = "after"
    assert not one.solved
    one.order, one.future = "before", False
    assert one.solved == (n == 1)


def test_patterns_are_those_of_attnlib():
    for name, wanted in {
        "standard": masks.full(10),
        "causal": masks.causal(10),
        "local": masks.local(10, window=2),
        "global-local": masks.global_local(10, window=2, n_global=2),
    }.items():
        one = toy(pattern=name, window=2, n_global=2)
        np.testing.assert_array_equal(one.mask, wanted)
        assert one.order == "before"


ERRORS = {
    "a mask that is not square": (lambda: Painter(np.ones((3, 4), bool)), ValueError, "(3, 4)"),
    "too many words": (lambda: Painter(tokens=["a"] * 17), ValueError, "17 words.*up to 16"),
    "a mask of too many": (lambda: Painter(np.ones((20, 20), bool)), ValueError, "20 words"),
    "no words": (lambda: Painter(tokens=[]), ValueError, "at least 1"),
    "tokens that do not fit": (lambda: Painter(np.ones((3, 3), bool), ["a"]), ValueError, "tokens"),
    "scores that do not fit": (
        lambda: Painter(tokens=["a", "b"], scores=np.ones((3, 3))),
        ValueError,
        "'scores' has 3 words, but tokens has 2",
    ),
    "scores with a mask in them": (
        lambda: Painter(scores=[[0, -np.inf], [0, 0]]),
        ValueError,
        "-inf, a mask already",
    ),
    "scores that are NaN": (lambda: Painter(scores=[[np.nan]]), ValueError, "finite"),
    "no scores": (lambda: Painter(scores={}), ValueError, "empty"),
    "both": (lambda: toy(mask=star(), pattern="local"), ValueError, "not both"),
    "a pattern": (lambda: toy(pattern="stripes"), ValueError, "'global-local'"),
    "an order": (lambda: toy(order="never"), ValueError, "'before', 'after'"),
    "a window": (lambda: toy(window=0), ValueError, "window.*at least 1"),
    "a goal": (lambda: toy(goal=3), TypeError, "goal must be a dict like"),
    "an unknown goal": (lambda: toy(goal={"cost": 1}), ValueError, "'cost'"),
    "a goal of no layers": (lambda: toy(goal={"layers": 0}), ValueError, "layers.*at least 1"),
    "a price above 1": (lambda: toy(goal={"price": 40}), ValueError, "0 to 1, got 40"),
    "future": (lambda: toy(future="no"), TypeError, "future"),
    "a set mask": (lambda: setattr(toy(), "mask", np.ones((3, 3), bool)), ValueError, "(10, 10)"),
    "a set head": (lambda: setattr(toy(), "head", 2), ValueError, "head.*at most 1"),
}


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case.replace(" ", "-"))
def test_what_does_not_fit_is_refused_by_name(case):
    call, kind, words = ERRORS[case]
    with pytest.raises(kind, match=re.escape(words) if "(" in words else words):
        call()


VIEWS = {
    "broken": toy,
    "star": lambda: toy(mask=star(), future=True, title="A star"),
    "sixteen": lambda: Painter(tokens=[f"wording{i}" for i in range(16)], pattern="local"),
    "one": lambda: Painter(tokens=["a"]),
}


@pytest.mark.parametrize("name", VIEWS)
def test_the_still_picture(name):
    one = VIEWS[name]()
    data, metadata = one._repr_mimebundle_()
    png = base64.b64decode(data["image/png"])
    assert len(png) <= 25_000 and Image.open(io.BytesIO(png)).width <= 932
    assert metadata["image/png"]["alt"] in data["text/plain"]
    assert f"{one.mask.sum()} of {one.mask.size} pairs" in data["text/plain"]
    drawn = [text.get_text() for text in one.figure().sheet.texts]
    leaks = int(one.leaks.sum())
    assert any(text.startswith(f"{leaks} leaks" if leaks else "no leak") for text in drawn)
    assert ("The → cat" in data["text/plain"]) == (name == "broken")


@in_both_themes
@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("order", ["before", "after"])
def test_the_still_marks_what_is_broken_and_who_hears_whom(style, name, order):
    one = VIEWS[name]()
    one.order = order
    picture = one.figure()
    assert touching(picture) == [] and overhang(picture)[0] <= 0
    found = {
        tuple(one.get_facecolor()[0]): len(one.get_paths())
        for one in picture.sheet.collections
        if isinstance(one, PatchCollection) and len(one.get_paths())
    }
    hops, leaks = one.hops, one.leaks
    for tone, wanted in ("nan", leaks), ("allowed", hops == 1), ("hatch", hops == 0):
        wanted = int((wanted if tone == "nan" else wanted & ~leaks).sum())
        assert found.get(to_rgba(style[tone]), 0) == wanted
    frames = [box for box in picture.sheet.patches if not box.get_fill()]
    red = [box for box in frames if same_color(box.get_edgecolor(), style["nan"])]
    assert len(red) == (one.mask & leaks).sum()
    sums = [text for text in picture.sheet.texts if re.fullmatch(r"\d\.\d\d", text.get_text())]
    assert [text.get_text() for text in sums] == [f"{row:.2f}" for row in one.weights.sum(axis=1)]
    bad = [same_color(text.get_color(), style["nan"]) for text in sums]
    assert bad == [text.get_text() != "1.00" for text in sums], "what is written 1.00 is not red"
    said = f"{sum(bad)} of {len(bad)} rows broken" if any(bad) else "all rows add up to 1"
    assert written(picture, said)


@pytest.mark.parametrize("lost", [0.004, 0.0049, 0.0051, 0.006, 0.02])
def test_a_row_is_broken_when_its_written_sum_says_so(tmp_path, lost):
    scores = np.log([[1 - lost, lost], [0.5, 0.5]])
    one = Painter(np.array([[True, False], [True, True]]), scores=scores, order="after")
    total = one.weights.sum(axis=1)[0]
    words = f"{total:.2f}"
    (text,) = [text for text in one.figure().sheet.texts if text.get_text() == words][:1]
    assert same_color(text.get_color(), sheet.THEMES["light"]["nan"]) == (words != "1.00")
    assert bool(written(one.figure(), "1 of 2 rows broken")) == (words != "1.00")
    facts = said(tmp_path, one, [0, 0])[1]
    assert facts[1].startswith("1 row broken" if words != "1.00" else "rows sum to 1")


# ---- in a browser --------------------------------------------------------------------------------


@pytest.fixture
def show(stage):
    """show(painter, width, …) opens it."""
    return lambda one, width=800, *, calm=True, **how: Brush(
        stage(one, width=width + MARGIN, calm=calm, **how)
    )


class Brush(Shown):
    """A painter on a page, with the eyes and hands of a reader."""

    def at(self, name, i, j, n=10):
        """The middle of a cell of the canvas "cell", "row" or "column" in the window."""
        box = self.svg.locator(".canvas").nth(["cell", "row", "column"].index(name)).bounding_box()
        across, down = (0.5, (i + 0.5) / n) if name == "row" else ((j + 0.5) / n, (i + 0.5) / n)
        return box["x"] + box["width"] * across, box["y"] + box["height"] * (
            0.5 if name == "column" else down
        )

    def drag(self, start, end, name="cell"):
        mouse = self.page.mouse
        mouse.move(*self.at(name, *start))
        mouse.down()
        mouse.move(*self.at(name, *end), steps=3)
        mouse.up()
        self.rest()

    def mask(self):
        """As it came to Python, once it has."""
        self.page.wait_for_timeout(200)
        cells = self.page.evaluate("model.get('_cells')")
        n = int(len(cells) ** 0.5)
        return np.array([cell == "1" for cell in cells]).reshape(n, n)

    def facts(self):
        return self.root.locator(".fact .big").all_inner_texts()

    def goal(self):
        return self.root.locator(".goal").inner_text()


def test_the_reader_repairs_it(show):
    page = show(toy())
    assert page.facts() == ["56 of 100", "9 rows broken", "45 leaks"]
    assert page.said().startswith("A leak. cat may not look at mat")
    assert page.marks("path", "[style*='--bad']") >= 3
    page.press("before softmax")
    assert page.facts() == ["56 of 100", "rows sum to 1", "3 leaks"]
    assert "it may look at tired" in page.said()
    page.drag((7, 9), (7, 9))
    assert page.facts() == ["55 of 100", "rows sum to 1", "1 layer"]
    np.testing.assert_array_equal(page.mask(), masks.causal(10))
    assert page.page.evaluate("model.get('order')") == "before"
    assert page.pressed("causal") and "Goal" in page.goal()


def test_a_drag_paints_a_rectangle_rows_columns_and_diagonals(show):
    page, wanted = show(toy(pattern="causal")), masks.causal(10)
    page.drag((1, 5), (4, 8))
    wanted[1:5, 5:9] = True
    np.testing.assert_array_equal(page.mask(), wanted)
    page.drag((9, 4), (7, 2))
    wanted[7:10, 2:5] = False
    np.testing.assert_array_equal(page.mask(), wanted)
    page.drag((3, 0), (5, 0), "row")
    wanted[3:6] = True
    np.testing.assert_array_equal(page.mask(), wanted)
    page.drag((0, 5), (0, 4), "column")
    wanted[:, 4:6] = True
    np.testing.assert_array_equal(page.mask(), wanted)
    page.press("diagonal")
    page.drag((2, 4), (0, 9))
    for k in range(2, 10):
        wanted &= ~np.eye(10, k=k, dtype=bool)
    np.testing.assert_array_equal(page.mask(), wanted)
    assert page.page.evaluate("sent.length") >= 5


def test_what_is_dragged_is_seen_before_it_is_let_go(show):
    page = show(toy(pattern="causal", future=True))
    page.page.mouse.move(*page.at("cell", 0, 5))
    page.page.mouse.down()
    page.page.mouse.move(*page.at("cell", 1, 9), steps=2)
    page.rest()
    assert page.facts()[0] == "65 of 100"
    page.page.mouse.move(*page.at("cell", 0, 5), steps=2)
    page.rest()
    assert page.facts()[0] == "56 of 100", "a rectangle becomes smaller again"
    page.page.mouse.up()
    assert page.mask().sum() == 56


def test_undo_and_redo(show):
    page = show(toy())
    undo, redo = (page.root.get_by_role("button", name=name) for name in ("undo", "redo"))
    assert undo.is_disabled() and redo.is_disabled()
    page.press("local")
    page.press("empty")
    page.drag((0, 0), (9, 9))
    assert page.facts()[0] == "100 of 100"
    for left in ("0 of 100", "44 of 100", "56 of 100"):
        page.press("undo")
        assert page.facts()[0] == left
    assert undo.is_disabled()
    page.keys("y", "y")
    assert page.facts()[0] == "0 of 100"
    page.keys("z")
    assert page.facts()[0] == "44 of 100" and page.mask().sum() == 44
    page.press("causal")
    assert redo.is_disabled(), "a new way"


def test_starts_and_the_window(show):
    page = show(toy(future=True))
    for name, wanted in {
        "standard": masks.full(10),
        "causal": masks.causal(10),
        "local": masks.local(10, window=3),
        "global-local": masks.global_local(10, window=3, n_global=1),
        "empty": masks.full(10) & False,
    }.items():
        page.press(name)
        np.testing.assert_array_equal(page.mask(), wanted)
        assert page.pressed(name)
    page.press("global-local")
    slider = page.root.get_by_role("slider", name="window")
    slider.focus()
    page.page.keyboard.press("ArrowLeft")
    page.rest()
    np.testing.assert_array_equal(page.mask(), masks.global_local(10, window=2, n_global=1))
    assert page.page.evaluate("model.get('window')") == 2 and page.pressed("global-local")
    page.press("undo")
    assert page.mask().sum() == masks.global_local(10, window=3, n_global=1).sum()


def test_keys(show):
    page, wanted = show(toy(pattern="causal")), masks.causal(10)
    assert page.keys("Home").startswith("tired may look at The")
    assert page.keys("ArrowUp").startswith("was may look at The")
    assert page.keys("ArrowLeft").startswith("was may look at The"), "an edge is an edge"
    page.keys(" ")
    wanted[8, 0] = False
    np.testing.assert_array_equal(page.mask(), wanted)
    page.keys("ArrowUp", "Shift+ArrowUp", "Shift+ArrowRight", "Enter")
    wanted[6:8, :2] = False
    np.testing.assert_array_equal(page.mask(), wanted)
    page.keys("r")
    wanted[6] = True
    np.testing.assert_array_equal(page.mask(), wanted)
    page.keys("End", "c")
    wanted[:, 9] = True
    np.testing.assert_array_equal(page.mask(), wanted)
    page.keys("ArrowUp", "d")
    wanted &= ~np.eye(10, k=4, dtype=bool)
    np.testing.assert_array_equal(page.mask(), wanted)
    page.keys("x")
    page.page.wait_for_timeout(200)
    assert page.page.evaluate("model.get('order')") == "after"
    assert page.facts()[1].endswith("rows broken")
    page.keys("Control+z", "Alt+r", "q")
    np.testing.assert_array_equal(page.mask(), wanted)


def test_the_goal_lights_up(show):
    page = show(toy(future=True, order="before", goal={"layers": 2, "price": 0.18}))
    assert page.goal().startswith("Goal") and "○ at most 18 pairs (now 56)" in page.goal()
    page.press("empty")
    assert page.facts() == ["0 of 100", "10 rows broken", "no leak"]
    page.drag((0, 0), (0, 0), "row")
    page.drag((0, 0), (0, 0), "column")
    assert "○ at most 18 pairs (now 19)" in page.goal()
    page.drag((0, 0), (0, 0))
    assert page.goal().startswith("Solved") and "○" not in page.goal()
    assert Painter(page.mask(), future=True, goal={"layers": 2, "price": 0.18}).solved
    page.press("forbidden")
    assert page.goal().startswith("Goal") and page.facts()[2].endswith("leaks")


def test_the_future_and_the_head(show):
    page = show(toy(order="before"))
    page.press("allowed")
    assert page.facts()[2] == "no leak", "but some never hear each other"
    page.root.get_by_label("head", exact=True).select_option("one token ahead")
    page.rest()
    assert page.keys("ArrowDown", "ArrowDown").startswith("tired may look at itself")
    page.page.wait_for_timeout(200)
    assert page.page.evaluate("[model.get('future'), model.get('head')]") == [True, 1]


def test_a_mouse_that_only_points_is_answered(show):
    page = show(toy(pattern="causal"))
    page.page.mouse.move(*page.at("cell", 3, 1))
    page.rest()
    assert page.said().startswith("on may look at cat") and not page.page.evaluate("sent.length")


def test_fingers(show):
    page = show(toy(pattern="causal"), width=360, fingers=True)
    page.page.touchscreen.tap(*page.at("cell", 2, 7))
    page.rest()
    wanted = masks.causal(10)
    wanted[2, 7] = True
    np.testing.assert_array_equal(page.mask(), wanted)
    prevented = page.svg.evaluate(
        """(svg) => [".canvas", "text"].map((name) => { const node = svg.querySelector(name);
        const touch = new Touch({ identifier: 1, target: node });
        const how = { touches: [touch], cancelable: true, bubbles: true };
        return !node.dispatchEvent(new TouchEvent("touchstart", how)); })"""
    )
    assert prevented == [True, False], "a finger on the mask paints, elsewhere it scrolls"


def test_python_sets_and_two_views_show_the_same(show):
    page = show(toy(), views=2)
    page.python(_cells="1" * 100, order="before", future=True)
    assert page.facts() == ["100 of 100", "rows sum to 1", "1 layer"]
    page.drag((0, 0), (4, 9))
    page.page.wait_for_timeout(200)
    other = page.page.locator(".attnlib-live").nth(1)
    assert other.locator(".fact .big").first.inner_text() == "50 of 100"
    page.python(goal={"layers": 1, "price": 1.0})
    assert "at most 100 pairs" in page.goal()
    page.press("undo")
    assert page.facts()[0] == "100 of 100"
    page.page.evaluate("ends.forEach((end) => end())")
    assert page.page.evaluate("Object.values(heard).flat().length") == 0


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("width", [360, 480, 600, 800, 980])
def test_it_has_one_size_and_all_can_be_read(show, name, width):
    page = show(VIEWS[name](), width)
    high = page.height()
    assert page.overflow() <= 0
    for key in ("x", "c", "r", "d", "ArrowUp", "x"):
        page.keys(key)
        assert page.height() == high and page.overflow() <= 0
    assert min(page.sizes()) >= 12 and page.svg.locator("text").count() > 2
    if width == 800:
        assert high <= 560


def test_present_colours_of_the_system_and_paper(show):
    page = show(toy(), width=1400)
    before = page.svg.bounding_box()["width"]
    page.press("present")
    page.page.wait_for_timeout(300)
    assert page.svg.bounding_box()["width"] > 1.2 * before
    page.drag((7, 9), (7, 9))
    assert page.mask()[7, 9] == np.False_, "the hand finds the cell"
    page.press("present")
    page = show(toy(), forced_colors="active")
    assert (
        page.root.locator(".wrong [aria-pressed=true]").evaluate(
            "(one) => getComputedStyle(one).forcedColorAdjust"
        )
        == "none"
    )


def test_what_is_told_to_move_moves_and_what_is_not_does_not(show):
    for calm, wanted in ((True, 1), (False, 3)):
        page = show(toy(), calm=calm)
        ways = page.page.evaluate(
            """async () => { const seen = new Set(), svg = document.querySelector("svg[tabindex]");
            svg.dispatchEvent(new KeyboardEvent("keydown", { key: "x", bubbles: true }));
            for (let k = 0; k < 12; k++) { await new Promise(requestAnimationFrame);
              seen.add([...svg.querySelectorAll("path")].map((n) => n.getAttribute("d")).join()); }
            return seen.size; }"""
        )
        assert ways >= wanted and (not calm or ways <= 2)


def test_how_long_a_change_takes(stages, show, capsys):
    said = []
    key = (
        "document.querySelector('svg[tabindex]').dispatchEvent("
        "new KeyboardEvent('keydown', { key: k % 2 ? 'r' : 'ArrowUp', bubbles: true }))"
    )
    for name, one in (("10 words", toy()), ("16 words", VIEWS["sixteen"]())):
        page = show(one, calm=False)
        said.append(f"{name} {frame(stages.browser, page, key):.1f}")
    with capsys.disabled():
        print(f"\n  Painter, ms of script, layout and paint a change: {', '.join(said)}")
