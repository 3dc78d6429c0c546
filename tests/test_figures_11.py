"""show/hops.py: the hop map beside its mask."""

import re

import numpy as np
import pytest
from conftest import in_both_themes

from attnlib import masks
from attnlib.show import hop_map

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.usefixtures("style")]

LINE = masks.local(12, window=2)
OPERATOR = masks.global_local(12, window=2, n_global=1)


def words(picture):
    return " ".join(text.get_text() for text in picture.findobj(lambda a: hasattr(a, "get_text")))


def darkness(picture):
    """How dark the right half of the picture is on average, where the hop map stands: 0 white … 255 black."""
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


@pytest.mark.parametrize("mask", [LINE, OPERATOR, masks.streaming(9, window=3, n_sinks=1), np.eye(5, dtype=bool)])
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


@pytest.mark.parametrize("given, error, named", [
    ({"mask": np.ones((3, 4), bool)}, ValueError, "mask must have the shape"),
    ({"mask": np.ones((2, 3, 3), bool)}, ValueError, "mask must have the shape"),
    ({"mask": np.ones((3, 3))}, TypeError, "mask"),
    ({"mask": LINE, "farthest": 0}, ValueError, "farthest"),
    ({"mask": LINE, "tokens": ["a"]}, ValueError, "tokens"),
])  # fmt: skip
def test_what_cannot_be_drawn_is_refused_by_name(given, error, named):
    with pytest.raises(error, match=named):
        hop_map(**given)
