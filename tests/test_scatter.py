"""show/scatter.py and show/shaded.py: points stand at their numbers, words on the colours of their
weights.
"""

import nbformat
import numpy as np
import pytest
from conftest import in_both_themes
from matplotlib.collections import PatchCollection
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb

import notebooks
from attnlib.show import scatter, shaded
from attnlib.show.sheet import colour

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.usefixtures("style")]

X, Y, NAMES = np.array([1.0, 2.0, 3.0, 4.0]), np.array([4.0, -1.0, 2.0, 2.5]), ["a", "b", "c", "d"]


def points(picture):
    (plot,) = [axes for axes in picture.axes if axes is not picture.sheet]
    return {
        (line.get_xdata()[0], line.get_ydata()[0]): to_hex(line.get_color()) for line in plot.lines
    }


def boxes(picture):
    """(n, 4) x, y, width, height of the words' backgrounds in inches, and their colours."""
    (patches,) = [one for one in picture.sheet.collections if isinstance(one, PatchCollection)]
    corners = np.array([path.get_extents().bounds for path in patches.get_paths()])
    return corners, [to_hex(fill) for fill in patches.get_facecolor()]


def words(picture):
    return {text.get_text(): text for text in picture.sheet.texts}


def inside(picture):
    picture.draw_without_rendering()
    width, height = picture.canvas.get_width_height()
    for text in picture.sheet.texts:
        box = text.get_window_extent()
        assert box.x0 >= -1 and box.x1 <= width + 1 and box.y0 >= -1 and box.y1 <= height + 1, (
            text.get_text()
        )


# ---- scatter -------------------------------------------------------------------------------------


@in_both_themes
def test_points_stand_at_their_numbers(style):
    picture = scatter(X, Y, NAMES, marked=[2], title="T", axes=("how wide", "how tall"))
    found = points(picture)
    assert set(found) == set(zip(X, Y))
    assert found[3.0, 2.0] == style["lines"][0] and found[1.0, 4.0] == style["hatch"]
    assert set(points(scatter(X, Y, NAMES)).values()) == {style["lines"][0]}
    assert (
        picture.alt == "T: how tall against how wide. a (1, 4), b (2, -1), c (3, 2), d (4, 2.5)."
        and picture.png()
    )


def test_names_stand_beside_their_points_and_never_on_another():
    rng = np.random.default_rng(0)
    x, y = rng.random(16), rng.random(16)
    picture = scatter(x, y, [f"head {i}" for i in range(16)], marked=[3])
    picture.draw_without_rendering()
    (plot,) = [axes for axes in picture.axes if axes is not picture.sheet]
    pixels = plot.transData.transform(np.column_stack([x, y]))
    shown = [
        (i, words(picture)[f"head {i}"].get_window_extent())
        for i in range(16)
        if f"head {i}" in words(picture)
    ]
    assert len(shown) >= 12 and 3 in dict(shown)
    for i, box in shown:
        distance = np.hypot(*(np.clip(pixels[i], box.min, box.max) - pixels[i]))
        assert distance < 0.16 * picture.dpi, i
        assert not any(box.overlaps(other) for j, other in shown if j != i)
        assert not any(box.contains(*pixel) for pixel in pixels)
    inside(picture)


def test_where_points_crowd_names_are_left_out_but_not_from_the_words():
    picture = scatter(np.ones(30), np.ones(30), [f"point {i}" for i in range(30)], marked=[17])
    assert sum(name.startswith("point") for name in words(picture)) <= 4 and "point 17" in words(
        picture
    )
    assert all(f"point {i} " in picture.alt for i in range(30))


def test_names_are_drawn_over_the_plot():
    picture = scatter(X, Y, NAMES)
    (plot,) = [axes for axes in picture.axes if axes is not picture.sheet]
    assert plot.get_zorder() < picture.sheet.get_zorder()


def test_a_logarithmic_axis_leaves_out_what_is_not_above_0():
    assert set(points(scatter(X, Y, NAMES, log="y"))) == {(1.0, 4.0), (3.0, 2.0), (4.0, 2.5)}
    assert scatter(X, Y, NAMES, log="xy").png()
    with pytest.raises(ValueError, match="a point above 0"):
        scatter([1.0], [-1.0], ["a"], log="y")


@pytest.mark.parametrize(
    "call, error, said",
    [
        (lambda: scatter(X, Y[:2], NAMES), ValueError, "x and y must have the same shape"),
        (lambda: scatter([], [], []), ValueError, "at least one number"),
        (lambda: scatter(X, Y, NAMES[:2]), ValueError, "names has 2 names"),
        (lambda: scatter(X, Y * np.nan, NAMES), ValueError, "y must be finite"),
        (lambda: scatter(X, Y, NAMES, log="z"), ValueError, "log must be"),
        (lambda: scatter(X, Y, NAMES, marked=[4]), ValueError, "marked must be at most 3"),
    ],
)
def test_scatter_refuses(call, error, said):
    with pytest.raises(error, match=said):
        call()


