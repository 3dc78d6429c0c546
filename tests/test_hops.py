"""show/hops.py: the hop map beside its mask, and the cone of what the last token hears."""

import re

import numpy as np
import pytest
from conftest import in_both_themes

from attnlib import masks
from attnlib.show import cone, hop_map

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.usefixtures("style")]

LINE = masks.local(12, window=2)
OPERATOR = masks.global_local(12, window=2, n_global=1)


def words(picture):
    return " ".join(text.get_text() for text in picture.findobj(lambda a: hasattr(a, "get_text")))


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
    assert picture.get_figwidth() * picture.dpi <= 1000 and len(picture.png()) > 1000
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
        and picture.get_figwidth() * picture.dpi < 900
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
