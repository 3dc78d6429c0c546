"""Still pictures, as a reader sees them: what is written, where it stands, and of which colour."""

import io
from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image


def texts(picture):
    return [text.get_text() for text in picture.sheet.texts]


def written(picture, words):
    """All texts of these words."""
    return [text for text in picture.sheet.texts if text.get_text() == words]


def text_of(picture, words):
    """The one text of these words."""
    (found,) = written(picture, words)
    return found


def _boxes(picture, found):
    picture.draw_without_rendering()
    return [(one.get_text(), one.get_window_extent()) for one in found if one.get_text()]


def overhang(picture, more=()):
    """How far any text sticks out of the picture, in pixels, and which; `more` texts than those of
    the sheet.
    """
    width, height = picture.canvas.get_width_height()
    return max(
        (max(-box.x0, -box.y0, box.x1 - width, box.y1 - height), words)
        for words, box in _boxes(picture, [*picture.sheet.texts, *more])
    )


def touching(picture):
    """Pairs of level texts that lie on each other by more than a dot."""
    level = [text for text in picture.sheet.texts if not text.get_rotation()]
    return [
        (a, b)
        for (a, one), (b, two) in combinations(_boxes(picture, level), 2)
        if min(one.x1, two.x1) - max(one.x0, two.x0) > 1
        and min(one.y1, two.y1) - max(one.y0, two.y0) > 1
    ]


def pixels(picture, fast=True):
    """(height, width, 3), whole numbers"""
    return np.asarray(Image.open(io.BytesIO(picture.png(fast=fast))).convert("RGB")).astype(int)


def rgb(color):
    return np.rint(np.array(to_rgb(color)) * 255).astype(int)


def refused(make, kind, *words):
    with pytest.raises(kind) as error:
        make()
    for word in words:
        assert word in str(error.value), (word, str(error.value))