def test_one_point_is_a_picture_too():
    assert list(points(scatter([2.0], [3.0], ["alone"]))) == [(2.0, 3.0)]


# ---- shaded --------------------------------------------------------------------------------------

TOKENS = ["<start>", "The", " light", "house", " was", " re", "paired", "."]


@in_both_themes
def test_each_word_stands_on_the_colour_of_its_weight():
    weights = np.array([0.0, 0.1, 0.4, 0.2, 0.0, 0.05, 0.05, 0.2])
    picture = shaded(TOKENS, weights, title="T")
    corners, fills = boxes(picture)
    colours = LinearSegmentedColormap.from_list("course", colour("weights"))
    assert fills == [to_hex(colours(weight / 0.4)) for weight in weights]
    for (x, y, wide, high), token in zip(corners, TOKENS):
        at = words(picture)[token.strip()].get_position()
        assert at == pytest.approx((x + wide / 2, y + high / 2))
    assert (
        picture.alt
        == "T: 8 tokens on the colours of their weight, strongest light 0.40, house 0.20, . 0.20,"
        " The 0.10, re 0.05."
    )
    assert picture.png()


def test_vmax_holds_the_colours_while_a_slider_moves():
    small, large = (boxes(shaded(["a", " b"], [0.1, weight], vmax=0.8))[1] for weight in (0.2, 0.8))
    assert small[0] == large[0] and small[1] != large[1]
    assert boxes(shaded(["a"], [5.0], vmax=1))[1] == boxes(shaded(["a"], [1.0], vmax=1))[1], (
        "beyond the scale: the darkest"
    )


def test_a_weight_above_the_scale_has_the_darkest_colour_and_the_scale_says_so():
    picture = shaded(["<start>", " a", " b"], [0.9, 0.05, 0.0], vmax=0.1)
    said = [text.get_text() for text in picture.sheet.texts]
    assert {"<start>", "a", "b", "0.1 and more"} <= set(said)
    dark = picture.sheet.collections[0].get_facecolor()[0]
    assert to_hex(dark) == colour("weights")[-1]
    assert "strongest <start> 0.90, a 0.05" in picture.alt
    assert "0.1" in [text.get_text() for text in shaded(["a"], [0.1], vmax=0.1).sheet.texts]


def test_pieces_of_a_word_touch_and_words_do_not():
    corners, _ = boxes(shaded(TOKENS, np.ones(8)))
    gaps = corners[1:, 0] - (corners[:-1, 0] + corners[:-1, 2])
    assert [gap > 0.01 for gap in gaps] == [True, True, False, True, True, False, False], (
        "<start> stands for itself"
    )


def test_lines_break_between_words_and_stay_on_the_paper():
    tokens = [piece for i in range(40) for piece in (f" word{i}", "tail", "s")]
    picture = shaded(tokens, np.linspace(0, 1, 120), width=4)
    corners, _ = boxes(picture)
    new_line = np.flatnonzero(np.diff(corners[:, 1]) > 0.01) + 1
    assert len(new_line) > 3 and (new_line % 3 == 0).all()
    assert (corners[:, 0] + corners[:, 2]).max() <= 4 - 0.1
    inside(picture)


def test_a_word_longer_than_a_line_is_cut_between_its_pieces():
    corners, _ = boxes(shaded([" abcdefgh"] + ["ijklmnop"] * 30, np.ones(31), width=3))
    assert len(set(corners[:, 1].round(3))) > 3 and (corners[:, 0] + corners[:, 2]).max() <= 3


def test_blanks_can_be_seen_and_signs_are_only_signs():
    shown = words(shaded([" ", "\n", "$x$", " <b>", "日本"], np.arange(5.0)))
    assert "␣" in shown and "$x$" in shown and "<b>" in shown


def test_all_zero_is_a_text_without_colour():
    picture = shaded(["a", " b"], [0, 0])
    assert len(set(boxes(picture)[1])) == 1 and "1" in words(picture), (
        "and its scale goes from 0 to 1"
    )


@pytest.mark.parametrize(
    "call, error, said",
    [
        (lambda: shaded("ab", [1, 2]), TypeError, "list of strings"),
        (lambda: shaded(["a"], [1, 2]), ValueError, "one for each of the 1 tokens"),
        (lambda: shaded(["a", "b"], [1, -2]), ValueError, "not below 0"),
        (lambda: shaded(["a", "b"], [1, np.nan]), ValueError, "weights must be finite"),
        (lambda: shaded([], []), ValueError, "one for each of the 0 tokens"),
        (lambda: shaded(["a"], [1], vmax=0), ValueError, "vmax must be"),
    ],
)
def test_shaded_refuses(call, error, said):
    with pytest.raises(error, match=said):
        call()


def contrast(ink, ground):
    """The contrast of WCAG 2.1: 1 for the same colour, 21 for black on white."""
    linear = [
        np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        for rgb in map(np.array, map(to_rgb, (ink, ground)))
    ]
    dark, light = sorted(float(rgb @ [0.2126, 0.7152, 0.0722]) for rgb in linear)
    return (light + 0.05) / (dark + 0.05)


