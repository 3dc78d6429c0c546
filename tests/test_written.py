"""show/written.py: rows are added and nothing moves; what is not there yet is neither a weight nor
a mask.
"""

import numpy as np
import pytest
from conftest import in_both_themes
from matplotlib.colors import to_hex

from attnlib.show import written
from attnlib.show.sheet import colour

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.usefixtures("style")]

WEIGHTS = np.random.default_rng(0).dirichlet(np.ones(7), 5)
NAMES, KEYS = ["a", "b", "a", "long name", "<end>"], list("abcdefg")


def draw(n, **more):
    return written(WEIGHTS, n, NAMES, key_tokens=KEYS, title="T", **more)


def places(picture):
    """Text -> where it stands, but for the numbers in the cells."""
    return {
        text.get_text(): text.get_position()
        for text in picture.sheet.texts
        if not text.get_text().startswith(".") and text.get_text() != "not written yet"
    }


def test_nothing_moves_while_rows_are_added():
    sizes, last = {tuple(draw(n).get_size_inches()) for n in range(1, 6)}, places(draw(5))
    assert len(sizes) == 1
    for n in range(1, 6):
        assert places(draw(n)).items() <= last.items(), (
            "the same place for every name, in every picture"
        )


@pytest.mark.parametrize("n", range(1, 6))
def test_n_rows_are_drawn_and_named(n):
    picture = draw(n)
    cells = next(image for image in picture.sheet.images if image.get_array().shape[1] == 7)
    left, right, low, high = cells.get_extent()
    assert cells.get_array().shape[:2] == (n, 7)
    whole = next(i for i in draw(5).sheet.images if i.get_array().shape[1] == 7).get_extent()
    assert abs(low - high) / n == pytest.approx(abs(whole[2] - whole[3]) / 5)
    assert [left, right] == list(whole[:2])
    shown = [text.get_text() for text in picture.sheet.texts]
    assert [name in shown for name in ("long name", "<end>")] == [n >= 4, n >= 5]
    assert ("not written yet" in shown) == (n < 5)
    assert picture.alt.endswith(f", {5 - n} to come.") == (n < 5)


@in_both_themes
def test_what_is_not_there_yet_is_paper(style):
    picture = draw(2)
    (words,) = [text for text in picture.sheet.texts if text.get_text() == "not written yet"]
    words.set_visible(False)
    picture.canvas.draw()
    pixels = np.asarray(picture.canvas.buffer_rgba())[..., :3]
    frame, dpi = picture.sheet.patches[-1], picture.dpi
    x, y = frame.get_x() * dpi, frame.get_y() * dpi
    wide, high = frame.get_width() * dpi, frame.get_height() * dpi
    rest = pixels[
        round(y + 0.4 * high) + 3 : round(y + high) - 3, round(x) + 3 : round(x + wide) - 3
    ]
    assert {to_hex(pixel / 255) for pixel in np.unique(rest.reshape(-1, 3), axis=0)} == {
        colour("paper")
    }, "no weight of 0, no hatch"


@pytest.mark.parametrize("n, error", [(0, ValueError), (6, ValueError), (1.5, TypeError)])
def test_n_is_a_number_of_rows(n, error):
    with pytest.raises(error, match="n must be"):
        draw(n)
