"""show/figures.py: every picture is a picture, its description is true, and its pixels mean what
they say.
"""

import base64
import io
import itertools
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from conftest import in_both_themes
from drawn import overhang, pixels, rgb, texts, written
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb
from PIL import Image

from attnlib import masks, toy
from attnlib.show import sheet
from attnlib.show.arrows import aim, encoding_figure
from attnlib.show.figures import compare, heads, heatmap, mask_figure, steps
from attnlib.show.live.explore import film_strip
from attnlib.show.sheet import HALF, PAGE

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.usefixtures("style")]

TOKENS = ["a", "b", "c", "d", "e"]
COURSE = toy.tokenize("The cat sat on the mat because it was tired")
ODD = [
    "😀",
    "日本",
    "שלום",
    "e\u0301",
    "$a_1$",
    "<b>",
    "สวัสดี",
    "한국어",
    "👨‍👩‍👧",
    "🇩🇪",
    "👍🏽",
    "\n",
    "",
    "$\\frac{",
    "x" * 50,
    "&amp;",
]
HUGE = 200


def shares(*shape, seed=0):
    weights = np.random.default_rng(seed).random(shape)
    return weights / weights.sum(axis=-1, keepdims=True)


def pictures(tokens=TOKENS, title="", names=("one", "two", "three")):
    """One picture of each kind, with these tokens, this title, and these names of its parts."""
    n = len(tokens)
    rng = np.random.default_rng(1)
    square = shares(3, n, n)
    q, k, v = rng.normal(size=(3, n, 2))
    mask = masks.causal(n)

    def strip():
        frame = Image.open(io.BytesIO(heatmap(square[0], tokens).png(fast=True)))
        return film_strip([(title or "first", frame), (names[0], frame)])

    return {
        "heatmap": lambda: heatmap(square[0] * mask, tokens, mask=mask, title=title),
        "heatmap signed": lambda: heatmap(square[0] - 0.1, tokens, signed=True, title=title),
        "heatmap wide": lambda: heatmap(
            shares(2, n), ["x", "y"], key_tokens=tokens, title=title, axes=("left", "right")
        ),
        "heads": lambda: heads(
            square, tokens, titles=names[:3], mask=mask, show_mask=True, title=title
        ),
        "mask": lambda: mask_figure(mask, tokens, title=title),
        "masks": lambda: mask_figure(
            {names[0]: mask, names[1]: masks.full(n)}, tokens, title=title
        ),
        "compare": lambda: compare(
            square[0], square[1], tokens, titles=names[:2], mask=mask, title=title
        ),
        "steps": lambda: steps(q, k, tokens=tokens, mask=mask, title=title),
        "encoding": lambda: encoding_figure(rng.normal(size=(n, 4)), title=title),
        "aim": lambda: aim(q, k, v, tokens, mask=mask, title=title),
        "film strip": strip,
    }


KINDS = list(pictures())


class Table:
    """The matrix number `which` of a picture, found by where it lies on the sheet, read back from
    the pixels.
    """

    def __init__(self, picture, shape, which=0):
        self.picture, self.shape, self.pixels = picture, shape, pixels(picture)
        wide = [
            image
            for image in picture.sheet.images
            if image.get_extent()[1] - image.get_extent()[0] > 0.121
        ]
        left, right, low, high = np.array(wide[which].get_extent()) * picture.dpi
        self.x, self.y = (
            np.linspace(left, right, shape[1] + 1),
            np.linspace(high, low, shape[0] + 1),
        )

    def cell(self, i, j, margin=2):
        rows = slice(round(self.y[i]) + margin, round(self.y[i + 1]) - margin)
        return self.pixels[rows, round(self.x[j]) + margin : round(self.x[j + 1]) - margin].reshape(
            -1, 3
        )

    def colour(self, i, j):
        """The colour of most of a cell: its background, whatever is written or hatched on it."""
        found, count = np.unique(self.cell(i, j), axis=0, return_counts=True)
        return found[count.argmax()]

    def edge(self, i, j):
        """The pixels on the frame of a cell."""
        y, x = [round(self.y[i]), round(self.y[i + 1])], [round(self.x[j]), round(self.x[j + 1])]
        rows, columns = range(y[0], y[1]), range(x[0], x[1])
        return np.concatenate(
            [
                self.pixels[y, columns[0] : columns[-1]].reshape(-1, 3),
                self.pixels[rows[0] : rows[-1], x].reshape(-1, 3),
            ]
        )

    def dot(self, i, j):
        """The pixel amid a cell that may be smaller than a pixel, with its neighbours."""
        y, x = round((self.y[i] + self.y[i + 1]) / 2), round((self.x[j] + self.x[j + 1]) / 2)
        return self.pixels[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3)


def same(colour, wanted, by=2):
    return np.abs(np.asarray(colour) - rgb(wanted)).max() <= by


def lightness(colour):
    """CIE L*, 0 black to 100 white."""
    linear = np.where(
        np.array(colour) <= 10.3,
        np.array(colour) / 3294.6,
        ((np.array(colour) / 255 + 0.055) / 1.055) ** 2.4,
    )
    y = linear @ [0.2126, 0.7152, 0.0722]
    return 116 * np.cbrt(y) - 16 if y > 0.008856 else 903.3 * y


def colour_of(picture, word):
    return {text.get_color() for text in picture.sheet.texts if text.get_text().strip() == word}


# ---- every kind of picture -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@in_both_themes
def test_a_picture_shows_and_describes_itself(kind, style):
    picture = pictures()[kind]()
    assert type(picture) is sheet.Picture
    assert picture.alt.strip()
    data, metadata = picture._repr_mimebundle_()
    assert data["text/plain"] == metadata["image/png"]["alt"] == picture.alt
    wanted = np.array([picture.get_figwidth(), picture.get_figheight()]) * picture.dpi
    for raw in (base64.b64decode(data["image/png"]), picture.png(fast=True)):
        image = Image.open(io.BytesIO(raw))
        image.load()
        assert image.format == "PNG"
        assert np.abs(np.array(image.size) - wanted).max() <= 1
        assert same(image.convert("RGB").getpixel((1, image.height - 2)), style["paper"])
        assert len(image.convert("RGB").getcolors(1 << 24)) > 5, "nothing is drawn"


@pytest.mark.parametrize("kind", KINDS)
@in_both_themes
def test_saved_pictures_have_few_colours_and_the_true_ones(kind, style):
    picture = pictures()[kind]()
    saved = Image.open(io.BytesIO(picture.png()))
    assert saved.mode == "P" and len(saved.convert("RGB").getcolors()) <= 256
    full = Image.open(io.BytesIO(picture.png(fast=True))).convert("RGB")
    frequent = sorted(full.getcolors(1 << 24), reverse=True)[:6]
    kept = np.array([color for _, color in saved.convert("RGB").getcolors()])
    for _, color in frequent:
        assert np.abs(kept - color).max(axis=1).min() <= 6, f"{color} is lost"


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_input_gives_the_same_bytes(kind):
    one, two = pictures()[kind](), pictures()[kind]()
    assert one.png() == two.png() and one.png(fast=True) == two.png(fast=True)
    assert one.png() == one.png()


