"""How pictures look, whoever draws them: type that can be read, in size and in contrast, on a sheet
that is no wider than a page and from which nothing sticks out.
"""

import calls
import numpy as np
import pytest
from conftest import in_both_themes
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from attnlib import masks, show
from attnlib.show.sheet import Picture

pytestmark = pytest.mark.usefixtures("style")

LONG = "Where does the head look that has read the sentence, and what does it make of " * 2
WORDS = "The cat sat on the mat because it was extraordinarily tired".split()
OLD = np.random.default_rng(0).dirichlet(np.ones(11) / 3, (5, 11))
MASK = masks.causal(11)


def still(result):
    """The picture of a call: the result, or what a view keeps for pages where it cannot live."""
    if isinstance(result, Picture):
        return result
    return result.figure() if hasattr(result, "figure") else None


def called(name):
    def draw():
        thing, arguments = calls.given(name)
        return still(thing(**arguments))

    return draw


def grown(n, *, tokens=WORDS, title=LONG):
    """The maps of the course with more of everything than the course has."""
    w, mask = np.resize(OLD, (5, n, n)), masks.causal(n)
    w = w / w.sum(axis=-1, keepdims=True)
    names = [tokens[i % len(tokens)] for i in range(n)]
    many = ["a name of some length", "b", "the mask before the softmax", "d", "e"]
    return {
        "heatmap": lambda: show.heatmap(w[0] * mask, names, mask=mask, title=title),
        "leak": lambda: show.heatmap(w[0], names, mask=mask, title=title, numbers=True),
        "even": lambda: show.heatmap(np.full((n, n), 1 / n), names, title=title),
        "signed": lambda: show.heatmap(w[0] - 0.1, names, signed=True, sums=True, title=title),
        "features": lambda: show.heatmap(w[0], names, axes=("chosen sign", "source sign")),
        "heads": lambda: show.heads(w, names, titles=many, mask=mask, show_mask=True, title=title),
        "mask": lambda: show.mask_figure(mask, names, title=title),
        "masks": lambda: show.mask_figure({name: mask for name in many}, names, title=title),
        "compare": lambda: show.compare(w[0], w[1], names, titles=many[1:3], title=title),
        "steps": lambda: show.steps(w[0], w[1], tokens=names, mask=mask, title=title),
        "stripes": lambda: show.stripes({many[0]: w[0], many[2]: w[1]}, title=title),
        "written": lambda: show.written(w[0], 1, names, key_tokens=names, title=title),
        "threads": lambda: show.threads(w, names, titles=many, pins=[0], title=title),
        "player": lambda: still(show.Player(list(w), names=many, tokens=names, title=title)),
        "compare live": lambda: still(show.CompareView(w[0], w[1], names)),
    }


DRAWN = {name: called(name) for name in calls.CALLS if name.startswith("show.")}
DRAWN |= {f"{kind} of {n}": make for n in (1, 2, 10, 30, 70) for kind, make in grown(n).items()}


def words(picture):
    """Every text that is seen, whichever axes it stands on."""
    found = picture.findobj(lambda one: isinstance(one, Text) and one.get_visible())
    return [one for one in found if one.get_text().strip() and one.axes is not None]


def dots(picture):
    picture.canvas.draw()
    return np.asarray(picture.canvas.buffer_rgba())[..., :3].astype(int)


def contrast(one, two):
    """WCAG 2.2, of two colours (..., 3) from 0 to 255."""

    def light(colour):
        part = np.asarray(colour) / 255
        linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    low, high = sorted([light(one), light(two)])
    return (high + 0.05) / (low + 0.05)


def below(picture, texts):
    """What lies below each text: the colour of most of it."""
    for text in texts:
        text.set_visible(False)
    ground = dots(picture)
    for text in texts:
        text.set_visible(True)
    for text in texts:
        box = text.get_window_extent()
        rows = slice(max(len(ground) - int(box.y1), 0), max(len(ground) - int(box.y0), 1))
        inside = ground[rows, max(int(box.x0), 0) : max(int(box.x1), 1)].reshape(-1, 3)
        seen, count = np.unique(inside, axis=0, return_counts=True)
        yield text, seen[count.argmax()]


@pytest.mark.parametrize("name", DRAWN)
@in_both_themes
def test_a_picture_can_be_read(name, style):
    picture = DRAWN[name]()
    if picture is None:
        return
    assert picture.alt.strip()
    ring = dots(picture)
    high, wide = ring.shape[:2]
    assert wide <= 932, "wider than a page"
    paper = ring[0, 0]
    for edge in (ring[0], ring[-1], ring[:, 0], ring[:, -1]):
        assert (edge == paper).all(), "something is cut off"
    texts = words(picture)
    for text in texts:
        box = text.get_window_extent()
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= wide + 1 and box.y1 <= high + 1
        assert inside, f"{text.get_text()!r} sticks out"
        assert text.get_size() >= 9, f"{text.get_text()!r} is {text.get_size()} pt"
    for text, ground in below(picture, texts):
        ink = [int(part * 255) for part in to_rgb(text.get_color())]
        assert contrast(ink, ground) >= 4.5, (text.get_text(), text.get_color(), ground)
