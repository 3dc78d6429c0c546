"""show/atlas.py: every head is in its place in the mosaic, in the colours of its weights; a grid
says the numbers it was given.
"""

import nbformat
import numpy as np
import pytest
from conftest import in_both_themes
from drawn import texts, touching
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgba
from matplotlib.patches import Rectangle

import notebooks
from attnlib import masks, softmax
from attnlib.show import measure_figure, mosaic
from attnlib.show.atlas import FRAME, GAP, LIFT, SQUARE
from attnlib.show.sheet import DPI, HALF, PAGE, colour

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.usefixtures("style")]


SIDE = 120  # dots of a square of 4 tokens, where three share half a page


def some_weights(layers=2, heads=3, n=4, seed=0):
    return softmax(np.random.default_rng(seed).normal(0, 2, (layers, heads, n, n)))


def image_of(picture):
    """The squares as they were placed: (dots, dots, 4)."""
    return np.asarray(
        max(picture.sheet.images, key=lambda image: np.prod(image.get_array().shape)).get_array()
    )


def cells_of(picture):
    """The cells of a grid: its first image."""
    return np.asarray(picture.sheet.images[0].get_array())


def squares(picture, layers, heads, side, lift=0):
    """(layers, heads, side, side, 4) cut out of the image, by hand."""
    image, high, wide = image_of(picture), side + GAP + lift, side + GAP
    return np.array(
        [
            [
                image[r * high + lift : r * high + lift + side, c * wide : c * wide + side]
                for c in range(heads)
            ]
            for r in range(layers)
        ]
    )


def outlines(picture):
    """(n, 4): x, y, width, height of the dark outlines."""
    found = [
        p for p in picture.sheet.patches if isinstance(p, Rectangle) and p.get_linewidth() == FRAME
    ]
    assert all(to_hex(p.get_edgecolor()) == colour("ink") and not p.get_fill() for p in found)
    return np.array([(*p.get_xy(), p.get_width(), p.get_height()) for p in found])


def expected(weights):
    """The colours that weights have in every picture."""
    return LinearSegmentedColormap.from_list("course", colour("weights"))(weights)