def test_inputs_are_left_alone():
    rng = np.random.default_rng(0)
    w, q, k, v = shares(3, 5, 5), *rng.normal(size=(3, 5, 2))
    w[0, 1, 2] = np.nan
    mask, encoding, names = masks.causal(5), rng.normal(size=(9, 4)), list(TOKENS)
    kept = [array.copy() for array in (w, q, k, v, mask, encoding)]
    for array in (w, q, k, v, mask, encoding):
        array.flags.writeable = False
    for picture in (
        heatmap(w[0], names, mask=mask),
        heatmap(w[1], names, signed=True),
        heads(w, names, titles=names[:3], mask=mask, show_mask=True),
        mask_figure({"m": mask}, names),
        compare(w[1], w[2], names, mask=mask),
        steps(q, k, tokens=names, mask=mask),
        encoding_figure(encoding),
        aim(q, k, v, names, mask=mask),
    ):
        picture.png()
    for array, before in zip((w, q, k, v, mask, encoding), kept):
        np.testing.assert_array_equal(array, before)
    assert names == TOKENS


def test_pyplot_stays_asleep():
    code = (
        "import sys, numpy as np\nfrom attnlib.course import explorer\n"
        "from attnlib.show import heads, heatmap\n"
        "heads(np.ones((2, 3, 3)) / 3).png(); heatmap(np.eye(2))._repr_mimebundle_();"
        " explorer()._repr_mimebundle_()\nassert 'matplotlib.pyplot' not in sys.modules, 'pyplot"
        " was imported'\nimport matplotlib.pyplot as plt\nheads(np.ones((2, 3, 3)) /"
        " 3).png()\nassert plt.get_fignums() == [], 'a figure was left open'\n"
    )
    environment = {**os.environ, "MPLBACKEND": "agg", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60
    )
    assert done.returncode == 0, done.stderr


# ---- themes and constants ------------------------------------------------------------------------


@in_both_themes
def test_theme_colours_every_part_of_later_pictures(style):
    for kind, make in pictures().items():
        picture = make()
        assert same(pixels(picture)[2, -2], style["paper"]), kind
    other = next(t for t in sheet.THEMES.values() if t is not style)
    assert (
        style["paper"] != other["paper"] and lightness(rgb(sheet.THEMES["dark"]["paper"])) < 20 < 80
    )
    contrast = abs(lightness(rgb(style["ink"])) - lightness(rgb(style["paper"])))
    assert contrast > 70


def test_unknown_theme_is_refused(style):
    with pytest.raises(ValueError, match=r"name must be one of 'light', 'dark', got 'blue'"):
        sheet.theme("blue")
    assert sheet._theme is style


def test_one_colour_for_each_role():
    assert (sheet.QUERY, sheet.KEY, sheet.VALUE) == ("#D55E00", "#009E73", "#CC79A7")
    picture = heatmap(shares(3, 3))
    assert colour_of(picture, "looks (query) ↓") == {sheet.colour("query_text")}
    assert colour_of(picture, "is looked at (key) →") == {sheet.colour("key_text")}


def test_axes_are_named_on_every_table():
    made = pictures()
    for kind in ("heatmap", "heads", "mask", "masks", "compare", "steps", "aim"):
        words = " ".join(texts(made[kind]()))
        assert words.count("looks (query)") == words.count("is looked at (key)") == 1, kind
    words = " ".join(texts(made["heatmap wide"]()))
    assert "left" in words and "right" in words and "query" not in words


def seen_without(cone, color):
    """An sRGB colour as somebody without red ("L") or green ("M") cones sees it: Viénot, Brettel
    and Mollon 1999.
    """
    to_lms = np.array(
        [[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]]
    )
    flat = {
        "L": [[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]],
        "M": [[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]],
    }[cone]
    linear = (rgb(color) / 255) ** 2.2
    back = np.linalg.inv(to_lms) @ np.array(flat) @ to_lms @ linear
    return np.clip(back, 0, 1) ** (1 / 2.2) * 255


@pytest.mark.parametrize("cone", ["L", "M"])
@in_both_themes
def test_colours_that_mean_different_things_differ_for_the_colour_blind(cone, style):
    ends = style["signed"][0], style["signed"][-1]
    for one, two in [ends, (style["signed"][1], style["signed"][-2]), (sheet.QUERY, sheet.KEY)]:
        assert np.abs(seen_without(cone, one) - seen_without(cone, two)).max() > 40
    red = seen_without(cone, style["nan"])
    assert (
        min(
            np.abs(red - seen_without(cone, other)).max()
            for other in style["weights"] + [style["blocked"]]
        )
        > 30
    )


# ---- pixels: weights -----------------------------------------------------------------------------


@in_both_themes
def test_more_weight_is_always_further_from_the_paper(style):
    ramp = np.linspace(0, 1, 21)
    table = Table(heatmap(ramp[None], sums=False), (1, 21))
    steps_up = np.diff([lightness(table.colour(0, j)) for j in range(21)])
    sign = -1 if style["paper"] == "#ffffff" else 1
    assert (steps_up * sign > 0.5).all()
    assert same(table.colour(0, 0), style["weights"][0]) and same(
        table.colour(0, 20), style["weights"][-1]
    )


def test_the_scale_is_absolute_unless_told(style):
    pale = Table(heatmap(np.full((3, 3), 1 / 3)), (3, 3)).colour(1, 1)
    strong = Table(heatmap(np.eye(3)), (3, 3)).colour(1, 1)
    assert not same(pale, style["weights"][-1], by=30) and same(strong, style["weights"][-1])
    told = Table(heatmap(np.full((3, 3), 1 / 3), vmax=1 / 3), (3, 3)).colour(1, 1)
    assert same(told, style["weights"][-1])
    over = Table(heatmap(np.full((3, 3), 7.0)), (3, 3)).colour(1, 1)
    assert same(over, style["weights"][-1])


@in_both_themes
def test_all_heads_share_one_scale(style):
    weights = np.stack([np.full((4, 4), 0.25), np.eye(4)])
    picture = heads(weights)
    even, sharp = Table(picture, (4, 4), 0), Table(picture, (4, 4), 1)
    assert same(sharp.colour(2, 2), style["weights"][-1]) and same(
        sharp.colour(2, 1), style["weights"][0]
    )
    assert (even.colour(2, 2) == even.colour(0, 3)).all()
    assert not same(even.colour(0, 0), style["weights"][-1], by=30), (
        "each head has a scale of its own"
    )


@pytest.mark.parametrize("which", [0, 1])
def test_rows_are_queries_and_columns_are_keys(which, style):
    weights = np.zeros((2, 3, 5))
    weights[:, 2, 0] = weights[:, 0, 4] = 1
    table = Table(heads(weights), (3, 5), which)
    dark = {
        (i, j) for i in range(3) for j in range(5) if same(table.colour(i, j), style["weights"][-1])
    }
    assert dark == {(2, 0), (0, 4)}


