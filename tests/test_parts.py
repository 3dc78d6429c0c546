"""show/parts.py: what a matrix of cells says, and where; numbers and places against loops, the rest
on the picture.
"""

import itertools

import numpy as np
import pytest
from conftest import in_both_themes
from drawn import texts
from matplotlib.colors import to_rgb

from attnlib import masks
from attnlib.show import compare, heads, heatmap, mask_figure
from attnlib.show.parts import HIGH, Grid, _largest, dots, mask_grid, sized
from attnlib.show.sheet import DPI, HALF, PAGE

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.usefixtures("style")]

RANDOM = np.random.default_rng(0)


def grid(data, mask=None, vmax=None, signed=False):
    return Grid("weights", data, None, None, mask, signed, vmax)


def seen(picture, i, j):
    """The dots of a cell of the first matrix. (rows, columns, 3)"""
    picture.canvas.draw()
    pixels = np.asarray(picture.canvas.buffer_rgba())[..., :3]
    image = picture.sheet.images[0]
    (n_q, n_k), (left, right, low, top) = image.get_array().shape[:2], image.get_extent()
    down, across = DPI * (low - top) / n_q, DPI * (right - left) / n_k
    y, x = DPI * top + i * down, DPI * left + j * across
    return pixels[round(y) + 2 : round(y + down) - 1, round(x) + 2 : round(x + across) - 1]


def is_ink(pixels, ink):
    return np.abs(pixels - np.array(to_rgb(ink)) * 255).max(axis=-1) <= 2


# ---- numbers and geometry ------------------------------------------------------------------------


def test_a_cell_is_at_most_twice_as_wide_as_high_and_of_whole_dots():
    for _ in range(300):
        shape = RANDOM.integers(1, 200, 2)
        wide, high = RANDOM.uniform(1, 9, 2)
        across, down = sized(tuple(shape), wide, high)
        assert 0 < across <= 2 * down + 2 / DPI and across * shape[1] <= wide + 1e-9
        assert down <= HIGH and down * shape[0] <= high + 1e-9
        for side in (across, down):
            assert side * DPI < 3 or side * DPI == pytest.approx(round(side * DPI))
    assert dots(1.001) == 97 / 96 and dots(2.0) == 2


@pytest.mark.parametrize("n", [9, 12, 31, 48, 60, 61, 200])
def test_numbers_at_the_edges_stand_apart(n):
    for width, count in itertools.product((PAGE, HALF), (1, 4)):
        picture = heads(np.eye(n)[None].repeat(count, 0), width=width)
        picture.draw_without_rendering()
        boxes = [t.get_window_extent() for t in picture.sheet.texts if t.get_text().isdigit()]
        level = [box for box in boxes if box.y1 > max(one.y1 for one in boxes) - 2]
        assert level and all(a.x1 + 3 < b.x0 for a, b in itertools.pairwise(level))


def test_the_largest_of_many_are_those_of_a_sort():
    for _ in range(200):
        values = RANDOM.integers(0, 5, RANDOM.integers(1, 40)).astype(float)
        n = int(RANDOM.integers(0, len(values) + 1))
        assert list(_largest(values, n)) == np.argsort(-values, kind="stable")[:n].tolist()


@pytest.mark.parametrize("signed", [False, True])
def test_pooled_cells_are_the_largest_of_each_few(signed):
    data = RANDOM.normal(size=(23, 31)) if signed else RANDOM.random((23, 31))
    mask = RANDOM.random((23, 31)) < 0.7
    one = grid(data, mask, signed=signed)
    one.cell = 0.016 / 2.5, 0.016 / 3.5  # 3 columns and 4 rows to a dot
    found, blocked = one.pooled()
    assert found.shape == blocked.shape == (6, 11)
    for a, b in np.ndindex(6, 11):
        few = np.s_[4 * a : 4 * a + 4, 3 * b : 3 * b + 3]
        cells = (np.where(mask, data, 0) if signed else data)[few].ravel()
        assert abs(found[a, b]) == np.abs(cells).max() and found[a, b] in cells
        assert blocked[a, b] == (~mask[few]).all()


