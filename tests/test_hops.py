"""show/hops.py: the hop map beside its mask, and the cone of what the last token hears."""

import re

import numpy as np
import pytest
from conftest import in_both_themes
from drawn import touching
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from attnlib import masks
from attnlib.show import cone, hop_map
from attnlib.show.sheet import HALF, PAGE

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.usefixtures("style")]

LINE = masks.local(12, window=2)
OPERATOR = masks.global_local(12, window=2, n_global=1)


def words(picture):
    return " ".join(text.get_text() for text in picture.findobj(lambda a: hasattr(a, "get_text")))


def luminance(color):
    """As in WCAG 2.2."""
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def outside(picture):
    """How far a text sticks out of the sheet, in dots."""
    picture.draw_without_rendering()
    wide, high = picture.canvas.get_width_height()
    boxes = [text.get_window_extent() for text in picture.sheet.texts if text.get_text()]
    return max(max(-box.x0, -box.y0, box.x1 - wide, box.y1 - high) for box in boxes)


def darkness(picture):
    """How dark the right half of the picture is on average, where the hop map stands: 0 white … 255
    black.
    """
    picture.canvas.draw()
    pixels = np.asarray(picture.canvas.buffer_rgba())[..., :3].mean(axis=-1)
    return 255 - pixels[:, pixels.shape[1] // 2 :].mean()


@in_both_themes
@pytest.mark.parametrize("show_mask", [True, False])
@pytest.mark.parametrize("n", [1, 2, 12, 70])
def test_a_picture_with_words_that_fits_a_page(n, show_mask):
    picture = hop_map(masks.local(n, window=2), title="A line", show_mask=show_mask)
    assert picture.get_figwidth() < (PAGE if show_mask else HALF) + 0.01
    assert outside(picture) <= 0 and touching(picture) == [] and len(picture.png()) > 1000
    assert picture.alt.startswith("A line. ") and ("Mask: " in picture.alt) == show_mask


@pytest.mark.parametrize(
    "mask", [LINE, OPERATOR, masks.streaming(9, window=3, n_sinks=1), np.eye(5, dtype=bool)]
)
def test_its_numbers_are_those_of_the_shortest_paths(mask):
    """Floyd and Warshall's way, which `masks.hops` does not go."""
    n = len(mask)
    steps = np.where(mask, 1.0, np.inf)
    np.fill_diagonal(steps, 0)
    for k in range(n):
        steps = np.minimum(steps, steps[:, k : k + 1] + steps[k])
    known, never = steps[(steps > 0) & np.isfinite(steps)], int(np.isinf(steps).sum())
    picture = hop_map(mask)
    for text in (picture.alt, words(picture)):
        wanted = [(f"{known.max():.0f}", f"{known.mean():.1f}")] if known.size else []
        assert re.findall(r"largest (\d+), mean ([\d.]+\d)", text) == wanted
        assert re.findall(r"(\d+) pairs never", text) == [str(never)] * bool(never)
        assert f"{mask.sum()} of {mask.size} pairs allowed" in text


def test_far_is_dark():
    assert darkness(hop_map(LINE)) > 1.5 * darkness(hop_map(OPERATOR))
    assert darkness(hop_map(LINE, farthest=3)) > 1.1 * darkness(hop_map(LINE, farthest=30))


@pytest.mark.parametrize(
    "mask, wanted",
    [
        (masks.local(40, window=3), ["10 layers and more", "not allowed"]),
        (masks.global_local(40, window=3, n_global=1), ["2 layers", "not allowed"]),
        (masks.causal(40) & masks.strided(40, stride=6), ["never", "not allowed"]),
    ],
)
@in_both_themes
def test_what_is_far_and_what_never_happens_is_said_on_its_cells(mask, wanted, style):
    """Each word stands on cells of its kind alone, and can be read there."""
    picture = hop_map(mask)
    layers, width = masks.hops(mask), 40
    for text in wanted:
        (label,) = [label for label in picture.sheet.texts if label.get_text() == text]
        (box,) = [
            patch
            for patch in picture.sheet.patches
            if isinstance(patch, Rectangle)
            and np.allclose(
                label.get_position(),
                (patch.get_x() + patch.get_width() / 2, patch.get_y() + patch.get_height() / 2),
            )
        ]
        image = picture.sheet.images[0 if text == "not allowed" else 1]
        left, right, _, top = image.get_extent()
        cell = (right - left) / width
        columns = slice(
            int((box.get_x() - left) / cell + 1e-6),
            int(np.ceil((box.get_x() + box.get_width() - left) / cell - 1e-6)),
        )
        rows = slice(
            int((box.get_y() - top) / cell + 1e-6),
            int(np.ceil((box.get_y() + box.get_height() - top) / cell - 1e-6)),
        )
        shown = (~mask if text == "not allowed" else layers)[rows, columns]
        kind = {"never": shown < 0, "2 layers": shown == 2, "not allowed": shown == 1}
        assert kind.get(text, shown >= 10).all()
        light = [luminance(label.get_color()), luminance(box.get_facecolor())]
        assert (max(light) + 0.05) / (min(light) + 0.05) >= 4.5


def test_both_panels_are_of_one_size_and_a_number_has_one_blue_in_every_picture():
    one, two = hop_map(LINE), hop_map(OPERATOR, show_mask=False)
    maps = [one.sheet.images[0], one.sheet.images[1], two.sheet.images[0]]
    assert len({round(np.ptp(image.get_extent()[:2]), 6) for image in maps}) == 1
    hops = masks.hops(LINE), masks.hops(OPERATOR)
    for layers in (1, 2):
        inks = [
            image.get_array()[tuple(np.argwhere(found == layers)[0])]
            for image, found in zip(maps[1:], hops)
        ]
        np.testing.assert_array_equal(*inks)


def test_one_layer_and_two_have_colours_of_their_own_with_their_numbers():
    picture = hop_map(masks.local(16, window=2))
    layers = masks.hops(masks.local(16, window=2))
    shown = np.asarray(picture.sheet.images[1].get_array())
    steps = {"0": [0], "1": [1], "2": [2], "3": [3], "4–5": [4, 5], "6–9": [6, 7, 8, 9]}
    steps["10+"] = range(10, 16)
    colours = [{tuple(c) for c in shown[np.isin(layers, few)]} for few in steps.values()]
    assert [len(one) for one in colours] == [1] * 7 and len(set.union(*colours)) == 7
    boxes = [box for box in picture.sheet.patches if isinstance(box, Rectangle)]
    for text, (colour,) in zip(steps, colours):
        (label,) = [
            one
            for one in picture.sheet.texts
            if one.get_text() == text and one.get_color() in ("#ffffff", "#000000")
        ]
        x, y = label.get_position()
        stamp = [box for box in boxes if box.get_bbox().contains(x, y) and box.get_height() < 0.3]
        assert np.allclose(stamp[0].get_facecolor(), colour), text
    assert "30+" in words(hop_map(LINE, farthest=30)) and "3+" in words(hop_map(LINE, farthest=3))


def test_tokens_are_named():
    assert "Ada" in words(hop_map(masks.causal(3), ["Ada", "Bob", "Cy"]))


@pytest.mark.parametrize(
    "given, error, named",
    [
        ({"mask": np.ones((3, 4), bool)}, ValueError, "mask must have the shape"),
        ({"mask": np.ones((2, 3, 3), bool)}, ValueError, "mask must have the shape"),
        ({"mask": np.full((3, 3), 0.5)}, TypeError, "mask"),
        ({"mask": LINE, "farthest": 0}, ValueError, "farthest"),
        ({"mask": LINE, "tokens": ["a"]}, ValueError, "tokens"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name(given, error, named):
    with pytest.raises(error, match=named):
        hop_map(**given)


# ---- the cone ------------------------------------------------------------------------------------


@in_both_themes
@pytest.mark.parametrize("n_layers, n", [(1, 1), (1, 4), (3, 24), (8, 32)])
def test_a_cone_has_one_size_whatever_a_slider_says(n_layers, n):
    picture = cone(
        masks.causal(n) & masks.local(n, window=5), n_layers, room=(8, 32), title="A cone"
    )
    largest = cone(masks.causal(32) & masks.local(32, window=12), 8, title="A cone")
    assert (
        tuple(picture.get_size_inches()) == tuple(largest.get_size_inches())
        and picture.get_figwidth() < PAGE + 0.01
    )
    assert (
        "input" in words(picture)
        and f"depth {n_layers}" in words(picture)
        and f"depth {n_layers + 1}" not in words(picture)
    )


@pytest.mark.parametrize("window, dilation, n_layers", [(1, 1, 3), (3, 1, 2), (4, 2, 2), (5, 1, 6)])
def test_a_cone_hears_what_a_walk_reaches(window, dilation, n_layers):
    n, reached = 20, {19}
    for _ in range(n_layers):
        reached |= {
            i - step * dilation for i in reached for step in range(window) if i >= step * dilation
        }
    picture = cone(masks.causal(n) & masks.dilated(n, window=window, dilation=dilation), n_layers)
    assert f": {len(reached)} of {n} tokens of the input, after {n_layers} layers." in picture.alt


def test_the_edge_of_a_cone_is_pale():
    """Two layers with a window of 3: the farthest of five is reached by one of nine paths, the
    middle one by three.
    """
    mask = masks.causal(20) & masks.local(20, window=3)
    picture = cone(mask, 2, vmax=1)
    picture.canvas.draw()
    (cells,) = [
        image.get_array()
        for image in picture.sheet.images
        if np.shape(image.get_array())[:2] == (3, 20)
    ]
    dark = 1 - cells[2, :, 0].astype(float) / max(1, cells.max())
    assert dark[17] > dark[16] > dark[15] > 0 and np.isclose(dark[15], dark[19])


@pytest.mark.parametrize(
    "given, error, named",
    [
        ({"mask": np.ones((3, 4), bool), "n_layers": 1}, ValueError, "mask must have the shape"),
        ({"mask": np.ones((2, 3, 3), bool), "n_layers": 1}, ValueError, "mask must have the shape"),
        ({"mask": LINE, "n_layers": 0}, ValueError, "n_layers"),
        (
            {"mask": LINE, "n_layers": 9, "room": (8, 32)},
            ValueError,
            "room must be for at least 9 layers and 12 tokens",
        ),
        ({"mask": LINE, "n_layers": 2, "room": (8, 11)}, ValueError, "room"),
    ],
)
def test_a_cone_that_cannot_be_drawn_is_refused_by_name(given, error, named):
    with pytest.raises(error, match=named):
        cone(**given)