def test_cells_show_the_numbers_that_say_something(style):
    weights = np.array([[0.25, 0.75, 0.0], [1.0, 0.0, 0.0], [0.333, 0.333, 0.334]])
    found = texts(heatmap(weights, list("xyz")))
    assert sorted(t for t in found if re.fullmatch(r"\d?\.\d\d", t)) == [".25", ".75", "1.00"]
    assert "all alike, .33" in found, "an even row is said once, and has no numbers"
    every = texts(heatmap(weights, list("xyz"), numbers=True))
    assert every.count("0") == 3 and every.count(".33") == 3
    assert not any("." in t for t in texts(heatmap(weights[:2], numbers=False)))
    signed = texts(heatmap([[-2.5, 12.34], [0.125, -0.5]], signed=True))
    assert {"−2.50", "12.3", ".12", "−.50"} <= set(signed)


def test_numbers_stand_in_their_cells():
    weights = np.array([[0.11, 0.12, 0.77], [0.21, 0.22, 0.57], [0.31, 0.32, 0.37]])
    picture = heatmap(weights)
    table = Table(picture, (3, 3))
    for text in picture.sheet.texts:
        if re.fullmatch(r"\.\d\d", text.get_text()):
            x, y = np.array(text.get_position()) * picture.dpi
            i, j = np.searchsorted(table.y, y) - 1, np.searchsorted(table.x, x) - 1
            assert f"{weights[i, j]:.2f}"[1:] == text.get_text()


@in_both_themes
def test_numbers_can_be_read_on_their_cells(style):
    ramp = np.linspace(0, 1, 11)
    picture = heatmap(ramp[None], sums=False, numbers=True)
    table = Table(picture, (1, 11))
    inks = [
        text.get_color()
        for text in picture.sheet.texts
        if re.fullmatch(r"0|\.\d\d|1\.00", text.get_text())
    ][:11]
    contrasts = [
        abs(lightness(rgb(ink)) - lightness(table.colour(0, j))) for j, ink in enumerate(inks)
    ]
    assert len(inks) == 11 and min(contrasts) > 30


# ---- pixels: signed numbers ----------------------------------------------------------------------


@in_both_themes
def test_zero_is_in_the_middle_of_the_signed_scale(style):
    ramp = np.linspace(-3, 3, 21)
    table = Table(heatmap(ramp[None], signed=True), (1, 21))
    colours = [table.colour(0, j) for j in range(21)]
    assert same(colours[10], style["signed"][3])
    assert same(colours[0], style["signed"][0]) and same(colours[20], style["signed"][-1])
    away = np.abs([lightness(colour) - lightness(colours[10]) for colour in colours])
    assert (np.diff(away[:11]) < 0).all() and (np.diff(away[10:]) > 0).all()


def test_the_signed_scale_is_symmetric_where_the_numbers_are_not(style):
    table = Table(heatmap([[-0.1, 0.0, 4.0]], signed=True), (1, 3))
    assert same(table.colour(0, 1), style["signed"][3])
    assert same(table.colour(0, 2), style["signed"][-1])
    assert same(table.colour(0, 0), style["signed"][3], by=25)


@in_both_themes
def test_compare_draws_b_minus_a(style):
    a, b = np.array([[1.0, 0], [0, 1]]), np.array([[0, 1.0], [0, 1]])
    picture = compare(a, b, ["x", "y"], titles=("first", "second"))
    first, second, change = (Table(picture, (2, 2), which) for which in range(3))
    assert same(first.colour(0, 0), style["weights"][-1]) and same(
        second.colour(0, 1), style["weights"][-1]
    )
    assert same(change.colour(0, 0), style["signed"][0]) and same(
        change.colour(0, 1), style["signed"][-1]
    )
    assert same(change.colour(1, 0), style["signed"][3]) and same(
        change.colour(1, 1), style["signed"][3]
    )
    assert {"first", "second", "second − first"} <= set(texts(picture))


@in_both_themes
def test_steps_end_in_the_softmax(style):
    q, k = np.array([[8.0, 0], [0, 8]]), np.array([[8.0, 0], [0, 8]])
    mask = np.array([[True, False], [True, True]])
    picture = steps(q, k, tokens=["x", "y"], mask=mask)
    raw, masked, weights = (Table(picture, (2, 2), which) for which in (0, 2, 3))
    assert same(raw.colour(0, 0), style["signed"][-1]) and same(
        raw.colour(0, 1), style["signed"][3]
    )
    assert same(masked.colour(0, 1), style["blocked"]) and same(
        weights.colour(0, 1), style["blocked"]
    )
    assert same(weights.colour(0, 0), style["weights"][-1]) and same(
        weights.colour(1, 0), style["weights"][0]
    )
    assert {"q · k", "× 1/√d", "mask", "softmax"} <= set(texts(picture))
    assert "mask" not in texts(steps(q, k))


@in_both_themes
@pytest.mark.parametrize("scale", [None, 0.25, 2.0])
def test_steps_draw_all_scores_on_one_scale(style, scale):
    """What the division by √d does is seen: the same colour means the same score in every panel."""
    q, k = np.array([[6.0, 0, 0, 0], [0, 0, 0, -2]]), np.eye(4)[:2] * 3
    picture = steps(
        q, k, tokens=["x", "y"], scale=scale, mask=np.array([[True, True], [True, False]])
    )
    raw, scaled, masked = (Table(picture, (2, 2), which) for which in range(3))
    factor = 0.5 if scale is None else scale
    ramp = LinearSegmentedColormap.from_list("course", style["signed"])
    most = 18 * max(factor, 1)
    for table, value in [(raw, 18), (scaled, 18 * factor), (masked, 18 * factor)]:
        assert same(table.colour(0, 0), to_hex(ramp((value / most + 1) / 2))), value
    assert same(scaled.colour(0, 0), style["signed"][-1]) == (factor > 1)


@in_both_themes
def test_encoding_figure_shows_the_numbers_and_the_products(style):
    encoding = np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, 1], [0, 0, 1]])
    picture = encoding_figure(encoding)
    numbers, products = Table(picture, (4, 3), 0), Table(picture, (4, 4), 1)
    assert same(numbers.colour(0, 0), style["signed"][-1]) and same(
        numbers.colour(1, 1), style["signed"][0]
    )
    assert same(products.colour(2, 3), style["signed"][-1]) and same(
        products.colour(0, 1), style["signed"][3]
    )


@in_both_themes
def test_aim_draws_what_attention_brings_back(style):
    q, k = np.array([[9.0, 0], [0, 9]]), np.array([[0, 9.0], [9, 0]])
    picture = aim(q, k, np.array([[1.0, -1], [-1, 1]]), ["x", "y"])
    weights, values, output = (Table(picture, (2, 2), which) for which in range(3))
    assert same(weights.colour(0, 1), style["weights"][-1]) and same(
        weights.colour(0, 0), style["weights"][0]
    )
    for i, j in np.ndindex(2, 2):
        assert (output.colour(i, j) == values.colour(1 - i, j)).all(), (
            "x looks at y, and brings back its value"
        )
    inks = {text.get_color() for text in picture.sheet.texts if text.get_text() == "x"}
    assert {style["query_text"], style["key_text"]} < inks, "at their arrows"
    assert colour_of(picture, "value") == {style["value_text"]}