def test_words_on_cells_stand_on_cells_of_their_kind_where_there_are_enough():
    for _ in range(200):
        where = RANDOM.random(RANDOM.integers(1, 9, 2)) < 0.8
        one, cell = grid(np.zeros(where.shape)), tuple(RANDOM.uniform(0.1, 0.6, 2))
        area = one.area(cell, where, "allowed")
        tall, wide = (int(np.ceil(area[k] / cell[k - 2])) if area else 0 for k in (3, 2))
        if area:
            x, y, *_ = area
            rows = range(int(y / cell[1] + 1e-9), int(np.ceil((y + area[3]) / cell[1] - 1e-9)))
            columns = range(int(x / cell[0] + 1e-9), int(np.ceil((x + area[2]) / cell[0] - 1e-9)))
            assert where[np.ix_(rows, columns)].all()
            continue
        ask = grid(np.zeros((40, 40))).area(cell, np.ones((40, 40), bool), "allowed")
        tall, wide = (int(np.ceil(ask[k] / cell[k - 2])) for k in (3, 2))
        blocks = itertools.product(*(range(n - k + 1) for n, k in zip(where.shape, (tall, wide))))
        assert not any(where[i : i + tall, j : j + wide].all() for i, j in blocks)


# ---- even rows -----------------------------------------------------------------------------------


@in_both_themes
def test_an_even_row_is_paper_with_thin_marks(style):
    weights = np.array([[0.25] * 4, [0.5, 0.5, 0, 0], [0.7, 0.1, 0.1, 0.1], [0.5] * 4])
    mask = np.ones((4, 4), bool)
    mask[1, 2:] = False
    picture = heatmap(weights, mask=mask)
    for (i, j), even in {
        (0, 0): True,
        (0, 3): True,
        (1, 1): True,
        (2, 1): False,
        (3, 0): False,
    }.items():
        cell = seen(picture, i, j)
        paper, mark = is_ink(cell, style["paper"]), is_ink(cell, style["hatch"])
        assert paper.mean() > 0.9 and 0 < mark.mean() < 0.05 if even else not paper.any(), (i, j)
    assert {"each .25", "each .50", ".70"} <= set(texts(picture)), "shares that differ are all said"
    assert ".25" not in texts(picture)
    assert texts(picture).count(".50") == 4, "alike, but no shares of 1: they are said"


def test_what_is_no_share_of_one_is_never_even():
    alike = np.full((3, 4), 0.25)
    assert grid(alike).even().all()
    assert grid([[0.255, 0.245, 0.25, 0.25]]).even().all()
    assert not grid([[0.27, 0.24, 0.25, 0.24]]).even().any(), "nearly is not alike"
    for other in (grid(2 * alike), grid(alike, vmax=0.3), grid(alike, signed=True)):
        assert not other.even().any()
    assert not grid(np.full((3, 25), 1 / 25)).even().any(), "of many keys the share is no colour"
    assert not grid(np.eye(3), np.eye(3, dtype=bool)).even().any(), "one key is no choice"
    assert is_ink(seen(heatmap(alike), 1, 1), "#ffffff").mean() > 0.9
    assert not is_ink(seen(heatmap(alike, axes=("layer", "head")), 1, 1), "#ffffff").any()


# ---- said once -----------------------------------------------------------------------------------


def test_names_and_scales_are_said_once():
    weights = RANDOM.dirichlet(np.ones(5), (8, 5))
    names = ["cat", "sat", "mat", "was", "tired"]
    for count, rows in ((1, 1), (4, 1), (8, 2)):
        picture = heads(weights[:count], names)
        for name in names:
            assert texts(picture).count(name) == rows + 1, (
                "beside each row of maps, above the first"
            )
        assert texts(picture).count("looks (query) ↓") == 1
        assert len(picture.sheet.images) == count + 1, "one legend"
    assert len(compare(*weights[:2], names).sheet.images) == 3 + 2, "weights, and their difference"
    assert len(heatmap(weights[0], names).sheet.images) == 1, "numbers explain their colours"
    assert len(heatmap(weights[0], names, numbers=False).sheet.images) == 2


def test_names_that_differ_are_said_for_each():
    picture = mask_figure({"a": masks.full(2, 2), "b": masks.full(3, 3), "c": masks.full(3, 2)})
    assert [texts(picture).count(name) for name in "012"] == [6, 6, 3]


def test_what_is_not_allowed_is_said_on_the_cells_or_below():
    big, small = mask_figure(masks.causal(10)), mask_figure(np.eye(2, dtype=bool), ["a", "b"])
    for picture in (big, small, heatmap(np.eye(10), mask=masks.causal(10))):
        assert texts(picture).count("not allowed") == 1
    (first,) = [text for text in big.sheet.texts if text.get_text() == "not allowed"]
    left, right, low, top = big.sheet.images[0].get_extent()
    x, y = first.get_position()
    assert left < x < right and top < y < low
    assert "not allowed" not in texts(heatmap(np.eye(10)))
    assert "not allowed" not in texts(mask_figure(masks.full(10)))
    assert mask_grid(masks.causal(3), None, None).gaps and not grid(np.eye(3)).gaps