@in_both_themes
def test_every_head_is_in_its_place_in_the_colours_of_its_weights(style):
    weights = some_weights()
    picture = mosaic(weights, list("abcd"), title="All")
    side = SIDE
    found = squares(picture, 2, 3, side)
    wanted = expected(weights).repeat(side // 4, axis=2).repeat(side // 4, axis=3)
    np.testing.assert_allclose(found, wanted)
    image = image_of(picture)
    assert image.shape[:2] == (2 * side + GAP, 3 * side + 2 * GAP)
    np.testing.assert_allclose(
        image[side : side + GAP], np.broadcast_to(to_rgba(style["paper"]), (GAP, image.shape[1], 4))
    )
    assert picture.png() and not outlines(picture).size
    assert {"All", "head →", "layer ↓", "0", "1", "2", "4 tokens: a b c d"} <= set(texts(picture))


def test_an_order_with_names_and_captions():
    weights, order = some_weights(), [4, 0, 5, 2]
    values = np.arange(6.0).reshape(2, 3) / 10
    picture = mosaic(weights, order=np.array(order), captions=values)
    side = SIDE
    found = squares(picture, 2, 3, side, lift=LIFT).reshape(6, side, side, 4)[:4]
    np.testing.assert_allclose(
        found[:, :: SIDE // 4, :: SIDE // 4], expected(weights.reshape(6, 4, 4)[order])
    )
    said = texts(picture)
    assert [t for t in said if t.startswith("L")] == [
        "L1H1 .40",
        "L0H0 .00",
        "L1H2 .50",
        "L0H2 .20",
    ]
    assert {"1.", "4.", "in this order →"} <= set(said) and "head →" not in said
    assert (
        "first in this order, with the mean of each row's largest weight: layer 1 head 1"
        in picture.alt
    )
    paper = to_rgba(colour("paper"))
    np.testing.assert_allclose(
        squares(picture, 2, 3, side, lift=LIFT)[1, 1:], np.broadcast_to(paper, (2, side, side, 4))
    )


def test_names_that_need_room_make_rows_shorter():
    """Twelve heads, and names for which so many do not fit: each square is still its head."""
    weights, order = some_weights(2, 12), np.arange(24)[::-1]
    picture = mosaic(weights, order=order, captions=[["twelve letters"] * 12] * 2)
    names = [text for text in picture.sheet.texts if "twelve" in text.get_text()]
    left, top = (min(text.get_position()[axis] for text in names) for axis in (0, 1))
    image, found = image_of(picture), []
    for text in names:  # below each name its square
        x = round((text.get_position()[0] - left) * DPI)
        y = round((text.get_position()[1] - top) * DPI) + LIFT
        found.append(image[y : y + SIDE : SIDE // 4, x : x + SIDE : SIDE // 4])
    np.testing.assert_allclose(found, expected(weights.reshape(24, 4, 4)[order]))
    assert "L1H11 twelve letters" in texts(picture) and touching(picture) == []


def test_captions_without_an_order_and_words_as_captions():
    said = texts(mosaic(some_weights(1, 2), captions=[["one", "two"]]))
    assert {"one", "two", "head →"} <= set(said)


@in_both_themes
def test_what_is_not_allowed_is_grey_and_a_weight_there_is_not_hidden(style):
    weights = softmax(np.zeros((1, 1, 4, 4)), where=masks.causal(4))
    weights[0, 0, 0] = [0.5, 0.5, 0, 0]
    picture = mosaic(weights, mask=masks.causal(4))
    found = squares(picture, 1, 1, SIDE)[0, 0, :: SIDE // 4, :: SIDE // 4]
    grey = (np.abs(found - to_rgba(style["blocked"])) < 1e-6).all(axis=-1)
    np.testing.assert_array_equal(grey, ~masks.causal(4) & (weights[0, 0] == 0))
    assert "not allowed" in texts(picture) and "not allowed" not in texts(mosaic(weights))


def test_long_texts_keep_the_darkest_of_each_few_cells():
    weights = np.zeros((1, 2, 300, 300))
    weights[0, 0, 299, 7] = 1
    weights[0, 1, :, 0] = 1
    image = image_of(mosaic(weights))
    side = (image.shape[1] - GAP) // 2
    assert side <= SQUARE and side * 3 == 300
    dark = (np.abs(image - expected(np.ones(()))) < 1e-6).all(axis=-1)
    assert dark[:, :side].sum() == 1 and dark[99, 2]
    assert dark[:, side + GAP :].sum() == 100 and dark[:, side + GAP].all()


def test_nan_is_red():
    weights = some_weights(1, 1)
    weights[0, 0, 1, 2] = np.nan
    found = squares(mosaic(weights), 1, 1, SIDE)[0, 0, :: SIDE // 4, :: SIDE // 4]
    np.testing.assert_allclose(found[1, 2], to_rgba(colour("nan")))


def test_marked_heads_have_an_outline():
    plain = mosaic(some_weights(), marked=[(1, 2), (0, 0)])
    (x0, y0, wide, high), (x1, y1, *_) = outlines(plain)
    for words, x, y in (("L0H0", x0, y0), ("L1H2", x1, y1)):
        (name,) = [text for text in plain.sheet.texts if text.get_text() == words]
        assert x < name.get_position()[0] < x + wide, "below its frame, and not on the square"
        assert y + high < name.get_position()[1] < y + high + 0.2
    named = mosaic(some_weights(), marked=[(0, 0)], order=[0, 5])
    assert texts(named).count("L0H0") == 1, "it is named above already"
    side = SIDE / DPI
    assert wide == pytest.approx(side + 0.02) and high == pytest.approx(side + 0.02)
    assert x1 - x0 == pytest.approx(2 * (side + GAP / DPI)) and y1 - y0 == pytest.approx(
        side + GAP / DPI
    )


def test_the_words_say_which_heads_are_sharpest():
    weights = np.full((2, 2, 3, 3), 1 / 3)
    weights[1, 0] = np.eye(3)
    alt = mosaic(weights, title="Two by two").alt
    assert alt.startswith("Two by two: 2 layers × 2 heads, 3 queries × 3 keys; sharpest")
    assert "layer 1 head 0 (1.00), layer 0 head 0 (0.33)" in alt


@pytest.mark.parametrize(
    "shape", [(1, 1, 2, 2), (6, 12, 12, 12), (24, 32, 9, 9), (2, 3, 2, 5), (4, 4, 102, 102)]
)
def test_everything_stays_on_the_paper(shape):
    weights = softmax(np.random.default_rng(0).normal(size=shape))
    for how in (
        {},
        {"order": np.arange(shape[0] * shape[1])[::-1], "captions": np.full(shape[:2], 0.5)},
    ):
        picture = mosaic(weights, title="T", mask=np.ones(shape[2:], bool), **how)
        picture.draw_without_rendering()
        width, height = picture.canvas.get_width_height()
        assert width in (round(HALF * DPI), round(PAGE * DPI)) and touching(picture) == []
        assert min(text.get_size() for text in picture.sheet.texts) >= 9
        for text in picture.sheet.texts:
            box = text.get_window_extent()
            assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height, (
                text.get_text()
            )


@pytest.mark.parametrize(
    "change, words",
    [
        (
            {"weights": np.ones((2, 3, 4))},
            r"weights must have the shape \(..., layers, heads, n_q, n_k\), got \(2, 3, 4\)",
        ),
        ({"weights": np.ones((1, 2, 3, 4, 4))}, r"a batch of 2, .* \(1, 2, 3, 4, 4\)"),
        ({"weights": np.ones((2, 0, 4, 4))}, r"with no axis of length 0; got \(2, 0, 4, 4\)"),
        ({"tokens": ["a"]}, r"tokens has 1 names, but the axis n_k of the weights has 4 entries"),
        (
            {"order": [0, 0]},
            r"order must hold numbers from 0 to 5, each once at most, got \[0, 0\]",
        ),
        ({"order": [6]}, r"order must hold numbers from 0 to 5"),
        ({"order": []}, r"order must be a row of whole numbers"),
        ({"order": [[0, 1]]}, r"order must be a row of whole numbers"),
        ({"order": [0.5]}, r"order must be a row of whole numbers"),
        (
            {"captions": np.ones((3, 2))},
            r"captions must have the shape \(layers, heads\) = \(2, 3\), got \(3, 2\)",
        ),
        ({"marked": [(2, 0)]}, r"marked: layer must be at most 1, got 2"),
        ({"marked": [(0, 3)]}, r"marked: head must be at most 2, got 3"),
        ({"marked": [3]}, r"marked must be pairs \(layer, head\), got 3"),
        ({"mask": np.ones((3, 3), bool)}, r"mask has the shape \(3, 3\)"),
        ({"vmax": 0}, r"vmax must be a finite number above 0"),
    ],
)
def test_mosaic_says_what_is_wrong(change, words):
    with pytest.raises(ValueError, match=words):
        mosaic(**({"weights": some_weights()} | change))


# ---- one number for each head --------------------------------------------------------------------


@in_both_themes
def test_a_grid_of_numbers(style):
    values = np.array([[0.5, 1.25, 0.0], [0.1, 0.2, 12.0]])
    picture = measure_figure(values, title="Far")
    said = texts(picture)
    assert [t for t in said if t in (".50", "1.25", ".00", ".10", ".20", "12.0")] == [
        ".50",
        "1.25",
        ".10",
        ".20",
        "12.0",
    ]
    assert {"0.58", "4.10", "mean", "head →", "layer ↓", "framed: layer 1, head 2, 12.00"} <= set(
        said
    )
    np.testing.assert_allclose(cells_of(picture), expected(values / 12))
    assert (
        picture.alt == "Far: 2 layers × 3 heads, layer 1 head 2 12.00; means by layer 0.58, 4.10."
        and picture.png()
    )


def test_the_largest_or_a_chosen_one_has_an_outline():
    values = np.array([[0.5, 1.0], [0.0, 0.2]])
    (x0, y0, wide, high) = outlines(measure_figure(values))[0]
    (x1, y1, *_) = outlines(measure_figure(values, marked=(1, 0)))[0]
    assert x0 - x1 == pytest.approx(wide) and y1 - y0 == pytest.approx(high)
    assert not outlines(measure_figure(np.zeros((2, 2)))).size, "nobody stands out"


def test_one_scale_for_several_figures():
    half = cells_of(measure_figure(np.full((1, 2), 0.5), vmax=1))
    np.testing.assert_allclose(half, expected(np.full((1, 2), 0.5)))
    np.testing.assert_allclose(
        cells_of(measure_figure(np.zeros((1, 2)))), expected(np.zeros((1, 2)))
    )


@pytest.mark.parametrize("shape", [(1, 1), (6, 12), (24, 32), (4, 4)])
def test_a_grid_stays_on_the_paper(shape):
    picture = measure_figure(np.random.default_rng(0).uniform(size=shape), title="A title")
    picture.draw_without_rendering()
    assert touching(picture) == [] and picture.get_figwidth() < PAGE + 0.01
    width, height = picture.canvas.get_width_height()
    for text in picture.sheet.texts:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height, text.get_text()


@pytest.mark.parametrize(
    "values, how, words",
    [
        (np.ones(3), {}, r"values must have the shape \(..., layers, heads\), got \(3,\)"),
        (
            np.ones((2, 2, 2)),
            {},
            r"values must be numbers not below 0, of the shape \(layers, heads\), got \(2, 2, 2\)",
        ),
        (np.ones((0, 2)), {}, r"of the shape \(layers, heads\), got \(0, 2\)"),
        (-np.ones((2, 2)), {}, r"values must be numbers not below 0"),
        (np.full((2, 2), np.nan), {}, r"values must be finite"),
        (np.ones((2, 2)), {"marked": (2, 0)}, r"marked: layer must be at most 1, got 2"),
        (np.ones((2, 2)), {"marked": (0, 2)}, r"marked: head must be at most 1, got 2"),
        (np.ones((2, 2)), {"vmax": -1}, r"vmax must be a finite number above 0"),
    ],
)
def test_measure_figure_says_what_is_wrong(values, how, words):
    with pytest.raises(ValueError, match=words):
        measure_figure(values, **how)


# ---- the notebook --------------------------------------------------------------------------------


def test_the_saved_notebook_shows_all_three_models():
    """A refresh where one is missing would leave holes, and the text is about all of them."""
    path = notebooks.path("real_models")
    (opened,) = [cell for cell in nbformat.read(path, 4).cells if cell.id == "open-code"]
    printed = "".join(output.text for output in opened.outputs)
    assert [line.split()[0] for line in printed.splitlines()] == ["tiny-gpt", "minilm", "smollm2"]
    assert "left out" not in printed


def beside(picture, size):
    """The numbers at the left edge, from top to bottom: (text, y)"""
    found = [
        text
        for text in picture.sheet.texts
        if text.get_ha() == "right" and text.get_fontsize() == size
    ]
    return [
        text.get_text()
        for text in sorted(found, key=lambda text: text.get_position()[1])
        if "layer" not in text.get_text()
    ]


def test_layers_and_places_are_counted_at_the_left_edge():
    assert beside(mosaic(some_weights(3, 2)), 9) == ["0", "1", "2"]
    assert beside(mosaic(some_weights(3, 2), order=[5, 0, 1]), 9) == ["1.", "3."]


def test_the_darkest_colour_is_that_of_vmax():
    weights = some_weights() * 0.2
    found = squares(mosaic(weights, vmax=0.2), 2, 3, SIDE)
    np.testing.assert_allclose(found[:, :, :: SIDE // 4, :: SIDE // 4], expected(weights / 0.2))


def test_of_a_long_text_a_dot_is_grey_only_where_none_of_its_cells_is_allowed():
    n = 300  # three cells for a dot
    weights = np.zeros((1, 1, n, n))
    image = image_of(mosaic(weights, mask=masks.causal(n)))
    grey = (np.abs(image - to_rgba(colour("blocked"))) < 1e-6).all(axis=-1)
    np.testing.assert_array_equal(grey, ~np.tri(100, dtype=bool))


def test_a_head_is_sharp_where_each_query_looks_at_one_key():
    weights = np.full((1, 2, 4, 4), 1 / 4)
    # all look at the first: sharp, though three keys get nothing
    weights[0, 1] = np.eye(4)[[0, 0, 0, 0]]
    assert "layer 0 head 1 (1.00), layer 0 head 0 (0.25)" in mosaic(weights).alt