def test_aim_stands_zeros():
    nothing = np.zeros((2, 2))
    assert "x → x 0.50" in aim(nothing, nothing, np.eye(2), ["x", "y"]).alt
    assert aim(np.eye(2), np.eye(2), nothing, ["x", "y"]).png()


# ---- pixels: masks -------------------------------------------------------------------------------

MASK = np.array([[True, False, False], [True, True, False], [False, False, False]])


def masked_tables():
    w, q = np.zeros((3, 3)), np.zeros((3, 2))
    return {
        "heatmap": Table(heatmap(w, mask=MASK), (3, 3)),
        "heads": Table(heads(np.stack([w, w]), mask=MASK), (3, 3), 1),
        "mask behind the heads": Table(heads(np.stack([w]), mask=MASK, show_mask=True), (3, 3), 1),
        "mask_figure": Table(mask_figure(MASK), (3, 3)),
        "one of several masks": Table(mask_figure({"a": ~MASK, "b": MASK}), (3, 3), 1),
        "compare": Table(compare(w, w, mask=MASK), (3, 3), 1),
        "difference": Table(compare(w, w, mask=MASK), (3, 3), 2),
        "steps": Table(steps(q, q, mask=MASK), (3, 3), 3),
        "aim": Table(aim(q, q, q + 1, list("xyz"), mask=MASK), (3, 3)),
    }


@in_both_themes
def test_a_forbidden_cell_is_grey_and_hatched_and_no_weight_of_zero(style):
    for kind, table in masked_tables().items():
        for i, j in np.ndindex(3, 3):
            cell = table.cell(i, j)
            hatched = (np.abs(cell - rgb(style["hatch"])).max(axis=1) <= 25).mean()
            if MASK[i, j]:
                assert not same(table.colour(i, j), style["blocked"]), (kind, i, j)
            else:
                assert same(table.colour(i, j), style["blocked"]), (kind, i, j)
                assert hatched > 0.01, (kind, i, j)
    for zero in (style["weights"][0], style["signed"][3]):
        assert not same(rgb(zero), style["blocked"], by=7)


@in_both_themes
def test_a_weight_in_a_forbidden_cell_gets_a_red_frame_and_its_number(style):
    leak = np.array([[0.7, 0.3, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 0.0]])
    for picture, which in [
        (heatmap(leak, mask=MASK), 0),
        (heads(np.stack([MASK * 0.5, leak]), mask=MASK), 1),
    ]:
        table = Table(picture, (3, 3), which)
        red = {
            ij: (np.abs(table.edge(*ij) - rgb(style["nan"])).max(axis=1) < 40).mean()
            for ij in np.ndindex(3, 3)
        }
        assert red[0, 1] > 0.4 and red[2, 2] == red[2, 0] == 0
        assert not same(table.colour(0, 1), style["blocked"]), "it keeps its colour"
    assert (
        ".30" in texts(heatmap(leak, mask=MASK))
        and texts(heatmap(leak, mask=MASK)).count(".00") == 0
    )
    clean = Table(heatmap(leak * MASK, mask=MASK), (3, 3))
    assert not (
        np.abs(clean.pixels[: round(clean.y[-1]), : round(clean.x[-1])] - rgb(style["nan"])).max(
            axis=2
        )
        < 40
    ).any()