def test_the_words_of_a_mask_are_those_of_the_caller():
    read = {"a": masks.causal(12), "b": masks.full(12)}
    picture = mask_figure(read, words=("read", "not read"), axes=("query", "key"))
    assert {"read", "not read", "query ↓", "key →"} <= set(texts(picture))
    assert not {"allowed", "not allowed", "looks (query) ↓"} & set(texts(picture))
    assert "a: 78 of 144 pairs read (54%)" in picture.alt
    one = mask_figure(masks.causal(12), words=("read", "not read"))
    assert {"read", "not read", "78 of 144 pairs read (54%)"} <= set(texts(one))
    few = mask_figure({"a": masks.causal(2, 5), "b": masks.full(2, 5)})
    assert {"9 of 10 pairs", "10 of 10 pairs"} <= set(texts(few))


@pytest.mark.parametrize("mask", [masks.causal(12), masks.local(24, window=1), masks.full(12)])
def test_allowed_and_not_allowed_are_said_on_cells_or_below_but_not_both(mask):
    picture = mask_figure(mask)
    _, _, low, _ = picture.sheet.images[0].get_extent()
    below = {
        t.get_position()[1] > low for t in picture.sheet.texts if "allowed" == t.get_text()[-7:]
    }
    assert len(below) == 1


def test_keys_that_all_rows_have_are_said_once():
    assert texts(mask_figure(masks.full(4))).count("all 4") == 1
    assert "4" not in texts(mask_figure(masks.full(4, 4), list("abcd")))


def test_a_row_without_a_key_says_so():
    mask = masks.causal(4) & ~np.eye(4, dtype=bool)
    weights = mask / np.maximum(mask.sum(axis=1, keepdims=True), 1)
    picture = heatmap(weights, mask=mask)
    assert texts(picture).count("no key") == 1
    assert "queries without any of the keys: 1" in picture.alt
    assert texts(picture).count("each .33") == 1


@in_both_themes
def test_leaks_have_one_outline_and_are_never_zero(style):
    leak = np.full((6, 6), 0.004)
    leak[np.tril_indices(6)] = 0.16
    picture = heatmap(leak, mask=masks.causal(6))
    assert texts(picture).count("<.01") == 15 and ".00" not in texts(picture)
    assert "where none is allowed, at most 0.004" in picture.alt
    edges = [
        one
        for one in picture.sheet.collections
        if is_ink(one.get_colors()[0, :3] * 255, style["nan"])
    ]
    lines = {tuple(map(tuple, np.round(line, 6))) for line in edges[0].get_segments()}
    assert len(edges) == 1 and len(lines) == 2 * 5 + 2 * 5, "the outline of the staircase"


def test_heads_may_have_a_mask_each():
    both = np.stack([masks.full(3), masks.causal(3)])
    picture = heads(both / 3, mask=both, titles=["all", "past"])
    assert "past: 3 queries × 3 keys" in picture.alt
    assert is_ink(seen(picture, 0, 2), "#f7fbff").mean() < 0.5
    hatch = [i for i in picture.sheet.get_children() if type(i).__name__ == "BboxImage"]
    assert len(hatch) == 1, "of the second alone"
    with pytest.raises(ValueError, match=r"one mask, \(n_q, n_k\), but mask is \(2, 3, 3\)"):
        heads(both / 3, mask=both, show_mask=True)
    with pytest.raises(ValueError, match="mask"):
        heads(both / 3, mask=np.ones((3, 3, 3), bool))


def test_one_head_has_its_name_in_the_corner():
    one = heads(np.array([[[0.9, 0.1], [0.2, 0.8]]]), ["a", "b"], titles=["layer 2, head 3"])
    other = heatmap([[0.9, 0.1], [0.2, 0.8]], ["a", "b"], title="layer 2, head 3")
    places = [
        text.get_position()
        for picture in (one, other)
        for text in picture.sheet.texts
        if text.get_text() == "layer 2, head 3"
    ]
    assert places[0] == places[1] and len(places) == 2
    assert one.alt.startswith("layer 2, head 3. 2 queries")