@in_both_themes
def test_a_word_can_be_read_on_the_colour_of_its_weight():
    tokens = [f" w{i}" for i in range(40)]
    picture = shaded(tokens, np.linspace(0, 1, 40))
    _, fills = boxes(picture)
    worst = min(
        contrast(words(picture)[token.strip()].get_color(), fill)
        for token, fill in zip(tokens, fills)
    )
    assert worst >= 4.5, worst


def test_the_strip_of_colours_says_where_it_ends():
    assert {"weight  0", "0.4"} <= set(words(shaded(TOKENS, np.arange(8) / 7 * 0.4)))
    assert {"length  0", "2.5"} <= set(words(shaded(TOKENS, np.ones(8), vmax=2.5, axis="length")))


def test_no_name_lies_on_a_point():
    """Points in a row, so near that a name beside one would cover the next: above or below."""
    x = np.arange(8) * 0.03
    picture = scatter(np.append(x, 1), np.append(x * 0, 1), [f"point {i}" for i in range(9)])
    picture.draw_without_rendering()
    (plot,) = [axes for axes in picture.axes if axes is not picture.sheet]
    pixels = plot.transData.transform(np.column_stack([np.append(x, 1), np.append(x * 0, 1)]))
    shown = [
        text.get_window_extent()
        for name, text in words(picture).items()
        if name.startswith("point")
    ]
    assert len(shown) >= 3 and not any(box.contains(*pixel) for box in shown for pixel in pixels)


# ---- the sliders of the notebook -----------------------------------------------------------------


def untold(weights, title):
    """The weights whose numbers do not stand in the title, and that colours alone must tell."""
    return [weight for weight in weights if f"{weight:.2f}" not in title]


@pytest.fixture(scope="module")
def sliders():
    """The names of the heatmap notebook behind the two sliders that shade a text; `shaded` keeps
    (largest weight, vmax) in `drawn`.
    """
    path = notebooks.path("do_not_believe_the_heatmap")
    source = {cell.id: cell.source for cell in nbformat.read(path, 4).cells}
    names, drawn = {"np": np, "strangers": np.arange(2)}, []
    for id_ in (
        "parameters",
        "imports",
        "message",
        "occlude-prompts",
        "occlude-table",
        "flow-draw",
        "hero-wishes",
        "hero-draw",
    ):
        exec(source[id_], names)
        if id_ == "imports":
            names["explore"] = lambda draw, **controls: None
            # not drawn, and slow
            names["swap_each"] = lambda model, ids, candidates: np.arange(len(ids))
            names["shaded"] = lambda tokens, weights, *, vmax=None, **how: (
                drawn.append((max(untold(weights, how["title"]), default=0), vmax))
                or shaded(tokens, weights, vmax=vmax, **how)
            )
        if id_ == "message":
            names["attentions"] = [block.attention for block in names["layers"]]
    return names | {"drawn": drawn}


def scales(sliders, draw, settings):
    """The number of the darkest colour in every text that these settings draw: (settings, texts)"""
    found = []
    for setting in settings:
        sliders["drawn"].clear()
        sliders[draw](**setting)
        assert all(
            vmax is not None and largest <= vmax * (1 + 1e-6) for largest, vmax in sliders["drawn"]
        ), setting
        found.append([vmax for _, vmax in sliders["drawn"]])
    return np.array(found)


def test_a_share_of_rollout_has_one_colour_at_every_residual_and_in_every_prompt(sliders):
    prompts, shares = sliders["prompt_names"][:2], (0.0, 0.35, 0.5, 0.7, 1.0)
    found = [
        scales(sliders, "rolled", [{"residual": r, "prompt": one} for r in shares])
        for one in prompts
    ]
    assert len(np.unique(np.array(found)[..., 0])) == 1  # rollout: one scale for all
    assert all(len(np.unique(one[:, 1])) == 1 for one in found)  # hiding: one for each prompt


@pytest.mark.parametrize("head", ["layer 0, head 3", "layer 3, head 1"])
def test_a_weight_of_a_head_has_one_colour_for_every_wish_and_strength(sliders, head):
    settings = [
        {"strength": s, "head": head, "wish": wish}
        for wish in sliders["WISHES"]
        for s in (0.0, 0.5, 1.0)
    ]
    assert len(np.unique(scales(sliders, "pulled", settings))) == 1


def test_the_swap_opens_on_a_head_that_this_prediction_needs(sliders):
    """The same prediction under another map is no surprise for a head that is not missed."""
    opening = dict(zip(("strength", "head", "wish"), sliders["pulled"].__defaults__))
    true, other = sliders["both"](opening["head"], opening["wish"])
    said = {
        name: sliders["said_by"](opening["head"], row)
        for name, row in {"map": other, "nothing": 0 * other}.items()
    }
    far = {name: np.abs(logits - sliders["seen"].logits[-1]).max() for name, logits in said.items()}
    assert np.abs(other - true).sum() / 2 > 0.7 and far["map"] < 1e-3 and far["nothing"] > 5