@pytest.mark.parametrize("n", [100, 200, 300])
@in_both_themes
def test_a_leak_is_seen_in_long_texts_too(n, style):
    leak = np.eye(n) * 0.5
    leak[n // 4, 3 * n // 4] = 0.5
    for picture, which in [
        (heatmap(leak, mask=masks.causal(n)), 0),
        (heads(np.stack([leak] * 5), mask=masks.causal(n)), 2),
    ]:
        table = Table(picture, (n, n), which)
        for i, j in [(n // 4, 3 * n // 4), (n // 4 + 20, 3 * n // 4)]:
            around = table.dot(i, j)
            blue = np.abs(around - rgb(style["weights"][2])).max(axis=1).min() < 40
            red = (around[:, 0] - around[:, 1:].max(axis=1)).max() > 50
            assert (blue or red) == (i == n // 4), (i, j)


def test_the_mask_broadcasts_from_one_row(style):
    table = Table(heatmap(np.zeros((3, 3)), mask=np.array([[True, False, True]])), (3, 3))
    assert [same(table.colour(i, 1), style["blocked"]) for i in range(3)] == [True] * 3
    assert not any(same(table.colour(i, j), style["blocked"]) for i in range(3) for j in (0, 2))


def test_mask_figure_counts(style):
    named = {"causal": masks.causal(4), "local": masks.local(4, window=2)}
    picture = mask_figure(named, list("wxyz"))
    assert (
        "causal: 10 of 16 pairs allowed (62%)" in picture.alt and "local: 10 of 16" in picture.alt
    )
    assert texts(picture).count("62% of 16 pairs") == 2
    assert not [text for text in texts(picture) if text in list("1234")], "shares say enough"
    alone = mask_figure(masks.local(4, window=2), list("wxyz"))
    counts = [text for text in texts(alone) if text in list("1234")]
    assert counts == ["2", "3", "3", "2"] and "10 of 16 pairs allowed (62%)" in texts(alone)
    assert colour_of(alone, "3") == {style["faint"]}
    assert "mask: 16 of 25 pairs allowed (64%)" in mask_figure(masks.prefix(5, n_prefix=2)).alt


def test_show_mask_says_how_much_is_allowed():
    picture = heads(shares(2, 4, 4), mask=masks.causal(4), show_mask=True)
    assert "the mask: 62% allowed" in texts(picture)
    assert "the mask: 100% allowed" in texts(heads(shares(2, 4, 4), show_mask=True))
    assert not any(
        "allowed" in text for text in texts(heads(shares(2, 4, 4), mask=masks.causal(4)))
    )


# ---- pixels: NaN and row sums --------------------------------------------------------------------


@in_both_themes
def test_nan_is_red(style):
    broken = shares(2, 4, 4)
    broken[1, 2, 3] = np.nan
    q = np.zeros((4, 2))
    drawn = [
        (heatmap(broken[1]), 0),
        (heads(broken), 1),
        (compare(broken[0], broken[1]), 1),
        (heatmap(broken[1], signed=True), 0),
    ]
    for picture, which in drawn:
        table = Table(picture, (4, 4), which)
        red = {ij for ij in np.ndindex(4, 4) if same(table.colour(*ij), style["nan"])}
        assert red == {(2, 3)}
        assert "1 cells are NaN" in picture.alt or "1 cell is NaN" in picture.alt
    assert "NaN" in texts(heatmap(broken[1])) and "NaN" not in texts(steps(q, q))
    assert (
        Table(heatmap(np.full((2, 2), np.nan)), (2, 2)).colour(0, 0).tolist()
        == rgb(style["nan"]).tolist()
    )


def test_a_nan_in_a_long_text_is_red(style):
    broken = np.full((HUGE, HUGE), 1 / HUGE)
    broken[150, 30] = np.nan
    for picture, which in [(heatmap(broken), 0), (heads(np.stack([broken] * 5)), 3)]:
        table = Table(picture, (HUGE, HUGE), which)
        assert np.abs(table.dot(150, 30) - rgb(style["nan"])).max(axis=1).min() < 20


@in_both_themes
def test_a_row_that_does_not_sum_to_one_has_its_sum_in_red(style):
    weights = np.array(
        [
            [0.5, 0.5, 0],
            [0.7, 0.7, 0],
            [0.5, 0.53, 0],
            [0.5, 0.5005, 0],
            [0, 0, 0],
            [np.nan, 1, 0],
            [-1, 2, 0],
        ]
    )
    wanted = [
        ("1.00", "faint"),
        ("1.40", "nan"),
        ("1.03", "nan"),
        ("1.00", "faint"),
        ("0.00", "nan"),
        ("nan", "nan"),
        ("1.00", "faint"),
    ]
    for sums in (None, True):
        picture = heatmap(weights, tokens=list("abcdefg"), key_tokens=list("xyz"), sums=sums)
        (edge,) = (t.get_position()[0] for t in picture.sheet.texts if t.get_text() == "sum")
        column = sorted(
            (t.get_position()[1], t.get_text(), t.get_color())
            for t in picture.sheet.texts
            if t.get_position()[0] == edge
        )
        found = [(text, color) for _, text, color in column[1:]]
        asked = [(text, style[name]) for text, name in wanted if sums or name == "nan"]
        assert found == asked, sums


def test_an_empty_row_may_sum_to_zero(style):
    mask = np.array([[True, True], [False, False]])
    picture = heatmap([[0.5, 0.5], [0.0, 0.0]], mask=mask, sums=True)
    assert colour_of(picture, "0.00") == {style["faint"]} == colour_of(picture, "1.00")
    assert "sum" not in texts(heatmap([[0.5, 0.5], [0.0, 0.0]], mask=mask))
    assert colour_of(heatmap([[0.5, 0.5], [0.2, 0.0]], mask=mask), "0.20") == {style["nan"]}


def test_sums_are_written_where_they_mean_something():
    weights = shares(3, 3)
    for sums, how in [(False, {}), (True, {"sums": True}), (True, {"sums": True, "signed": True})]:
        assert ("sum" in texts(heatmap(weights, **how))) == sums, how
    broken = 2 * weights
    assert "sum" in texts(heatmap(broken))
    for how in ({"signed": True}, {"axes": ("token", "feature")}, {"sums": False}):
        assert "sum" not in texts(heatmap(broken, **how)), how


# ---- pixels: long texts --------------------------------------------------------------------------


def bright(kind, at):
    weights = np.zeros((HUGE, HUGE))
    if kind == "column":
        weights[:, at] = 1
    elif kind == "row":
        weights[at] = 1
    elif kind == "diagonal":
        weights[np.arange(HUGE), np.arange(HUGE)] = 1
    else:
        weights[at, HUGE - 1 - at] = 1
    return weights


@pytest.mark.parametrize("kind", ["column", "row", "diagonal", "cell"])
@pytest.mark.parametrize("masked", [False, True])
def test_a_single_bright_line_is_seen_among_200_tokens(kind, masked, style):
    places = (0, 67, 101, 134, 199)
    mask = np.ones((HUGE, HUGE), bool) if masked else None
    weights = np.stack([bright(kind, at) for at in places])
    many = heads(weights, mask=mask)
    for which, at in enumerate(places):
        for table in (
            Table(many, (HUGE, HUGE), which),
            Table(heatmap(weights[which], mask=mask), (HUGE, HUGE)),
        ):
            points = {
                "column": [(i, at) for i in range(5, 195, 19)],
                "row": [(at, j) for j in range(5, 195, 19)],
            }
            points["diagonal"] = [(i, i) for i in range(5, 195, 19)]
            points["cell"] = [(at, HUGE - 1 - at)]
            for i, j in points[kind]:
                assert np.abs(table.dot(i, j) - rgb(style["weights"][-1])).max(axis=1).min() < 40, (
                    at,
                    i,
                    j,
                )
            away = (at + HUGE // 2) % HUGE
            if kind in ("column", "cell") and 4 < away < HUGE - 4:
                assert np.abs(table.dot(100, away) - rgb(style["weights"][0])).max() < 3


@pytest.mark.parametrize("n", [150, 300, 1000])
def test_a_long_encoding_keeps_its_few_columns_apart(n, style):
    encoding = np.zeros((n, 6))
    encoding[:, 0], encoding[:, 1], encoding[:, 4] = -1, 1, 0.5
    table = Table(encoding_figure(encoding), (n, 6))
    seen = np.array([np.median(table.dot(n // 2, j), axis=0) for j in range(6)])
    assert same(seen[0], style["signed"][0]) and same(seen[1], style["signed"][-1])
    for j in (2, 3, 5):
        assert same(seen[j], style["signed"][3]), j
    assert lightness(seen[1]) < lightness(seen[4]) < lightness(seen[2])


def test_signed_spots_survive_in_long_tables(style):
    table = np.zeros((900, 900))
    table[333, 200], table[777, 500] = -1, 1
    seen = Table(encoding_figure(table), (900, 900))
    assert np.abs(seen.dot(333, 200) - rgb(style["signed"][0])).max(axis=1).min() < 40
    assert np.abs(seen.dot(777, 500) - rgb(style["signed"][-1])).max(axis=1).min() < 40


def test_a_narrow_band_is_not_greyed_out(style):
    mask = masks.local(HUGE, window=1)
    table = Table(heads(np.stack([np.eye(HUGE)] * 5), mask=mask), (HUGE, HUGE), 1)
    for i in range(3, HUGE, 23):
        assert np.abs(table.dot(i, i) - rgb(style["weights"][-1])).max(axis=1).min() < 40
    assert same(np.median(table.dot(30, 150), axis=0), style["blocked"], by=12)


# ---- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_odd_tokens_are_drawn_without_a_warning(kind):
    picture = pictures(ODD)[kind]()
    assert picture.png() and picture.png(fast=True)


@pytest.mark.parametrize("title", ["日本の猫 🇩🇪", "$x^2$ and $\\frac{", "<b>&amp;</b>"])
def test_odd_titles_and_names_are_drawn_without_a_warning(title):
    for kind, make in pictures(title=title, names=[title, "b", "c"]).items():
        picture = make()
        assert picture.png(fast=True)
        assert title in picture.alt, kind


@pytest.mark.parametrize("kind", KINDS)
def test_text_is_never_parsed(kind):
    tokens = ["$a_1$", "<b>x</b>", "&lt;", "\\alpha", "%s {0}"]
    picture = pictures(tokens, title="cost $5 and $6")[kind]()
    picture.png()
    assert not any(text.get_parse_math() or text.get_usetex() for text in picture.sheet.texts)
    if kind not in ("encoding", "film strip"):
        assert set(tokens) <= set(texts(picture))
    assert "cost $5 and $6" in texts(picture)


def test_dollars_take_their_place():
    def width(token):
        picture = heatmap([[1.0]], [token])
        picture.canvas.draw()
        return max(
            t.get_window_extent().width
            for t in picture.sheet.texts
            if t.get_text() == token and not t.get_rotation()
        )

    assert width("$$a$$") > width("$a$") > width("a")


def test_tokens_name_rows_and_columns():
    found = texts(heatmap(shares(2, 3), ["up", "down"], key_tokens=["x", "y", "x"]))
    assert [word for word in found if word in ("up", "down", "x₁", "y", "x₂")] == [
        "up",
        "down",
        "x₁",
        "y",
        "x₂",
    ]
    assert texts(heatmap(shares(2, 2))).count("1") >= 2, (
        "positions are the names where there are none"
    )


def test_repeated_tokens_keep_different_names_however_long():
    found = texts(heatmap(np.eye(2), ["internationalization"] * 2))
    names = [text for text in found if text.startswith("intern")]
    assert len(names) == 4 and len(set(names)) == 2


def test_names_of_long_texts_are_positions(style):
    picture = heatmap(np.eye(HUGE), [f"w{i}" for i in range(HUGE)])
    assert not any(text.startswith("w") for text in texts(picture))
    places = {
        t.get_position()[0]: t.get_text() for t in picture.sheet.texts if t.get_ha() == "center"
    }
    table, found = Table(picture, (HUGE, HUGE)), []
    for x, text in places.items():
        if text.isdigit():
            found.append(int(text))
            assert abs(np.interp(int(text) + 0.5, range(HUGE + 1), table.x) - x * picture.dpi) < 1
    assert found == [0, 50, 100, 150]
    assert "w0 → w0 1.00" in picture.alt


# ---- what the description says -------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_the_description_names_the_strongest_cells(seed):
    rng = np.random.default_rng(seed)
    weights = rng.random((3, 4, 6)).round(3)
    rows, columns = list("wxyz"), list("abcdef")

    def strongest(matrix, top):
        order = sorted(np.ndindex(*matrix.shape), key=lambda ij: -abs(matrix[ij]))[:top]
        return "strongest " + ", ".join(
            f"{rows[i]} → {columns[j]} {matrix[i, j]:.2f}" for i, j in order
        )

    picture = heatmap(weights[0], rows, key_tokens=columns, title="T")
    assert (
        picture.alt.startswith("T: 4 queries × 6 keys") and strongest(weights[0], 3) in picture.alt
    )
    change = weights[1] - weights[0]
    alt = compare(weights[0], weights[1], rows, key_tokens=columns).alt
    assert alt.count("4 queries × 6 keys") == 3
    for matrix in (weights[0], weights[1], change):
        assert strongest(matrix, 3) in alt
    columns = rows
    square = weights[:, :, :4]
    alt = heads(square, rows, titles=["one", "two", "three"]).alt
    for name, matrix in zip(["one", "two", "three"], square):
        assert f"{name}: 4 queries × 4 keys, {strongest(matrix, 1)}" in alt


def test_steps_and_aim_describe_the_weights():
    q, k = np.array([[3.0, 0], [0, 1]]), np.array([[0, 2.0], [2, 0]])
    first = np.exp([0, 6 / 2**0.5])
    share = first[1] / first.sum()
    for picture in (steps(q, k, tokens=["x", "y"]), aim(q, k, np.eye(2), ["x", "y"])):
        assert f"strongest x → y {share:.2f}" in picture.alt
    encoding = encoding_figure(np.ones((7, 3)), title="P").alt
    assert "P" in encoding and "7 positions" in encoding and "3 columns" in encoding


@pytest.mark.parametrize(
    "data",
    [
        [[np.nan, 0.0], [0.0, 0.0]],
        [[np.nan, np.nan], [np.nan, 0.5]],
        [[np.nan, 1.0], [0.0, np.nan]],
    ],
)
def test_nan_is_never_called_the_strongest(data):
    alt = heatmap(data, ["x", "y"]).alt
    assert not re.search(r"→ \S+ nan", alt)
    assert f"{np.isnan(data).sum()} cell" in alt


@pytest.mark.parametrize("draw", [heatmap, lambda w, names, **how: heads(w[None], names, **how)])
def test_half_a_page_where_two_go_together(draw):
    for n, names in itertools.product((2, 9, 15, 40), ("it", "because", "a" * 40)):
        whole, half = (draw(shares(n, n), [names] * n, width=width) for width in (PAGE, HALF))
        assert half.get_figwidth() == pytest.approx(HALF, abs=0.01)
        assert half.get_figheight() <= whole.get_figheight()
        assert half.alt == whole.alt and texts(half) and overhang(half)[0] <= 0
    with pytest.raises(ValueError, match="width"):
        draw(shares(2, 2), ["x", "y"], width=0)


def test_film_strip_describes_and_places_its_frames(style, exact_images):
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
    frames = [
        (f"x = {i}", Image.new("RGB", (200, 100), colour)) for i, colour in enumerate(colours)
    ]
    picture = film_strip(frames)
    assert picture.alt == "x = 0; x = 1; x = 2" and {"x = 0", "x = 1", "x = 2"} <= set(
        texts(picture)
    )
    image = pixels(picture)
    middle = [np.argwhere((image == colour).all(axis=2)).mean(axis=0) for colour in colours]
    dots = [(image == colour).all(axis=2).sum() for colour in colours]
    assert np.allclose(dots, 20_000, atol=300), "each frame at its own size, to a dot at its edges"
    assert (
        middle[0][0] == middle[1][0] < middle[2][0] and middle[0][1] == middle[2][1] < middle[1][1]
    )
    wide = pixels(
        film_strip([(caption, image.resize((800, 100))) for caption, image in frames[:2]])
    )
    assert wide.shape[1] == 800


# ---- what is refused -----------------------------------------------------------------------------

W = shares(3, 3)
REFUSED = [
    (lambda: heatmap(np.ones(3)), ValueError, ["weights", "(3,)"]),
    (lambda: heatmap(np.ones((2, 3, 3))), ValueError, ["weights", "(n_q, n_k)", "(2, 3, 3)"]),
    (lambda: heatmap(np.ones((0, 3))), ValueError, ["weights", "(0, 3)"]),
    (lambda: heatmap([["a"]]), TypeError, ["weights", "real numbers"]),
    (lambda: heatmap(W + 1j), TypeError, ["weights", "complex"]),
    (lambda: heatmap(W, ["a", "b"]), ValueError, ["tokens", "2", "3"]),
    (lambda: heatmap(W, "abc"), TypeError, ["tokens", "list of strings"]),
    (lambda: heatmap(W, list("abc"), key_tokens=["a"]), ValueError, ["key_tokens", "1", "3"]),
    (lambda: heatmap(W, mask=np.ones((2, 2), bool)), ValueError, ["mask", "(2, 2)", "(3, 3)"]),
    (lambda: heatmap(W, mask=np.full((3, 3), 0.5)), TypeError, ["mask", "boolean"]),
    (lambda: heatmap(W, vmax=0), ValueError, ["vmax"]),
    (lambda: heatmap(W, vmax=np.nan), ValueError, ["vmax"]),
    (lambda: heatmap(W, vmax="1"), TypeError, ["vmax"]),
    (lambda: heads(W), ValueError, ["weights", "(3, 3)"]),
    (lambda: heads(np.ones((0, 3, 3))), ValueError, ["weights", "(0, 3, 3)"]),
    (
        lambda: heads(np.ones((2, 2, 3, 3))),
        ValueError,
        ["weights", "(heads, n_q, n_k)", "(2, 2, 3, 3)"],
    ),
    (lambda: heads(np.stack([W, W]), titles=["a"]), ValueError, ["titles", "1", "2"]),
    (
        lambda: heads(np.stack([W]), mask=np.ones((4, 4), bool)),
        ValueError,
        ["mask", "(4, 4)", "(3, 3)"],
    ),
    (
        lambda: heads(np.stack([W]), mask=np.ones((2, 3, 3), bool)),
        ValueError,
        ["mask", "(2, 3, 3)"],
    ),
    (
        lambda: heads(np.stack([W]), mask=np.zeros((3, 3), int), show_mask=True),
        TypeError,
        ["mask", "boolean"],
    ),
    (lambda: mask_figure(np.full((3, 3), 2)), TypeError, ["mask", "boolean"]),
    (lambda: mask_figure(np.ones(3, bool)), ValueError, ["mask", "(3,)"]),
    (lambda: mask_figure(np.ones((2, 3, 3), bool)), ValueError, ["mask", "(2, 3, 3)"]),
    (lambda: mask_figure({}), ValueError, ["mask"]),
    (lambda: mask_figure(masks.causal(3), ["a"]), ValueError, ["tokens", "1", "3"]),
    (lambda: compare(W, np.ones((3, 4))), ValueError, ["a", "b", "(3, 3)", "(3, 4)"]),
    (lambda: compare(np.ones(3), W), ValueError, ["a", "(3,)"]),
    (lambda: compare(W, W, titles=("one",)), ValueError, ["titles"]),
    (lambda: compare(W, W, mask=np.ones((2, 3), bool)), ValueError, ["mask", "(2, 3)", "(3, 3)"]),
    (lambda: steps(np.ones((3, 2)), np.ones((3, 4))), ValueError, ["q", "k", "(3, 2)", "(3, 4)"]),
    (
        lambda: steps(np.ones((3, 2)), np.ones((3, 2)), mask=masks.causal(4)),
        ValueError,
        ["mask", "(4, 4)", "(3, 3)"],
    ),
    (lambda: steps(np.full((3, 2), np.nan), np.ones((3, 2))), ValueError, ["q", "finite"]),
    (lambda: encoding_figure(np.ones(3)), ValueError, ["encoding", "(3,)"]),
    (lambda: encoding_figure(np.ones((0, 3))), ValueError, ["encoding", "(0, 3)"]),
    (
        lambda: aim(np.ones((2, 3)), np.ones((2, 3)), np.ones((2, 1)), ["a", "b"]),
        ValueError,
        ["q", "two columns", "(2, 3)"],
    ),
    (
        lambda: aim(np.ones((2, 2)), np.ones((2, 2)), np.ones((3, 1)), ["a", "b"]),
        ValueError,
        ["k", "v", "(2, 2)", "(3, 1)"],
    ),
    (
        lambda: aim(np.ones((2, 2)), np.ones((2, 2)), np.ones((2, 1)), ["a"]),
        ValueError,
        ["tokens", "1", "2"],
    ),
    (
        lambda: aim(np.eye(2), np.eye(2), np.eye(2), ["a", "b"], value_names=["x"]),
        ValueError,
        ["1", "2"],
    ),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_does_not_fit_is_refused_by_name(number):
    make, kind, words = REFUSED[number]
    with pytest.raises(kind) as error:
        make()
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("values", [np.float16, np.float32, np.int64, bool, list])
def test_any_real_numbers_are_drawn(values, style):
    eye = np.eye(3).tolist() if values is list else np.eye(3, dtype=values)
    table = Table(heatmap(eye), (3, 3))
    assert same(table.colour(1, 1), style["weights"][-1]) and same(
        table.colour(1, 0), style["weights"][0]
    )


def test_infinities_and_giants_are_drawn():
    for data in (
        [[1, np.inf], [0, 0]],
        [[1e300, -9999], [0, 1]],
        [[1e-300, 0], [0, 0]],
        [[0.0, 0], [0, 0]],
    ):
        for signed in (False, True):
            assert heatmap(data, signed=signed).png(fast=True)
    assert heatmap([[1e300, -1e300], [0, 1]], signed=True).png(fast=True)


# ---- sizes ---------------------------------------------------------------------------------------


def overlaps(picture, words):
    """Pairs of these texts that lie on each other."""
    picture.canvas.draw()
    boxes = [
        (t.get_text(), t.get_window_extent()) for t in picture.sheet.texts if t.get_text() in words
    ]
    return [
        (a, b) for i, (a, one) in enumerate(boxes) for b, two in boxes[i + 1 :] if one.overlaps(two)
    ]


@pytest.mark.parametrize("h", range(1, 9))
@pytest.mark.parametrize("show_mask", [False, True])
def test_heads_of_the_course_sentence_fit_a_page(h, show_mask):
    seen = toy.look("The cat sat on the mat because it was tired", n_heads=h, pattern="causal")
    picture = heads(
        seen.weights,
        seen.tokens,
        titles=seen.names,
        mask=seen.mask,
        show_mask=show_mask,
        title="All heads",
    )
    assert picture.get_figwidth() <= 9.6 and picture.get_figheight() <= 7
    assert overhang(picture)[0] <= 1, overhang(picture)
    assert not overlaps(picture, seen.names)


@pytest.mark.parametrize("m", range(1, 9))
def test_masks_of_the_course_sentence_fit_a_page(m):
    named = {f"mask number {i}": masks.local(len(COURSE), window=i) for i in range(1, m + 1)}
    picture = mask_figure(named, COURSE, title="Masks")
    assert picture.get_figwidth() <= 9.6 and picture.get_figheight() <= 8
    assert overhang(picture)[0] <= 1, overhang(picture)
    assert not overlaps(picture, named)


@pytest.mark.parametrize("n", [1, 2, 5, 10, 12, 30, 60, 61, 200])
def test_every_length_fits_a_page(n):
    tokens = [COURSE[i % 10] for i in range(n)]
    w, q = shares(3, n, n), np.random.default_rng(0).normal(size=(n, 2))
    mask = masks.causal(n)
    for picture in (
        heatmap(w[0], tokens, mask=mask, title="A title of some length"),
        heads(w, tokens, mask=mask, show_mask=True),
        mask_figure({"one": mask, "two": mask}, tokens),
        compare(w[0], w[1], tokens),
        steps(q, q, tokens=tokens, mask=mask),
        encoding_figure(np.ones((n, 4))),
        aim(q[:30], q[:30], q[:30], tokens[:30]),
    ):
        assert 1 <= picture.get_figwidth() <= 10.5 and 1 <= picture.get_figheight() <= 9
        assert overhang(picture)[0] <= 2, (picture.alt[:20], overhang(picture))


# ---- low tables, counts, crowded numbers ---------------------------------------------------------


@pytest.mark.parametrize("row", ["a", "a sentence"])
@pytest.mark.parametrize("axes", [None, ("row", "column"), ("a word of some length", "j")])
def test_the_names_of_rows_and_columns_stand_in_the_corner(row, axes):
    for n in (1, 3, 12):
        picture = heatmap(
            shares(n, 2), [f"{row}{i}" for i in range(n)], key_tokens=["x", "y"], axes=axes
        )
        who, whom = axes or ("looks (query)", "is looked at (key)")
        ((one,), (two,)) = written(picture, f"{who} ↓"), written(picture, f"{whom} →")
        first, last = written(picture, "x")[0], written(picture, f"{row}{n - 1}")[0]
        boxes = [text.get_window_extent() for text in (one, two, first, last)]
        assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
        assert boxes[0].x1 == pytest.approx(boxes[3].x1, abs=2), "right-aligned at the rows"
        assert boxes[1].y0 >= boxes[0].y1 - 3 and overhang(picture)[0] <= 0


def test_whole_numbers_are_counts_unless_they_are_weights():
    counts = [
        text.get_text()
        for text in heatmap([[2.0, -3, 12]], key_tokens=list("abc"), signed=True).sheet.texts
    ]
    assert {"2", "−3", "12"} <= set(counts) and "2.00" not in counts
    assert written(heatmap([[2.0, 0.5]], key_tokens=list("ab"), signed=True), "2.00")
    assert len(written(heatmap(np.eye(2), list("ab")), "1.00")) == 2


def test_crowded_numbers_are_thinned_out_and_words_are_not():
    def counts(picture):
        edge = written(picture, "keys")[0].get_position()[0]
        return [t for t in picture.sheet.texts if t.get_position()[0] == edge][:-1]

    picture = mask_figure(masks.causal(40))
    assert 10 < len(counts(picture)) < 40
    table = Table(picture, (40, 40))
    for text in counts(picture):
        row = np.searchsorted(table.y, text.get_position()[1] * picture.dpi) - 1
        assert text.get_text() == str(row + 1)
    picture.canvas.draw()
    boxes = [t.get_window_extent() for t in picture.sheet.texts if t.get_text().isdigit()]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    words = [f"w{i}" for i in range(30)]
    assert set(words) <= set(texts(mask_figure(masks.causal(30), words)))


def luminance(color):
    parts = np.array(to_rgb(color))
    return np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ [
        0.2126,
        0.7152,
        0.0722,
    ]


@in_both_themes
def test_the_number_in_a_cell_can_be_read_on_every_colour(style):
    """The contrast of WCAG 2 for small text."""
    for signed in (False, True):
        values = np.linspace(-1 if signed else 0, 1, 12).reshape(1, -1)
        names = list("abcdefghijkl")
        picture = heatmap(values, ["a"], key_tokens=names, signed=signed, vmax=1, numbers=True)
        fill = LinearSegmentedColormap.from_list("course", style["signed" if signed else "weights"])
        cells = [
            text for text in picture.sheet.texts if re.fullmatch(r"0|−?\d?\.\d\d", text.get_text())
        ][:12]
        for value, text in zip(values[0], cells):
            pair = sorted(
                [luminance(text.get_color()), luminance(fill((value + signed) / (1 + signed)))]
            )
            assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, (
                value,
                text.get_text(),
                text.get_color(),
            )


def test_a_little_below_zero_is_written_as_zero():
    def cells(**how):
        few = heatmap([[-0.001, 0.004, -0.006]], key_tokens=list("abc"), signed=True, **how)
        return [text for text in texts(few) if "." in text]

    assert cells() == cells(numbers=True) == [".00", ".00", "−.01"]


def test_zero_is_a_measurement_and_no_weight():
    table, names = [[0.0, 0.5, 1.0]], ["a"]

    def cells(**how):
        picture = heatmap(table, names, key_tokens=list("xyz"), **how)
        return [text for text in texts(picture) if re.fullmatch(r"\d|\d?\.\d\d", text)]

    assert cells(sums=False) == [".50", "1.00"], "a weight of 0 is no news"
    assert cells(axes=("model", "pattern")) == cells(signed=True) == ["0", ".50", "1.00"]
    assert cells(axes=("text", "feature"), kind="value") == [".50", "1.00"], "nor a feature"
    assert cells(axes=("text", "word"), kind="weight", sums=False) == [".50", "1.00"]
    table = [[9.0, 3, 0]]
    assert cells(axes=("step", "token"), kind="count") == ["9", "3", "0"]
    assert cells(axes=("step", "token"), vmax=9) == ["9", "3", "0"]
    table = [[9.0, 3.5, 0]]
    assert cells(axes=("step", "token"), kind="count") == ["9.00", "3.50", "0"]


@in_both_themes
def test_saved_pictures_have_the_fine_steps_of_their_own_scale_alone(style):
    for kind, ramp in {"value": "values", "count": "counts"}.items():
        picture = heatmap(np.linspace(0, 1, 60)[None], kind=kind, numbers=False)
        saved = np.asarray(Image.open(io.BytesIO(picture.png())).convert("RGB")).astype(int)
        table = Table(picture, (1, 60))
        middle = round(table.y.mean()), np.round((table.x[1:] + table.x[:-1]) / 2).astype(int)
        assert np.abs(saved[middle] - table.pixels[middle]).max() < 9, ramp
    greys = np.linspace(rgb(style["ink"]), rgb(style["paper"]), 256)  # the edges of letters
    masked = np.array([rgb(style[name]) for name in ("blocked", "hatch", "allowed", "faint")])
    assert sheet._scales(np.concatenate([greys, masked])) == ["weights", "signed"]
    plain = heatmap(np.linspace(-1, 1, 60)[None], signed=True, numbers=False)
    colours = Image.open(io.BytesIO(plain.png(fast=True))).convert("RGB").getcolors(10**6)
    many = np.array([colour for number, colour in colours if number >= sheet.CELL])
    assert sheet._scales(many) == ["weights", "signed"]


@in_both_themes
def test_each_kind_of_number_has_its_colours(style):
    for kind, ramp in {"value": "values", "count": "counts", "weight": "weights"}.items():
        picture = heatmap([[0.0, 1.0]], ["a"], key_tokens=["x", "y"], kind=kind, numbers=False)
        table = Table(picture, (1, 2))
        assert same(table.colour(0, 1), style[ramp][-1]), kind
    assert Table(heatmap([[4.0, 8]], kind="value", numbers=False), (1, 2)).picture.sheet
    picture = heatmap([[4.0, 8.0]], ["a"], key_tokens=["x", "y"], kind="count", numbers=False)
    assert same(Table(picture, (1, 2)).colour(0, 1), style["counts"][-1]), "the largest is dark"
    even = heatmap([[0.5, 0.5]], ["a"], key_tokens=["x", "y"], axes=("r", "c"), kind="weight")
    assert "all alike, .50" in texts(even)
    with pytest.raises(ValueError, match="kind"):
        heatmap([[1.0]], kind="weights")
    with pytest.raises(ValueError, match="leave out kind='value'"):
        heatmap([[1.0]], kind="value", signed=True)
